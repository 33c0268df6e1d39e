/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head guard: what of a request head is accepted at all (RFC 9112 sections 2 to 6), stricter
 * than the grammar where proxies in front of a registry have been seen to disagree about it: bare
 * CR or LF, folded fields, control bytes, two Hosts, two lengths. The framing parser behind it
 * never sees what is refused here. Any thread.
 */
#ifndef SERVER_HTTP_HEAD_H
#define SERVER_HTTP_HEAD_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

struct http_head_limits {
    size_t max_bytes;
    unsigned max_fields;
};

/* Where the search for the end of a head is; all zero to begin with. */
struct http_head_scan {
    size_t line; /* start of the line being received */
    size_t seen; /* bytes looked at */
    unsigned lines;
};

/* Look at `bytes` from their start (the same ones as before and more). 0 with *head_n when the head
 * is complete, ERR_AGAIN when not, else why it is refused: ERR_HTTP_BAD_REQUEST,
 * ERR_HTTP_URI_TOO_LONG, ERR_HTTP_HEAD_TOO_LARGE. */
int http_head_scan(struct http_head_scan *scan, struct slice bytes,
                   const struct http_head_limits *limits, size_t *head_n,
                   struct fault *fault) MUST_CHECK;

struct http_field {
    struct slice name; /* lower case */
    struct slice value;
};

struct http_head {
    struct slice method, target;
    bool is_http_10;
    const struct http_field *fields;
    unsigned fields_n;
    struct slice host; /* empty only with HTTP/1.0 */
    bool is_chunked, has_length;
    uint64_t content_length;
};

/* Whether it can be the value of Host: a host and perhaps a port, not empty. */
bool http_host_is_valid(struct slice host);

/* Take a complete head apart. Names are made lower case in place; slices point into `bytes`. ERR_*
 * of HTTP, each followed by closing the connection. */
int http_head_parse(struct arena *arena, char *bytes, size_t n, unsigned lines,
                    struct http_head *head, struct fault *fault) MUST_CHECK;

#endif
