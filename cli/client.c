/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/client.h"

#include "cli/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_DEPTH   64
#define JSON_VALUES  1000000
#define FIELDS_MAX   8
#define REFUSAL_TEXT 360 /* bytes of the registry's words that are passed on */

static const struct json_limits limits = {.max_depth = JSON_DEPTH, .max_values = JSON_VALUES};

int client_open(struct client *client, const struct ref *ref, const char *option,
                struct fault *fault)
{
    struct slice server = ref ? ref->server : (struct slice){0};
    const char *variable = getenv("TIDEMARK_SERVER");
    int err = 0;

    *client = (struct client){0};
    buf_init(&client->url, CLIENT_URL_MAX);
    if (server.n == 0 && option)
        err = ref_parse_server(slice_from_cstr(option), &server, fault);
    else if (server.n == 0 && variable && variable[0] != '\0')
        err = ref_parse_server(slice_from_cstr(variable), &server, fault);
    else if (server.n == 0)
        server = SLICE(CLIENT_SERVER);
    if (err != 0)
        return err;
    snprintf(client->server, sizeof(client->server), "%.*s", SLICE_ARG(server));
    credential_init(&client->credential, slice_from_cstr(client->server));
    return fetch_create("tidemark/" PACKAGE_VERSION, &client->fetch, fault);
}

void client_close(struct client *client)
{
    fetch_destroy(client->fetch);
    credential_fini(&client->credential);
    buf_fini(&client->url);
}

void client_path(struct client *client, const char *format, ...)
{
    char path[1024];
    va_list args;

    va_start(args, format);
    if (vsnprintf(path, sizeof(path), format, args) < 0)
        path[0] = '\0';
    va_end(args);
    buf_reset(&client->url);
    buf_addf(&client->url, "%s%s", client->server, path);
}

void client_query(struct client *client, const char *name, struct slice value)
{
    bool first = slice_find_char(buf_slice(&client->url), '?') == client->url.n;

    buf_addf(&client->url, "%c%s=", first ? '?' : '&', name);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-._~", c) != NULL);

        if (plain)
            buf_add_char(&client->url, c);
        else
            buf_addf(&client->url, "%%%02X", (unsigned char)c);
    }
}

/* Once, with the credential that there is. */
static int send_once(struct client *client, const struct fetch_request *request, int *status,
                     struct fault *fault)
{
    const char *fields[FIELDS_MAX + 2] = {NULL};
    struct fetch_request with = *request;
    size_t n = 0;

    for (; request->fields && n < FIELDS_MAX && request->fields[n]; n++)
        fields[n] = request->fields[n];
    fields[n] = credential_field(&client->credential);
    with.fields = fields;
    with.ca_file = credential_ca_file();
    return fetch_run(client->fetch, &with, status, fault);
}

/* A file that was sent cannot be taken back; every verb asks something else before. */
static bool can_repeat(const struct fetch_request *request)
{
    return request->file == NULL;
}

static int send_logged_in(struct client *client, const struct fetch_request *request, int *status,
                          struct fault *fault)
{
    struct fault ignored = FAULT_INIT;
    int err;

    /* Lists show more to who is known, and a file is sent once. What is wrong with the store is
     * told when the registry does ask. */
    if (!client->offered && credential_offer(&client->credential, &ignored) != 0)
        ignored = (struct fault)FAULT_INIT;
    client->offered = true;
    err = send_once(client, request, status, fault);
    while (err == 0 && *status == 401 && can_repeat(request)) {
        err = credential_answer(&client->credential, client->fetch, fault);
        if (err == ERR_NOT_FOUND)
            return 0;
        if (err == 0)
            err = send_once(client, request, status, fault);
    }
    if (err == 0 && *status != 401)
        credential_taken(&client->credential);
    return err;
}

int client_send(struct client *client, struct fetch_request *request, int *status,
                struct fault *fault)
{
    struct fault why = FAULT_INIT;
    int err;

    buf_add_char(&client->url, '\0');
    if (client->url.overflow)
        return fault_set(fault, ERR_LIMIT, "the request has a URL of too many bytes");
    client->url.n--;
    request->url = client->url.p;
    err = send_logged_in(client, request, status, &why);
    if (err == ERR_UNAVAILABLE)
        return fault_set(fault, err,
                         "%s\n  Does a registry run there? `tidemark serve --data ./data` starts "
                         "one, --server or TIDEMARK_SERVER names another.",
                         why.text);
    if (err != 0)
        fault_set(fault, err, "%s", fault_text(&why, err));
    return err;
}

/* ---- Refusals ---------------------------------------------------------------------------------
 */

/* {"errors":[{"code","message"}]}, or problem+json: {"code","detail","title"}. */
static void read_refusal(const struct json *root, struct slice *code, struct slice *message)
{
    const struct json *errors = json_member(root, SLICE("errors"));

    if (errors && errors->type == JSON_ARRAY && errors->first) {
        *code = client_text(errors->first, "code");
        *message = client_text(errors->first, "message");
        return;
    }
    *code = client_text(root, "code");
    *message = client_text(root, "detail");
    if (message->n == 0)
        *message = client_text(root, "title");
}

