/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What storage/kv.h promises of the writer: batches, lanes, outcomes, a full index or disk, failed
 * commits, what the next process finds. One suite over both engines; each test has a fresh store.
 */
#include "config.h"
#include "tests/support/cunit_main.h"
#include "tests/unit/kv_bench.h"

#include "base/mem.h"
#include "storage/kv_engine.h"

#include <CUnit/CUnit.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char large_value[KV_VALUE_MAX];

/*
 * Batches and lanes.
 */

static void test_batches(void)
{
    enum { N = 600 };
    static struct bench_op ops[N];
    unsigned done = 0;
    struct bench_op gate = {.done = &done};
    struct kv_stats before, after;

    bench_begin();
    kv_stats_get(kv_bench.store, &before);
    bench_close_gate(&gate);
    for (size_t i = 0; i < N; i++) {
        ops[i] = (struct bench_op){.key = SLICE("a"), .value = SLICE("1"), .done = &done};
        kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &ops[i], bench_on_done);
    }
    bench_open_gate();
    bench_pump(kv_bench.replies, &done, N + 1);
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL(ops[i].err, 0);
    kv_stats_get(kv_bench.store, &after);
    CU_ASSERT_EQUAL(after.functions - before.functions, N + 1);
    CU_ASSERT_TRUE(after.commits - before.commits >= (N + 1 + KV_BATCH_MAX - 1) / KV_BATCH_MAX);
    CU_ASSERT_TRUE(after.commits - before.commits < N / 2); /* they do share commits */
    bench_end();
}

static void test_background(void)
{
    unsigned done = 0;
    struct bench_op gate = {.done = &done};
    struct bench_op ops[6];
    struct kv_stats before, after;

    bench_begin();
    kv_stats_get(kv_bench.store, &before);
    bench_close_gate(&gate);
    for (size_t i = 0; i < 6; i++) {
        ops[i] = (struct bench_op){.key = SLICE("a"), .value = SLICE("1"), .done = &done};
        kv_write(kv_bench.client, i % 2 ? KV_BACKGROUND : KV_FRONT, bench_fn_put, &ops[i],
                 bench_on_done);
    }
    kv_stats_get(kv_bench.store, &after);
    CU_ASSERT_EQUAL(after.background_depth, 3);
    CU_ASSERT_EQUAL(after.front_depth, 3);
    bench_open_gate();
    bench_pump(kv_bench.replies, &done, 7);
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(ops[i].err, 0);
    kv_stats_get(kv_bench.store, &after);
    CU_ASSERT_TRUE(after.commits - before.commits >= 3); /* one of the background in each */
    bench_end();
}

static void test_busy(void)
{
    unsigned done = 0;
    struct bench_op gate = {.done = &done};
    struct bench_op ops[6];
    struct kv_options options = bench_options_default();

    options.queue_max = 4;
    bench_begin_with(&options);
    bench_close_gate(&gate);
    for (size_t i = 0; i < 6; i++) {
        ops[i] = (struct bench_op){.key = SLICE("a"), .value = SLICE("1"), .done = &done};
        kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &ops[i], bench_on_done);
    }
    CU_ASSERT_EQUAL(done, 2); /* refused at once */
    CU_ASSERT_TRUE(ops[4].err == ERR_BUSY && ops[5].err == ERR_BUSY);
    kv_write(kv_bench.client, KV_BACKGROUND, bench_fn_put, &ops[5],
             bench_on_done); /* a queue of its own */
    CU_ASSERT_EQUAL(done, 2);
    bench_open_gate();
    bench_pump(kv_bench.replies, &done, 8);
    CU_ASSERT_TRUE(ops[0].err == 0 && ops[3].err == 0 && ops[5].err == 0);
    bench_end();
}

static void test_no_change(void)
{
    unsigned done = 0;
    struct bench_op op = {.key = SLICE("a"), .done = &done};

    bench_begin();
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    kv_write(kv_bench.client, KV_FRONT, bench_fn_get, &op, bench_on_done);
    bench_pump(kv_bench.replies, &done, 1);
    CU_ASSERT_EQUAL(op.err, 0);
    CU_ASSERT_TRUE(slice_eq(slice_make(op.got, op.got_n), SLICE("1")));
    bench_end();
}

