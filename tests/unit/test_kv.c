/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One suite over both engines: what storage/kv.h promises. Each test has a fresh store.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "base/pool.h"
#include "storage/event.h"
#include "storage/kv_engine.h"
#include "storage/rows.h"

#include <CUnit/CUnit.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static const struct kv_engine *engine;
static bool is_lmdb;
static char directory[64];
static struct kv_store *store;
static struct queue *replies;
static struct kv_client *client;

/*
 * The frame of a test.
 */

static struct kv_options options_default(void)
{
    return (struct kv_options){.map_size_bytes = 64 * MIB, .readers_max = 16, .queue_max = 1024};
}

static void open_store(const struct kv_options *options)
{
    struct fault fault = FAULT_INIT;

    if (kv_open(engine, directory, options, &store, &fault) != 0) {
        printf("# %s\n", fault.text);
        CU_FAIL_FATAL("the store cannot be opened");
    }
    replies = queue_create();
    client = kv_client_create(store, replies);
}

static void close_store(void)
{
    kv_client_destroy(client);
    kv_close(store);
    queue_destroy(replies);
}

static void begin_with(const struct kv_options *options)
{
    snprintf(directory, sizeof(directory), "/tmp/tidemark-kv.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    open_store(options);
}

static void begin(void)
{
    struct kv_options options = options_default();

    begin_with(&options);
}

static void end(void)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[96];

    close_store();
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        (void)unlink(path);
    }
    CU_ASSERT_EQUAL(rmdir(directory), 0);
}

static void call_replies(struct queue *queue)
{
    struct queue_node *node = queue_take_all(queue);

    while (node != NULL) {
        struct pool_job *job = CONTAINER_OF(node, struct pool_job, node);

        node = node->next;
        job->done(job);
    }
}

/* What the loop of a worker does, until `count` reaches `wanted`. */
static void pump(struct queue *queue, const unsigned *count, unsigned wanted)
{
    struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};

    while (*count < wanted) {
        (void)poll(&fd, 1, -1);
        call_replies(queue);
    }
}

/*
 * Functions over a transaction.
 */

/* One row, by text. */
struct op {
    struct slice key, value; /* key: a name, of the family meta */
    char got[64];
    size_t got_n;
    int result; /* the function's own */
    int err;
    unsigned *done;
};

static struct key row_key(struct slice name)
{
    struct key key = key_cursor(name);

    return key;
}

static int fn_get(struct kv_tx *tx, void *arg)
{
    struct op *op = arg;
    struct key key = row_key(op->key);
    struct slice value;
    int err = kv_touch(tx, key_slice(&key)); /* allowed in a read, too */

    if (err == 0)
        err = kv_get(tx, key_slice(&key), &value);
    op->got_n = err == 0 && value.n < sizeof(op->got) ? value.n : 0;
    if (op->got_n != 0)
        memcpy(op->got, value.p, op->got_n);
    return err;
}

static int fn_put(struct kv_tx *tx, void *arg)
{
    struct op *op = arg;
    struct key key = row_key(op->key);
    int err = kv_put(tx, key_slice(&key), op->value);

    return err != 0 ? err : op->result;
}

static int fn_del(struct kv_tx *tx, void *arg)
{
    struct op *op = arg;
    struct key key = row_key(op->key);

    return kv_del(tx, key_slice(&key));
}

static int put(const char *key, const char *value)
{
    struct op op = {.key = slice_from_cstr(key), .value = slice_from_cstr(value)};

    return kv_write_sync(store, fn_put, &op);
}

static int del(const char *key)
{
    struct op op = {.key = slice_from_cstr(key)};

    return kv_write_sync(store, fn_del, &op);
}

/* Reads on a snapshot of its own. */
static bool holds(const char *key, const char *value)
{
    struct op op = {.key = slice_from_cstr(key)};
    int err = kv_read_sync(store, fn_get, &op);

    if (value == NULL)
        return err == ERR_NOT_FOUND;
    return err == 0 && slice_eq(slice_make(op.got, op.got_n), slice_from_cstr(value));
}

static void on_done(void *arg, int err)
{
    struct op *op = arg;

    op->err = err;
    ++*op->done;
}

/* Reads as the client. */
static bool client_sees(const char *key, const char *value)
{
    unsigned done = 0;
    struct op op = {.key = slice_from_cstr(key), .done = &done};

    kv_read(client, fn_get, &op, on_done);
    pump(replies, &done, 1);
    if (value == NULL)
        return op.err == ERR_NOT_FOUND;
    return op.err == 0 && slice_eq(slice_make(op.got, op.got_n), slice_from_cstr(value));
}

