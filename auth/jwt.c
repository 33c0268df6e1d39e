/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: everything that can be refused without a key is refused here first, so that what reaches
 * the signature has one meaning: three parts of strict base64url, two objects without a member
 * twice, an algorithm that has a public key. "none" and the symmetric ones have no enumerator, so
 * no later step can be talked into them.
 */
#include "config.h"
#include "auth/jwt.h"

#include "base/base64url.h"

#include <inttypes.h>

#define SECOND_MAX INT64_C(253402300799) /* 9999-12-31; times 1000 it is far from an overflow */

static const struct json_limits limits = {.max_depth = 8, .max_values = 1024};

static int refuse(struct fault *fault, const char *why)
{
    return fault_set(fault, ERR_UNAUTHORIZED, "the token is refused: %s", why);
}

/*
 * Parts.
 */

/* The three parts; false when there are more or fewer, or one is empty. */
static bool split(struct slice text, struct slice part[3])
{
    size_t from = 0;

    for (int i = 0; i < 3; i++) {
        struct slice rest = slice_sub(text, from, text.n - from);
        size_t n = slice_find_char(rest, '.');

        part[i] = slice_sub(rest, 0, n);
        if (part[i].n == 0 || (n == rest.n) != (i == 2))
            return false;
        from += n + 1;
    }
    return true;
}

bool jwt_is_one(struct slice text)
{
    struct slice part[3];

    /* "eyJ" is what every object begins with whose first byte after the brace is a quote. */
    return text.n <= JWT_MAX && slice_starts_with(text, SLICE("eyJ")) && split(text, part);
}

static int decode(struct arena *arena, struct slice part, struct slice *bytes, struct fault *fault)
{
    size_t n = base64url_decoded_size(part);
    char *p = arena_alloc(arena, n + 1);

    if (p == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory to read a token");
    if (base64url_decode(part, (uint8_t *)p, n) != 0)
        return refuse(fault, "a part of it is not base64url");
    *bytes = slice_make(p, n);
    return 0;
}

static int decode_object(struct arena *arena, struct slice part, const char *what,
                         const struct json **object, struct fault *fault)
{
    struct slice bytes;
    struct json *root;
    int err = decode(arena, part, &bytes, fault);

    if (err == 0)
        err = json_parse(arena, bytes, &limits, &root, NULL);
    if (err == ERR_NO_MEMORY)
        return fault_set(fault, err, "no memory to read a token");
    if (err == ERR_UNAUTHORIZED)
        return err;
    if (err == 0 && root->type == JSON_OBJECT) {
        *object = root;
        return 0;
    }
    return fault_set(fault, ERR_UNAUTHORIZED,
                     "the token is refused: its %s is not a JSON object in which each name stands "
                     "once",
                     what);
}

/*
 * The header.
 */

static int read_kid(struct jwt *jwt, struct fault *fault)
{
    const struct json *kid = json_member(jwt->header, SLICE("kid"));

    if (kid == NULL)
        return 0;
    if (kid->type != JSON_STRING || kid->text.n == 0 || kid->text.n > JWK_KID_MAX)
        return refuse(fault, "the name of its key (kid) is not a text of 1 to 256 bytes");
    jwt->kid = kid->text;
    return 0;
}

static int read_header(struct jwt *jwt, struct fault *fault)
{
    const struct json *alg = json_member(jwt->header, SLICE("alg"));

    if (alg == NULL || alg->type != JSON_STRING)
        return refuse(fault, "it does not say how it is signed (alg)");
    if (!jwk_algorithm_parse(alg->text, &jwt->algorithm))
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: its algorithm '" SLICE_FMT "' is none of RS256, "
                         "PS256, ES256, ES384, EdDSA",
                         SLICE_ARG(slice_sub(alg->text, 0, 32)));
    jwt->alg = alg->text;
    /* RFC 7515 section 4.1.11: what is critical and not understood makes it invalid, and nothing
     * critical is understood here. */
    if (json_member(jwt->header, SLICE("crit")) != NULL)
        return refuse(fault, "its header has members that must be understood (crit)");
    return read_kid(jwt, fault);
}