/* A client that goes while writes are under way has their outcomes first. */
static void test_client_waits(void)
{
    unsigned done = 0;
    struct bench_op ops[2] = {{.key = SLICE("a"), .value = SLICE("1"), .done = &done},
                              {.key = SLICE("b"), .value = SLICE("1"), .done = &done}};
    struct queue *queue = queue_create();

    bench_begin();
    struct kv_client *client = kv_client_create(kv_bench.store, queue);
    kv_write(client, KV_FRONT, bench_fn_put, &ops[0], bench_on_done);
    kv_write(client, KV_BACKGROUND, bench_fn_put, &ops[1], bench_on_done);
    kv_client_destroy(client);
    queue_destroy(queue);
    CU_ASSERT_EQUAL(done, 2);
    CU_ASSERT_TRUE(ops[0].err == 0 && ops[1].err == 0);
    CU_ASSERT_TRUE(bench_holds("b", "1"));
    bench_end();
}

static int fn_increment(struct kv_tx *tx, void *arg)
{
    struct key key = bench_key(SLICE("counter"));
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
    struct kv_client *mine = kv_client_create(kv_bench.store, queue);
    unsigned *failures = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned written = 0, read = 0;
        struct bench_op write_op = {.done = &written},
                        read_op = {.key = SLICE("counter"), .done = &read};

        kv_write(mine, KV_FRONT, fn_increment, &write_op, bench_on_done);
        bench_pump(queue, &written, 1);
        kv_read(mine, bench_fn_get, &read_op, bench_on_done);
        bench_pump(queue, &read, 1);
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
    struct kv_options options = bench_options_default();
    pthread_t threads[THREADS];
    unsigned failures[THREADS] = {0};
    struct kv_stats stats;

    options.conflict_percent = 30;
    bench_begin_with(&options);
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, worker, &failures[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(failures[i], 0);
    }
    CU_ASSERT_TRUE(bench_holds("counter", "160"));
    kv_stats_get(kv_bench.store, &stats);
    /* They were run again, and nothing was lost or done twice. */
    CU_ASSERT_TRUE(kv_bench.is_lmdb ? stats.conflicts == 0 : stats.conflicts > 0);
    bench_end();
}

static void test_conflict_for_ever(void)
{
    struct kv_options options = bench_options_default();

    options.conflict_percent = 100;
    bench_begin_with(&options);
    CU_ASSERT_EQUAL(bench_put("a", "1"), kv_bench.is_lmdb ? 0 : ERR_CONFLICT);
    CU_ASSERT_TRUE(bench_holds("a", kv_bench.is_lmdb ? "1" : NULL));
    bench_end();
}

/*
 * What does not fit, what cannot be opened.
 */

static int fn_ignores_failure(struct kv_tx *tx, void *arg)
{
    struct bench_op *op = arg;
    struct slice value = slice_make(large_value, sizeof(large_value));

    for (unsigned i = 0; i < 12; i++) {
        struct key key = key_body(i);

        if (kv_put(tx, key_slice(&key), value) != 0)
            op->got_n++;
    }
    return 0;
}

static void test_index_full(void)
{
    struct kv_options options = bench_options_default();
    unsigned done = 0;
    struct bench_op gate = {.done = &done};
    struct bench_op ops[3] = {{.key = SLICE("a"), .value = SLICE("1"), .done = &done},
                              {.done = &done},
                              {.key = SLICE("c"), .value = SLICE("1"), .done = &done}};

    options.map_size_bytes = MIB / 2;
    bench_begin_with(&options);
    CU_ASSERT_EQUAL(bench_put("before", "1"), 0);
    bench_close_gate(&gate);
    kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &ops[0], bench_on_done);
    kv_write(kv_bench.client, KV_FRONT, fn_ignores_failure, &ops[1], bench_on_done);
    kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &ops[2], bench_on_done);
    bench_open_gate();
    bench_pump(kv_bench.replies, &done, 4);
    CU_ASSERT_EQUAL(ops[0].err, 0);
    CU_ASSERT_EQUAL(ops[1].err, ERR_INDEX_FULL); /* though the function did not look */
    CU_ASSERT_TRUE(ops[1].got_n > 0);
    CU_ASSERT_EQUAL(ops[2].err, 0);
    CU_ASSERT_TRUE(kv_is_writable(kv_bench.store));
    CU_ASSERT_TRUE(bench_holds("before", "1"));
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    CU_ASSERT_TRUE(bench_holds("c", "1"));
    bench_end();
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
    struct kv_options options = bench_options_default();
    unsigned n = 0, kept;
    int err;

    options.map_size_bytes = MIB / 2;
    bench_begin_with(&options);
    while ((err = kv_write_sync(kv_bench.store, fn_fill, &n)) == 0)
        n++;
    CU_ASSERT_EQUAL(err, ERR_INDEX_FULL);
    CU_ASSERT_TRUE(n > 20);
    CU_ASSERT_TRUE(kv_is_writable(kv_bench.store));
    kept = n;
    while (n > kept / 2) {
        n--;
        CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_empty, &n), 0);
    }
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_fill, &n), 0);
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    bench_end();
}

