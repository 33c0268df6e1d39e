/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/buf.h"

#include <CUnit/CUnit.h>

#include <stdlib.h>
#include <string.h>

static void test_add(void)
{
    struct buf buf;

    buf_init(&buf, 1000);
    CU_ASSERT_EQUAL(buf_slice(&buf).n, 0);
    buf_add(&buf, SLICE("ab"));
    buf_add(&buf, slice_make(NULL, 0));
    buf_add_char(&buf, 'c');
    buf_add_u64(&buf, 0);
    buf_add_u64(&buf, UINT64_MAX);
    buf_addf(&buf, "<%d %s>", -5, "x");
    buf_add_hex(&buf, SLICE("\x00\x7f\xff"));
    CU_ASSERT_TRUE(slice_eq(buf_slice(&buf), SLICE("abc018446744073709551615<-5 x>007fff")));
    CU_ASSERT_FALSE(buf.overflow);
    buf_fini(&buf);
    CU_ASSERT_PTR_NULL(buf.p);
}

static void test_growth(void)
{
    struct buf buf;
    bool same = true;

    buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < 100000; i++)
        buf_add_char(&buf, (char)(i % 251));
    CU_ASSERT_EQUAL(buf.n, 100000);
    for (size_t i = 0; i < buf.n; i++)
        same = same && buf.p[i] == (char)(i % 251);
    CU_ASSERT_TRUE(same);
    CU_ASSERT_TRUE(buf.cap <= buf.max);
    buf_fini(&buf);
}

static void test_exactly_full(void)
{
    struct buf buf;

    buf_init(&buf, 5);
    buf_add(&buf, SLICE("hello"));
    CU_ASSERT_FALSE(buf.overflow);
    buf_add(&buf, SLICE("")); /* nothing always fits */
    buf_addf(&buf, "%s", "");
    CU_ASSERT_FALSE(buf.overflow);
    buf_add_char(&buf, '!');
    CU_ASSERT_TRUE(buf.overflow);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&buf), SLICE("hello")));
    buf_fini(&buf);

    buf_init(&buf, 5);
    buf_addf(&buf, "%05d", 42);
    CU_ASSERT_FALSE(buf.overflow);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&buf), SLICE("00042")));
    buf_fini(&buf);

    buf_init(&buf, 4);
    buf_add_hex(&buf, SLICE("ab"));
    CU_ASSERT_FALSE(buf.overflow);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&buf), SLICE("6162")));
    buf_fini(&buf);
}

static void test_overflow_is_sticky(void)
{
    struct buf buf;

    buf_init(&buf, 4);
    buf_add(&buf, SLICE("ab"));
    buf_add(&buf, SLICE("cde")); /* dropped as a whole */
    CU_ASSERT_TRUE(buf.overflow);
    buf_add_char(&buf, 'f'); /* would fit, but the chain is broken */
    buf_addf(&buf, "g");
    buf_add_u64(&buf, 1);
    buf_add_hex(&buf, SLICE("h"));
    CU_ASSERT_TRUE(buf.overflow);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&buf), SLICE("ab")));
    buf_reset(&buf);
    CU_ASSERT_FALSE(buf.overflow);
    CU_ASSERT_EQUAL(buf.n, 0);
    buf_addf(&buf, "%s", "wxyz");
    CU_ASSERT_TRUE(slice_eq(buf_slice(&buf), SLICE("wxyz")));
    buf_fini(&buf);
}

static void test_overflow_of_each_kind(void)
{
    struct buf buf;

    buf_init(&buf, 3);
    buf_addf(&buf, "%s", "four");
    CU_ASSERT_TRUE(buf.overflow);
    CU_ASSERT_EQUAL(buf.n, 0);
    buf_reset(&buf);
    buf_add_u64(&buf, 1234);
    CU_ASSERT_TRUE(buf.overflow);
    buf_reset(&buf);
    buf_add_hex(&buf, SLICE("ab"));
    CU_ASSERT_TRUE(buf.overflow);
    buf_reset(&buf);
    buf_add_hex(&buf, slice_make("", SIZE_MAX)); /* twice as much would wrap around */
    CU_ASSERT_TRUE(buf.overflow);
    buf_reset(&buf);
    buf_add(&buf, slice_make("", SIZE_MAX));
    CU_ASSERT_TRUE(buf.overflow);
    CU_ASSERT_EQUAL(buf.n, 0);
    buf_fini(&buf);
}

static void test_extreme_maxima(void)
{
    struct buf buf;

    buf_init(&buf, 0);
    buf_add(&buf, SLICE(""));
    CU_ASSERT_FALSE(buf.overflow);
    buf_add_char(&buf, 'a');
    CU_ASSERT_TRUE(buf.overflow);
    buf_fini(&buf);

    buf_init(&buf, SIZE_MAX);
    buf_add_char(&buf, 'a');
    buf_add(&buf, slice_make("", SIZE_MAX - 1));
    CU_ASSERT_TRUE(buf.overflow);
    CU_ASSERT_EQUAL(buf.n, 1);
    buf_fini(&buf);
}

static void test_addf_grows(void)
{
    struct buf buf;
    char text[301];

    memset(text, 'x', 300);
    text[300] = '\0';
    buf_init(&buf, 1000);
    buf_addf(&buf, "%s", text);
    buf_addf(&buf, "%s|%s", text, "end");
    CU_ASSERT_EQUAL(buf.n, 604);
    CU_ASSERT_TRUE(slice_ends_with(buf_slice(&buf), SLICE("xx|end")));
    buf_fini(&buf);
}

static void test_take(void)
{
    struct buf buf;
    size_t n = 99;
    char *p;

    buf_init(&buf, 3);
    CU_ASSERT_PTR_NULL(buf_take(&buf, &n));
    CU_ASSERT_EQUAL(n, 0);
    buf_add(&buf, SLICE("abc"));
    p = buf_take(&buf, &n);
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_STRING_EQUAL(p, "abc");
    free(p);
    CU_ASSERT_EQUAL(buf.n, 0);
    CU_ASSERT_PTR_NULL(buf.p);
    buf_add(&buf, SLICE("de")); /* still usable, same maximum */
    CU_ASSERT_FALSE(buf.overflow);
    p = buf_take(&buf, NULL);
    CU_ASSERT_STRING_EQUAL(p, "de");
    free(p);
    buf_fini(&buf);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("buf", NULL, NULL);

    CU_add_test(suite, "add", test_add);
    CU_add_test(suite, "growth", test_growth);
    CU_add_test(suite, "exactly full", test_exactly_full);
    CU_add_test(suite, "overflow is sticky", test_overflow_is_sticky);
    CU_add_test(suite, "overflow of each kind", test_overflow_of_each_kind);
    CU_add_test(suite, "extreme maxima", test_extreme_maxima);
    CU_add_test(suite, "addf grows", test_addf_grows);
    CU_add_test(suite, "take", test_take);
}
