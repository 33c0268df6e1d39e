/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What storage/kv.h promises to functions over a transaction: rows, scans, snapshots, ids, events.
 * One suite over both engines; each test has a fresh store.
 */
#include "config.h"
#include "tests/support/cunit_main.h"
#include "tests/unit/kv_bench.h"

#include "base/mem.h"
#include "storage/event.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Rows.
 */

static void test_put_get_del(void)
{
    bench_begin();
    CU_ASSERT_TRUE(bench_holds("a", NULL));
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    CU_ASSERT_EQUAL(bench_put("a", "22"), 0);
    CU_ASSERT_TRUE(bench_holds("a", "22"));
    CU_ASSERT_EQUAL(bench_put("empty", ""), 0);
    CU_ASSERT_TRUE(bench_holds("empty", ""));
    CU_ASSERT_EQUAL(bench_del("a"), 0);
    CU_ASSERT_TRUE(bench_holds("a", NULL));
    CU_ASSERT_EQUAL(bench_del("a"), ERR_NOT_FOUND);
    CU_ASSERT_TRUE(bench_holds("empty", ""));
    bench_end();
}

static char large_value[KV_VALUE_MAX];

static int fn_limits(struct kv_tx *tx, void *arg)
{
    static char longest[KV_KEY_MAX - 1];
    struct key key;
    struct slice value;
    int err;

    (void)arg;
    memset(longest, 'x', sizeof(longest));
    key = bench_key(slice_make(longest, sizeof(longest)));
    err = kv_put(tx, key_slice(&key), slice_make(large_value, sizeof(large_value)));
    if (err != 0)
        return err;
    if (kv_get(tx, key_slice(&key), &value) != 0 || value.n != sizeof(large_value) ||
        memcmp(value.p, large_value, value.n) != 0)
        return ERR_INTERNAL;
    key.bytes[key.n - 1] = 'y';
    if (kv_has(tx, key_slice(&key), &err) || err != 0)
        return ERR_INTERNAL;
    key.bytes[key.n - 1] = 'x';
    return kv_has(tx, key_slice(&key), &err) ? err : ERR_INTERNAL;
}

static void test_limits(void)
{
    bench_begin();
    memset(large_value, 'v', sizeof(large_value));
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_limits, NULL), 0);
    bench_end();
}

/* Random puts and deletes against a table: what is in one is in the other. */
#define MODEL_KEYS 200

struct model {
    uint32_t random;
    unsigned value[MODEL_KEYS]; /* 0: absent */
};

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static int fn_model_change(struct kv_tx *tx, void *arg)
{
    struct model *model = arg;
    struct model next = *model; /* the function may run again */

    for (unsigned i = 0; i < 50; i++) {
        unsigned n = next_random(&next.random) % MODEL_KEYS;
        unsigned value = next_random(&next.random) % 3 ? next.random | 1 : 0;
        char text[2][32];
        struct key key;
        int err;

        snprintf(text[0], sizeof(text[0]), "%u", n);
        snprintf(text[1], sizeof(text[1]), "%u", value);
        key = bench_key(slice_from_cstr(text[0]));
        if (value != 0)
            err = kv_put(tx, key_slice(&key), slice_from_cstr(text[1]));
        else
            err = kv_del(tx, key_slice(&key));
        if (err != (value == 0 && next.value[n] == 0 ? ERR_NOT_FOUND : 0))
            return ERR_INTERNAL;
        next.value[n] = value;
    }
    model[1] = next; /* the outcome, beside the input */
    return 0;
}

static int fn_model_check(struct kv_tx *tx, void *arg)
{
    const struct model *model = arg;
    struct key prefix = key_prefix(KV_CURSOR);
    struct slice key, value;
    char last[64] = "";
    unsigned rows = 0, expected = 0;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, key_slice(&prefix), slice_make(NULL, 0), UINT32_MAX, &scan);

    for (unsigned i = 0; i < MODEL_KEYS; i++)
        expected += model->value[i] != 0;
    while (err == 0 && (err = kv_scan_next(&scan, &key, &value)) == 0) {
        char text[2][32];

        snprintf(text[0], sizeof(text[0]), SLICE_FMT, (int)key.n - 1, key.p + 1);
        snprintf(text[1], sizeof(text[1]), SLICE_FMT, SLICE_ARG(value));
        if (strtoul(text[1], NULL, 10) != model->value[strtoul(text[0], NULL, 10)] ||
            strcmp(last, text[0]) >= 0)
            err = ERR_CORRUPT;
        snprintf(last, sizeof(last), "%s", text[0]);
        rows++;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND && rows == expected ? 0 : ERR_CORRUPT;
}

