/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/account.h"

#include "base/mem.h"
#include "cli/pages.h"

#include <stdio.h>

static int list(struct account_run *run, struct fault *fault)
{
    static const char *const members[] = {"id",        "kind",       "verbs",       "repositories",
                                          "expiresAt", "lastUsedAt", "description", NULL};
    struct buf path;
    int err;

    buf_init(&path, 1024);
    if (run->call->account)
        account_path(run, "/api/v1/tokens?account=", run->call->account, NULL);
    else
        client_path(&run->client, "/api/v1/tokens");
    buf_add(&path, slice_sub(buf_slice(&run->client.url), strlen(run->client.server), SIZE_MAX));
    buf_add_char(&path, '\0');
    err = path.overflow ? fault_set(fault, ERR_INVALID, "the name is too long")
                        : account_list_all(run, path.p, "tokens", members, fault);
    buf_fini(&path);
    return err;
}

static int create(struct account_run *run, struct fault *fault)
{
    const struct cli_call *call = run->call;
    int err;

    account_body_begin(run);
    account_body_text(run, "description", call->description);
    account_body_list(run, "verbs", call->verbs);
    account_body_list(run, "repositories", call->repositories);
    if (call->approve)
        account_body_bool(run, "approve", true);
    err = account_body_life(run, call->expires, fault);
    client_path(&run->client, "/api/v1/tokens");
    return err != 0 ? err : account_send_secret(run, FETCH_POST, fault);
}

static int revoke(struct account_run *run, struct fault *fault)
{
    account_path(run, "/api/v1/tokens/", run->name, NULL);
    return account_send_secret(run, FETCH_DELETE, fault);
}

int token_run(const struct cli_call *call, struct fault *fault)
{
    static const struct account_step steps[] = {
        {"list", 0, 0, list}, {"create", 0, 0, create}, {"revoke", 1, 1, revoke}};

    return account_dispatch(call, steps, ARRAY_LENGTH(steps), fault);
}
