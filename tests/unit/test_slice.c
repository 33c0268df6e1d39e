/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/slice.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static const struct slice none = {NULL, 0};

static void test_make(void)
{
    CU_ASSERT_EQUAL(SLICE("").n, 0);
    CU_ASSERT_EQUAL(SLICE("a\0b").n, 3);
    CU_ASSERT_EQUAL(slice_from_cstr(NULL).n, 0);
    CU_ASSERT_PTR_NULL(slice_from_cstr(NULL).p);
    CU_ASSERT_EQUAL(slice_from_cstr("abc").n, 3);
}

static void test_printf(void)
{
    char out[16];

    snprintf(out, sizeof(out), "<" SLICE_FMT "|" SLICE_FMT ">", SLICE_ARG(SLICE("ab")),
             SLICE_ARG(none));
    CU_ASSERT_STRING_EQUAL(out, "<ab|>");
}

static void test_eq(void)
{
    CU_ASSERT_TRUE(slice_eq(none, none));
    CU_ASSERT_TRUE(slice_eq(none, SLICE("")));
    CU_ASSERT_TRUE(slice_eq(SLICE("a\0b"), SLICE("a\0b")));
    CU_ASSERT_FALSE(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    CU_ASSERT_FALSE(slice_eq(SLICE("a"), SLICE("ab")));
    CU_ASSERT_FALSE(slice_eq(SLICE("a"), none));
}

static void test_cmp(void)
{
    CU_ASSERT_EQUAL(slice_cmp(none, none), 0);
    CU_ASSERT_EQUAL(slice_cmp(none, SLICE("")), 0);
    CU_ASSERT_EQUAL(slice_cmp(none, SLICE("a")), -1);
    CU_ASSERT_EQUAL(slice_cmp(SLICE("a"), none), 1);
    CU_ASSERT_EQUAL(slice_cmp(SLICE("a"), SLICE("ab")), -1);
    CU_ASSERT_EQUAL(slice_cmp(SLICE("ab"), SLICE("a")), 1);
    CU_ASSERT_EQUAL(slice_cmp(SLICE("b"), SLICE("ab")), 1);
    CU_ASSERT_EQUAL(slice_cmp(SLICE("abc"), SLICE("abc")), 0);
    CU_ASSERT_EQUAL(slice_cmp(SLICE("\xff"), SLICE("a")), 1); /* unsigned */
    CU_ASSERT_EQUAL(slice_cmp(SLICE("\x00"), SLICE("\x01")), -1);
}

static void test_eq_nocase(void)
{
    CU_ASSERT_TRUE(slice_eq_nocase(none, SLICE("")));
    CU_ASSERT_TRUE(slice_eq_nocase(SLICE("Content-Length"), SLICE("cONTENT-lENGTH")));
    CU_ASSERT_TRUE(slice_eq_nocase(SLICE("AZaz09"), SLICE("azAZ09")));
    CU_ASSERT_FALSE(slice_eq_nocase(SLICE("@["), SLICE("`{"))); /* 32 apart, but no letters */
    CU_ASSERT_FALSE(slice_eq_nocase(SLICE("\xc4"), SLICE("\xe4")));
    CU_ASSERT_FALSE(slice_eq_nocase(SLICE("a"), SLICE("aa")));
}

static void test_starts_ends(void)
{
    CU_ASSERT_TRUE(slice_starts_with(SLICE("bytes=0"), SLICE("bytes=")));
    CU_ASSERT_TRUE(slice_starts_with(SLICE("a"), SLICE("a")));
    CU_ASSERT_TRUE(slice_starts_with(SLICE("a"), none));
    CU_ASSERT_TRUE(slice_starts_with(none, none));
    CU_ASSERT_FALSE(slice_starts_with(none, SLICE("a")));
    CU_ASSERT_FALSE(slice_starts_with(SLICE("a"), SLICE("ab")));
    CU_ASSERT_FALSE(slice_starts_with(SLICE("ba"), SLICE("a")));

    CU_ASSERT_TRUE(slice_ends_with(SLICE("a/"), SLICE("/")));
    CU_ASSERT_TRUE(slice_ends_with(SLICE("a"), SLICE("a")));
    CU_ASSERT_TRUE(slice_ends_with(SLICE("a"), SLICE("")));
    CU_ASSERT_TRUE(slice_ends_with(none, none));
    CU_ASSERT_FALSE(slice_ends_with(none, SLICE("a")));
    CU_ASSERT_FALSE(slice_ends_with(SLICE("b"), SLICE("ab")));
    CU_ASSERT_FALSE(slice_ends_with(SLICE("/a"), SLICE("/")));
}

static void test_sub(void)
{
    struct slice s = SLICE("abcdef");

    CU_ASSERT_TRUE(slice_eq(slice_sub(s, 1, 2), SLICE("bc")));
    CU_ASSERT_TRUE(slice_eq(slice_sub(s, 0, SIZE_MAX), s));
    CU_ASSERT_TRUE(slice_eq(slice_sub(s, 4, 3), SLICE("ef")));
    CU_ASSERT_TRUE(slice_eq(slice_sub(s, 5, SIZE_MAX), SLICE("f")));
    CU_ASSERT_EQUAL(slice_sub(s, 6, 1).n, 0);
    CU_ASSERT_EQUAL(slice_sub(s, 7, 1).n, 0);
    CU_ASSERT_EQUAL(slice_sub(s, SIZE_MAX, SIZE_MAX).n, 0);
    CU_ASSERT_PTR_EQUAL(slice_sub(s, SIZE_MAX, SIZE_MAX).p, s.p + 6); /* clipped, not far away */
    CU_ASSERT_EQUAL(slice_sub(s, 2, 0).n, 0);
    CU_ASSERT_EQUAL(slice_sub(none, 0, 1).n, 0);
    CU_ASSERT_PTR_NULL(slice_sub(none, 3, 1).p);
}

static void test_find_char(void)
{
    CU_ASSERT_EQUAL(slice_find_char(SLICE("a:b:c"), ':'), 1);
    CU_ASSERT_EQUAL(slice_find_char(SLICE("abc"), ':'), 3);
    CU_ASSERT_EQUAL(slice_find_char(SLICE("ab\0c"), '\0'), 2);
    CU_ASSERT_EQUAL(slice_find_char(SLICE("ab\xff"), '\xff'), 2);
    CU_ASSERT_EQUAL(slice_find_char(none, ':'), 0);
}

static void test_trim(void)
{
    CU_ASSERT_TRUE(slice_eq(slice_trim(SLICE(" \t a b \t")), SLICE("a b")));
    CU_ASSERT_TRUE(slice_eq(slice_trim(SLICE("a")), SLICE("a")));
    CU_ASSERT_EQUAL(slice_trim(SLICE(" \t ")).n, 0);
    CU_ASSERT_EQUAL(slice_trim(SLICE("")).n, 0);
    CU_ASSERT_EQUAL(slice_trim(none).n, 0);
    CU_ASSERT_TRUE(slice_eq(slice_trim(SLICE("\r\na\v")), SLICE("\r\na\v")));
}

/* Each byte at each place of a text longer than two machine words. */
static void test_has_control(void)
{
    CU_ASSERT_FALSE(slice_has_control(none));
    CU_ASSERT_FALSE(slice_has_control(SLICE("sha256:\tabc \xc3\xa4\xff\x80 ~")));
    for (int c = 0; c < 256; c++) {
        bool expected = (c < 0x20 && c != '\t') || c == 0x7f;
        for (size_t at = 0; at < 19; at++) {
            char text[] = "a \t~\x80\xffz0123456789ab";
            text[at] = (char)c;
            CU_ASSERT_EQUAL(slice_has_control(slice_make(text, 19)), expected);
            CU_ASSERT_FALSE(slice_has_control(slice_make(text, at)));
        }
    }
}

static void test_split(void)
{
    struct slice rest = SLICE("a,,bc,");
    struct slice part;

    CU_ASSERT_TRUE(slice_split(&rest, ',', &part));
    CU_ASSERT_TRUE(slice_eq(part, SLICE("a")));
    CU_ASSERT_TRUE(slice_split(&rest, ',', &part));
    CU_ASSERT_EQUAL(part.n, 0);
    CU_ASSERT_TRUE(slice_split(&rest, ',', &part));
    CU_ASSERT_TRUE(slice_eq(part, SLICE("bc")));
    CU_ASSERT_FALSE(slice_split(&rest, ',', &part));
    CU_ASSERT_FALSE(slice_split(&rest, ',', &part)); /* and stays so */

    rest = SLICE("whole");
    CU_ASSERT_TRUE(slice_split(&rest, ',', &part));
    CU_ASSERT_TRUE(slice_eq(part, SLICE("whole")));
    CU_ASSERT_FALSE(slice_split(&rest, ',', &part));

    rest = SLICE(",");
    CU_ASSERT_TRUE(slice_split(&rest, ',', &part));
    CU_ASSERT_EQUAL(part.n, 0);
    CU_ASSERT_FALSE(slice_split(&rest, ',', &part));

    rest = none;
    CU_ASSERT_FALSE(slice_split(&rest, ',', &part));
}

static void test_parse_u64(void)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},
        {"7", 7},
        {"007", 7},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", (uint64_t)INT64_MAX + 1},
        {"18446744073709551615", UINT64_MAX},
        {"00000000000000000000000000000018446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "-0",
        "0x1",
        "1a",
        "1.0",
        "1e3",
        "/",
        ":",
        "\xd9\xa1",
        "18446744073709551616", /* one over */
        "18446744073709551620",
        "28446744073709551615",
        "100000000000000000000",
    };
    uint64_t value;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        value = 42;
        CU_ASSERT_TRUE(slice_parse_u64(slice_from_cstr(good[i].text), &value));
        CU_ASSERT_EQUAL(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        value = 42;
        CU_ASSERT_FALSE(slice_parse_u64(slice_from_cstr(bad[i]), &value));
        CU_ASSERT_EQUAL(value, 42);
    }
    CU_ASSERT_FALSE(slice_parse_u64(none, &value));
    CU_ASSERT_FALSE(slice_parse_u64(SLICE("1\0"), &value));
}