static void test_reopen(void)
{
    struct kv_options options = bench_options_default();
    struct stat st;
    char path[96];

    if (!kv_bench.is_lmdb)
        return;
    bench_begin();
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    bench_close_store();
    snprintf(path, sizeof(path), "%s/data.mdb", kv_bench.directory.path);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    bench_open_store(&options);
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    bench_end();
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

    snprintf(path, sizeof(path), "%s/data.mdb", kv_bench.directory.path);
    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
}

static void test_format(void)
{
    static const struct {
        struct slice value;
        int err;
        const char *text;
    } cases[] = {{SLICE("\2"), ERR_INVALID, "format 2"},
                 {SLICE("xx"), ERR_CORRUPT, "unreadable"},
                 {SLICE("\0"), ERR_CORRUPT, "unreadable"}};
    struct kv_options options = bench_options_default();

    if (!kv_bench.is_lmdb)
        return;
    bench_begin();
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fault fault = FAULT_INIT;
        struct slice value = cases[i].value;

        CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_set_format, &value), 0);
        bench_close_store();
        CU_ASSERT_EQUAL(
            kv_open(kv_bench.engine, kv_bench.directory.path, &options, &kv_bench.store, &fault),
            cases[i].err);
        CU_ASSERT_PTR_NULL(kv_bench.store);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, cases[i].text));
        remove_index();
        bench_open_store(&options);
    }
    bench_end();
}

static void test_not_openable(void)
{
    struct kv_options options = bench_options_default();
    struct fault fault = FAULT_INIT;

    if (!kv_bench.is_lmdb)
        return;
    CU_ASSERT_EQUAL(
        kv_open(kv_bench.engine, "/nonexistent/tidemark", &options, &kv_bench.store, &fault),
        ERR_NOT_FOUND);
    CU_ASSERT_PTR_NULL(kv_bench.store);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "/nonexistent/tidemark"));
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

static atomic_int begin_fails; /* 0: does not */

static int failing_begin(void *env, void **batch)
{
    int err = atomic_load(&begin_fails);

    return err != 0 ? err : real_engine->batch_begin(env, batch);
}

static void begin_failing(void)
{
    struct kv_options options = bench_options_default();

    fatal_calls = 0;
    options.on_fatal = on_fatal;
    real_engine = kv_bench.engine;
    failing_engine = *kv_bench.engine;
    failing_engine.batch_commit = failing_commit;
    failing_engine.batch_begin = failing_begin;
    atomic_store(&failures_left, 0);
    atomic_store(&begin_fails, 0);
    kv_bench.engine = &failing_engine;
    bench_begin_with(&options);
    kv_bench.engine = real_engine;
}

/* Three functions behind the gate, whose commit meets a full disk. Returns what became of the gate:
 * an error when this thread was held up for so long that the gate was a batch of its own. */
static int commit_to_full_disk(struct bench_op ops[3])
{
    unsigned done = 0;
    struct bench_op gate = {.done = &done};

    begin_failing();
    failures[0] = ERR_DISK_FULL;
    bench_close_gate(&gate);
    for (size_t i = 0; i < 3; i++) {
        ops[i].done = &done;
        kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &ops[i], bench_on_done);
    }
    atomic_store(&failures_left, 1);
    bench_open_gate();
    bench_pump(kv_bench.replies, &done, 4);
    return gate.err;
}