/* Holds up the writer until told otherwise. */
static atomic_bool gate_is_open;

static int fn_gate(struct kv_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    while (!atomic_load(&gate_is_open))
        usleep(100);
    return 0;
}

static void close_gate(struct op *op)
{
    struct kv_stats stats;

    atomic_store(&gate_is_open, false);
    kv_write(client, KV_FRONT, fn_gate, op, on_done);
    do { /* until the writer has taken it */
        usleep(100);
        kv_stats_get(store, &stats);
    } while (stats.front_depth != 0);
}

static void open_gate(void)
{
    atomic_store(&gate_is_open, true);
}

/*
 * Rows.
 */

static void test_put_get_del(void)
{
    begin();
    CU_ASSERT_TRUE(holds("a", NULL));
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    CU_ASSERT_TRUE(holds("a", "1"));
    CU_ASSERT_EQUAL(put("a", "22"), 0);
    CU_ASSERT_TRUE(holds("a", "22"));
    CU_ASSERT_EQUAL(put("empty", ""), 0);
    CU_ASSERT_TRUE(holds("empty", ""));
    CU_ASSERT_EQUAL(del("a"), 0);
    CU_ASSERT_TRUE(holds("a", NULL));
    CU_ASSERT_EQUAL(del("a"), ERR_NOT_FOUND);
    CU_ASSERT_TRUE(holds("empty", ""));
    end();
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
    key = row_key(slice_make(longest, sizeof(longest)));
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
    begin();
    memset(large_value, 'v', sizeof(large_value));
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_limits, NULL), 0);
    end();
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
        key = row_key(slice_from_cstr(text[0]));
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

    begin();
    memset(model, 0, sizeof(model));
    model[0].random = 88172645;
    for (unsigned round = 0; round < 30; round++) {
        CU_ASSERT_EQUAL_FATAL(kv_write_sync(store, fn_model_change, model), 0);
        model[0] = model[1];
        CU_ASSERT_EQUAL_FATAL(kv_read_sync(store, fn_model_check, model), 0);
    }
    end();
}

/*
 * Scans.
 */

static int fn_scan_rows(struct kv_tx *tx, void *arg)
{
    static const char *const names[] = {"a", "b/1", "b/2", "b/22", "b/3", "b\xff", "c"};

    (void)arg;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct key key = row_key(slice_from_cstr(names[i]));
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
    struct key prefix = row_key(slice_from_cstr(op->prefix)), after = {0};
    struct slice key, value;
    struct kv_scan scan;
    int err;

    op->found[0] = '\0';
    if (op->after != NULL)
        after = row_key(slice_from_cstr(op->after));
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

    CU_ASSERT_EQUAL(kv_read_sync(store, fn_scan, &op), 0);
    CU_ASSERT_STRING_EQUAL(op.found, expected);
    op.found[0] = '\0';
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_scan, &op), 0); /* a write function scans, too */
    CU_ASSERT_STRING_EQUAL(op.found, expected);
}

static void test_scan(void)
{
    char beyond[KV_KEY_MAX];

    begin();
    check_scan("", NULL, 9, "");
    CU_ASSERT_EQUAL_FATAL(kv_write_sync(store, fn_scan_rows, NULL), 0);
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
    end();
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

    begin();
    CU_ASSERT_EQUAL(kv_read_sync(store, fn_scan_all, &before), 0);
    CU_ASSERT_TRUE(before >= 1); /* the store's own */
    CU_ASSERT_EQUAL_FATAL(kv_write_sync(store, fn_scan_rows, NULL), 0);
    CU_ASSERT_EQUAL(kv_read_sync(store, fn_scan_all, &after), 0);
    CU_ASSERT_EQUAL(after, before + 7);
    end();
}

/*
 * Snapshots.
 */

static void test_snapshot(void)
{
    struct kv_stats stats;

    begin();
    CU_ASSERT_EQUAL(put("a", "old"), 0);
    CU_ASSERT_TRUE(client_sees("a", "old"));
    CU_ASSERT_EQUAL(put("a", "new"), 0); /* somebody else's write */
    CU_ASSERT_TRUE(client_sees("a", "old"));
    kv_stats_get(store, &stats);
    CU_ASSERT_EQUAL(stats.oldest_reader_txns, 1);
    kv_turn_end(client);
    kv_stats_get(store, &stats);
    CU_ASSERT_EQUAL(stats.oldest_reader_txns, 0);
    CU_ASSERT_TRUE(client_sees("a", "new"));
    kv_turn_end(client);
    kv_turn_end(client);
    end();
}

