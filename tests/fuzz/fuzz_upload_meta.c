/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sidecar is taken exactly when it is what upload_meta_encode writes. A checksum is beyond a
 * fuzzer, so the input is also tried with a right one after it.
 */
#include "config.h"
#include "storage/upload_meta.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct slice bytes)
{
    struct upload_meta meta;
    struct buf again;
    int err = upload_meta_parse(bytes, &meta);

    if (err == ERR_CORRUPT)
        return;
    if (err != 0 || meta.repository.n > UPLOAD_META_NAME_MAX ||
        meta.identity.n > UPLOAD_META_NAME_MAX)
        abort();
    buf_init(&again, UPLOAD_META_MAX);
    upload_meta_encode(&again, &meta);
    if (again.overflow || !slice_eq(buf_slice(&again), bytes))
        abort();
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(size ? data : NULL, size);
    struct digest digest;
    struct buf whole;

    check(input);
    digest_compute(DIGEST_SHA256, input, &digest);
    buf_init(&whole, 2 * UPLOAD_META_MAX);
    buf_add(&whole, input);
    buf_add(&whole, SLICE("check "));
    buf_add_hex(&whole, slice_make(digest.raw, digest_size(DIGEST_SHA256)));
    buf_add_char(&whole, '\n');
    check(buf_slice(&whole));
    buf_fini(&whole);
    return 0;
}
