/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens (RFC 7519) in the compact form of JWS (RFC 7515), read with the care that RFC
 * 8725 asks for. Reading, checking the signature and checking the claims are steps of their own;
 * nothing in a token may be believed before jwt_verify said 0.
 *
 * Never used, whatever a token says: keys and addresses in its header (jwk, jku, x5c, x5u). Any
 * thread. All errors about a token are ERR_UNAUTHORIZED, except ERR_NO_MEMORY; their texts have
 * nothing of it but its algorithm and the name of its key.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include "auth/jwk.h"
#include "base/json.h"

#define JWT_MAX (16 * 1024) /* bytes of a token */

struct jwt {
    struct slice alg;
    enum jwk_algorithm algorithm; /* the same */
    struct slice kid;             /* empty when it names no key */
    const struct json *header;
    const struct json *claims;
    struct slice signed_text; /* borrowed from the text */
    struct slice signature;   /* raw bytes */
};

/* True when it has the shape of one (three parts with dots); for telling it from other secrets. */
bool jwt_is_one(struct slice text);

/* `text` must outlive `jwt`; the rest is in the arena (64 KiB do for any token). */
int jwt_parse(struct arena *arena, struct slice text, struct jwt *jwt,
              struct fault *fault) MUST_CHECK;

/* `key` NULL: refused as signed by a key that is not known. The algorithm must be one that the key
 * is for. */
int jwt_verify(const struct jwt *jwt, const struct jwk *key, struct fault *fault) MUST_CHECK;

/* `exp` is required; `nbf` and `iat` count when they are there. Whole seconds since 1970; clocks
 * may differ by skew_s. */
int jwt_check_times(const struct jwt *jwt, int64_t now_ms, unsigned skew_s,
                    struct fault *fault) MUST_CHECK;

/* NULL when there is none. */
const struct json *jwt_claim(const struct jwt *jwt, struct slice name);
/* The text of a claim that is a string; empty when it is none. */
struct slice jwt_claim_text(const struct jwt *jwt, struct slice name);

/* Is `audience` (not empty) the `aud`, or one of them? */
bool jwt_audience_has(const struct jwt *jwt, struct slice audience);

#endif
