/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "storage/event.h"
#include "storage/rows.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static struct event sample(void)
{
    struct event event = {.type = EVENT_TAG_MOVED,
                          .time_ms = 1700000000123,
                          .actor = SLICE("ci"),
                          .repository = SLICE("team/app"),
                          .tag = SLICE("latest"),
                          .media_type = SLICE("application/vnd.oci.image.index.v1+json"),
                          .size = 4711,
                          .from = SLICE("team/base"),
                          .subject = SLICE("robot:ci"),
                          .reason = SLICE("it expires soon")};

    digest_compute(DIGEST_SHA256, SLICE("new"), &event.digest);
    digest_compute(DIGEST_SHA512, SLICE("old"), &event.previous);
    return event;
}

static void test_round_trip(void)
{
    struct event event = sample(), got;
    struct buf out;

    buf_init(&out, KV_VALUE_MAX);
    event_encode(&out, &event);
    CU_ASSERT_EQUAL_FATAL(event_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_EQUAL(got.type, EVENT_TAG_MOVED);
    CU_ASSERT_EQUAL(got.time_ms, event.time_ms);
    CU_ASSERT_EQUAL(got.size, 4711);
    CU_ASSERT_TRUE(slice_eq(got.actor, event.actor));
    CU_ASSERT_TRUE(slice_eq(got.repository, event.repository));
    CU_ASSERT_TRUE(slice_eq(got.tag, event.tag));
    CU_ASSERT_TRUE(slice_eq(got.media_type, event.media_type));
    CU_ASSERT_TRUE(slice_eq(got.from, event.from));
    CU_ASSERT_TRUE(slice_eq(got.subject, event.subject));
    CU_ASSERT_TRUE(slice_eq(got.reason, event.reason));
    CU_ASSERT_TRUE(digest_eq(&got.digest, &event.digest));
    CU_ASSERT_TRUE(digest_eq(&got.previous, &event.previous));
    buf_fini(&out);
}

static void test_sparse(void)
{
    struct event event = {.type = EVENT_FSCK_RUN, .time_ms = -1}, got;
    struct buf out;

    buf_init(&out, KV_VALUE_MAX);
    event_encode(&out, &event);
    CU_ASSERT_EQUAL(out.n, 10);
    CU_ASSERT_EQUAL_FATAL(event_decode(buf_slice(&out), &got), 0);
    CU_ASSERT_EQUAL(got.time_ms, -1);
    CU_ASSERT_TRUE(got.actor.n == 0 && got.tag.n == 0 && got.size == 0);
    CU_ASSERT_TRUE(got.digest.algorithm == 0 && got.previous.algorithm == 0);
    buf_fini(&out);
}

/* Cut inside of a field: refused; between fields: a shorter record. */
static void test_cuts(void)
{
    struct event event = {.type = EVENT_TAG_BOUND, .actor = SLICE("ci"), .tag = SLICE("v1")}, got;
    struct buf out;

    buf_init(&out, KV_VALUE_MAX);
    event_encode(&out, &event);
    CU_ASSERT_EQUAL(out.n, 20);
    for (size_t n = 0; n < out.n; n++) {
        int expected = n == 10 || n == 15 ? 0 : ERR_CORRUPT;

        CU_ASSERT_EQUAL(event_decode(slice_make(out.p, n), &got), expected);
    }
    buf_fini(&out);
}

static void test_refused(void)
{
    static const struct {
        struct slice record;
        int expected;
    } cases[] = {
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1"), 0},
        {SLICE("\x02\x01\0\0\0\0\0\0\0\1"), ERR_CORRUPT},                   /* version */
        {SLICE("\x01\x00\0\0\0\0\0\0\0\1"), ERR_CORRUPT},                   /* no type */
        {SLICE("\x01\xff\0\0\0\0\0\0\0\1"), 0},                             /* a later type */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x63\0\1x"), 0},                    /* a later field */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x63\0\2x"), ERR_CORRUPT},          /* cut */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x00\0\1x"), ERR_CORRUPT},          /* tag 0 */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x01\0\0"), ERR_CORRUPT},           /* empty */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x01\0\1x\x01\0\1y"), ERR_CORRUPT}, /* twice */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x03\0\1x\x01\0\1y"), ERR_CORRUPT}, /* out of order */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x07\0\1x"), ERR_CORRUPT},          /* size of one byte */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x07\0\x08\0\0\0\0\0\0\0\0"), ERR_CORRUPT},
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x04\0\2\1x"), ERR_CORRUPT}, /* a short digest */
        {SLICE("\x01\x01\0\0\0\0\0\0\0\1\x04\0\1\3"), ERR_CORRUPT},  /* no algorithm */
    };
    struct event event;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int err = event_decode(cases[i].record, &event);

        if (err != cases[i].expected)
            printf("# case %zu: %d\n", i, err);
        CU_ASSERT_EQUAL(err, cases[i].expected);
    }
}

