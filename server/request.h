/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request as handlers see it, and the answer to it. Worker thread only.
 *
 * A handler is called when the head is complete, routed and admitted. It answers exactly once, now
 * or later, by one of the response_send functions. In between it may ask for the body. A handler
 * that waits for something else (kv, pool) keeps the request alive by request_hold and lets go by
 * request_release in its completion; if the client went away meanwhile, `gone` is set and answers
 * are dropped silently. All memory of the request is in its arena.
 */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <stdbool.h>

#include "auth/identity.h"
#include "base/arena.h"
#include "base/fault.h"
#include "server/client_address.h"
#include "server/http_head.h"
#include "server/worker.h"
#include "storage/blob_file.h"

enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_PUT,
    METHOD_POST,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER,
    METHOD_COUNT
};
const char *method_name(enum method method);

struct credential;
struct route;

struct request {
    struct worker *worker;
    struct conn *conn;
    struct arena arena;
    uint64_t id; /* in logs and the X-Request-Id of answers */
    uint64_t begin_ns;

    enum method method;
    struct slice target; /* as sent */
    struct slice path;   /* as sent, without query; "%2F" and friends never decode into it */
    struct slice query;  /* as sent, without '?' */
    struct slice host;
    bool is_http_10;
    struct client_address client;    /* who connected, or whom a trusted proxy speaks for */
    struct slice scheme;             /* "http" or "https", as the client sees it; static */
    bool is_proxied;                 /* by a trusted proxy, which said so */
    struct slice client_certificate; /* a SAN of the one it showed (tls.client_ca); else empty */
    const struct http_field *fields;
    unsigned fields_n;

    bool has_body; /* Content-Length > 0 or chunked */
    bool is_chunked;
    bool has_length;
    uint64_t content_length;

    const struct route *route;
    struct slice repository; /* captured by the route, name checked */
    struct slice argument;   /* the last captured part: reference, digest or upload id; not checked,
                                on /v2 not decoded */
    struct slice rest;       /* what a route's <path> took; not decoded, not checked */
    struct credential *credential;   /* this request's reference; NULL without authentication */
    const struct identity *identity; /* who asks; never NULL in a handler */
    verb_bits verbs;    /* what they may do in `repository`; all without authentication */
    struct slice actor; /* the name of `identity`: in events, and whose an upload is */

    void *state; /* the handler's own */

    bool gone; /* the client went away */
    unsigned holds;
    unsigned retry_after_s;   /* of a 429; 0: soon */
    struct digest log_digest; /* for the access line; algorithm 0 = none */
    int err;                  /* of the answer, for the access line */
};

/* Value of a field by its lower-case name; p == NULL when absent. Of several fields of one name,
 * the first. */
struct slice request_field(const struct request *r, struct slice name);

/* Query parameters, percent-decoded into the arena. `index` counts parameters of that name from 0.
 * ERR_NOT_FOUND, ERR_HTTP_BAD_REQUEST (bad escapes, NUL), ERR_NO_MEMORY. */
int request_query(struct request *r, struct slice name, unsigned index,
                  struct slice *value) MUST_CHECK;

/* Percent escapes of a part of the path, into the arena. ERR_HTTP_BAD_REQUEST, ERR_NO_MEMORY. */
int request_decode(struct request *r, struct slice text, struct slice *value) MUST_CHECK;

/* A number for the client's network address, never 0: the same for all of an IPv6 /64, which is
 * what one customer gets. */
uint64_t request_client(const struct request *r);

void request_hold(struct request *r);
void request_release(struct request *r);

/* fn(arg) once when the client goes away, or says that it will send no more, before it is answered:
 * for handlers that wait for what may never come. `gone` is set then. */
void request_watch_client(struct request *r, void (*fn)(void *arg), void *arg);

/*
 * The body. A handler that does not ask answers without it; the connection then drains a little or
 * closes after the answer.
 */
