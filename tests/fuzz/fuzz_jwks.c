/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of keys: whatever comes in, every member is a key or skipped, a key that is found is for
 * that algorithm, and a signature of zeros is never good.
 */
#include "config.h"
#include "auth/jwk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct jwk_set *set, struct slice kid, enum jwk_algorithm algorithm)
{
    static const uint8_t zero[1024];
    static const size_t sizes[] = {64, 96, 256, 1024};
    const struct jwk *key = jwk_set_find(set, kid, slice_from_cstr(jwk_algorithm_name(algorithm)));

    if (key == NULL)
        return;
    if (kid.n > 0 && !slice_eq(jwk_kid(key), kid))
        abort();
    if (algorithm == JWK_EDDSA) /* of a point of small order zeros can be one: its issuer's doing */
        return;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (jwk_verify(key, algorithm, SLICE("words"), slice_make(zero, sizes[i]), NULL) == 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = FAULT_INIT;
    struct jwk_set *set;
    struct arena arena;

    arena_init(&arena, 1024 * 1024);
    int err = jwk_set_parse(&arena, slice_make(size ? data : NULL, size), &set, &fault);
    if ((err == 0) != (set != NULL) || (err != 0 && fault.text[0] == '\0'))
        abort();
    if (set != NULL) {
        if (jwk_set_count(set) + jwk_set_skipped(set) > JWK_KEYS_MAX)
            abort();
        for (int algorithm = JWK_RS256; algorithm <= JWK_EDDSA; algorithm++) {
            check_key(set, (struct slice){0}, (enum jwk_algorithm)algorithm);
            check_key(set, SLICE("a"), (enum jwk_algorithm)algorithm);
        }
    }
    jwk_set_destroy(set);
    arena_fini(&arena);
    return 0;
}
