/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login, logout, whoami. DESIGN: what is typed is tried before it is stored, so that the store has
 * only what worked; and what was stored there before is not asked for it.
 */
#include "config.h"
#include "cli/verb.h"

#include "cli/client.h"
#include "cli/pages.h"
#include "cli/prompt.h"
#include "cli/text.h"

#include <stdio.h>

#define ARENA_MAX   (4u << 20)
#define USER_ROOM   256
#define SECRET_ROOM 16384

/* "host:port" too: that is what one writes for docker. */
static int open_client(const struct cli_call *call, struct client *client, struct buf *server,
                       struct fault *fault)
{
    const char *word = call->argc > 0 ? call->argv[0] : call->server;
    struct slice text = word ? slice_from_cstr(word) : (struct slice){0};
    bool is_loopback = slice_starts_with(text, SLICE("127.")) ||
                       slice_starts_with(text, SLICE("localhost")) ||
                       slice_starts_with(text, SLICE("[::1]"));

    if (!word)
        return client_open(client, NULL, NULL, fault);
    if (!slice_starts_with(text, SLICE("http://")) && !slice_starts_with(text, SLICE("https://")))
        buf_add(server, is_loopback ? SLICE("http://") : SLICE("https://"));
    buf_add(server, text);
    buf_add_char(server, '\0');
    if (server->overflow)
        return fault_set(fault, ERR_INVALID, "the address is too long");
    return client_open(client, NULL, server->p, fault);
}

static int ask(const struct cli_call *call, struct buf *user, struct buf *secret,
               struct fault *fault)
{
    static const char instead[] = "use --user and --password-stdin";
    int err = 0;

    if (call->user)
        buf_add(user, slice_from_cstr(call->user));
    else if (call->password_stdin)
        err = fault_set(fault, ERR_INVALID, "--password-stdin needs --user");
    else
        err = prompt_line("User: ", false, instead, user, fault);
    if (err == 0)
        err = call->password_stdin
                  ? prompt_stdin(secret, fault)
                  : prompt_line("Password or token: ", true, instead, secret, fault);
    if (err == 0 && (user->n == 0 || slice_has_control(buf_slice(user)) ||
                     slice_find_char(buf_slice(user), ':') < user->n))
        err = fault_set(fault, ERR_INVALID, "a user name has no colon and no control characters");
    if (err == 0 && secret->overflow)
        err = fault_set(fault, ERR_INVALID, "the secret is too long");
    /* To try it would use it up. */
    if (err == 0 && slice_starts_with(buf_slice(secret), SLICE("tmk_b_")))
        err = fault_set(fault, ERR_INVALID,
                        "this token is good for one request: `tidemark user add NAME --token-file "
                        "FILE` makes the first administrator with it");
    return err;
}

/* /v2/ is what every registry answers only to who is logged in. */
static int try_it(struct client *client, struct fault *fault)
{
    struct fetch_request request = {.method = FETCH_GET, .max_bytes = FETCH_REFUSAL_MAX};
    int status;

    client_path(client, "/v2/");
    int err = client_send(client, &request, &status, fault);
    if (err != 0)
        return err;
    if (status == 401)
        return fault_set(fault, ERR_HTTP_FORBIDDEN,
                         "%s does not take this user and secret; nothing was stored",
                         client->server);
    return status == 200 ? 0 : client_refusal(client, status, fault);
}

static void report(const struct cli_call *call, const struct client *client,
                   const struct buf *where)
{
    if (call->quiet)
        return;
    if (call->json)
        printf("{\"server\":\"%s\"}\n", client->server);
    else
        printf("Logged in to %s. The secret is in " SLICE_FMT ".\n", client->server,
               SLICE_ARG(buf_slice(where)));
}

static void warn(const struct client *client)
{
    struct slice server = slice_from_cstr(client->server);

    if (slice_starts_with(server, SLICE("http://")) &&
        !slice_starts_with(server, SLICE("http://127.")) &&
        !slice_starts_with(server, SLICE("http://localhost")) &&
        !slice_starts_with(server, SLICE("http://[::1]")))
        fputs("tidemark login: the connection is not encrypted; others may read the secret\n",
              stderr);
}

static int log_in(const struct cli_call *call, struct client *client, struct fault *fault)
{
    struct buf user, secret, where;
    int err;

    buf_init(&user, USER_ROOM);
    buf_init(&secret, SECRET_ROOM);
    buf_init(&where, 8192);
    warn(client);
    err = ask(call, &user, &secret, fault);
    if (err == 0) {
        credential_set(&client->credential, buf_slice(&user), buf_slice(&secret));
        err = try_it(client, fault);
    }
    if (err == 0)
        err = docker_config_put(credential_host(slice_from_cstr(client->server)), buf_slice(&user),
                                buf_slice(&secret), &where, fault);
    if (err == 0)
        report(call, client, &where);
    prompt_fini(&secret);
    buf_fini(&user);
    buf_fini(&where);
    return err;
}

int login_run(const struct cli_call *call, struct fault *fault)
{
    struct client client;
    struct buf server;
    int err;

    buf_init(&server, 512);
    err = open_client(call, &client, &server, fault);
    if (err == 0) {
        err = log_in(call, &client, fault);
        client_close(&client);
    }
    buf_fini(&server);
    return err;
}

int logout_run(const struct cli_call *call, struct fault *fault)
{
    struct client client;
    struct buf server;
    int err;

    buf_init(&server, 512);
    err = open_client(call, &client, &server, fault);
    if (err == 0) {
        err = docker_config_erase(credential_host(slice_from_cstr(client.server)), fault);
        if (err == ERR_NOT_FOUND)
            fault_set(fault, err, "there is no credential for %s", client.server);
        else if (err == 0 && !call->quiet && !call->json)
            printf("Forgot the credential of %s.\n", client.server);
        client_close(&client);
    }
    buf_fini(&server);
    return err;
}

static void print_texts(const struct json *root, const char *name, const char *label)
{
    const struct json *list = json_member(root, slice_from_cstr(name));

    if (!list || list->type != JSON_ARRAY || !list->first)
        return;
    printf("%s", label);
    for (const struct json *item = list->first; item; item = item->next) {
        putchar(' ');
        text_print(stdout, item->text);
    }
    putchar('\n');
}

static void print_text(const struct json *root)
{
    text_print(stdout, client_text(root, "name"));
    printf(" (");
    text_print(stdout, client_text(root, "kind"));
    puts(")");
    print_texts(root, "groups", "groups:      ");
    print_texts(root, "server", "server:      ");
    print_texts(root, "limit", "limited to:  ");
    print_texts(root, "repositories", "repositories:");
}

int whoami_run(const struct cli_call *call, struct fault *fault)
{
    struct client client;
    struct json *root;
    struct arena arena;
    int err = client_open(&client, NULL, call->server, fault);

    if (err != 0)
        return err;
    arena_init(&arena, ARENA_MAX);
    client_path(&client, "/api/v1/whoami");
    err = client_get_json(&client, &arena, &root, fault);
    if (err == 0 && call->json) {
        pages_print_json(root);
        putchar('\n');
    } else if (err == 0 && call->quiet) {
        text_print(stdout, client_text(root, "name"));
        putchar('\n');
    } else if (err == 0) {
        print_text(root);
    }
    arena_fini(&arena);
    client_close(&client);
    return err;
}
