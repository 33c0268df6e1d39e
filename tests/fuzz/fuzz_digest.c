/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest_parse takes a text exactly when it is what digest_format writes, and says why when not.
 * The hasher over any two pieces of the input agrees with digest_compute over the whole.
 */
#include "config.h"
#include "base/digest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parse(struct slice text)
{
    struct fault fault = FAULT_INIT;
    struct digest digest, again;
    char out[DIGEST_TEXT_MAX];
    int err = digest_parse(text, &digest, &fault);

    if (err == 0) {
        if (fault.code != 0 || !slice_eq(digest_format(&digest, out), text))
            abort();
        if (digest_parse(slice_from_cstr(out), &again, NULL) < 0 || !digest_eq(&digest, &again) ||
            memcmp(&digest, &again, sizeof(digest)) != 0)
            abort();
    } else if ((err != ERR_DIGEST_INVALID && err != ERR_DIGEST_UNSUPPORTED) || fault.code != err ||
               fault.text[0] == '\0') {
        abort();
    }
}

static void check_hash(enum digest_algorithm algorithm, struct slice bytes)
{
    struct hasher *hasher = hasher_create(algorithm);
    struct digest whole, pieces;
    char out[DIGEST_TEXT_MAX];
    size_t half = bytes.n ? (unsigned char)bytes.p[0] % bytes.n : 0;

    digest_compute(algorithm, bytes, &whole);
    hasher_update(hasher, bytes.p, half);
    hasher_update(hasher, bytes.n ? bytes.p + half : NULL, bytes.n - half);
    hasher_final(hasher, &pieces);
    hasher_destroy(hasher);
    if (!digest_eq(&whole, &pieces) || whole.algorithm != (uint8_t)algorithm)
        abort();
    check_parse(digest_format(&whole, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(size ? data : NULL, size);

    check_parse(input);
    check_hash(DIGEST_SHA256, input);
    check_hash(DIGEST_SHA512, input);
    return 0;
}
