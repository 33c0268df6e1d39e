/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/digest.h"

#include <CUnit/CUnit.h>

#include <pthread.h>
#include <string.h>

#define HEX_ABC_256  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define HEX_NONE_256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEX_ABC_512                                                                                \
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"                             \
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void check_format(const struct digest *digest, const char *expected)
{
    char out[DIGEST_TEXT_MAX];
    struct slice text = digest_format(digest, out);

    CU_ASSERT_STRING_EQUAL(out, expected);
    CU_ASSERT_EQUAL(text.n, strlen(expected));
    CU_ASSERT_PTR_EQUAL(text.p, out);
}

static void test_compute(void)
{
    struct digest digest;

    digest_compute(DIGEST_SHA256, SLICE("abc"), &digest);
    check_format(&digest, "sha256:" HEX_ABC_256);
    digest_compute(DIGEST_SHA512, SLICE("abc"), &digest);
    check_format(&digest, "sha512:" HEX_ABC_512);
    digest_compute(DIGEST_SHA256, slice_make(NULL, 0), &digest);
    check_format(&digest, "sha256:" HEX_NONE_256);
    for (size_t i = 32; i < DIGEST_RAW_MAX; i++) /* no bytes of the SHA-512 before */
        CU_ASSERT_EQUAL(digest.raw[i], 0);
}

static void test_hasher(void)
{
    struct hasher *hasher = hasher_create(DIGEST_SHA256);
    struct digest digest;

    hasher_update(hasher, "a", 1);
    hasher_update(hasher, NULL, 0);
    hasher_update(hasher, "bc", 2);
    hasher_final(hasher, &digest);
    check_format(&digest, "sha256:" HEX_ABC_256);
    hasher_reset(hasher);
    hasher_final(hasher, &digest);
    check_format(&digest, "sha256:" HEX_NONE_256);
    hasher_reset(hasher);
    hasher_update(hasher, "forgotten", 9);
    hasher_reset(hasher);
    hasher_update(hasher, "abc", 3);
    hasher_final(hasher, &digest);
    check_format(&digest, "sha256:" HEX_ABC_256);
    hasher_destroy(hasher);
    hasher_destroy(NULL);

    hasher = hasher_create(DIGEST_SHA512);
    hasher_update(hasher, "abc", 3);
    hasher_final(hasher, &digest);
    check_format(&digest, "sha512:" HEX_ABC_512);
    hasher_destroy(hasher);
}

static void check_parse(const char *text)
{
    struct fault fault = FAULT_INIT;
    struct digest digest;

    CU_ASSERT_EQUAL(digest_parse(slice_from_cstr(text), &digest, &fault), 0);
    CU_ASSERT_EQUAL(fault.code, 0);
    check_format(&digest, text);
}

static void test_parse(void)
{
    check_parse("sha256:" HEX_ABC_256);
    check_parse("sha512:" HEX_ABC_512);
    check_parse("sha256:0000000000000000000000000000000000000000000000000000000000000000");
    check_parse("sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
}

static void test_parse_reads_no_further(void)
{
    struct slice text = SLICE("sha256:" HEX_ABC_256 "/manifests");
    struct digest digest;

    CU_ASSERT_EQUAL(digest_parse(slice_sub(text, 0, 71), &digest, NULL), 0);
    check_format(&digest, "sha256:" HEX_ABC_256);
}

static void check_refused(struct slice text, int code, const char *reason)
{
    struct fault fault = FAULT_INIT;
    struct digest digest;

    CU_ASSERT_EQUAL(digest_parse(text, &digest, &fault), code);
    CU_ASSERT_EQUAL(fault.code, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, reason));
    CU_ASSERT_EQUAL(digest_parse(text, &digest, NULL), code);
}

#define HEX_60 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f200"

static void test_refused(void)
{
    check_refused(SLICE(""), ERR_DIGEST_INVALID, "missing ':'");
    check_refused(slice_make(NULL, 0), ERR_DIGEST_INVALID, "missing ':'");
    check_refused(SLICE("sha256"), ERR_DIGEST_INVALID, "missing ':' in digest 'sha256'");
    check_refused(SLICE(HEX_ABC_256), ERR_DIGEST_INVALID, "expected <algorithm>:<hex>");
    check_refused(SLICE(":" HEX_ABC_256), ERR_DIGEST_INVALID, "no algorithm");
    check_refused(SLICE("sha256:"), ERR_DIGEST_INVALID, "has 64 hex digits, got 0");
    check_refused(SLICE("sha256:" HEX_60), ERR_DIGEST_INVALID, "has 64 hex digits, got 60");
    check_refused(SLICE("sha256:" HEX_ABC_256 "0"), ERR_DIGEST_INVALID, "64 hex digits, got 65");
    check_refused(SLICE("sha512:" HEX_ABC_256), ERR_DIGEST_INVALID, "128 hex digits, got 64");
    check_refused(SLICE("sha256:" HEX_60 "15aD"), ERR_DIGEST_INVALID,
                  "upper-case 'D' at hex digit 64");
    check_refused(SLICE("sha256:" HEX_60 "15ag"), ERR_DIGEST_INVALID, "'g' at hex digit 64");
    check_refused(SLICE("sha256:" HEX_60 "15/d"), ERR_DIGEST_INVALID, "'/' at hex digit 63");
    check_refused(SLICE("sha256:" HEX_60 "\n5ad"), ERR_DIGEST_INVALID, "byte 0x0a at hex digit 61");
    check_refused(SLICE("sha256:" HEX_60 "\0"
                        "5ad"),
                  ERR_DIGEST_INVALID, "byte 0x00");
    check_refused(SLICE("sha256:" HEX_60 "15 d"), ERR_DIGEST_INVALID, "byte 0x20");
    check_refused(SLICE("sha256:" HEX_60 "\xc3\xa9"
                        "ad"),
                  ERR_DIGEST_INVALID, "byte 0xc3");
    check_refused(SLICE("SHA256:" HEX_ABC_256), ERR_DIGEST_UNSUPPORTED, "lower case");
    check_refused(SLICE("md5:900150983cd24fb0d6963f7d28e17f72"), ERR_DIGEST_UNSUPPORTED,
                  "'md5' is not supported (supported: sha256, sha512)");
    check_refused(SLICE("sha256 :" HEX_ABC_256), ERR_DIGEST_UNSUPPORTED, "'sha256 '");
}

