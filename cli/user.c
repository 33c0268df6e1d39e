/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/account.h"

#include "base/mem.h"
#include "cli/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PASSWORD_ROOM 1024
#define TOKEN_ROOM    1024

static const char path[] = "/api/v1/users/";

static int list(struct account_run *run, struct fault *fault)
{
    static const char *const members[] = {"name",      "password",    "disabled", "groups",
                                          "createdAt", "description", NULL};

    return account_list_all(run, "/api/v1/users", "users", members, fault);
}

static int show(struct account_run *run, struct fault *fault)
{
    struct json *root;

    account_path(run, path, run->name, NULL);
    int err = account_send(run, FETCH_GET, &root, fault);
    if (err == 0)
        account_print(run, root);
    return err;
}

/* By standard input, or typed twice: a slip would lock the user out. */
static int ask_password(const struct account_run *run, struct buf *password, struct fault *fault)
{
    static const char instead[] = "send the password by standard input with --password-stdin";
    struct buf again;
    int err;

    if (run->call->password_stdin)
        return prompt_stdin(password, fault);
    err = prompt_line("New password: ", true, instead, password, fault);
    if (err != 0)
        return err;
    buf_init(&again, PASSWORD_ROOM);
    err = prompt_line("The same again: ", true, instead, &again, fault);
    if (err == 0 && !slice_eq(buf_slice(&again), buf_slice(password)))
        err = fault_set(fault, ERR_INVALID, "the two passwords differ");
    prompt_fini(&again);
    return err;
}

static int add_password(struct account_run *run, struct fault *fault)
{
    struct buf password;
    int err;

    buf_init(&password, PASSWORD_ROOM);
    err = ask_password(run, &password, fault);
    if (err == 0) {
        json_name(&run->w, SLICE("password"));
        json_string(&run->w, buf_slice(&password));
    }
    prompt_fini(&password);
    return err;
}

static int send(struct account_run *run, enum fetch_method method, struct fault *fault)
{
    struct json *root;
    int err = account_send(run, method, &root, fault);

    if (err == 0 && !run->call->quiet)
        account_print(run, root);
    return err;
}

/* In place of the stored credential: who makes the first user has none. */
static int use_token_file(struct account_run *run, struct fault *fault)
{
    const char *name = run->call->token_file;
    char text[TOKEN_ROOM];
    size_t n;
    FILE *file;

    if (!name)
        return 0;
    file = fopen(name, "re");
    if (!file)
        return fault_set_errno(fault, errno, "opening %s", name);
    n = fread(text, 1, sizeof(text), file);
    fclose(file);
    struct slice token = slice_make(text, n);
    while (token.n > 0 && (token.p[token.n - 1] == '\n' || token.p[token.n - 1] == '\r'))
        token.n--;
    credential_set(&run->client.credential, SLICE("bootstrap"), token);
    explicit_bzero(text, sizeof(text));
    return n > 0 && n < sizeof(text) ? 0 : fault_set(fault, ERR_INVALID, "%s holds no token", name);
}

static int add(struct account_run *run, struct fault *fault)
{
    int err = use_token_file(run, fault);

    if (err != 0)
        return err;
    account_body_begin(run);
    account_body_text(run, "name", run->name);
    account_body_text(run, "description", run->call->description);
    account_body_list(run, "groups", run->call->groups);
    if (run->call->external)
        account_body_bool(run, "external", true);
    else
        err = add_password(run, fault);
    client_path(&run->client, "/api/v1/users");
    return err != 0 ? err : send(run, FETCH_POST, fault);
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
    return send(run, FETCH_PATCH, fault);
}

static int password(struct account_run *run, struct fault *fault)
{
    int err;

    account_body_begin(run);
    err = add_password(run, fault);
    account_path(run, path, run->name, NULL);
    return err != 0 ? err : send(run, FETCH_PATCH, fault);
}

static int delete (struct account_run *run, struct fault *fault)
{
    account_path(run, path, run->name, NULL);
    return send(run, FETCH_DELETE, fault);
}

int user_run(const struct cli_call *call, struct fault *fault)
{
    static const struct account_step steps[] = {
        {"list", 0, 0, list},     {"show", 1, 1, show},         {"add", 1, 1, add},
        {"change", 1, 1, change}, {"password", 1, 1, password}, {"delete", 1, 1, delete},
    };

    return account_dispatch(call, steps, ARRAY_LENGTH(steps), fault);
}
