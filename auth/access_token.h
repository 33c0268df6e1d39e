/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens that GET /token hands out: JWTs in the format of Docker's token service (iss, aud,
 * sub, exp, nbf, iat, jti, access), and in a member "tidemark" what makes the identity again
 * without a look into the index: kind, groups, issuer, limits. The scope `approve` is never in one.
 * Any thread.
 */
#ifndef AUTH_ACCESS_TOKEN_H
#define AUTH_ACCESS_TOKEN_H

#include "auth/identity.h"
#include "auth/server_key.h"
#include "base/arena.h"

#define ACCESS_GRANTS_MAX  64 /* in one token */
#define ACCESS_ACTIONS_MAX 8  /* in one grant */
#define ACCESS_GROUPS_MAX  64 /* more do not go into a token */
#define ACCESS_TOKEN_MAX   (16 * 1024)
#define ACCESS_ARENA_MAX   (256 * 1024) /* does for verifying any */

/* One of `access`: {"type": "repository", "name": "team/app", "actions": ["pull"]}. */
struct access_grant {
    struct slice type, name;
    const struct slice *actions;
    unsigned actions_n;
};

struct access_token_options {
    struct slice service; /* aud and iss */
    int64_t now_ms;
    unsigned ttl_s;
};

/* Appends the token. Ends no later than the identity does. ERR_LIMIT: too many grants or groups. */
int access_token_mint(struct server_keys *keys, const struct access_token_options *options,
                      const struct identity *identity, const struct access_grant *grants,
                      unsigned grants_n, struct buf *out, struct fault *fault) MUST_CHECK;

struct access_token {
    struct identity *identity;         /* a reference of the caller's; expires_ms is the token's */
    int64_t issued_s;                  /* when it was made, s since 1970; -1: it does not say */
    const struct access_grant *grants; /* in the arena */
    unsigned grants_n;
};

/* ERR_UNAUTHORIZED says why it is refused. `skew_s`: how far the clock may have gone back. */
int access_token_verify(struct server_keys *keys, struct slice text, struct slice service,
                        int64_t now_ms, unsigned skew_s, struct arena *arena,
                        struct access_token *token, struct fault *fault) MUST_CHECK;

#endif
