/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing of HTTP/1.1 messages by llhttp in strict mode, behind the head guard. The one place that
 * includes the parser's header. One thread at a time.
 */
#ifndef SERVER_HTTP1_H
#define SERVER_HTTP1_H

#include "server/http_head.h"

struct http1;

struct http1 *http1_create(void);
void http1_destroy(struct http1 *codec);

/* Begin a message with its complete head, already parsed by the guard; both must agree on how the
 * message is framed. *keep_alive: the connection may serve another request after this one. */
int http1_begin(struct http1 *codec, struct slice bytes, const struct http_head *head,
                bool *keep_alive, struct fault *fault) MUST_CHECK;

/* Whether the parser has the method at all (not whether an endpoint does). */
bool http1_knows_method(struct slice method);

struct http1_step {
    size_t used;        /* bytes consumed of those given */
    struct slice piece; /* of the body, within those bytes; may be empty */
    bool complete;      /* the body has ended; no further call for this message */
};

/* Take the next step in the body: at most one piece. Call again with what is left until nothing is
 * used and the body is not complete. ERR_HTTP_BAD_REQUEST for broken framing. */
int http1_body(struct http1 *codec, struct slice bytes, struct http1_step *step,
               struct fault *fault) MUST_CHECK;

/* Bytes of a body with Content-Length that are still to come; 0 for a chunked one. */
uint64_t http1_body_left(const struct http1 *codec);

/* The next `n` bytes of the body were taken past the codec; fewer than http1_body_left. */
void http1_body_passed(struct http1 *codec, uint64_t n);

#endif
