/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/unit/kv_bench.h"

#include <CUnit/CUnit.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct kv_bench kv_bench;

int bench_use_lmdb(void)
{
    kv_bench.engine = &kv_engine_lmdb;
    kv_bench.is_lmdb = true;
    return 0;
}

int bench_use_mem(void)
{
    kv_bench.engine = &kv_engine_mem;
    kv_bench.is_lmdb = false;
    return 0;
}

struct kv_options bench_options_default(void)
{
    return (struct kv_options){.map_size_bytes = 64 * MIB, .readers_max = 16, .queue_max = 1024};
}

void bench_open_store(const struct kv_options *options)
{
    struct fault fault = FAULT_INIT;

    if (kv_open(kv_bench.engine, kv_bench.directory.path, options, &kv_bench.store, &fault) != 0) {
        printf("# %s\n", fault.text);
        CU_FAIL_FATAL("the store cannot be opened");
    }
    kv_bench.replies = queue_create();
    kv_bench.client = kv_client_create(kv_bench.store, kv_bench.replies);
}

void bench_close_store(void)
{
    kv_client_destroy(kv_bench.client);
    kv_close(kv_bench.store);
    queue_destroy(kv_bench.replies);
}

void bench_begin_with(const struct kv_options *options)
{
    tempdir_make(&kv_bench.directory);
    bench_open_store(options);
}

void bench_begin(void)
{
    struct kv_options options = bench_options_default();

    bench_begin_with(&options);
}

void bench_end(void)
{
    bench_close_store();
    tempdir_remove(&kv_bench.directory);
}

void bench_pump(struct queue *queue, const unsigned *count, unsigned wanted)
{
    struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};

    while (*count < wanted) {
        (void)poll(&fd, 1, -1);
        pool_run_replies(queue);
    }
}

/*
 * Functions over a transaction.
 */

struct key bench_key(struct slice name)
{
    return key_cursor(name);
}

int bench_fn_get(struct kv_tx *tx, void *arg)
{
    struct bench_op *op = arg;
    struct key key = bench_key(op->key);
    struct slice value;
    int err = kv_touch(tx, key_slice(&key)); /* allowed in a read, too */

    if (err == 0)
        err = kv_get(tx, key_slice(&key), &value);
    op->got_n = err == 0 && value.n < sizeof(op->got) ? value.n : 0;
    if (op->got_n != 0)
        memcpy(op->got, value.p, op->got_n);
    return err;
}

int bench_fn_put(struct kv_tx *tx, void *arg)
{
    struct bench_op *op = arg;
    struct key key = bench_key(op->key);
    int err = kv_put(tx, key_slice(&key), op->value);

    return err != 0 ? err : op->result;
}

int bench_fn_del(struct kv_tx *tx, void *arg)
{
    struct bench_op *op = arg;
    struct key key = bench_key(op->key);

    return kv_del(tx, key_slice(&key));
}

int bench_put(const char *key, const char *value)
{
    struct bench_op op = {.key = slice_from_cstr(key), .value = slice_from_cstr(value)};

    return kv_write_sync(kv_bench.store, bench_fn_put, &op);
}

int bench_del(const char *key)
{
    struct bench_op op = {.key = slice_from_cstr(key)};

    return kv_write_sync(kv_bench.store, bench_fn_del, &op);
}

bool bench_holds(const char *key, const char *value)
{
    struct bench_op op = {.key = slice_from_cstr(key)};
    int err = kv_read_sync(kv_bench.store, bench_fn_get, &op);

    if (value == NULL)
        return err == ERR_NOT_FOUND;
    return err == 0 && slice_eq(slice_make(op.got, op.got_n), slice_from_cstr(value));
}

void bench_on_done(void *arg, int err)
{
    struct bench_op *op = arg;

    op->err = err;
    ++*op->done;
}

bool bench_client_sees(const char *key, const char *value)
{
    unsigned done = 0;
    struct bench_op op = {.key = slice_from_cstr(key), .done = &done};

    kv_read(kv_bench.client, bench_fn_get, &op, bench_on_done);
    bench_pump(kv_bench.replies, &done, 1);
    if (value == NULL)
        return op.err == ERR_NOT_FOUND;
    return op.err == 0 && slice_eq(slice_make(op.got, op.got_n), slice_from_cstr(value));
}

static atomic_bool gate_is_open;

static int fn_gate(struct kv_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    while (!atomic_load(&gate_is_open))
        usleep(100);
    return 0;
}

void bench_close_gate(struct bench_op *op)
{
    struct kv_stats stats;

    atomic_store(&gate_is_open, false);
    kv_write(kv_bench.client, KV_FRONT, fn_gate, op, bench_on_done);
    do { /* until the writer has taken it */
        usleep(100);
        kv_stats_get(kv_bench.store, &stats);
    } while (stats.front_depth != 0);
}

void bench_open_gate(void)
{
    atomic_store(&gate_is_open, true);
}
