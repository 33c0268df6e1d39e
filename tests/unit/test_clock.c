/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/clock.h"

#include <CUnit/CUnit.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void check_rfc3339(int64_t wall_ms, const char *expected)
{
    char out[CLOCK_RFC3339_MAX];

    clock_format_rfc3339(wall_ms, out);
    CU_ASSERT_STRING_EQUAL(out, expected);
}

static void check_http(int64_t wall_ms, const char *expected)
{
    char out[CLOCK_HTTP_MAX];

    clock_format_http(wall_ms, out);
    CU_ASSERT_STRING_EQUAL(out, expected);
}

static void test_rfc3339(void)
{
    check_rfc3339(0, "1970-01-01T00:00:00.000Z");
    check_rfc3339(-1, "1969-12-31T23:59:59.999Z");
    check_rfc3339(-86400000, "1969-12-31T00:00:00.000Z");
    check_rfc3339(1795465800123, "2026-11-23T20:30:00.123Z");
    check_rfc3339(951782400000, "2000-02-29T00:00:00.000Z");
    check_rfc3339(4107542400000, "2100-03-01T00:00:00.000Z");
    check_rfc3339(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void test_http(void)
{
    check_http(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_http(1795465800999, "Mon, 23 Nov 2026 20:30:00 GMT");
    check_http(784111777000, "Sun, 06 Nov 1994 08:49:37 GMT"); /* the RFC's example */
    check_http(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
}

static void test_out_of_range_is_clamped(void)
{
    check_rfc3339(253402300800000, "9999-12-31T23:59:59.999Z");
    check_rfc3339(INT64_MAX, "9999-12-31T23:59:59.999Z");
    check_rfc3339(INT64_MIN, "0000-01-01T00:00:00.000Z");
    check_http(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_http(INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT");
}

/* Every day of four centuries and a bit, against the C library's calendar. */
static void test_every_day(void)
{
    bool same = true;

    for (int64_t day = -30000; day < 120000 && same; day++) {
        time_t seconds = (time_t)(day * 86400 + (day * 7919 % 86400 + 86400) % 86400);
        char expected[64], out[CLOCK_HTTP_MAX];
        struct tm tm;

        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        clock_format_http((int64_t)seconds * 1000, out);
        same = strcmp(out, expected) == 0;
        if (!same)
            printf("# %s, expected %s\n", out, expected);
    }
    CU_ASSERT_TRUE(same);
}

static void test_clocks(void)
{
    uint64_t before = clock_mono_ns();
    uint64_t ms = clock_mono_ms();
    uint64_t after = clock_mono_ns();
    int64_t wall = clock_wall_ms();

    CU_ASSERT_TRUE(before <= after);
    CU_ASSERT_TRUE(before / 1000000 <= ms && ms <= after / 1000000);
    CU_ASSERT_TRUE(wall / 1000 >= (int64_t)time(NULL) - 2 &&
                   wall / 1000 <= (int64_t)time(NULL) + 2);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("clock", NULL, NULL);

    CU_add_test(suite, "rfc3339", test_rfc3339);
    CU_add_test(suite, "http", test_http);
    CU_add_test(suite, "out of range is clamped", test_out_of_range_is_clamped);
    CU_add_test(suite, "every day against gmtime", test_every_day);
    CU_add_test(suite, "clocks", test_clocks);
}
