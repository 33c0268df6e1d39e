/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/account.h"

#include "base/mem.h"

#include <stdio.h>

static const char path[] = "/api/v1/robots/";

static int list(struct account_run *run, struct fault *fault)
{
    static const char *const members[] = {"name",      "disabled",    "groups",
                                          "createdAt", "description", NULL};

    return account_list_all(run, "/api/v1/robots", "robots", members, fault);
}

static int show(struct account_run *run, struct fault *fault)
{
    account_path(run, path, run->name, NULL);
    return account_send_secret(run, FETCH_GET, fault);
}

static int add_limits(struct account_run *run, struct fault *fault)
{
    account_body_list(run, "verbs", run->call->verbs);
    account_body_list(run, "repositories", run->call->repositories);
    return account_body_life(run, run->call->expires, fault);
}

static int add(struct account_run *run, struct fault *fault)
{
    int err;

    account_body_begin(run);
    account_body_text(run, "name", run->name);
    account_body_text(run, "description", run->call->description);
    account_body_list(run, "groups", run->call->groups);
    err = add_limits(run, fault);
    client_path(&run->client, "/api/v1/robots");
    return err != 0 ? err : account_send_secret(run, FETCH_POST, fault);
}

static int rotate(struct account_run *run, struct fault *fault)
{
    int err;

    account_body_begin(run);
    err = add_limits(run, fault);
    account_path(run, path, run->name, "/secrets");
    return err != 0 ? err : account_send_secret(run, FETCH_POST, fault);
}

static int change(struct account_run *run, struct fault *fault)
{
    const struct cli_call *call = run->call;

    if (!call->description && !call->groups && !call->enable && !call->disable)
        return fault_set(fault, ERR_INVALID,
                         "nothing to change: --groups, --description, --enable or --disable");
    account_body_begin(run);
    account_body_text(run, "description", call->description);
    account_body_list(run, "groups", call->groups);
    if (call->enable || call->disable)
        account_body_bool(run, "disabled", call->disable);
    account_path(run, path, run->name, NULL);
    return account_send_secret(run, FETCH_PATCH, fault);
}

/* A secret of it, by its id. */
static int revoke(struct account_run *run, struct fault *fault)
{
    account_path(run, "/api/v1/tokens/", run->name, NULL);
    return account_send_secret(run, FETCH_DELETE, fault);
}

static int delete (struct account_run *run, struct fault *fault)
{
    account_path(run, path, run->name, NULL);
    return account_send_secret(run, FETCH_DELETE, fault);
}

int robot_run(const struct cli_call *call, struct fault *fault)
{
    static const struct account_step steps[] = {
        {"list", 0, 0, list},     {"show", 1, 1, show},     {"add", 1, 1, add},
        {"rotate", 1, 1, rotate}, {"change", 1, 1, change}, {"revoke", 1, 1, revoke},
        {"delete", 1, 1, delete},
    };

    return account_dispatch(call, steps, ARRAY_LENGTH(steps), fault);
}