static void test_find_duplicate(void)
{
    struct slice names[] = {SLICE("b"), SLICE("aa"), SLICE(""),
                            SLICE("a"), SLICE("ab"), SLICE("b")};
    struct slice *sorted[6];
    size_t at;

    for (size_t i = 0; i < 6; i++)
        sorted[i] = &names[i];
    CU_ASSERT_EQUAL(slice_find_duplicate(sorted, 5), 0);
    CU_ASSERT_EQUAL(slice_find_duplicate(sorted, 1), 0);
    CU_ASSERT_EQUAL(slice_find_duplicate(NULL, 0), 0);
    for (size_t i = 0; i < 6; i++)
        sorted[i] = &names[i];
    at = slice_find_duplicate(sorted, 6);
    CU_ASSERT_TRUE_FATAL(at > 0 && at < 6);
    CU_ASSERT_PTR_NOT_EQUAL(sorted[at - 1], sorted[at]);
    CU_ASSERT_TRUE(slice_eq(*sorted[at - 1], SLICE("b")) && slice_eq(*sorted[at], SLICE("b")));
    names[0] = none; /* and the empty one, whatever its pointer */
    at = slice_find_duplicate(sorted, 6);
    CU_ASSERT_TRUE_FATAL(at > 0 && at < 6);
    CU_ASSERT_EQUAL(sorted[at]->n, 0);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("slice", NULL, NULL);

    CU_add_test(suite, "make", test_make);
    CU_add_test(suite, "printf", test_printf);
    CU_add_test(suite, "eq", test_eq);
    CU_add_test(suite, "cmp", test_cmp);
    CU_add_test(suite, "eq_nocase", test_eq_nocase);
    CU_add_test(suite, "starts_with, ends_with", test_starts_ends);
    CU_add_test(suite, "sub", test_sub);
    CU_add_test(suite, "find_char", test_find_char);
    CU_add_test(suite, "trim", test_trim);
    CU_add_test(suite, "has_control", test_has_control);
    CU_add_test(suite, "split", test_split);
    CU_add_test(suite, "parse_u64", test_parse_u64);
    CU_add_test(suite, "find_duplicate", test_find_duplicate);
}
