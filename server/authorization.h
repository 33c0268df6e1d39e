/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Authorization field of a request (RFC 9110 section 11.6.2): Basic (RFC 7617) and Bearer (RFC
 * 6750). Strict: what two readers could take for two different things is refused. Any thread.
 */
#ifndef SERVER_AUTHORIZATION_H
#define SERVER_AUTHORIZATION_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

enum authorization_scheme { AUTHORIZATION_NONE, AUTHORIZATION_BASIC, AUTHORIZATION_BEARER };

struct authorization {
    enum authorization_scheme scheme;
    struct slice user;   /* of Basic */
    struct slice secret; /* the password, or the token */
};

/* A user and a secret, wherever they came from: their lengths, no control characters in a name that
 * comes back in answers and events. ERR_HTTP_BAD_REQUEST. */
int authorization_check(struct slice user, struct slice secret, struct fault *fault) MUST_CHECK;

/* `value` is the whole field value. Basic without a name and without a password is no credential.
 * Strings are in the arena, or borrow from `value`.
 * ERR_HTTP_BAD_REQUEST: not such a field; ERR_UNAUTHORIZED: a scheme that is not one of these two;
 * ERR_NO_MEMORY. Nothing of the secret is in the fault. */
int authorization_parse(struct arena *arena, struct slice value, struct authorization *out,
                        struct fault *fault) MUST_CHECK;

#endif
