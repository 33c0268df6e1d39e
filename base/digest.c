/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the two EVP_MDs are fetched once per process: an implicit fetch walks the provider's
 * tables under a lock on every digest. Small bodies are hashed in a context which each thread keeps
 * for its life, because allocating one costs about as much as hashing a manifest's worth of text.
 */
#include "config.h"
#include "base/digest.h"

#include "base/fault_point.h"
#include "base/mem.h"

#include <openssl/evp.h>

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUPPORTED "sha256, sha512"

/* How much of a wrong digest is quoted back. */
#define QUOTE_MAX 80

struct hasher {
    EVP_MD_CTX *context;
    enum digest_algorithm algorithm;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *md_sha256, *md_sha512;
static pthread_key_t context_key;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "tidemark: OpenSSL: %s failed\n", what);
    abort();
}

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void set_up(void)
{
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    md_sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    if (!md_sha256 || !md_sha512)
        die("fetching SHA-2");
    if (pthread_key_create(&context_key, free_context) != 0)
        die("making a thread key");
}

static void start(EVP_MD_CTX *context, enum digest_algorithm algorithm)
{
    const EVP_MD *md = algorithm == DIGEST_SHA512 ? md_sha512 : md_sha256;

    if (FAULT_FIXED(EVP_DigestInit_ex2(context, md, NULL)) != 1)
        die("starting a digest");
}

static void add(EVP_MD_CTX *context, const void *bytes, size_t n)
{
    if (n && EVP_DigestUpdate(context, bytes, n) != 1)
        die("adding to a digest");
}

static void finish(EVP_MD_CTX *context, enum digest_algorithm algorithm, struct digest *digest)
{
    memset(digest, 0, sizeof(*digest));
    digest->algorithm = (uint8_t)algorithm;
    if (EVP_DigestFinal_ex(context, digest->raw, NULL) != 1)
        die("finishing a digest");
}

size_t digest_size(enum digest_algorithm algorithm)
{
    return algorithm == DIGEST_SHA512 ? 64 : 32;
}

const char *digest_algorithm_name(enum digest_algorithm algorithm)
{
    return algorithm == DIGEST_SHA512 ? "sha512" : "sha256";
}

int digest_algorithm_parse(struct slice text, enum digest_algorithm *algorithm)
{
    if (slice_eq(text, SLICE("sha256")))
        *algorithm = DIGEST_SHA256;
    else if (slice_eq(text, SLICE("sha512")))
        *algorithm = DIGEST_SHA512;
    else
        return ERR_DIGEST_UNSUPPORTED;
    return 0;
}

static int fail_algorithm(struct slice name, struct fault *fault)
{
    struct slice quote = slice_sub(name, 0, QUOTE_MAX);

    if (name.n == 0)
        return fault_set(fault, ERR_DIGEST_INVALID,
                         "the digest has no algorithm before its ':' (supported: " SUPPORTED ")");
    if (slice_eq_nocase(name, SLICE("sha256")) || slice_eq_nocase(name, SLICE("sha512")))
        return fault_set(fault, ERR_DIGEST_UNSUPPORTED,
                         "digest algorithm '" SLICE_FMT
                         "' must be written in lower case (supported: " SUPPORTED ")",
                         SLICE_ARG(quote));
    return fault_set(fault, ERR_DIGEST_UNSUPPORTED,
                     "digest algorithm '" SLICE_FMT "' is not supported (supported: " SUPPORTED ")",
                     SLICE_ARG(quote));
}

static int fail_digit(struct slice hex, size_t at, struct fault *fault)
{
    unsigned char c = (unsigned char)hex.p[at];

    if (c >= 'A' && c <= 'F')
        return fault_set(fault, ERR_DIGEST_INVALID,
                         "upper-case '%c' at hex digit %zu of the digest: digests are written in "
                         "lower case",
                         c, at + 1);
    if (c > ' ' && c < 0x7f)
        return fault_set(fault, ERR_DIGEST_INVALID,
                         "'%c' at hex digit %zu of the digest is not one of 0-9 and a-f", c,
                         at + 1);
    return fault_set(fault, ERR_DIGEST_INVALID,
                     "byte 0x%02x at hex digit %zu of the digest is not one of 0-9 and a-f", c,
                     at + 1);
}