static void test_model(void)
{
    static struct model model[2];

    bench_begin();
    memset(model, 0, sizeof(model));
    model[0].random = 88172645;
    for (unsigned round = 0; round < 30; round++) {
        CU_ASSERT_EQUAL_FATAL(kv_write_sync(kv_bench.store, fn_model_change, model), 0);
        model[0] = model[1];
        CU_ASSERT_EQUAL_FATAL(kv_read_sync(kv_bench.store, fn_model_check, model), 0);
    }
    bench_end();
}

/*
 * Scans.
 */

static int fn_scan_rows(struct kv_tx *tx, void *arg)
{
    static const char *const names[] = {"a", "b/1", "b/2", "b/22", "b/3", "b\xff", "c"};

    (void)arg;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct key key = bench_key(slice_from_cstr(names[i]));
        int err = kv_put(tx, key_slice(&key), slice_from_cstr(names[i]));

        if (err != 0)
            return err;
    }
    return 0;
}

struct scan_op {
    const char *prefix, *after; /* after: NULL for none */
    unsigned limit;
    char found[64]; /* the keys, each with a comma */
};

static int fn_scan(struct kv_tx *tx, void *arg)
{
    struct scan_op *op = arg;
    struct key prefix = bench_key(slice_from_cstr(op->prefix)), after = {0};
    struct slice key, value;
    struct kv_scan scan;
    int err;

    op->found[0] = '\0';
    if (op->after != NULL)
        after = bench_key(slice_from_cstr(op->after));
    err = kv_scan_begin(tx, key_slice(&prefix), key_slice(&after), op->limit, &scan);
    while (err == 0 && (err = kv_scan_next(&scan, &key, &value)) == 0) {
        size_t n = strlen(op->found);

        if (!slice_eq(slice_sub(key, 1, SIZE_MAX), value))
            err = ERR_CORRUPT;
        snprintf(op->found + n, sizeof(op->found) - n, SLICE_FMT ",", SLICE_ARG(value));
    }
    if (err == ERR_NOT_FOUND) /* and stays at the end */
        err = kv_scan_next(&scan, &key, &value);
    kv_scan_end(&scan);
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static void check_scan(const char *prefix, const char *after, unsigned limit, const char *expected)
{
    struct scan_op op = {.prefix = prefix, .after = after, .limit = limit};

    CU_ASSERT_EQUAL(kv_read_sync(kv_bench.store, fn_scan, &op), 0);
    CU_ASSERT_STRING_EQUAL(op.found, expected);
    op.found[0] = '\0';
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_scan, &op),
                    0); /* a write function scans, too */
    CU_ASSERT_STRING_EQUAL(op.found, expected);
}

static void test_scan(void)
{
    char beyond[KV_KEY_MAX];

    bench_begin();
    check_scan("", NULL, 9, "");
    CU_ASSERT_EQUAL_FATAL(kv_write_sync(kv_bench.store, fn_scan_rows, NULL), 0);
    check_scan("", NULL, 9, "a,b/1,b/2,b/22,b/3,b\xff,c,");
    check_scan("b/", NULL, 9, "b/1,b/2,b/22,b/3,");
    check_scan("b/", NULL, 2, "b/1,b/2,");
    check_scan("b/", NULL, 0, "");
    check_scan("b/", "b/2", 9, "b/22,b/3,");
    check_scan("b/", "b/2", 1, "b/22,");
    check_scan("b/", "b/1", 9, "b/2,b/22,b/3,"); /* of the same length as what follows */
    check_scan("b/", "b/20", 9, "b/22,b/3,");    /* which does not exist */
    check_scan("b/", "b/", 9, "b/1,b/2,b/22,b/3,");
    check_scan("b/", "a", 9, "b/1,b/2,b/22,b/3,"); /* before the prefix */
    check_scan("b/", "b/3", 9, "");
    check_scan("b/", "b\xff", 9, "");
    check_scan("b/", "c", 9, ""); /* after the prefix */
    check_scan("b/2", "b/2", 9, "b/22,");
    check_scan("d", NULL, 9, "");
    memset(beyond, 'b', sizeof(beyond));
    beyond[1] = '/';
    beyond[sizeof(beyond) - 1] = '\0';
    check_scan("b/", beyond, 9, "");
    bench_end();
}