static void test_names(void)
{
    CU_ASSERT_STRING_EQUAL(event_type_name(EVENT_TAG_BOUND), "tag.bound");
    for (int type = EVENT_REPO_CREATED; type <= EVENT_TYPE_LAST; type++)
        CU_ASSERT_PTR_NOT_NULL(event_type_name(type));
    CU_ASSERT_PTR_NULL(event_type_name(0));
    CU_ASSERT_PTR_NULL(event_type_name(-1));
    CU_ASSERT_PTR_NULL(event_type_name(EVENT_TYPE_LAST + 1));
}

static void test_split(void)
{
    static const char row[10 + EVENT_HASH_SIZE] = "record";
    struct slice record;
    const uint8_t *hash;

    CU_ASSERT_EQUAL_FATAL(event_row_split(slice_make(row, sizeof(row)), &record, &hash), 0);
    CU_ASSERT_EQUAL(record.n, 10);
    CU_ASSERT_PTR_EQUAL(record.p, row);
    CU_ASSERT_PTR_EQUAL((const char *)hash, row + 10);
    CU_ASSERT_EQUAL(event_row_split(slice_make(row, sizeof(row) - 1), &record, &hash), ERR_CORRUPT);
    CU_ASSERT_EQUAL(event_row_split(slice_make(NULL, 0), &record, &hash), ERR_CORRUPT);
}

static void test_chain_next(void)
{
    static const uint8_t zeros[EVENT_HASH_SIZE];
    static const char joined[EVENT_HASH_SIZE + 6] =
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0record";
    uint8_t hash[EVENT_HASH_SIZE];
    struct digest expected;

    event_chain_next(zeros, SLICE("record"), hash);
    digest_compute(DIGEST_SHA256, slice_make(joined, sizeof(joined)), &expected);
    CU_ASSERT_EQUAL(memcmp(hash, expected.raw, EVENT_HASH_SIZE), 0);
    event_chain_next(hash, SLICE("record"), hash); /* in place */
    CU_ASSERT_NOT_EQUAL(memcmp(hash, expected.raw, EVENT_HASH_SIZE), 0);
}

/*
 * The log, in a store.
 */

static struct kv_store *store;

static int open_store(void)
{
    struct kv_options options = {.map_size_bytes = 1 << 24, .readers_max = 8, .queue_max = 8};

    return kv_open(&kv_engine_mem, NULL, &options, &store, NULL);
}

static int close_store(void)
{
    kv_close(store);
    return 0;
}

static int stage_five(struct kv_tx *tx, void *arg)
{
    struct event event = sample();
    int err = 0;

    (void)arg;
    for (uint64_t i = 0; err == 0 && i < 5; i++) {
        event.size = i + 1;
        err = event_stage(tx, &event);
    }
    return err;
}

struct seen {
    uint64_t numbers[8], sizes[8];
    unsigned n, stop_at;
    uint64_t after;
    unsigned limit;
};

static int see(const struct event *event, void *arg)
{
    struct seen *seen = arg;

    seen->numbers[seen->n] = event->number;
    seen->sizes[seen->n] = event->size;
    seen->n++;
    return seen->n == seen->stop_at ? ERR_CANCELLED : 0;
}

static int scan(struct kv_tx *tx, void *arg)
{
    struct seen *seen = arg;

    seen->n = 0;
    return event_scan(tx, seen->after, seen->limit, see, seen);
}

