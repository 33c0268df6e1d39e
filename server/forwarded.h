/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a proxy says of the request it passes on: Forwarded (RFC 7239), or X-Forwarded-For, -Proto
 * and -Host. Any thread.
 *
 * Only what a trusted proxy wrote counts. Each proxy adds at the right end, so the list is read
 * from there: entries that are trusted proxies themselves are passed over, and the first that is
 * not is the client. What stands left of it the client may have written.
 */
#ifndef SERVER_FORWARDED_H
#define SERVER_FORWARDED_H

#include "server/client_address.h"
#include "server/http_head.h"

/* Proxies in a row. */
#define FORWARDED_MAX 16

struct forwarded {
    bool is_there;                /* one of the fields is */
    struct client_address client; /* unknown when the proxy does not say, or hides it */
    struct slice scheme;          /* "http" or "https", static; p == NULL: not said */
    struct slice host;            /* points into the field, checked; p == NULL: not said */
};

/* Whether `name` (lower case) is one of the fields by which a proxy is recognised. Asked for each
 * field of each request. */
static inline bool forwarded_is_field(struct slice name)
{
    return (name.n == 9 && memcmp(name.p, "forwarded", 9) == 0) ||
           (name.n > 12 && memcmp(name.p, "x-forwarded-", 12) == 0);
}

/* Reads the fields of a request that came from one of the networks `trusted`.
 * ERR_HTTP_BAD_REQUEST naming the field and what is wrong with it; also when Forwarded and
 * X-Forwarded-For tell of different clients, for then one of them was not written by the proxy. */
int forwarded_read(const struct http_field *fields, unsigned n, struct slice trusted,
                   struct forwarded *forwarded, struct fault *fault) MUST_CHECK;

#endif
