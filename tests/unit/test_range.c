/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "server/range.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static void test_parse(void)
{
    static const struct {
        struct slice field;
        uint64_t size;
        int err;
        unsigned count;
        struct range ranges[3];
    } cases[] = {
        {SLICE("bytes=0-0"), 10, 0, 1, {{0, 1}}},
        {SLICE("bytes=0-9"), 10, 0, 1, {{0, 10}}},
        {SLICE("bytes=0-99"), 10, 0, 1, {{0, 10}}},
        {SLICE("bytes=5-"), 10, 0, 1, {{5, 5}}},
        {SLICE("bytes=-3"), 10, 0, 1, {{7, 3}}},
        {SLICE("bytes=-30"), 10, 0, 1, {{0, 10}}},
        {SLICE("Bytes= 1-2 , 4-5,"), 10, 0, 2, {{1, 2}, {4, 2}}},
        {SLICE("bytes=4-5,1-2"), 10, 0, 2, {{4, 2}, {1, 2}}},
        {SLICE("bytes=1-2,20-30"), 10, 0, 1, {{1, 2}}},
        {SLICE("bytes=0-18446744073709551615"), 10, 0, 1, {{0, 10}}},
        {SLICE("bytes=10-"), 10, ERR_HTTP_RANGE, 0, {{0}}},
        {SLICE("bytes=-0"), 10, ERR_HTTP_RANGE, 0, {{0}}},
        {SLICE("bytes=0-"), 0, ERR_HTTP_RANGE, 0, {{0}}},
        {SLICE("bytes=-1"), 0, ERR_HTTP_RANGE, 0, {{0}}},
        {SLICE("bytes="), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes=,"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes=-"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes=a-b"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes=5"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes=5-4"), 10, ERR_HTTP_RANGE, 0, {{0}}},
        {SLICE("bytes=0-1,5-4"), 10, ERR_HTTP_RANGE, 0, {{0}}},
        {SLICE("bytes=1-2-3"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes=0-18446744073709551616"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("items=0-1"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes 0-1"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE(""), 10, ERR_INVALID, 0, {{0}}},
        /* more than the whole, and too many */
        {SLICE("bytes=0-,0-"), 10, ERR_INVALID, 0, {{0}}},
        {SLICE("bytes=0-0,1-1,2-2,3-3"), 10, ERR_INVALID, 0, {{0}}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range ranges[3];
        unsigned count;
        int err = range_parse(cases[i].field, cases[i].size, ranges, 3, &count);
        if (err != cases[i].err)
            printf("# %s: " SLICE_FMT "\n", err_name(err), SLICE_ARG(cases[i].field));
        CU_ASSERT_EQUAL(err, cases[i].err);
        if (err != 0)
            continue;
        CU_ASSERT_EQUAL(count, cases[i].count);
        for (unsigned j = 0; j < count; j++) {
            CU_ASSERT_EQUAL(ranges[j].first, cases[i].ranges[j].first);
            CU_ASSERT_EQUAL(ranges[j].n, cases[i].ranges[j].n);
        }
    }
}

static void test_etags(void)
{
    struct slice etag = SLICE("\"sha256:aa\"");

    CU_ASSERT_TRUE(etag_list_has(SLICE("*"), etag));
    CU_ASSERT_TRUE(etag_list_has(SLICE("\"sha256:aa\""), etag));
    CU_ASSERT_TRUE(etag_list_has(SLICE("\"x\" , W/\"sha256:aa\""), etag));
    CU_ASSERT_FALSE(etag_list_has(SLICE("sha256:aa"), etag));
    CU_ASSERT_FALSE(etag_list_has(SLICE("\"sha256:ab\", \"\""), etag));
    CU_ASSERT_FALSE(etag_list_has(SLICE(""), etag));
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("range", NULL, NULL);

    CU_add_test(suite, "ranges", test_parse);
    CU_add_test(suite, "entity tags", test_etags);
}
