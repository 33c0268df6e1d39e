/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "storage/backup_info.h"

#include "tests/support/cunit_main.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

static struct backup_info *example(void)
{
    struct backup_info *info = xcalloc(1, sizeof(*info));

    info->data_format = 1;
    info->index_format = 1;
    strncpy(info->version, "1.2.3", sizeof(info->version) - 1);
    strncpy(info->index, "index.b", sizeof(info->index) - 1);
    info->index_bytes = 4096;
    digest_compute(DIGEST_SHA256, SLICE("index"), &info->index_digest);
    info->event = 12;
    memset(info->event_hash, 0xab, sizeof(info->event_hash));
    info->manifests = 3;
    info->files = 4;
    info->file_bytes = UINT64_C(1) << 40;
    info->begun_ms = 1;
    return info;
}

/* There and back; what does not fit into the list is counted all the same. */
static void check_round(uint64_t damaged_n)
{
    struct backup_info *info = example(), *again = xcalloc(1, sizeof(*again));
    struct fault fault = FAULT_INIT;
    struct buf text;

    info->damaged_n = damaged_n;
    for (uint64_t i = 0; i < damaged_n && i < BACKUP_DAMAGED_MAX; i++)
        digest_compute(i % 2 == 0 ? DIGEST_SHA256 : DIGEST_SHA512, slice_make(&i, sizeof(i)),
                       &info->damaged[i]);
    buf_init(&text, BACKUP_INFO_MAX);
    backup_info_encode(&text, info);
    CU_ASSERT_FALSE(text.overflow);
    CU_ASSERT_EQUAL(backup_info_decode(buf_slice(&text), "x", again, &fault), 0);
    CU_ASSERT_STRING_EQUAL(fault.text, "");
    CU_ASSERT_STRING_EQUAL(again->version, "1.2.3");
    CU_ASSERT_STRING_EQUAL(again->index, "index.b");
    CU_ASSERT_EQUAL(again->index_bytes, 4096);
    CU_ASSERT_TRUE(digest_eq(&again->index_digest, &info->index_digest));
    CU_ASSERT_EQUAL(again->event, 12);
    CU_ASSERT_EQUAL(memcmp(again->event_hash, info->event_hash, sizeof(info->event_hash)), 0);
    CU_ASSERT_EQUAL(again->manifests, 3);
    CU_ASSERT_EQUAL(again->files, 4);
    CU_ASSERT_EQUAL(again->file_bytes, UINT64_C(1) << 40);
    CU_ASSERT_EQUAL(again->damaged_n, damaged_n);
    for (uint64_t i = 0; i < damaged_n && i < BACKUP_DAMAGED_MAX; i++)
        CU_ASSERT_TRUE(digest_eq(&again->damaged[i], &info->damaged[i]));
    buf_fini(&text);
    free(info);
    free(again);
}

static void test_round(void)
{
    check_round(0);
    check_round(3);
    check_round(BACKUP_DAMAGED_MAX);
    check_round(BACKUP_DAMAGED_MAX + 7);
}

/* No shorter document is one, whatever it is cut to. */
static void test_cut(void)
{
    struct backup_info *info = example(), *again = xcalloc(1, sizeof(*again));
    struct buf text;

    buf_init(&text, BACKUP_INFO_MAX);
    backup_info_encode(&text, info);
    for (size_t n = 0; n + 1 < text.n; n++)
        CU_ASSERT_EQUAL(backup_info_decode(slice_make(text.p, n), "x", again, NULL), ERR_CORRUPT);
    buf_fini(&text);
    free(info);
    free(again);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("backup_info", NULL, NULL);

    CU_add_test(suite, "written and read again", test_round);
    CU_add_test(suite, "cut off anywhere", test_cut);
}