static void test_own_writes(void)
{
    unsigned done = 0;
    struct op op = {.key = SLICE("a"), .value = SLICE("mine"), .done = &done};

    begin();
    CU_ASSERT_TRUE(client_sees("a", NULL));
    kv_write(client, KV_FRONT, fn_put, &op, on_done);
    pump(replies, &done, 1);
    CU_ASSERT_EQUAL(op.err, 0);
    CU_ASSERT_TRUE(client_sees("a", "mine")); /* in the same turn */
    end();
}

struct nested {
    struct op outer, inner;
    struct slice borrowed;
};

static int fn_borrow(struct kv_tx *tx, void *arg)
{
    struct nested *nested = arg;
    struct key key = row_key(SLICE("a"));

    return kv_get(tx, key_slice(&key), &nested->borrowed);
}

/* The values of the outer read stay while another read and a write go on. */
static void on_borrowed(void *arg, int err)
{
    struct nested *nested = arg;

    CU_ASSERT_EQUAL(err, 0);
    CU_ASSERT_EQUAL(put("a", "2"), 0);
    CU_ASSERT_EQUAL(put("b", "2"), 0);
    kv_read(client, fn_get, &nested->inner, on_done);
    CU_ASSERT_TRUE(slice_eq(nested->borrowed, SLICE("1")));
    ++*nested->outer.done;
}

static void test_borrowed(void)
{
    unsigned outer = 0, inner = 0;
    struct nested nested = {.outer = {.done = &outer},
                            .inner = {.key = SLICE("b"), .done = &inner}};

    begin();
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    kv_read(client, fn_borrow, &nested, on_borrowed);
    pump(replies, &outer, 1);
    pump(replies, &inner, 1);
    end();
}

#ifdef TIDEMARK_DEBUG
static void test_deferred(void)
{
    struct op ops[64];
    unsigned done = 0, deferred;

    begin();
    for (size_t i = 0; i < ARRAY_LENGTH(ops); i++) {
        ops[i] = (struct op){.key = SLICE("a"), .done = &done};
        kv_read(client, fn_get, &ops[i], on_done);
    }
    deferred = (unsigned)ARRAY_LENGTH(ops) - done;
    CU_ASSERT_TRUE(deferred > 0 && done > 0);
    pump(replies, &done, ARRAY_LENGTH(ops));
    CU_ASSERT_EQUAL(done, ARRAY_LENGTH(ops));
    end();
}
#endif

/*
 * Outcomes of functions.
 */

static int fn_ignores_failure(struct kv_tx *tx, void *arg)
{
    struct op *op = arg;
    struct slice value = slice_make(large_value, sizeof(large_value));

    for (unsigned i = 0; i < 12; i++) {
        struct key key = key_body(i);

        if (kv_put(tx, key_slice(&key), value) != 0)
            op->got_n++;
    }
    return 0;
}

static void test_abort(void)
{
    struct op op = {.key = SLICE("a"), .value = SLICE("1"), .result = ERR_TAG_UNKNOWN};
    struct kv_stats stats;

    begin();
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_put, &op), ERR_TAG_UNKNOWN);
    CU_ASSERT_TRUE(holds("a", NULL));
    kv_stats_get(store, &stats);
    CU_ASSERT_EQUAL(stats.functions, 0);
    CU_ASSERT_EQUAL(put("b", "2"), 0);
    CU_ASSERT_TRUE(holds("a", NULL));
    CU_ASSERT_TRUE(holds("b", "2"));
    end();
}

/* In one batch: the one that fails leaves nothing, its neighbours stay. */
static void test_abort_in_batch(void)
{
    unsigned done = 0;
    struct op gate = {.done = &done};
    struct op ops[3] = {{.key = SLICE("a"), .value = SLICE("1"), .done = &done},
                        {.key = SLICE("b"), .value = SLICE("1"), .done = &done},
                        {.key = SLICE("c"), .value = SLICE("1"), .done = &done}};

    begin();
    ops[1].result = ERR_TAG_UNKNOWN;
    close_gate(&gate);
    for (size_t i = 0; i < 3; i++)
        kv_write(client, KV_FRONT, fn_put, &ops[i], on_done);
    open_gate();
    pump(replies, &done, 4);
    CU_ASSERT_EQUAL(ops[0].err, 0);
    CU_ASSERT_EQUAL(ops[1].err, ERR_TAG_UNKNOWN);
    CU_ASSERT_EQUAL(ops[2].err, 0);
    CU_ASSERT_TRUE(holds("a", "1"));
    CU_ASSERT_TRUE(holds("b", NULL));
    CU_ASSERT_TRUE(holds("c", "1"));
    end();
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
    return err != 0 ? err : op->result;
}

