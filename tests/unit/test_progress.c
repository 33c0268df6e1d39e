/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/progress.h"

#include "cli/text.h"
#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <string.h>

#define MIB ((uint64_t)1 << 20)

static struct progress of(struct slice name, uint64_t first, uint64_t total)
{
    return (struct progress){
        .verb = "pulling",
        .name = name,
        .first = first,
        .total = total,
        .begun_ms = 1000,
    };
}

static void test_line(void)
{
    struct progress p = of(SLICE("dist.tar.gz"), 0, 100 * MIB);
    char line[PROGRESS_LINE_MAX];

    progress_format(line, &p, 0, 1000, 80);
    CU_ASSERT_STRING_EQUAL(line, "pulling dist.tar.gz  [>                             ]"
                                 "    0%  0 B of 100 MiB");
    progress_format(line, &p, 25 * MIB, 3000, 100);
    CU_ASSERT_STRING_EQUAL(line, "pulling dist.tar.gz  [=======>                      ]"
                                 "   25%  25 MiB of 100 MiB  13 MiB/s  0:06");
    progress_format(line, &p, 100 * MIB, 11000, 100);
    CU_ASSERT_STRING_EQUAL(line, "pulling dist.tar.gz  [==============================]"
                                 "  100%  100 MiB of 100 MiB  10 MiB/s");
}

/* What was there before is no part of the speed. */
static void test_resumed(void)
{
    struct progress p = of(SLICE("f"), 50 * MIB, 100 * MIB);
    char line[PROGRESS_LINE_MAX];

    progress_format(line, &p, 60 * MIB, 11000, 100);
    CU_ASSERT_TRUE(strstr(line, " 60%  60 MiB of 100 MiB  1.0 MiB/s  0:40") != NULL);
    progress_format(line, &p, 50 * MIB, 11000, 100);
    CU_ASSERT_TRUE(strstr(line, "/s") == NULL);
}

static void test_odd_numbers(void)
{
    struct progress p = of(SLICE("f"), 0, 0);
    char line[PROGRESS_LINE_MAX];

    progress_format(line, &p, 0, 1000, 80);
    CU_ASSERT_TRUE(strstr(line, "100%  0 B of 0 B") != NULL);
    p.total = UINT64_MAX;
    progress_format(line, &p, 1, 2000, 80);
    CU_ASSERT_TRUE(strstr(line, "  0%") != NULL);
    progress_format(line, &p, UINT64_MAX, 500, 80); /* the clock stands before the beginning */
    CU_ASSERT_TRUE(strstr(line, "100%") != NULL);
    p.total = 10;
    progress_format(line, &p, 11, 2000, 80);
    CU_ASSERT_TRUE(strstr(line, "100%") != NULL);
}

/* Whatever the width and the name: one line that fits, with nothing in it that moves the cursor. */
static void test_widths(void)
{
    static const char *const names[] = {
        "f",
        "a/very/long/way/to/a/file/with/a/long/name/indeed/so/that/it/does/not/fit/dist.tar.gz",
        "\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87"
        "\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87\xe6\x96\x87",
        "a\x1b[31m\n\r",
    };
    char line[PROGRESS_LINE_MAX];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct progress p = of(slice_from_cstr(names[i]), 0, 1000 * MIB);

        for (unsigned columns = 0; columns < 300; columns++) {
            size_t n = progress_format(line, &p, 333 * MIB, 4000, columns);

            CU_ASSERT_EQUAL(n, strlen(line));
            CU_ASSERT_TRUE(text_width(slice_make(line, n)) <= columns);
            for (size_t at = 0; at < n; at++)
                CU_ASSERT_TRUE((unsigned char)line[at] >= ' ');
            if (columns > 60)
                CU_ASSERT_TRUE(strstr(line, "pulling ") && strstr(line, " 33%"));
        }
    }
    struct progress p = of(slice_from_cstr(names[1]), 0, 1000 * MIB);
    progress_format(line, &p, 333 * MIB, 4000, 90);
    CU_ASSERT_TRUE(strstr(line, "dist.tar.gz  [") != NULL); /* the end of the name is kept */
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("progress", NULL, NULL);

    CU_add_test(suite, "line", test_line);
    CU_add_test(suite, "resumed", test_resumed);
    CU_add_test(suite, "odd numbers", test_odd_numbers);
    CU_add_test(suite, "widths", test_widths);
}