static void test_quote_is_cut(void)
{
    struct fault fault = FAULT_INIT;
    struct digest digest;
    char text[5000];

    memset(text, 'a', sizeof(text));
    CU_ASSERT_EQUAL(digest_parse(slice_make(text, sizeof(text)), &digest, &fault),
                    ERR_DIGEST_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "expected"));
    text[sizeof(text) - 1] = ':';
    CU_ASSERT_EQUAL(digest_parse(slice_make(text, sizeof(text)), &digest, &fault),
                    ERR_DIGEST_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "supported: sha256, sha512"));
}

static void test_algorithm(void)
{
    enum digest_algorithm algorithm;

    CU_ASSERT_EQUAL(digest_size(DIGEST_SHA256), 32);
    CU_ASSERT_EQUAL(digest_size(DIGEST_SHA512), 64);
    CU_ASSERT_STRING_EQUAL(digest_algorithm_name(DIGEST_SHA256), "sha256");
    CU_ASSERT_STRING_EQUAL(digest_algorithm_name(DIGEST_SHA512), "sha512");
    CU_ASSERT_EQUAL(digest_algorithm_parse(SLICE("sha512"), &algorithm), 0);
    CU_ASSERT_EQUAL(algorithm, DIGEST_SHA512);
    CU_ASSERT_EQUAL(digest_algorithm_parse(SLICE("sha256"), &algorithm), 0);
    CU_ASSERT_EQUAL(algorithm, DIGEST_SHA256);
    CU_ASSERT_EQUAL(digest_algorithm_parse(SLICE("sha1"), &algorithm), ERR_DIGEST_UNSUPPORTED);
    CU_ASSERT_EQUAL(digest_algorithm_parse(SLICE("SHA256"), &algorithm), ERR_DIGEST_UNSUPPORTED);
    CU_ASSERT_EQUAL(digest_algorithm_parse(SLICE("sha256\0"), &algorithm), ERR_DIGEST_UNSUPPORTED);
    CU_ASSERT_EQUAL(digest_algorithm_parse(SLICE(""), &algorithm), ERR_DIGEST_UNSUPPORTED);
}

static void test_eq(void)
{
    struct digest a, b, c;

    digest_compute(DIGEST_SHA256, SLICE("abc"), &a);
    CU_ASSERT_EQUAL(digest_parse(SLICE("sha256:" HEX_ABC_256), &b, NULL), 0);
    digest_compute(DIGEST_SHA512, SLICE("abc"), &c);
    CU_ASSERT_TRUE(digest_eq(&a, &b));
    CU_ASSERT_FALSE(digest_eq(&a, &c));
    b.raw[31] ^= 1;
    CU_ASSERT_FALSE(digest_eq(&a, &b));
    b.raw[31] ^= 1;
    b.raw[40] = 1; /* past the end of a SHA-256 */
    CU_ASSERT_TRUE(digest_eq(&a, &b));
    b.algorithm = DIGEST_SHA512;
    CU_ASSERT_FALSE(digest_eq(&a, &b));
}

static void *compute_often(void *arg)
{
    struct digest expected, digest;
    bool *same = arg;

    if (digest_parse(SLICE("sha256:" HEX_ABC_256), &expected, NULL) < 0)
        return NULL; /* *same stays false */
    *same = true;
    for (int i = 0; i < 1000; i++) {
        digest_compute(DIGEST_SHA256, SLICE("abc"), &digest);
        *same = *same && digest_eq(&digest, &expected);
        digest_compute(DIGEST_SHA512, SLICE("abc"), &digest);
        *same = *same && digest.algorithm == DIGEST_SHA512;
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[4];
    bool same[4] = {false};

    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, compute_often, &same[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_TRUE(same[i]);
    }
}

static void test_peek(void)
{
    struct hasher *hasher = hasher_create(DIGEST_SHA256);
    struct digest half, whole, expected;

    hasher_update(hasher, "ab", 2);
    hasher_peek(hasher, &half);
    digest_compute(DIGEST_SHA256, SLICE("ab"), &expected);
    CU_ASSERT_TRUE(digest_eq(&half, &expected));
    hasher_update(hasher, "cd", 2);
    hasher_final(hasher, &whole);
    digest_compute(DIGEST_SHA256, SLICE("abcd"), &expected);
    CU_ASSERT_TRUE(digest_eq(&whole, &expected));
    hasher_destroy(hasher);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("digest", NULL, NULL);

    CU_add_test(suite, "threads", test_threads); /* first: the set-up runs in one of them */
    CU_add_test(suite, "compute", test_compute);
    CU_add_test(suite, "hasher", test_hasher);
    CU_add_test(suite, "parse", test_parse);
    CU_add_test(suite, "parse reads no further", test_parse_reads_no_further);
    CU_add_test(suite, "refused", test_refused);
    CU_add_test(suite, "quotes are cut", test_quote_is_cut);
    CU_add_test(suite, "algorithm", test_algorithm);
    CU_add_test(suite, "peek", test_peek);
    CU_add_test(suite, "eq", test_eq);
}