static const char *way_out(int status, struct slice code)
{
    if (status == 401)
        return "\n  `tidemark login` stores a credential for it.";
    if (slice_eq(code, SLICE("NAME_UNKNOWN")))
        return "\n  `tidemark ls` lists the repositories.";
    if (slice_eq(code, SLICE("MANIFEST_UNKNOWN")) || slice_eq(code, SLICE("TAG_UNKNOWN")))
        return "\n  `tidemark ls REPO` lists the tags of a repository.";
    if (code.n > 0)
        return "";
    if (status == 404)
        return "\n  Is it a Tidemark? --server or TIDEMARK_SERVER names another.";
    if (status >= 300 && status < 400)
        return "\n  It sends us elsewhere: name the address it sends to.";
    return "";
}

int client_refusal(struct client *client, int status, struct fault *fault)
{
    struct slice code = {0}, message = {0};
    struct fault ignored = FAULT_INIT;
    struct json *root = NULL;
    struct buf words;
    struct arena arena;
    int err = status == 404                    ? ERR_NOT_FOUND
              : status == 429 || status == 503 ? ERR_BUSY
                                               : ERR_HTTP_FORBIDDEN;

    arena_init(&arena, 4 * FETCH_REFUSAL_MAX + 65536);
    buf_init(&words, 4 * FETCH_REFUSAL_MAX);
    if (json_parse(&arena, fetch_body(client->fetch), &limits, &root, &ignored) == 0)
        read_refusal(root, &code, &message);
    if (message.n == 0 && status == 401)
        message = SLICE("the registry wants a login, or another one");
    else if (message.n == 0 && status == 403)
        message = SLICE("the registry does not allow that; `tidemark whoami` says who you are");
    else if (message.n == 0)
        message = status == 404 ? SLICE("the registry has no such thing")
                                : SLICE("the registry refused without a word of why");
    text_clean(&words, slice_sub(message, 0, REFUSAL_TEXT));
    buf_addf(&words, " (%d", status);
    if (code.n > 0 && code.n < 64) {
        buf_add_char(&words, ' ');
        text_clean(&words, code);
    }
    buf_add_char(&words, ')');
    fault_set(fault, err, "%.*s%s", SLICE_ARG(buf_slice(&words)), way_out(status, code));
    buf_fini(&words);
    arena_fini(&arena);
    return err;
}

/* ---- Documents --------------------------------------------------------------------------------
 */

int client_get(struct client *client, const char *accept, struct slice *body, struct fault *fault)
{
    const char *const fields[] = {accept, NULL};
    struct fetch_request request = {
        .method = FETCH_GET,
        .fields = fields,
        .max_bytes = CLIENT_DOCUMENT_MAX,
    };
    int status;
    int err = client_send(client, &request, &status, fault);

    if (err != 0)
        return err;
    if (status != 200)
        return client_refusal(client, status, fault);
    *body = fetch_body(client->fetch);
    return 0;
}

static int read_document(struct client *client, struct arena *arena, struct json **root,
                         struct fault *fault)
{
    struct slice body = fetch_body(client->fetch);
    struct fault why = FAULT_INIT;
    int err;

    *root = NULL;
    if (body.n == 0)
        return 0;
    err = json_parse(arena, body, &limits, root, &why);
    if (err == 0 && (*root)->type == JSON_OBJECT)
        return 0;
    return fault_set(fault, ERR_SYNTAX,
                     "%s answered with something else than the JSON of a Tidemark: %s",
                     client->server, err != 0 ? fault_text(&why, err) : "it is no object");
}

int client_get_json(struct client *client, struct arena *arena, struct json **root,
                    struct fault *fault)
{
    struct slice body;
    int err = client_get(client, "Accept: application/json", &body, fault);

    if (err != 0)
        return err;
    err = read_document(client, arena, root, fault);
    return err != 0 || *root
               ? err
               : fault_set(fault, ERR_SYNTAX, "%s answered with nothing", client->server);
}

int client_call(struct client *client, enum fetch_method method, struct slice body,
                struct arena *arena, struct json **root, struct fault *fault)
{
    static const char *const fields[] = {"Content-Type: application/json", NULL};
    struct fetch_request request = {
        .method = method,
        .fields = body.n > 0 ? fields : NULL,
        .body = body,
        .max_bytes = CLIENT_DOCUMENT_MAX,
    };
    int status;
    int err = client_send(client, &request, &status, fault);

    *root = NULL;
    if (err != 0)
        return err;
    if (status < 200 || status > 299)
        return client_refusal(client, status, fault);
    return read_document(client, arena, root, fault);
}

struct slice client_text(const struct json *object, const char *name)
{
    const struct json *member = json_member(object, slice_from_cstr(name));

    return member && member->type == JSON_STRING ? member->text : (struct slice){0};
}

uint64_t client_number(const struct json *object, const char *name)
{
    const struct json *member = json_member(object, slice_from_cstr(name));

    return member && member->type == JSON_INTEGER && member->integer > 0 ? (uint64_t)member->integer
                                                                         : 0;
}
