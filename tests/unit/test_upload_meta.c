/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/upload_meta.h"

#include <CUnit/CUnit.h>

#include <stdlib.h>
#include <string.h>

static const struct upload_meta example = {
    .algorithm = DIGEST_SHA512,
    .repository = {"library/web", 11},
    .identity = {"a\n b\0c", 6},
};

static void test_round_trip(void)
{
    struct upload_meta again;
    struct buf bytes;

    buf_init(&bytes, UPLOAD_META_MAX);
    upload_meta_encode(&bytes, &example);
    CU_ASSERT_FALSE(bytes.overflow);
    CU_ASSERT_EQUAL_FATAL(upload_meta_parse(buf_slice(&bytes), &again), 0);
    CU_ASSERT_EQUAL(again.algorithm, example.algorithm);
    CU_ASSERT_TRUE(slice_eq(again.repository, example.repository));
    CU_ASSERT_TRUE(slice_eq(again.identity, example.identity));
    buf_fini(&bytes);
}

static void test_largest(void)
{
    static char name[UPLOAD_META_NAME_MAX];
    const struct upload_meta largest = {
        .algorithm = DIGEST_SHA256,
        .repository = {name, sizeof(name)},
        .identity = {name, sizeof(name)},
    };
    struct upload_meta again;
    struct buf bytes;

    memset(name, 'n', sizeof(name));
    buf_init(&bytes, UPLOAD_META_MAX);
    upload_meta_encode(&bytes, &largest);
    CU_ASSERT_FALSE(bytes.overflow);
    CU_ASSERT_EQUAL(upload_meta_parse(buf_slice(&bytes), &again), 0);
    CU_ASSERT_EQUAL(again.identity.n, UPLOAD_META_NAME_MAX);
    buf_fini(&bytes);
}

/* Every cut and every changed byte is noticed. */
static void test_damage(void)
{
    struct upload_meta again;
    struct buf bytes;

    buf_init(&bytes, UPLOAD_META_MAX);
    upload_meta_encode(&bytes, &example);
    for (size_t n = 0; n < bytes.n; n++)
        CU_ASSERT_EQUAL(upload_meta_parse(slice_make(bytes.p, n), &again), ERR_CORRUPT);
    for (size_t i = 0; i < bytes.n; i++) {
        bytes.p[i] ^= 1;
        CU_ASSERT_EQUAL(upload_meta_parse(buf_slice(&bytes), &again), ERR_CORRUPT);
        bytes.p[i] ^= 1;
    }
    buf_add_char(&bytes, '\n');
    CU_ASSERT_EQUAL(upload_meta_parse(buf_slice(&bytes), &again), ERR_CORRUPT);
    buf_fini(&bytes);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("upload_meta", NULL, NULL);

    CU_add_test(suite, "encoded and parsed", test_round_trip);
    CU_add_test(suite, "the largest names", test_largest);
    CU_add_test(suite, "damage is noticed", test_damage);
}
