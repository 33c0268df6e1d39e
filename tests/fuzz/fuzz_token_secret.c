/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is taken as a secret has the one form there is: its id, written again, is what stood there,
 * and it fits the hash of its text and no other. The same input is tried as an id.
 */
#include "config.h"
#include "auth/token_secret.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_secret(struct slice text)
{
    struct token_secret secret;
    struct digest digest;
    char id[TOKEN_ID_SIZE + 1];
    int err = token_secret_parse(text, &secret);

    if (err != 0) {
        if (err != ERR_INVALID)
            abort();
        return;
    }
    if (text.n != TOKEN_TEXT_SIZE || !token_secret_is_one(text) || secret.id == 0 ||
        !slice_eq(token_id_format(secret.id, id), slice_sub(text, 6, TOKEN_ID_SIZE)))
        abort();
    digest_compute(DIGEST_SHA256, text, &digest);
    if (!token_secret_matches(&secret, digest.raw))
        abort();
    digest.raw[0] ^= 1;
    if (token_secret_matches(&secret, digest.raw))
        abort();
}

static void check_id(struct slice text)
{
    char again[TOKEN_ID_SIZE + 1];
    uint64_t id;
    int err = token_id_parse(text, &id);

    if (err != 0 ? err != ERR_TOKEN_UNKNOWN
                 : id == 0 || !slice_eq(token_id_format(id, again), text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(size ? data : NULL, size);

    check_secret(text);
    check_id(text);
    return 0;
}