static int fn_scan_all(struct kv_tx *tx, void *arg)
{
    unsigned *rows = arg;
    struct slice none = {NULL, 0}, key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, none, none, UINT32_MAX, &scan);

    *rows = 0;
    while (err == 0 && (err = kv_scan_next(&scan, &key, &value)) == 0)
        ++*rows;
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static void test_scan_all(void)
{
    unsigned before, after;

    bench_begin();
    CU_ASSERT_EQUAL(kv_read_sync(kv_bench.store, fn_scan_all, &before), 0);
    CU_ASSERT_TRUE(before >= 1); /* the store's own */
    CU_ASSERT_EQUAL_FATAL(kv_write_sync(kv_bench.store, fn_scan_rows, NULL), 0);
    CU_ASSERT_EQUAL(kv_read_sync(kv_bench.store, fn_scan_all, &after), 0);
    CU_ASSERT_EQUAL(after, before + 7);
    bench_end();
}

/*
 * Snapshots.
 */

static void test_snapshot(void)
{
    struct kv_stats stats;

    bench_begin();
    CU_ASSERT_EQUAL(bench_put("a", "old"), 0);
    CU_ASSERT_TRUE(bench_client_sees("a", "old"));
    CU_ASSERT_EQUAL(bench_put("a", "new"), 0); /* somebody else's write */
    CU_ASSERT_TRUE(bench_client_sees("a", "old"));
    kv_stats_get(kv_bench.store, &stats);
    CU_ASSERT_EQUAL(stats.oldest_reader_txns, 1);
    kv_turn_end(kv_bench.client);
    kv_stats_get(kv_bench.store, &stats);
    CU_ASSERT_EQUAL(stats.oldest_reader_txns, 0);
    CU_ASSERT_TRUE(bench_client_sees("a", "new"));
    kv_turn_end(kv_bench.client);
    kv_turn_end(kv_bench.client);
    bench_end();
}

static void test_own_writes(void)
{
    unsigned done = 0;
    struct bench_op op = {.key = SLICE("a"), .value = SLICE("mine"), .done = &done};

    bench_begin();
    CU_ASSERT_TRUE(bench_client_sees("a", NULL));
    kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &op, bench_on_done);
    bench_pump(kv_bench.replies, &done, 1);
    CU_ASSERT_EQUAL(op.err, 0);
    CU_ASSERT_TRUE(bench_client_sees("a", "mine")); /* in the same turn */
    bench_end();
}

struct nested {
    struct bench_op outer, inner;
    struct slice borrowed;
};

static int fn_borrow(struct kv_tx *tx, void *arg)
{
    struct nested *nested = arg;
    struct key key = bench_key(SLICE("a"));

    return kv_get(tx, key_slice(&key), &nested->borrowed);
}

/* The values of the outer read stay while another read and a write go on. */
static void on_borrowed(void *arg, int err)
{
    struct nested *nested = arg;
    unsigned written = 0;
    struct bench_op op = {.key = SLICE("a"), .value = SLICE("2"), .done = &written};

    CU_ASSERT_EQUAL(err, 0);
    kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &op, bench_on_done);
    bench_pump(kv_bench.replies, &written, 1);
    CU_ASSERT_EQUAL(bench_put("b", "2"), 0);
    for (unsigned i = 0; i < 8; i++) /* those that are not deferred are inside of this one */
        kv_read(kv_bench.client, bench_fn_get, &nested->inner, bench_on_done);
    CU_ASSERT_TRUE(slice_eq(nested->borrowed, SLICE("1")));
    ++*nested->outer.done;
}

static void test_borrowed(void)
{
    unsigned outer = 0, inner = 0;
    struct nested nested = {.outer = {.done = &outer},
                            .inner = {.key = SLICE("b"), .done = &inner}};

    bench_begin();
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    kv_read(kv_bench.client, fn_borrow, &nested, on_borrowed);
    bench_pump(kv_bench.replies, &outer, 1);
    bench_pump(kv_bench.replies, &inner, 8);
    CU_ASSERT_TRUE(bench_client_sees("a", "2"));
    bench_end();
}

