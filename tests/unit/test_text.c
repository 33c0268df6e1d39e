/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/text.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <stdlib.h>

static bool cleans_to(struct slice s, const char *wanted)
{
    struct buf out;

    buf_init(&out, 1000);
    text_clean(&out, s);
    bool same = slice_eq(buf_slice(&out), slice_from_cstr(wanted));
    buf_fini(&out);
    return same;
}

#define R "\xef\xbf\xbd"

static void test_clean(void)
{
    CU_ASSERT_TRUE(cleans_to(SLICE(""), ""));
    CU_ASSERT_TRUE(cleans_to(SLICE("plain ~"), "plain ~"));
    CU_ASSERT_TRUE(cleans_to(SLICE("\xc3\xbc\xe6\x96\x87\xf0\x9f\x90\xa6"),
                             "\xc3\xbc\xe6\x96\x87\xf0\x9f\x90\xa6"));
    CU_ASSERT_TRUE(cleans_to(SLICE("a\x1b[31mb"), "a" R "[31mb"));
    CU_ASSERT_TRUE(cleans_to(SLICE("\0\t\n\r\x7f"), R R R R R));
    CU_ASSERT_TRUE(cleans_to(SLICE("\xc2\x9b"
                                   "31m"),
                             R "31m"));
    CU_ASSERT_TRUE(cleans_to(SLICE("\xc2\xa0"), "\xc2\xa0"));
    CU_ASSERT_TRUE(cleans_to(SLICE("\x9b\xff"), R R));
}

static void test_size(void)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {10 * 1024 - 1, "10 KiB"},
        {10 * 1024, "10 KiB"},
        {1023 * 1024, "1023 KiB"},
        {1024 * 1024 - 1, "1.0 MiB"},
        {1024 * 1024, "1.0 MiB"},
        {200ull << 20, "200 MiB"},
        {2684354560, "2.5 GiB"},
        {1ull << 40, "1.0 TiB"},
        {1ull << 50, "1.0 PiB"},
        {1ull << 60, "1.0 EiB"},
    };
    char text[TEXT_SIZE_MAX];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text_size(cases[i].bytes, text);
        CU_ASSERT_STRING_EQUAL(text, cases[i].text);
    }
    text_size(UINT64_MAX, text);
    CU_ASSERT_STRING_EQUAL(text, "16 EiB");
}

static void test_short_digest(void)
{
    CU_ASSERT_TRUE(slice_eq(text_short_digest(SLICE("sha256:0123456789abcdef")),
                            SLICE("sha256:0123456789ab")));
    CU_ASSERT_TRUE(slice_eq(text_short_digest(SLICE("sha256:01")), SLICE("sha256:01")));
    CU_ASSERT_TRUE(slice_eq(text_short_digest(SLICE("none")), SLICE("none")));
    CU_ASSERT_EQUAL(text_short_digest(SLICE("")).n, 0);
}

static void test_table(void)
{
    struct text_table table;
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    text_table_init(&table, 3);
    text_table_print(&table, out);
    text_table_add(&table, SLICE("NAME"));
    text_table_add(&table, SLICE("X"));
    text_table_add(&table, SLICE("LAST"));
    text_table_add(&table, SLICE("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"));
    text_table_add(&table, (struct slice){0});
    text_table_add(&table, SLICE("a\nb"));
    text_table_print(&table, out);
    text_table_add(&table, SLICE("a")); /* the next page stands under the first */
    text_table_add(&table, SLICE("b"));
    text_table_add(&table, SLICE("c"));
    text_table_print(&table, out);
    text_table_fini(&table);
    fclose(out);
    CU_ASSERT_STRING_EQUAL(text, "NAME   X  LAST\n"
                                 "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc     a" R "b\n"
                                 "a      b  c\n");
    free(text);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("text", NULL, NULL);

    CU_add_test(suite, "clean", test_clean);
    CU_add_test(suite, "size", test_size);
    CU_add_test(suite, "short_digest", test_short_digest);
    CU_add_test(suite, "table", test_table);
}
