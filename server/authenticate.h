/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks: from the Authorization field of a request to r->credential and r->identity. What a
 * worker has verified lately it finds in its cache; a password goes to the log-in, which answers
 * later. Worker thread only.
 */
#ifndef SERVER_AUTHENTICATE_H
#define SERVER_AUTHENTICATE_H

#include "auth/login.h"
#include "server/authorization.h"
#include "server/request.h"

typedef void (*authenticate_done_fn)(struct request *r, int err, const struct fault *fault);

/* `done` once, now or later, never when the client went away meanwhile. 0: the request has an
 * identity, which is nobody's when it shows no credential. ERR_UNAUTHORIZED, ERR_HTTP_BAD_REQUEST,
 * ERR_HTTP_TOO_MANY_REQUESTS, or an error of the index. Authentication is on. */
void authenticate(struct request *r, authenticate_done_fn done);

/* The same for a user and a secret in hand, past the cache, for /token. The texts live as long as
 * the request. */
struct authenticate_secret {
    struct slice user, secret;
    bool takes_refresh;     /* it may be a refresh token, and nothing else */
    enum login_means means; /* out, valid when `done` runs */
};
void authenticate_secret(struct request *r, struct authenticate_secret *secret,
                         authenticate_done_fn done);

/* There is none: the request is nobody's. */
void authenticate_nobody(struct request *r);

/* The Authorization field, parsed; scheme NONE without one. ERR_HTTP_BAD_REQUEST, also for two. */
int authenticate_field(struct request *r, struct authorization *authorization,
                       struct fault *fault) MUST_CHECK;

#endif