#ifdef TIDEMARK_DEBUG
static void test_deferred(void)
{
    struct bench_op ops[64];
    unsigned done = 0, deferred;

    bench_begin();
    for (size_t i = 0; i < ARRAY_LENGTH(ops); i++) {
        ops[i] = (struct bench_op){.key = SLICE("a"), .done = &done};
        kv_read(kv_bench.client, bench_fn_get, &ops[i], bench_on_done);
    }
    deferred = (unsigned)ARRAY_LENGTH(ops) - done;
    CU_ASSERT_TRUE(deferred > 0 && done > 0);
    bench_pump(kv_bench.replies, &done, ARRAY_LENGTH(ops));
    CU_ASSERT_EQUAL(done, ARRAY_LENGTH(ops));
    bench_end();
}
#endif

/*
 * Outcomes of functions.
 */

static void test_abort(void)
{
    struct bench_op op = {.key = SLICE("a"), .value = SLICE("1"), .result = ERR_TAG_UNKNOWN};
    struct kv_stats stats;

    bench_begin();
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, bench_fn_put, &op), ERR_TAG_UNKNOWN);
    CU_ASSERT_TRUE(bench_holds("a", NULL));
    kv_stats_get(kv_bench.store, &stats);
    CU_ASSERT_EQUAL(stats.functions, 0);
    CU_ASSERT_EQUAL(bench_put("b", "2"), 0);
    CU_ASSERT_TRUE(bench_holds("a", NULL));
    CU_ASSERT_TRUE(bench_holds("b", "2"));
    bench_end();
}

/* In one batch: the one that fails leaves nothing, its neighbours stay. */
static void test_abort_in_batch(void)
{
    unsigned done = 0;
    struct bench_op gate = {.done = &done};
    struct bench_op ops[3] = {{.key = SLICE("a"), .value = SLICE("1"), .done = &done},
                              {.key = SLICE("b"), .value = SLICE("1"), .done = &done},
                              {.key = SLICE("c"), .value = SLICE("1"), .done = &done}};

    bench_begin();
    ops[1].result = ERR_TAG_UNKNOWN;
    bench_close_gate(&gate);
    for (size_t i = 0; i < 3; i++)
        kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &ops[i], bench_on_done);
    bench_open_gate();
    bench_pump(kv_bench.replies, &done, 4);
    CU_ASSERT_EQUAL(ops[0].err, 0);
    CU_ASSERT_EQUAL(ops[1].err, ERR_TAG_UNKNOWN);
    CU_ASSERT_EQUAL(ops[2].err, 0);
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    CU_ASSERT_TRUE(bench_holds("b", NULL));
    CU_ASSERT_TRUE(bench_holds("c", "1"));
    bench_end();
}

struct id_op {
    uint64_t repo, object, again;
    int64_t now[2];
    unsigned runs;
    int result;
};

static int fn_ids(struct kv_tx *tx, void *arg)
{
    struct id_op *op = arg;
    int err = kv_next_id(tx, KV_SEQ_REPO, &op->repo);

    if (err == 0)
        err = kv_next_id(tx, KV_SEQ_OBJECT, &op->object);
    if (err == 0)
        err = kv_next_id(tx, KV_SEQ_OBJECT, &op->again);
    op->now[op->runs++ % 2] = kv_now(tx);
    usleep(3000); /* the time goes on, kv_now does not */
    return err != 0 ? err : op->result;
}

static void test_ids(void)
{
    struct id_op op = {.result = 0}, failing = {.result = ERR_EXISTS};

    bench_begin();
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_ids, &op), 0);
    CU_ASSERT_TRUE(op.repo == 1 && op.object == 1 && op.again == 2);
    CU_ASSERT_TRUE(op.now[0] > INT64_C(1700000000000));
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_ids, &failing), ERR_EXISTS);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_ids, &op), 0);
    CU_ASSERT_TRUE(op.repo == 2 && op.object == 3 && op.again == 4);
#ifdef TIDEMARK_DEBUG
    CU_ASSERT_EQUAL(op.runs, 4);
    CU_ASSERT_EQUAL(op.now[0], op.now[1]); /* the same in both runs */
#endif
    if (kv_bench.is_lmdb) {
        struct kv_options options = bench_options_default();

        bench_close_store();
        bench_open_store(&options);
        CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_ids, &op), 0);
        CU_ASSERT_TRUE(op.repo == 3 && op.object == 5 && op.again == 6);
    }
    bench_end();
}

/*
 * Events.
 */