static void test_ids(void)
{
    struct id_op op = {.result = 0}, failing = {.result = ERR_EXISTS};

    begin();
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_ids, &op), 0);
    CU_ASSERT_TRUE(op.repo == 1 && op.object == 1 && op.again == 2);
    CU_ASSERT_TRUE(op.now[0] > INT64_C(1700000000000));
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_ids, &failing), ERR_EXISTS);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_ids, &op), 0);
    CU_ASSERT_TRUE(op.repo == 2 && op.object == 3 && op.again == 4);
#ifdef TIDEMARK_DEBUG
    CU_ASSERT_EQUAL(op.runs, 4);
    CU_ASSERT_EQUAL(op.now[0], op.now[1]); /* the same in both runs */
#endif
    if (is_lmdb) {
        struct kv_options options = options_default();

        close_store();
        open_store(&options);
        CU_ASSERT_EQUAL(kv_write_sync(store, fn_ids, &op), 0);
        CU_ASSERT_TRUE(op.repo == 3 && op.object == 5 && op.again == 6);
    }
    end();
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
    struct key key = row_key(op->cite);
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
    struct op op = {.key = slice_from_cstr(key)};
    const char expected[] = {'a', 'b', 0, 0, 0, 0, 0, 0, 0, (char)number, 'c', 'd'};

    return kv_read_sync(store, fn_get, &op) == 0 &&
           slice_eq(slice_make(op.got, op.got_n), slice_make(expected, sizeof(expected)));
}

static void test_events(void)
{
    struct event_op two = {.events = 2, .cite = SLICE("two")};
    struct event_op failing = {.events = 1, .cite = SLICE("failing"), .result = ERR_EXISTS};
    struct event_op one = {.events = 1, .cite = SLICE("one")};
    struct chain_op chain;

    begin();
    CU_ASSERT_EQUAL(kv_event_last(store), 0);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_events, &two), 0);
    CU_ASSERT_EQUAL(kv_event_last(store), 3);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_events, &failing), ERR_EXISTS);
    CU_ASSERT_EQUAL(kv_event_last(store), 3);
    if (is_lmdb) {
        struct kv_options options = options_default();

        close_store();
        open_store(&options);
        CU_ASSERT_EQUAL(kv_event_last(store), 3);
    }
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_events, &one), 0);
    CU_ASSERT_EQUAL(kv_event_last(store), 5);
    CU_ASSERT_EQUAL(kv_read_sync(store, fn_chain, &chain), 0);
    CU_ASSERT_EQUAL(chain.number, 5);
    CU_ASSERT_TRUE(holds("failing", NULL));
    CU_ASSERT_TRUE(cites("two", 2));
    CU_ASSERT_TRUE(cites("one", 4));
    end();
}

/*
 * Batches and lanes.
 */

static void test_batches(void)
{
    enum { N = 600 };
    static struct op ops[N];
    unsigned done = 0;
    struct op gate = {.done = &done};
    struct kv_stats before, after;

    begin();
    kv_stats_get(store, &before);
    close_gate(&gate);
    for (size_t i = 0; i < N; i++) {
        ops[i] = (struct op){.key = SLICE("a"), .value = SLICE("1"), .done = &done};
        kv_write(client, KV_FRONT, fn_put, &ops[i], on_done);
    }
    open_gate();
    pump(replies, &done, N + 1);
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL(ops[i].err, 0);
    kv_stats_get(store, &after);
    CU_ASSERT_EQUAL(after.functions - before.functions, N + 1);
    CU_ASSERT_TRUE(after.commits - before.commits >= (N + 1 + KV_BATCH_MAX - 1) / KV_BATCH_MAX);
    CU_ASSERT_TRUE(after.commits - before.commits < N / 2); /* they do share commits */
    end();
}

