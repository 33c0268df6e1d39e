/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content digests: raw bytes and an algorithm inside, "sha256:<hex>" only at the edges
 * (image-spec, "Digests"). Values; any thread. A hasher belongs to one thread at a time.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

enum digest_algorithm { DIGEST_SHA256 = 1, DIGEST_SHA512 = 2 };

#define DIGEST_RAW_MAX  64
#define DIGEST_TEXT_MAX 136 /* "sha512:" + 128 + NUL */

struct digest {
    uint8_t algorithm; /* enum digest_algorithm */
    uint8_t raw[DIGEST_RAW_MAX];
};

/* 32 or 64. */
size_t digest_size(enum digest_algorithm algorithm);

/* "sha256", "sha512". */
const char *digest_algorithm_name(enum digest_algorithm algorithm);

/* ERR_DIGEST_UNSUPPORTED for another name. */
int digest_algorithm_parse(struct slice text, enum digest_algorithm *algorithm) MUST_CHECK;

/* Lower-case hex of exactly the right length; ERR_DIGEST_INVALID or ERR_DIGEST_UNSUPPORTED with the
 * reason in `fault`. */
int digest_parse(struct slice text, struct digest *digest, struct fault *fault) MUST_CHECK;

/* Writes the text form with a NUL and returns it as a slice of `out`. */
struct slice digest_format(const struct digest *digest, char out[DIGEST_TEXT_MAX]);

bool digest_eq(const struct digest *a, const struct digest *b);

struct hasher;

/* Never NULL (aborts when OpenSSL cannot give a context). */
struct hasher *hasher_create(enum digest_algorithm algorithm);
void hasher_destroy(struct hasher *hasher);
void hasher_update(struct hasher *hasher, const void *bytes, size_t n);

/* The digest of all so far; the hasher may only be destroyed or reset afterwards. */
void hasher_final(struct hasher *hasher, struct digest *digest);
void hasher_reset(struct hasher *hasher);

/* The digest of all so far; hashing can go on. */
void hasher_peek(const struct hasher *hasher, struct digest *digest);

/* One call for bytes in memory. */
void digest_compute(enum digest_algorithm algorithm, struct slice bytes, struct digest *digest);

#endif