struct body_sink {
    /* Takes *taken of the bytes. 0 with *taken < bytes.n: busy, nothing more is read until
     * request_body_resume. An error ends the body; the sink answers the request itself. */
    int (*write)(void *arg, struct slice bytes, size_t *taken);
    /* NULL, or: where bytes of a large body are to be received, so that none is copied. Room for at
     * most *n of them, which it lowers; 0 means busy, as in write. When some came, `filled` follows
     * before anything else. Errors of both are as those of write. */
    int (*room)(void *arg, void **bytes, size_t *n);
    int (*filled)(void *arg, size_t n);
    /* The body is complete. */
    void (*end)(void *arg);
    /* The client went away or broke the framing, or took too long; `err` says which. When the
     * connection can still be answered the codec does so. */
    void (*abort)(void *arg, int err);
};
/* Sends "100 Continue" when the client waits for it. Exactly one of end, abort, or a failed write
 * comes later, also for an empty body; never before this returned. */
void request_accept_body(struct request *r, const struct body_sink *sink, void *arg);
void request_body_resume(struct request *r);

/* Count `n` bytes that this request holds in memory against http.body_memory, until its end.
 * ERR_BUSY when they are too many. */
int request_reserve(struct request *r, uint64_t n) MUST_CHECK;

/* Collect a body of at most `max_bytes` in memory: `done` once with the whole (valid as long as the
 * request), or with ERR_HTTP_TOO_LARGE or ERR_BUSY (answer it), or ERR_CANCELLED (nobody to
 * answer).
 */
void request_read_body(struct request *r, size_t max_bytes,
                       void (*done)(void *arg, int err, struct slice body), void *arg);

/*
 * The answer. Names are static strings, values are copied. Every answer gets Date,
 * Content-Length (or none for 204/304), X-Content-Type-Options; those of /v2 the API version field.
 */
void response_field(struct request *r, const char *name, struct slice value);
void response_fieldf(struct request *r, const char *name, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* There was no memory for the value of a field that the answer needs: it becomes a 503. */
void response_field_lost(struct request *r);

/* Status and no body. */
void response_send_empty(struct request *r, int status);

/* Status and bytes. Bytes are written before this returns or copied: they need not live longer.
 * With HEAD only the head goes out, with the Content-Length GET would have. */
void response_send_bytes(struct request *r, int status, const char *media_type, struct slice bytes);

/* The same with what is in `body`, which is released. 503 when there was no memory for all of it:
 * half a document is none. */
void response_send_buf(struct request *r, int status, const char *media_type, struct buf *body);

/* A file, whole or by Range / If-Range / If-None-Match of the request against `etag` (quotes
 * included): 200, 206 (multipart for several), 304 or 416. Takes the caller's reference to `file`;
 * media_type is copied. Fields set before go out with it. */
void response_send_file_take(struct request *r, struct blob_file *file, struct slice media_type,
                             struct slice etag);

/* The same with bytes (a manifest). */
void response_send_content(struct request *r, struct slice media_type, struct slice etag,
                           struct slice bytes);

/* An answer that is made while it goes out (HTTP/1.1: chunked, HTTP/1.0: until the connection
 * closes). */
enum source_state { SOURCE_MORE, SOURCE_WAIT, SOURCE_END };
struct response_source {
    /* Adds the next piece, which may be empty, to `out`. Called again when the client has taken it
     * (MORE), or then and after response_stream_wake (WAIT). */
    enum source_state (*fill)(void *arg, struct buf *out);
    /* Once, and last: the end is out, or the client went away. */
    void (*closed)(void *arg);
};
#define RESPONSE_PIECE_MAX (1u << 20)

/* GET only. `source` is static; `closed` may run before this returns. */
void response_send_stream(struct request *r, int status, const char *media_type,
                          const struct response_source *source, void *arg);
/* There may be a next piece. Nothing happens while the last is still going out. */
void response_stream_wake(struct request *r);

/* The answer to an error: status and code from the table, message = what `fault` says or the
 * table's text; `detail` is JSON or empty. Shape by route: /v2 the OCI error document, elsewhere
 * problem+json. 405 gets Allow from the route. 499 closes without an answer. */
void response_send_error(struct request *r, int err, const struct fault *fault,
                         struct slice detail);
void response_send_errorf(struct request *r, int err, const char *format, ...) PRINTF_LIKE(3, 4);

/* Close the connection after this answer. */
void response_close(struct request *r);

#endif