/* One more than the value of a hex digit; 0 for any other byte. */
static const uint8_t digit_value[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* Where the first byte stands that is no hex digit; hex.n when there is none. */
static size_t parse_hex(struct slice hex, uint8_t *raw)
{
    for (size_t i = 0; i < hex.n; i += 2) {
        unsigned high = digit_value[(uint8_t)hex.p[i]], low = digit_value[(uint8_t)hex.p[i + 1]];

        if (high == 0 || low == 0)
            return high == 0 ? i : i + 1;
        raw[i / 2] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    return hex.n;
}

int digest_parse(struct slice text, struct digest *digest, struct fault *fault)
{
    size_t colon = slice_find_char(text, ':');
    enum digest_algorithm algorithm;
    struct slice name = slice_sub(text, 0, colon);
    struct slice hex;

    if (colon == text.n) {
        struct slice quote = slice_sub(text, 0, QUOTE_MAX);

        return fault_set(fault, ERR_DIGEST_INVALID,
                         "missing ':' in digest '" SLICE_FMT
                         "', expected <algorithm>:<hex>, for example sha256:<64 hex digits>",
                         SLICE_ARG(quote));
    }
    if (digest_algorithm_parse(name, &algorithm) < 0)
        return fail_algorithm(name, fault);
    hex = slice_sub(text, colon + 1, SIZE_MAX);
    if (hex.n != digest_size(algorithm) * 2)
        return fault_set(fault, ERR_DIGEST_INVALID, "a %s digest has %zu hex digits, got %zu",
                         digest_algorithm_name(algorithm), digest_size(algorithm) * 2, hex.n);
    memset(digest, 0, sizeof(*digest));
    digest->algorithm = (uint8_t)algorithm;
    size_t parsed = parse_hex(hex, digest->raw);
    return parsed == hex.n ? 0 : fail_digit(hex, parsed, fault);
}

/* Four bytes as eight hex digits: every answer of a pull has a digest in it twice. The nibbles are
 * spread over the bytes of one word; those above 9 are moved up to the letters. */
static void format_four(const uint8_t raw[4], char out[8])
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t w = (uint64_t)raw[0] << 24 | (uint64_t)raw[1] << 16 | (uint64_t)raw[2] << 8 | raw[3];

    w = (w | w << 16) & UINT64_C(0x0000ffff0000ffff);
    w = (w | w << 8) & UINT64_C(0x00ff00ff00ff00ff);
    w = (w | w << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (w + ones * 6) >> 4 & ones;
    w = htobe64(w + ones * '0' + letters * ('a' - '0' - 10));
    memcpy(out, &w, sizeof(w));
}

struct slice digest_format(const struct digest *digest, char out[DIGEST_TEXT_MAX])
{
    size_t size = digest_size(digest->algorithm);
    char *p = out;

    memcpy(p, digest_algorithm_name(digest->algorithm), 6); /* both names have six letters */
    p += 6;
    *p++ = ':';
    for (size_t i = 0; i < size; i += 4, p += 8)
        format_four(digest->raw + i, p);
    *p = '\0';
    return slice_make(out, (size_t)(p - out));
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
    return a->algorithm == b->algorithm && memcmp(a->raw, b->raw, digest_size(a->algorithm)) == 0;
}

static EVP_MD_CTX *new_context(void)
{
    EVP_MD_CTX *context = FAULT_FIXED(EVP_MD_CTX_new());

    if (!context)
        die("making a digest context");
    return context;
}

struct hasher *hasher_create(enum digest_algorithm algorithm)
{
    struct hasher *hasher = xmalloc(sizeof(*hasher));

    pthread_once(&once, set_up);
    hasher->context = new_context();
    hasher->algorithm = algorithm;
    start(hasher->context, algorithm);
    return hasher;
}

void hasher_destroy(struct hasher *hasher)
{
    if (!hasher)
        return;
    EVP_MD_CTX_free(hasher->context);
    free(hasher);
}

void hasher_update(struct hasher *hasher, const void *bytes, size_t n)
{
    add(hasher->context, bytes, n);
}

void hasher_final(struct hasher *hasher, struct digest *digest)
{
    finish(hasher->context, hasher->algorithm, digest);
}

void hasher_peek(const struct hasher *hasher, struct digest *digest)
{
    EVP_MD_CTX *copy = new_context();

    if (FAULT_FIXED(EVP_MD_CTX_copy_ex(copy, hasher->context)) != 1)
        die("copying a digest");
    finish(copy, hasher->algorithm, digest);
    EVP_MD_CTX_free(copy);
}

void hasher_reset(struct hasher *hasher)
{
    start(hasher->context, hasher->algorithm);
}

/* This thread's context; freed by the key's destructor when the thread ends. */
static EVP_MD_CTX *own_context(void)
{
    EVP_MD_CTX *context;

    pthread_once(&once, set_up);
    context = pthread_getspecific(context_key);
    if (!context) {
        context = new_context();
        if (pthread_setspecific(context_key, context) != 0)
            die("keeping a digest context");
    }
    return context;
}

void digest_compute(enum digest_algorithm algorithm, struct slice bytes, struct digest *digest)
{
    EVP_MD_CTX *context = own_context();

    start(context, algorithm);
    add(context, bytes.p, bytes.n);
    finish(context, algorithm, digest);
}
