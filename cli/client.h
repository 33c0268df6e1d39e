/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One registry, as the verbs see it: requests to paths of it, answers as JSON, and refusals in the
 * registry's own words. Main thread only.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/arena.h"
#include "base/fetch.h"
#include "base/json.h"
#include "cli/credential.h"
#include "cli/ref.h"

#define CLIENT_DOCUMENT_MAX (8 * 1024 * 1024)
#define CLIENT_URL_MAX      8192
#define CLIENT_SERVER       "http://127.0.0.1:5000"

struct client {
    struct fetch *fetch;
    char server[300];
    struct buf url; /* of the last request */
    struct credential credential;
    bool offered; /* the credential was looked for */
};

/* `ref` (may be NULL) names the server, else `option`, else TIDEMARK_SERVER, else CLIENT_SERVER.
 * ERR_INVALID for an address that is none. */
int client_open(struct client *client, const struct ref *ref, const char *option,
                struct fault *fault) MUST_CHECK;
void client_close(struct client *client);

/* Sets the URL to a path of the registry; text in `format` goes into it as it is. */
void client_path(struct client *client, const char *format, ...) PRINTF_LIKE(2, 3);
/* Adds name=value to the query, escaped. */
void client_query(struct client *client, const char *name, struct slice value);

/* Sends `request` to the URL; its url is set here. Logs in when the registry asks for it and there
 * is a credential. The status is the caller's to judge. */
int client_send(struct client *client, struct fetch_request *request, int *status,
                struct fault *fault) MUST_CHECK;

/* What the registry said to the last request, in words: "MESSAGE (404 CODE)". Returns an error
 * that fits the status: ERR_NOT_FOUND for 404, ERR_BUSY for 429 and 503, else ERR_HTTP_FORBIDDEN.
 */
int client_refusal(struct client *client, int status, struct fault *fault) MUST_CHECK;

/* Sends a document, or none (`body` empty), and reads the answer as JSON: NULL for one without a
 * body. Anything but 2xx is a refusal. */
int client_call(struct client *client, enum fetch_method method, struct slice body,
                struct arena *arena, struct json **root, struct fault *fault) MUST_CHECK;

/* GET the URL; anything but 200 is a refusal. The body is borrowed until the next request. */
int client_get(struct client *client, const char *accept, struct slice *body,
               struct fault *fault) MUST_CHECK;
/* The same, and read as JSON. */
int client_get_json(struct client *client, struct arena *arena, struct json **root,
                    struct fault *fault) MUST_CHECK;

/* Members of a document; empty, or 0, when they are missing or of another type. */
struct slice client_text(const struct json *object, const char *name);
uint64_t client_number(const struct json *object, const char *name);

#endif