static void test_background(void)
{
    unsigned done = 0;
    struct op gate = {.done = &done};
    struct op ops[6];
    struct kv_stats before, after;

    begin();
    kv_stats_get(store, &before);
    close_gate(&gate);
    for (size_t i = 0; i < 6; i++) {
        ops[i] = (struct op){.key = SLICE("a"), .value = SLICE("1"), .done = &done};
        kv_write(client, i % 2 ? KV_BACKGROUND : KV_FRONT, fn_put, &ops[i], on_done);
    }
    kv_stats_get(store, &after);
    CU_ASSERT_EQUAL(after.background_depth, 3);
    CU_ASSERT_EQUAL(after.front_depth, 3);
    open_gate();
    pump(replies, &done, 7);
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(ops[i].err, 0);
    kv_stats_get(store, &after);
    CU_ASSERT_TRUE(after.commits - before.commits >= 3); /* one of the background in each */
    end();
}

static void test_busy(void)
{
    unsigned done = 0;
    struct op gate = {.done = &done};
    struct op ops[6];
    struct kv_options options = options_default();

    options.queue_max = 4;
    begin_with(&options);
    close_gate(&gate);
    for (size_t i = 0; i < 6; i++) {
        ops[i] = (struct op){.key = SLICE("a"), .value = SLICE("1"), .done = &done};
        kv_write(client, KV_FRONT, fn_put, &ops[i], on_done);
    }
    CU_ASSERT_EQUAL(done, 2); /* refused at once */
    CU_ASSERT_TRUE(ops[4].err == ERR_BUSY && ops[5].err == ERR_BUSY);
    kv_write(client, KV_BACKGROUND, fn_put, &ops[5], on_done); /* a queue of its own */
    CU_ASSERT_EQUAL(done, 2);
    open_gate();
    pump(replies, &done, 8);
    CU_ASSERT_TRUE(ops[0].err == 0 && ops[3].err == 0 && ops[5].err == 0);
    end();
}

static void test_no_change(void)
{
    unsigned done = 0;
    struct op op = {.key = SLICE("a"), .done = &done};

    begin();
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    kv_write(client, KV_FRONT, fn_get, &op, on_done);
    pump(replies, &done, 1);
    CU_ASSERT_EQUAL(op.err, 0);
    CU_ASSERT_TRUE(slice_eq(slice_make(op.got, op.got_n), SLICE("1")));
    end();
}

static int fn_increment(struct kv_tx *tx, void *arg)
{
    struct key key = row_key(SLICE("counter"));
    struct slice value;
    char text[32] = "0";
    int err = kv_get(tx, key_slice(&key), &value);

    (void)arg;
    if (err == 0)
        snprintf(text, sizeof(text), SLICE_FMT, SLICE_ARG(value));
    else if (err != ERR_NOT_FOUND)
        return err;
    snprintf(text, sizeof(text), "%lu", strtoul(text, NULL, 10) + 1);
    err = kv_touch(tx, key_slice(&key));
    return err != 0 ? err : kv_put(tx, key_slice(&key), slice_from_cstr(text));
}

enum { THREADS = 4, ROUNDS = 40 };

static void *worker(void *arg)
{
    struct queue *queue = queue_create();
    struct kv_client *mine = kv_client_create(store, queue);
    unsigned *failures = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned written = 0, read = 0;
        struct op write_op = {.done = &written}, read_op = {.key = SLICE("counter"), .done = &read};

        kv_write(mine, KV_FRONT, fn_increment, &write_op, on_done);
        pump(queue, &written, 1);
        kv_read(mine, fn_get, &read_op, on_done);
        pump(queue, &read, 1);
        read_op.got[read_op.got_n] = '\0';
        if (write_op.err != 0 || read_op.err != 0 || strtoul(read_op.got, NULL, 10) < i + 1)
            ++*failures;
        kv_turn_end(mine);
    }
    kv_client_destroy(mine);
    queue_destroy(queue);
    return NULL;
}

static void test_threads(void)
{
    struct kv_options options = options_default();
    pthread_t threads[THREADS];
    unsigned failures[THREADS] = {0};
    struct kv_stats stats;

    options.conflict_percent = 30;
    begin_with(&options);
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, worker, &failures[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(failures[i], 0);
    }
    CU_ASSERT_TRUE(holds("counter", "160"));
    kv_stats_get(store, &stats);
    /* They were run again, and nothing was lost or done twice. */
    CU_ASSERT_TRUE(is_lmdb ? stats.conflicts == 0 : stats.conflicts > 0);
    end();
}

static void test_conflict_for_ever(void)
{
    struct kv_options options = options_default();

    options.conflict_percent = 100;
    begin_with(&options);
    CU_ASSERT_EQUAL(put("a", "1"), is_lmdb ? 0 : ERR_CONFLICT);
    CU_ASSERT_TRUE(holds("a", is_lmdb ? "1" : NULL));
    end();
}