int jwt_parse(struct arena *arena, struct slice text, struct jwt *jwt, struct fault *fault)
{
    struct slice part[3];
    int err;

    memset(jwt, 0, sizeof(*jwt));
    if (text.n > JWT_MAX)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: it is larger than %d bytes", JWT_MAX);
    if (!split(text, part))
        return refuse(fault, "it is not of three parts with dots between (a signed JWT)");
    jwt->signed_text = slice_make(text.p, part[0].n + 1 + part[1].n);
    err = decode_object(arena, part[0], "header", &jwt->header, fault);
    if (err == 0)
        err = read_header(jwt, fault);
    if (err == 0)
        err = decode_object(arena, part[1], "payload", &jwt->claims, fault);
    if (err == 0)
        err = decode(arena, part[2], &jwt->signature, fault);
    return err;
}

int jwt_verify(const struct jwt *jwt, const struct jwk *key, struct fault *fault)
{
    if (key == NULL && jwt->kid.n == 0)
        return refuse(fault, "it names no key (kid), and no single key is for its algorithm");
    if (key == NULL)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: there is no key '" SLICE_FMT "' for %s",
                         SLICE_ARG(slice_sub(jwt->kid, 0, 64)), jwk_algorithm_name(jwt->algorithm));
    return jwk_verify(key, jwt->algorithm, jwt->signed_text, jwt->signature, fault);
}

/*
 * Claims.
 */

const struct json *jwt_claim(const struct jwt *jwt, struct slice name)
{
    return json_member(jwt->claims, name);
}

struct slice jwt_claim_text(const struct jwt *jwt, struct slice name)
{
    const struct json *claim = jwt_claim(jwt, name);

    return claim != NULL && claim->type == JSON_STRING ? claim->text : (struct slice){0};
}

bool jwt_audience_has(const struct jwt *jwt, struct slice audience)
{
    const struct json *aud = jwt_claim(jwt, SLICE("aud"));

    if (aud == NULL || audience.n == 0)
        return false;
    if (aud->type == JSON_STRING)
        return slice_eq(aud->text, audience);
    if (aud->type != JSON_ARRAY)
        return false;
    for (const struct json *one = aud->first; one != NULL; one = one->next)
        if (one->type == JSON_STRING && slice_eq(one->text, audience))
            return true;
    return false;
}

/* *seconds stays as it is when there is no such claim. */
static int read_time(const struct jwt *jwt, struct slice name, int64_t *seconds,
                     struct fault *fault)
{
    const struct json *claim = jwt_claim(jwt, name);

    if (claim == NULL)
        return 0;
    if (claim->type != JSON_INTEGER || claim->integer < 0 || claim->integer > SECOND_MAX)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: its " SLICE_FMT " is not a time in whole seconds",
                         SLICE_ARG(name));
    *seconds = claim->integer;
    return 0;
}

int jwt_check_times(const struct jwt *jwt, int64_t now_ms, unsigned skew_s, struct fault *fault)
{
    int64_t exp = -1, nbf = 0, iat = 0;
    int64_t skew_ms = (int64_t)skew_s * 1000;
    int err = read_time(jwt, SLICE("exp"), &exp, fault);

    if (err == 0)
        err = read_time(jwt, SLICE("nbf"), &nbf, fault);
    if (err == 0)
        err = read_time(jwt, SLICE("iat"), &iat, fault);
    if (err != 0)
        return err;
    if (exp < 0)
        return refuse(fault, "it does not say when it ends (exp)");
    if (now_ms - skew_ms >= exp * 1000)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: it expired %" PRId64 " s ago; log in again",
                         now_ms / 1000 - exp);
    if (now_ms + skew_ms < nbf * 1000)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: it is valid only in %" PRId64 " s (nbf); are the "
                         "clocks right?",
                         nbf - now_ms / 1000);
    if (now_ms + skew_ms < iat * 1000)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: it was made %" PRId64 " s in the future (iat); are "
                         "the clocks right?",
                         iat - now_ms / 1000);
    return 0;
}