struct event_op {
    unsigned events;
    struct slice cite; /* the key of the row that cites the last one */
    int result;
};

static int fn_events(struct kv_tx *tx, void *arg)
{
    struct event_op *op = arg;
    struct event event = {.type = EVENT_TAG_BOUND, .actor = SLICE("ci")};
    struct key key = bench_key(op->cite);
    int err = 0;

    for (unsigned i = 0; err == 0 && i < op->events; i++)
        err = event_stage(tx, &event);
    if (err == 0)
        err = kv_put_cited(tx, key_slice(&key), SLICE("ab\0\0\0\0\0\0\0\0cd"), 2);
    if (err == 0) /* events after it do not count */
        err = event_stage(tx, &event);
    return err != 0 ? err : op->result;
}

struct chain_op {
    uint64_t number;
    uint8_t hash[EVENT_HASH_SIZE];
};

static int fn_chain(struct kv_tx *tx, void *arg)
{
    struct chain_op *op = arg;

    *op = (struct chain_op){0};
    return event_chain_check(tx, &op->number, op->hash, UINT32_MAX, NULL);
}

static bool cites(const char *key, uint8_t number)
{
    struct bench_op op = {.key = slice_from_cstr(key)};
    const char expected[] = {'a', 'b', 0, 0, 0, 0, 0, 0, 0, (char)number, 'c', 'd'};

    return kv_read_sync(kv_bench.store, bench_fn_get, &op) == 0 &&
           slice_eq(slice_make(op.got, op.got_n), slice_make(expected, sizeof(expected)));
}

static void on_watch(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_watch(void)
{
    struct event_op op = {.events = 1, .cite = SLICE("cited")};
    unsigned calls = 0;

    bench_begin();
    kv_watch(kv_bench.client, on_watch, &calls);
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    pool_run_replies(kv_bench.replies);
    CU_ASSERT_EQUAL(calls, 0); /* a commit without events */
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &op), 0);
    CU_ASSERT_EQUAL(queue_depth(kv_bench.replies), 1);
    bench_pump(kv_bench.replies, &calls, 1);
    CU_ASSERT_EQUAL(pool_run_replies(kv_bench.replies), 0);
    CU_ASSERT_EQUAL(calls, 1); /* one for the three */
    /* The snapshot of before the commit is given back: what it was about is seen. */
    CU_ASSERT_TRUE(bench_client_sees("fresh", NULL));
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &op), 0);
    CU_ASSERT_EQUAL(bench_put("fresh", "1"), 0);
    bench_pump(kv_bench.replies, &calls, 2);
    CU_ASSERT_TRUE(bench_client_sees("fresh", "1"));
    /* One under way when it ends comes to nothing; ending it again, or the client, is fine. */
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &op), 0);
    kv_unwatch(kv_bench.client);
    kv_unwatch(kv_bench.client);
    pool_run_replies(kv_bench.replies);
    CU_ASSERT_EQUAL(calls, 2);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &op), 0);
    CU_ASSERT_EQUAL(queue_depth(kv_bench.replies), 0);
    kv_watch(kv_bench.client, on_watch, &calls);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &op), 0);
    bench_end(); /* with one under way */
}

static void test_events(void)
{
    struct event_op two = {.events = 2, .cite = SLICE("two")};
    struct event_op failing = {.events = 1, .cite = SLICE("failing"), .result = ERR_EXISTS};
    struct event_op one = {.events = 1, .cite = SLICE("one")};
    struct chain_op chain;

    bench_begin();
    CU_ASSERT_EQUAL(kv_event_last(kv_bench.store), 0);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &two), 0);
    CU_ASSERT_EQUAL(kv_event_last(kv_bench.store), 3);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &failing), ERR_EXISTS);
    CU_ASSERT_EQUAL(kv_event_last(kv_bench.store), 3);
    if (kv_bench.is_lmdb) {
        struct kv_options options = bench_options_default();

        bench_close_store();
        bench_open_store(&options);
        CU_ASSERT_EQUAL(kv_event_last(kv_bench.store), 3);
    }
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &one), 0);
    CU_ASSERT_EQUAL(kv_event_last(kv_bench.store), 5);
    CU_ASSERT_EQUAL(kv_read_sync(kv_bench.store, fn_chain, &chain), 0);
    CU_ASSERT_EQUAL(chain.number, 5);
    CU_ASSERT_TRUE(bench_holds("failing", NULL));
    CU_ASSERT_TRUE(cites("two", 2));
    CU_ASSERT_TRUE(cites("one", 4));
    bench_end();
}