/*
 * What does not fit, what is damaged, what is counted.
 */

static void test_index_full(void)
{
    struct kv_options options = options_default();
    unsigned done = 0;
    struct op gate = {.done = &done};
    struct op ops[3] = {{.key = SLICE("a"), .value = SLICE("1"), .done = &done},
                        {.done = &done},
                        {.key = SLICE("c"), .value = SLICE("1"), .done = &done}};

    options.map_size_bytes = MIB / 2;
    begin_with(&options);
    CU_ASSERT_EQUAL(put("before", "1"), 0);
    close_gate(&gate);
    kv_write(client, KV_FRONT, fn_put, &ops[0], on_done);
    kv_write(client, KV_FRONT, fn_ignores_failure, &ops[1], on_done);
    kv_write(client, KV_FRONT, fn_put, &ops[2], on_done);
    open_gate();
    pump(replies, &done, 4);
    CU_ASSERT_EQUAL(ops[0].err, 0);
    CU_ASSERT_EQUAL(ops[1].err, ERR_INDEX_FULL); /* though the function did not look */
    CU_ASSERT_TRUE(ops[1].got_n > 0);
    CU_ASSERT_EQUAL(ops[2].err, 0);
    CU_ASSERT_TRUE(kv_is_writable(store));
    CU_ASSERT_TRUE(holds("before", "1"));
    CU_ASSERT_TRUE(holds("a", "1"));
    CU_ASSERT_TRUE(holds("c", "1"));
    end();
}

static int fn_fill(struct kv_tx *tx, void *arg)
{
    unsigned *n = arg;
    struct key key = key_body(*n);

    return kv_put(tx, key_slice(&key), slice_make(large_value, 5000));
}

static int fn_empty(struct kv_tx *tx, void *arg)
{
    unsigned *n = arg;
    struct key key = key_body(*n);

    return kv_del(tx, key_slice(&key));
}

/* Filled up row by row, so that commits fail, too; deleting makes room again. */
static void test_index_fills_up(void)
{
    struct kv_options options = options_default();
    unsigned n = 0, kept;
    int err;

    options.map_size_bytes = MIB / 2;
    begin_with(&options);
    while ((err = kv_write_sync(store, fn_fill, &n)) == 0)
        n++;
    CU_ASSERT_EQUAL(err, ERR_INDEX_FULL);
    CU_ASSERT_TRUE(n > 20);
    CU_ASSERT_TRUE(kv_is_writable(store));
    kept = n;
    while (n > kept / 2) {
        n--;
        CU_ASSERT_EQUAL(kv_write_sync(store, fn_empty, &n), 0);
    }
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_fill, &n), 0);
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    CU_ASSERT_TRUE(holds("a", "1"));
    end();
}

static void test_reopen(void)
{
    struct kv_options options = options_default();
    struct stat st;
    char path[96];

    if (!is_lmdb)
        return;
    begin();
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    close_store();
    snprintf(path, sizeof(path), "%s/data.mdb", directory);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    open_store(&options);
    CU_ASSERT_TRUE(holds("a", "1"));
    end();
}

static int fn_set_format(struct kv_tx *tx, void *arg)
{
    struct slice *value = arg;
    struct key key = key_meta(SLICE("format"));

    return kv_put(tx, key_slice(&key), *value);
}

static void remove_index(void)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/data.mdb", directory);
    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
}

static void test_format(void)
{
    static const struct {
        struct slice value;
        int err;
        const char *text;
    } cases[] = {{SLICE("\2"), ERR_INVALID, "format 2"}, {SLICE("xx"), ERR_CORRUPT, "unreadable"}};
    struct kv_options options = options_default();

    if (!is_lmdb)
        return;
    begin();
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fault fault = FAULT_INIT;
        struct slice value = cases[i].value;

        CU_ASSERT_EQUAL(kv_write_sync(store, fn_set_format, &value), 0);
        close_store();
        CU_ASSERT_EQUAL(kv_open(engine, directory, &options, &store, &fault), cases[i].err);
        CU_ASSERT_PTR_NULL(store);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, cases[i].text));
        remove_index();
        open_store(&options);
    }
    end();
}

static void test_not_openable(void)
{
    struct kv_options options = options_default();
    struct fault fault = FAULT_INIT;

    if (!is_lmdb)
        return;
    CU_ASSERT_EQUAL(kv_open(engine, "/nonexistent/tidemark", &options, &store, &fault),
                    ERR_NOT_FOUND);
    CU_ASSERT_PTR_NULL(store);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "/nonexistent/tidemark"));
}

