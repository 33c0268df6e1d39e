/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which endpoint a path names, and the handler of each method. Built once from route.def; any
 * thread.
 */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "server/request.h"

typedef void (*handler_fn)(struct request *r);

enum route_id {
#define X(id, pattern) ROUTE_##id,
#include "server/route.def"
#undef X
    ROUTE_COUNT
};

/* What a request needs to be served: see route.def. */
enum route_right {
    RIGHT_UNSET, /* there is no such method here */
    RIGHT_NONE,
    RIGHT_ANY,
    RIGHT_CREDENTIAL,
    RIGHT_SELF,
    RIGHT_PULL,
    RIGHT_PUSH,
    RIGHT_DELETE,
    RIGHT_METRICS,
    RIGHT_ADMIN,
    RIGHT_AUDIT
};

struct route {
    enum route_id id;
    const char *pattern; /* as in metrics and access lines */
    bool is_v2;
};

extern const struct route routes[ROUTE_COUNT];

/* What the placeholders of a pattern took of the path; borrowed, neither decoded nor checked. */
struct route_parts {
    struct slice name;     /* <name> */
    struct slice argument; /* <arg>, or <ref> without its ':' or '@' */
    struct slice rest;     /* <path> */
};

/* The route of a path (as sent, no query); NULL when there is none. */
const struct route *route_find(struct slice path, struct route_parts *parts);

/* NULL: 405. */
handler_fn route_handler(const struct route *route, enum method method);

/* RIGHT_UNSET where there is no handler. */
enum route_right route_right(const struct route *route, enum method method);

/* "GET, HEAD" for an Allow field. */
void route_allow(const struct route *route, struct buf *out);

#endif