/*
 * What is counted.
 */

static void test_row_counts(void)
{
    static uint64_t puts[2][256], dels[2][256];
    struct event_op op = {.events = 1, .cite = SLICE("cite")};
    struct bench_op failing = {.key = SLICE("x"), .value = SLICE("1"), .result = ERR_EXISTS};

    bench_begin();
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    kv_row_counts(kv_bench.store, puts[0], dels[0]);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_events, &op), 0);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, bench_fn_put, &failing), ERR_EXISTS);
    CU_ASSERT_EQUAL(bench_del("a"), 0);
    kv_row_counts(kv_bench.store, puts[1], dels[1]);
    CU_ASSERT_EQUAL(puts[1][KV_CURSOR] - puts[0][KV_CURSOR], 1);
    CU_ASSERT_EQUAL(puts[1][KV_EVENT] - puts[0][KV_EVENT], 2);
    CU_ASSERT_EQUAL(puts[1][KV_META] - puts[0][KV_META], 1); /* the head, once */
    CU_ASSERT_EQUAL(dels[1][KV_CURSOR] - dels[0][KV_CURSOR], 1);
    bench_end();
}

static void test_stats(void)
{
    struct kv_stats stats;

    bench_begin();
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    kv_reader_check(kv_bench.store);
    kv_stats_get(kv_bench.store, &stats);
    CU_ASSERT_EQUAL(stats.map_size_bytes, 64 * MIB);
    CU_ASSERT_TRUE(stats.used_bytes > 0 && stats.used_bytes < MIB);
    CU_ASSERT_EQUAL(stats.functions, 1);
    CU_ASSERT_EQUAL(stats.commits, 1);
    CU_ASSERT_TRUE(kv_is_writable(kv_bench.store));
    CU_ASSERT_PTR_EQUAL(kv_client_queue(kv_bench.client), kv_bench.replies);
    CU_ASSERT_PTR_EQUAL(kv_client_store(kv_bench.client), kv_bench.store);
    bench_end();
}

struct budget_op {
    unsigned rows, added;
};

static int fn_budget(struct kv_tx *tx, void *arg)
{
    const struct budget_op *op = arg;
    int err = 0;

    kv_budget_add(tx, op->added);
    for (unsigned i = 0; err == 0 && i < op->rows; i++) {
        struct key key = key_obj(i);
        err = kv_put(tx, key_slice(&key), SLICE("x"));
    }
    return err;
}

static void test_budget(void)
{
    struct budget_op fits = {.rows = KV_ROWS_MAX}, raised = {.rows = KV_ROWS_MAX + 9, .added = 9};

    bench_begin();
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_budget, &fits), 0);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_budget, &raised), 0);
#ifndef TIDEMARK_DEBUG /* there it stops the program */
    struct budget_op over = {.rows = KV_ROWS_MAX + 1};

    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_budget, &over), ERR_LIMIT);
#endif
    bench_end();
}

static void add_tests(CU_pSuite suite)
{
    CU_add_test(suite, "put, get, del", test_put_get_del);
    CU_add_test(suite, "limits", test_limits);
    CU_add_test(suite, "model", test_model);
    CU_add_test(suite, "scan", test_scan);
    CU_add_test(suite, "scan everything", test_scan_all);
    CU_add_test(suite, "snapshot", test_snapshot);
    CU_add_test(suite, "own writes are seen", test_own_writes);
    CU_add_test(suite, "borrowed values stay", test_borrowed);
#ifdef TIDEMARK_DEBUG
    CU_add_test(suite, "some reads are deferred", test_deferred);
#endif
    CU_add_test(suite, "abort", test_abort);
    CU_add_test(suite, "abort in a batch", test_abort_in_batch);
    CU_add_test(suite, "ids", test_ids);
    CU_add_test(suite, "events", test_events);
    CU_add_test(suite, "watch", test_watch);
    CU_add_test(suite, "row counts", test_row_counts);
    CU_add_test(suite, "stats", test_stats);
    CU_add_test(suite, "budget", test_budget);
}

void test_suites(void)
{
    add_tests(CU_add_suite("lmdb", bench_use_lmdb, NULL));
    add_tests(CU_add_suite("mem", bench_use_mem, NULL));
}