static void test_row_counts(void)
{
    static uint64_t puts[2][256], dels[2][256];
    struct event_op op = {.events = 1, .cite = SLICE("cite")};
    struct op failing = {.key = SLICE("x"), .value = SLICE("1"), .result = ERR_EXISTS};

    begin();
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    kv_row_counts(store, puts[0], dels[0]);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_events, &op), 0);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_put, &failing), ERR_EXISTS);
    CU_ASSERT_EQUAL(del("a"), 0);
    kv_row_counts(store, puts[1], dels[1]);
    CU_ASSERT_EQUAL(puts[1][KV_CURSOR] - puts[0][KV_CURSOR], 1);
    CU_ASSERT_EQUAL(puts[1][KV_EVENT] - puts[0][KV_EVENT], 2);
    CU_ASSERT_EQUAL(puts[1][KV_META] - puts[0][KV_META], 1); /* the head, once */
    CU_ASSERT_EQUAL(dels[1][KV_CURSOR] - dels[0][KV_CURSOR], 1);
    end();
}

static void test_stats(void)
{
    struct kv_stats stats;

    begin();
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    kv_reader_check(store);
    kv_stats_get(store, &stats);
    CU_ASSERT_EQUAL(stats.map_size_bytes, 64 * MIB);
    CU_ASSERT_TRUE(stats.used_bytes > 0 && stats.used_bytes < MIB);
    CU_ASSERT_EQUAL(stats.functions, 1);
    CU_ASSERT_EQUAL(stats.commits, 1);
    CU_ASSERT_TRUE(kv_is_writable(store));
    CU_ASSERT_PTR_EQUAL(kv_client_queue(client), replies);
    CU_ASSERT_PTR_EQUAL(kv_client_store(client), store);
    end();
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

    begin();
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_budget, &fits), 0);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_budget, &raised), 0);
#ifndef TIDEMARK_DEBUG /* there it stops the program */
    struct budget_op over = {.rows = KV_ROWS_MAX + 1};

    CU_ASSERT_EQUAL(kv_write_sync(store, fn_budget, &over), ERR_LIMIT);
#endif
    end();
}

/*
 * Commits that fail.
 */

static unsigned fatal_calls;

static void on_fatal(void *arg, const struct fault *fault)
{
    (void)arg;
    if (fault->code != 0 && fault->text[0] != '\0')
        fatal_calls++;
}

/* An engine whose commits fail while there are errors in the list. */
static const struct kv_engine *real_engine;
static struct kv_engine failing_engine;
static int failures[3];
static atomic_uint failures_left;

static int failing_commit(void *batch)
{
    unsigned left = atomic_load(&failures_left);

    if (left == 0)
        return real_engine->batch_commit(batch);
    atomic_store(&failures_left, left - 1);
    real_engine->batch_abort(batch);
    return failures[left - 1];
}

static void begin_failing(void)
{
    struct kv_options options = options_default();

    fatal_calls = 0;
    options.on_fatal = on_fatal;
    real_engine = engine;
    failing_engine = *engine;
    failing_engine.batch_commit = failing_commit;
    atomic_store(&failures_left, 0);
    engine = &failing_engine;
    begin_with(&options);
    engine = real_engine;
}

