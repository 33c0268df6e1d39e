/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: whatever comes in, nothing is good under a key that signed nothing; what is read has one
 * text (the signature, written again, is the part it came from); claims are an object.
 */
#include "config.h"
#include "auth/jwt.h"
#include "base/base64url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char keys[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

static void check_form(struct slice text, const struct jwt *jwt)
{
    struct buf signature;

    if (jwt->header == NULL || jwt->header->type != JSON_OBJECT || jwt->claims == NULL ||
        jwt->claims->type != JSON_OBJECT || jwt->signed_text.p != text.p ||
        jwt->signed_text.n >= text.n || text.n > JWT_MAX)
        abort();
    buf_init(&signature, JWT_MAX);
    base64url_encode(&signature, jwt->signature);
    if (!slice_eq(buf_slice(&signature),
                  slice_sub(text, jwt->signed_text.n + 1, text.n - jwt->signed_text.n - 1)))
        abort();
    buf_fini(&signature);
}

static void check_claims(const struct jwt *jwt)
{
    int early = jwt_check_times(jwt, 0, 60, NULL);
    int late = jwt_check_times(jwt, INT64_C(253402300800000), 0, NULL);

    /* Nothing is good for ever. */
    if (late == 0 || (early != 0 && early != ERR_UNAUTHORIZED))
        abort();
    (void)jwt_audience_has(jwt, SLICE("tidemark"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(data, size);
    struct fault fault = FAULT_INIT;
    struct jwk_set *set;
    struct arena arena;
    struct jwt jwt;

    arena_init(&arena, 1024 * 1024);
    int err = jwt_parse(&arena, text, &jwt, &fault);
    if (err != 0 && (err != ERR_UNAUTHORIZED || fault.text[0] == '\0'))
        abort();
    if (err == 0) {
        check_form(text, &jwt);
        check_claims(&jwt);
        if (jwk_set_parse(&arena, slice_make(keys, sizeof(keys) - 1), &set, NULL) != 0 ||
            jwk_set_count(set) != 2 ||
            jwt_verify(&jwt, jwk_set_find(set, (struct slice){0}, jwt.alg), &fault) !=
                ERR_UNAUTHORIZED)
            abort();
        jwk_set_destroy(set);
    }
    arena_fini(&arena);
    return 0;
}
