/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/account.h"

#include "base/mem.h"

static const char path[] = "/api/v1/groups/";

static int list(struct account_run *run, struct fault *fault)
{
    static const char *const members[] = {"name", "createdAt", "description", NULL};

    return account_list_all(run, "/api/v1/groups", "groups", members, fault);
}

static int send(struct account_run *run, enum fetch_method method, struct fault *fault)
{
    struct json *root;

    account_path(run, path, run->name, NULL);
    int err = account_send(run, method, &root, fault);
    if (err == 0 && !run->call->quiet)
        account_print(run, root);
    return err;
}

static int add(struct account_run *run, struct fault *fault)
{
    account_body_begin(run);
    account_body_text(run, "description", run->call->description);
    return send(run, FETCH_PUT, fault);
}

static int delete (struct account_run *run, struct fault *fault)
{
    return send(run, FETCH_DELETE, fault);
}

int group_run(const struct cli_call *call, struct fault *fault)
{
    static const struct account_step steps[] = {
        {"list", 0, 0, list}, {"add", 1, 1, add}, {"delete", 1, 1, delete}};

    return account_dispatch(call, steps, ARRAY_LENGTH(steps), fault);
}