/* A full disk is met by the batch, then by its second function alone. */
static void test_disk_full(void)
{
    unsigned done = 0;
    struct op gate = {.done = &done};
    struct op ops[3] = {
        {.key = SLICE("a"), .value = SLICE("1"), .done = &done},
        {.key = SLICE("a"), .value = SLICE("2"), .result = ERR_EXISTS, .done = &done},
        {.key = SLICE("c"), .value = SLICE("1"), .done = &done}};

    begin_failing();
    failures[0] = ERR_DISK_FULL;
    close_gate(&gate);
    for (size_t i = 0; i < 3; i++)
        kv_write(client, KV_FRONT, fn_put, &ops[i], on_done);
    atomic_store(&failures_left, 1);
    open_gate();
    pump(replies, &done, 4);
    CU_ASSERT_EQUAL(gate.err, 0); /* all were run again, one by one */
    CU_ASSERT_EQUAL(ops[0].err, 0);
    CU_ASSERT_EQUAL(ops[1].err, ERR_EXISTS);
    CU_ASSERT_EQUAL(ops[2].err, 0);

    failures[1] = failures[0] = ERR_DISK_FULL; /* alone: no second try */
    atomic_store(&failures_left, 2);
    CU_ASSERT_EQUAL(put("d", "1"), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(put("d", "1"), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(put("e", "1"), 0);
    CU_ASSERT_TRUE(holds("a", "1"));
    CU_ASSERT_TRUE(holds("d", NULL));
    CU_ASSERT_TRUE(holds("e", "1"));
    CU_ASSERT_TRUE(kv_is_writable(store));
    CU_ASSERT_EQUAL(fatal_calls, 0);
    end();
}

static void test_failed_commit(void)
{
    unsigned done = 0;
    struct op gate = {.done = &done};
    struct op ops[2] = {{.key = SLICE("b"), .value = SLICE("1"), .done = &done},
                        {.key = SLICE("c"), .value = SLICE("1"), .done = &done}};

    begin_failing();
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    failures[0] = ERR_IO;
    close_gate(&gate);
    kv_write(client, KV_FRONT, fn_put, &ops[0], on_done);
    kv_write(client, KV_BACKGROUND, fn_put, &ops[1], on_done);
    atomic_store(&failures_left, 1);
    open_gate();
    pump(replies, &done, 3);
    CU_ASSERT_EQUAL(gate.err, ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(ops[0].err, ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(ops[1].err, ERR_UNAVAILABLE);
    CU_ASSERT_FALSE(kv_is_writable(store));
    CU_ASSERT_EQUAL(put("d", "1"), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(fatal_calls, 1);
    CU_ASSERT_TRUE(holds("a", "1")); /* reads go on */
    CU_ASSERT_TRUE(holds("b", NULL));
    CU_ASSERT_TRUE(client_sees("a", "1"));
    end();
}

static int fn_large(struct kv_tx *tx, void *arg)
{
    int err = 0;

    (void)arg;
    for (unsigned i = 0; err == 0 && i < 8; i++) {
        struct key key = key_body(i);
        err = kv_put(tx, key_slice(&key), slice_make(large_value, sizeof(large_value)));
    }
    return err;
}

/* The system itself refuses a write of LMDB's. */
static void test_refused_write(void)
{
    struct kv_options options = options_default();
    struct rlimit before, small;

    if (!is_lmdb)
        return;
    fatal_calls = 0;
    options.on_fatal = on_fatal;
    begin_with(&options);
    CU_ASSERT_EQUAL(put("a", "1"), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 65536;
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_large, NULL), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    CU_ASSERT_FALSE(kv_is_writable(store));
    CU_ASSERT_EQUAL(fatal_calls, 1);
    CU_ASSERT_EQUAL(put("a", "2"), ERR_UNAVAILABLE);
    CU_ASSERT_TRUE(holds("a", "1"));
    close_store();
    open_store(&options); /* the next process finds what was promised, and writes */
    CU_ASSERT_TRUE(holds("a", "1"));
    CU_ASSERT_EQUAL(put("a", "2"), 0);
    CU_ASSERT_EQUAL(kv_write_sync(store, fn_large, NULL), 0);
    end();
}

static int use_lmdb(void)
{
    engine = &kv_engine_lmdb;
    is_lmdb = true;
    return 0;
}

static int use_mem(void)
{
    engine = &kv_engine_mem;
    is_lmdb = false;
    return 0;
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
    CU_add_test(suite, "batches", test_batches);
    CU_add_test(suite, "background", test_background);
    CU_add_test(suite, "busy", test_busy);
    CU_add_test(suite, "no change", test_no_change);
    CU_add_test(suite, "threads", test_threads);
    CU_add_test(suite, "conflict for ever", test_conflict_for_ever);
    CU_add_test(suite, "index full", test_index_full);
    CU_add_test(suite, "index fills up", test_index_fills_up);
    CU_add_test(suite, "reopen", test_reopen);
    CU_add_test(suite, "format", test_format);
    CU_add_test(suite, "not openable", test_not_openable);
    CU_add_test(suite, "row counts", test_row_counts);
    CU_add_test(suite, "stats", test_stats);
    CU_add_test(suite, "budget", test_budget);
    CU_add_test(suite, "disk full", test_disk_full);
    CU_add_test(suite, "failed commit", test_failed_commit);
    CU_add_test(suite, "refused write", test_refused_write);
}

void test_suites(void)
{
    add_tests(CU_add_suite("lmdb", use_lmdb, NULL));
    add_tests(CU_add_suite("mem", use_mem, NULL));
}