static void test_scan(void)
{
    struct seen seen = {.limit = 8};

    CU_ASSERT_EQUAL_FATAL(kv_write_sync(store, stage_five, NULL), 0);
    CU_ASSERT_EQUAL(kv_event_last(store), 5);
    CU_ASSERT_EQUAL(kv_read_sync(store, scan, &seen), 0);
    CU_ASSERT_EQUAL(seen.n, 5);
    CU_ASSERT_TRUE(seen.numbers[0] == 1 && seen.sizes[0] == 1);
    CU_ASSERT_TRUE(seen.numbers[4] == 5 && seen.sizes[4] == 5);
    seen = (struct seen){.after = 3, .limit = 1};
    CU_ASSERT_EQUAL(kv_read_sync(store, scan, &seen), 0);
    CU_ASSERT_TRUE(seen.n == 1 && seen.numbers[0] == 4);
    seen = (struct seen){.after = 5, .limit = 8};
    CU_ASSERT_EQUAL(kv_read_sync(store, scan, &seen), 0);
    CU_ASSERT_EQUAL(seen.n, 0);
    seen = (struct seen){.limit = 8, .stop_at = 2};
    CU_ASSERT_EQUAL(kv_read_sync(store, scan, &seen), ERR_CANCELLED);
    CU_ASSERT_EQUAL(seen.n, 2);
}

struct check {
    uint64_t number;
    uint8_t hash[EVENT_HASH_SIZE];
    unsigned limit;
    struct fault fault;
};

static int check_chain(struct kv_tx *tx, void *arg)
{
    struct check *check = arg;

    return event_chain_check(tx, &check->number, check->hash, check->limit, &check->fault);
}

static int damage_event_4(struct kv_tx *tx, void *arg)
{
    struct key key = key_event(4);
    struct slice value;
    static char copy[KV_VALUE_MAX];
    int err = kv_get(tx, key_slice(&key), &value);

    (void)arg;
    if (err != 0)
        return err;
    memcpy(copy, value.p, value.n);
    copy[2] ^= 1; /* the time */
    return kv_put(tx, key_slice(&key), slice_make(copy, value.n));
}

static int delete_event_2(struct kv_tx *tx, void *arg)
{
    struct key key = key_event(2);

    (void)arg;
    return kv_del(tx, key_slice(&key));
}

static void test_chain_check(void)
{
    struct check check = {.limit = 3}, from_start = {.limit = 99};

    CU_ASSERT_EQUAL(kv_read_sync(store, check_chain, &check), 0);
    CU_ASSERT_EQUAL(check.number, 3);
    check.limit = 99;
    CU_ASSERT_EQUAL(kv_read_sync(store, check_chain, &check), 0); /* goes on where it was */
    CU_ASSERT_EQUAL(check.number, 5);

    CU_ASSERT_EQUAL_FATAL(kv_write_sync(store, damage_event_4, NULL), 0);
    CU_ASSERT_EQUAL(kv_read_sync(store, check_chain, &from_start), ERR_CORRUPT);
    CU_ASSERT_EQUAL(from_start.number, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(from_start.fault.text, "event 4 "));

    CU_ASSERT_EQUAL_FATAL(kv_write_sync(store, delete_event_2, NULL), 0);
    from_start = (struct check){.limit = 99};
    CU_ASSERT_EQUAL(kv_read_sync(store, check_chain, &from_start), ERR_CORRUPT);
    CU_ASSERT_EQUAL(from_start.number, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(from_start.fault.text, "event 2 is missing"));
}

void test_suites(void)
{
    CU_pSuite codec = CU_add_suite("event", NULL, NULL);
    CU_pSuite log = CU_add_suite("log", open_store, close_store);

    CU_add_test(codec, "round trip", test_round_trip);
    CU_add_test(codec, "sparse", test_sparse);
    CU_add_test(codec, "cuts", test_cuts);
    CU_add_test(codec, "refused", test_refused);
    CU_add_test(codec, "names", test_names);
    CU_add_test(codec, "split", test_split);
    CU_add_test(codec, "chain_next", test_chain_next);
    CU_add_test(log, "scan", test_scan);
    CU_add_test(log, "chain_check", test_chain_check);
}
