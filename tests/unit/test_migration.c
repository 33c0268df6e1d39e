/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Today's table is empty, so the machine is tried with a table of the test: from 1 to 2 each name
 * gets another number, three at a time; from 2 to 3 nothing is to be done.
 */
#include "config.h"

#include "storage/migration.h"

#include "tests/support/cunit_main.h"
#include "tests/support/store_fixture.h"

#include "base/mem.h"

#include <stdio.h>

#define NAMES 10

static unsigned slices;
static unsigned fail_at; /* the slice that fails; 0: none */

static struct key name_key(unsigned i)
{
    char name[16];
    int n = snprintf(name, sizeof(name), "name-%02u", i);

    return key_name(slice_make(name, (size_t)n));
}

static int put_number(struct kv_tx *tx, struct slice key, uint64_t number)
{
    struct buf value;

    buf_init(&value, 16);
    row_id_encode(&value, number);
    int err = kv_put(tx, key, buf_slice(&value));
    buf_fini(&value);
    return err;
}

static int fill(struct kv_tx *tx, void *arg)
{
    int err = 0;

    (void)arg;
    for (unsigned i = 0; err == 0 && i < NAMES; i++) {
        struct key key = name_key(i);
        err = put_number(tx, key_slice(&key), i + 1);
    }
    return err;
}

/* Numbers below 100 grow by 100: a second time does no harm. */
static int grow(struct kv_tx *tx, struct slice key, struct slice value)
{
    uint64_t number;
    int err = row_id_decode(value, &number);

    return err == 0 && number < 100 ? put_number(tx, key, number + 100) : err;
}

static int add_100(struct kv_tx *tx, struct migration_at *at)
{
    struct key prefix = key_prefix(KV_NAME), keys[3];
    struct slice key, value;
    struct kv_scan scan;
    unsigned n = 0;
    int err = kv_scan_begin(tx, key_slice(&prefix), key_slice(&at->after), 3, &scan);

    if (err != 0)
        return err;
    while (kv_scan_next(&scan, &key, &value) == 0) {
        keys[n].n = key.n;
        memcpy(keys[n++].bytes, key.p, key.n);
    }
    kv_scan_end(&scan);
    for (unsigned i = 0; err == 0 && i < n; i++) {
        err = kv_get(tx, key_slice(&keys[i]), &value);
        if (err == 0)
            err = grow(tx, key_slice(&keys[i]), value);
    }
    at->is_done = n < 3;
    if (n > 0)
        at->next = keys[n - 1];
    slices++;
    return err == 0 && fail_at != 0 && slices >= fail_at ? ERR_IO : err;
}

static int nothing(struct kv_tx *tx, struct migration_at *at)
{
    (void)tx;
    at->is_done = true;
    return 0;
}

static const struct migration table[] = {
    {2, "nothing", nothing},
    {1, "names grow", add_100},
};

static int read_format(struct kv_tx *tx, void *arg)
{
    return kv_format_get(tx, arg);
}

static unsigned format_now(void)
{
    unsigned format = 0;

    CU_ASSERT_EQUAL(fixture_read(read_format, &format), 0);
    return format;
}

static uint64_t number_of(unsigned i)
{
    struct buf value;
    uint64_t number = 0;

    buf_init(&value, 64);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(name_key(i), &value), 0);
    CU_ASSERT_EQUAL(row_id_decode(buf_slice(&value), &number), 0);
    buf_fini(&value);
    return number;
}

static int run(unsigned to, struct fault *fault)
{
    slices = 0;
    return migration_run_table(fixture_kv, table, ARRAY_LENGTH(table), to, fault);
}

static void test_today(void)
{
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(format_now(), KV_FORMAT);
    CU_ASSERT_EQUAL(migration_run(fixture_kv, &fault), 0);
    CU_ASSERT_EQUAL(format_now(), KV_FORMAT);
}

static void test_chain(void)
{
    struct fault fault = FAULT_INIT;

    fail_at = 0;
    CU_ASSERT_EQUAL_FATAL(fixture_write(fill, NULL), 0);
    CU_ASSERT_EQUAL(run(3, &fault), 0);
    CU_ASSERT_EQUAL(format_now(), 3);
    CU_ASSERT(slices >= 4);
    for (unsigned i = 0; i < NAMES; i++)
        CU_ASSERT_EQUAL(number_of(i), i + 101);
    CU_ASSERT_EQUAL(run(3, &fault), 0);
    CU_ASSERT_EQUAL(slices, 0);
}

/* One that was cut off has not moved the format, and begins again. */
static void test_cut(void)
{
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL_FATAL(fixture_write(fill, NULL), 0);
    fail_at = 3;
    CU_ASSERT_EQUAL(run(2, &fault), ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "from format 1 to 2"));
    CU_ASSERT_EQUAL(format_now(), 1);
    fail_at = 0;
    CU_ASSERT_EQUAL(run(2, &fault), 0);
    CU_ASSERT_EQUAL(format_now(), 2);
    for (unsigned i = 0; i < NAMES; i++)
        CU_ASSERT_EQUAL(number_of(i), i + 101);
}

static void test_no_way(void)
{
    struct fault fault = FAULT_INIT;

    fail_at = 0;
    CU_ASSERT_EQUAL(migration_run_table(fixture_kv, table, 1, 3, &fault), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "a version in between"));
    CU_ASSERT_EQUAL(format_now(), 1);
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"an index of today's format is left alone", test_today},
        {"one migration after the other, in slices", test_chain},
        {"what was cut off begins again", test_cut},
        {"a format nobody knows the way from", test_no_way},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("migration", tests);
}
