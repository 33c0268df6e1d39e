/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/utf8.h"

#include <CUnit/CUnit.h>

static void check_next(struct slice s, bool good, size_t expected)
{
    size_t length = 0;

    CU_ASSERT_EQUAL(utf8_next(s, &length), good);
    CU_ASSERT_EQUAL(length, expected);
}

static void test_next(void)
{
    check_next(SLICE("a"), true, 1);
    check_next(SLICE("\0"), true, 1);
    check_next(SLICE("\x7f"), true, 1);
    check_next(SLICE("\xc2\x80x"), true, 2);
    check_next(SLICE("\xdf\xbf"), true, 2);
    check_next(SLICE("\xe0\xa0\x80"), true, 3);
    check_next(SLICE("\xed\x9f\xbf"), true, 3);
    check_next(SLICE("\xee\x80\x80"), true, 3);
    check_next(SLICE("\xef\xbf\xbf"), true, 3);
    check_next(SLICE("\xf0\x90\x80\x80"), true, 4);
    check_next(SLICE("\xf4\x8f\xbf\xbf"), true, 4);
}

static void test_broken(void)
{
    check_next(SLICE("\x80"), false, 1);             /* nothing to continue */
    check_next(SLICE("\xc0\x80"), false, 1);         /* overlong */
    check_next(SLICE("\xc1\xbf"), false, 1);         /* overlong */
    check_next(SLICE("\xe0\x9f\xbf"), false, 1);     /* overlong */
    check_next(SLICE("\xf0\x8f\xbf\xbf"), false, 1); /* overlong */
    check_next(SLICE("\xed\xa0\x80"), false, 1);     /* surrogate */
    check_next(SLICE("\xf4\x90\x80\x80"), false, 1); /* past U+10FFFF */
    check_next(SLICE("\xf5\x80\x80\x80"), false, 1);
    check_next(SLICE("\xff"), false, 1);
    check_next(SLICE("\xc3"), false, 1); /* cut short */
    check_next(SLICE("\xe2\x82"), false, 2);
    check_next(SLICE("\xf0\x9f\x92"), false, 3);
    check_next(SLICE("\xf0\x9f\x92x"), false, 3);
    check_next(SLICE("\xe2\x82\xc3\xa9"), false, 2);
    check_next(SLICE("\xc3x"), false, 1);
}

/* Every code point encoded by the book is taken; every surrogate is not. */
static void test_every_code_point(void)
{
    bool good = true;

    for (unsigned c = 0x80; c <= 0x10ffff && good; c++) {
        size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        size_t length;
        char s[4];

        for (size_t i = n - 1, rest = c; i > 0; i--, rest >>= 6)
            s[i] = (char)(0x80 | (rest & 0x3f));
        s[0] = (char)((0xf00u >> n) | (c >> (6 * (n - 1))));
        good = utf8_next(slice_make(s, n), &length) == !(c >= 0xd800 && c <= 0xdfff) &&
               (c >= 0xd800 && c <= 0xdfff ? length == 1 : length == n);
    }
    CU_ASSERT_TRUE(good);
}

static void test_valid_prefix(void)
{
    CU_ASSERT_EQUAL(utf8_valid_prefix(slice_make(NULL, 0)), 0);
    CU_ASSERT_EQUAL(utf8_valid_prefix(SLICE("abcdefghijklmnopq")), 17);
    CU_ASSERT_EQUAL(utf8_valid_prefix(SLICE("abcdefgh\xc3\xa9jklmnopqrstu\xe2\x82\xac")), 25);
    CU_ASSERT_EQUAL(utf8_valid_prefix(SLICE("abcdefgh\xc3")), 8);
    CU_ASSERT_EQUAL(utf8_valid_prefix(SLICE("abc\xff"
                                            "efghijklmn")),
                    3);
    CU_ASSERT_EQUAL(utf8_valid_prefix(SLICE("\x80")), 0);
    CU_ASSERT_EQUAL(utf8_valid_prefix(slice_sub(SLICE("\xe2\x82\xac"), 0, 2)), 0);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("utf8", NULL, NULL);

    CU_add_test(suite, "next", test_next);
    CU_add_test(suite, "broken", test_broken);
    CU_add_test(suite, "every code point", test_every_code_point);
    CU_add_test(suite, "valid_prefix", test_valid_prefix);
}