/* A full disk is met by the batch, then by its second function alone. */
static void test_disk_full(void)
{
    struct bench_op ops[3];
    int err = -1;

    for (int i = 0; i < 100 && err != 0; i++) {
        if (i > 0)
            bench_end();
        ops[0] = (struct bench_op){.key = SLICE("a"), .value = SLICE("1")};
        ops[1] = (struct bench_op){.key = SLICE("a"), .value = SLICE("2"), .result = ERR_EXISTS};
        ops[2] = (struct bench_op){.key = SLICE("c"), .value = SLICE("1")};
        err = commit_to_full_disk(ops);
    }
    CU_ASSERT_EQUAL(err, 0); /* all were run again, one by one */
    CU_ASSERT_EQUAL(ops[0].err, 0);
    CU_ASSERT_EQUAL(ops[1].err, ERR_EXISTS);
    CU_ASSERT_EQUAL(ops[2].err, 0);

    failures[1] = failures[0] = ERR_DISK_FULL; /* alone: no second try */
    atomic_store(&failures_left, 2);
    CU_ASSERT_EQUAL(bench_put("d", "1"), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(bench_put("d", "1"), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(bench_put("e", "1"), 0);
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    CU_ASSERT_TRUE(bench_holds("d", NULL));
    CU_ASSERT_TRUE(bench_holds("e", "1"));
    CU_ASSERT_TRUE(kv_is_writable(kv_bench.store));
    CU_ASSERT_EQUAL(fatal_calls, 0);
    bench_end();
}

static void test_failed_commit(void)
{
    unsigned done = 0;
    struct bench_op gate = {.done = &done};
    struct bench_op ops[2] = {{.key = SLICE("b"), .value = SLICE("1"), .done = &done},
                              {.key = SLICE("c"), .value = SLICE("1"), .done = &done}};

    begin_failing();
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    failures[0] = ERR_IO;
    bench_close_gate(&gate);
    kv_write(kv_bench.client, KV_FRONT, bench_fn_put, &ops[0], bench_on_done);
    kv_write(kv_bench.client, KV_BACKGROUND, bench_fn_put, &ops[1], bench_on_done);
    atomic_store(&failures_left, 1);
    bench_open_gate();
    bench_pump(kv_bench.replies, &done, 3);
    CU_ASSERT_EQUAL(gate.err, ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(ops[0].err, ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(ops[1].err, ERR_UNAVAILABLE);
    CU_ASSERT_FALSE(kv_is_writable(kv_bench.store));
    CU_ASSERT_EQUAL(bench_put("d", "1"), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(fatal_calls, 1);
    CU_ASSERT_TRUE(bench_holds("a", "1")); /* reads go on */
    CU_ASSERT_TRUE(bench_holds("b", NULL));
    CU_ASSERT_TRUE(bench_client_sees("a", "1"));
    bench_end();
}

/* A batch that cannot begin: nothing is in doubt, unless the engine says so. */
static void test_failed_begin(void)
{
    begin_failing();
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    atomic_store(&begin_fails, ERR_NO_MEMORY);
    CU_ASSERT_EQUAL(bench_put("a", "2"), ERR_NO_MEMORY);
    CU_ASSERT_TRUE(kv_is_writable(kv_bench.store));
    atomic_store(&begin_fails, 0);
    CU_ASSERT_EQUAL(bench_put("b", "1"), 0);
    CU_ASSERT_EQUAL(fatal_calls, 0);
    atomic_store(&begin_fails, ERR_IO); /* what LMDB says once a meta page could not be written */
    CU_ASSERT_EQUAL(bench_put("a", "2"), ERR_UNAVAILABLE);
    CU_ASSERT_FALSE(kv_is_writable(kv_bench.store));
    CU_ASSERT_EQUAL(fatal_calls, 1);
    atomic_store(&begin_fails, 0);
    CU_ASSERT_EQUAL(bench_put("a", "2"), ERR_UNAVAILABLE); /* for good */
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    bench_end();
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
    struct kv_options options = bench_options_default();
    struct rlimit before, small;

    if (!kv_bench.is_lmdb)
        return;
    fatal_calls = 0;
    options.on_fatal = on_fatal;
    bench_begin_with(&options);
    CU_ASSERT_EQUAL(bench_put("a", "1"), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 65536;
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_large, NULL), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    CU_ASSERT_FALSE(kv_is_writable(kv_bench.store));
    CU_ASSERT_EQUAL(fatal_calls, 1);
    CU_ASSERT_EQUAL(bench_put("a", "2"), ERR_UNAVAILABLE);
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    bench_close_store();
    bench_open_store(&options); /* the next process finds what was promised, and writes */
    CU_ASSERT_TRUE(bench_holds("a", "1"));
    CU_ASSERT_EQUAL(bench_put("a", "2"), 0);
    CU_ASSERT_EQUAL(kv_write_sync(kv_bench.store, fn_large, NULL), 0);
    bench_end();
}

static void add_tests(CU_pSuite suite)
{
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
    CU_add_test(suite, "disk full", test_disk_full);
    CU_add_test(suite, "failed commit", test_failed_commit);
    CU_add_test(suite, "failed begin", test_failed_begin);
    CU_add_test(suite, "refused write", test_refused_write);
    CU_add_test(suite, "client with replies to come", test_client_waits);
}

void test_suites(void)
{
    add_tests(CU_add_suite("lmdb", bench_use_lmdb, NULL));
    add_tests(CU_add_suite("mem", bench_use_mem, NULL));
}
