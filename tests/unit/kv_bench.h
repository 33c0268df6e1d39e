/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fresh store with one client for each test of the key-value seam, and functions over single rows
 * (of the family cursor). One at a time; the test's thread is the client's.
 */
#ifndef TESTS_UNIT_KV_BENCH_H
#define TESTS_UNIT_KV_BENCH_H

#include "storage/kv.h"
#include "storage/rows.h"
#include "tests/support/pump.h"
#include "tests/support/tempdir.h"

#define MIB (UINT64_C(1) << 20)

struct kv_bench {
    const struct kv_engine *engine;
    bool is_lmdb;
    struct tempdir directory;
    struct kv_store *store;
    struct queue *replies;
    struct kv_client *client;
};

extern struct kv_bench kv_bench;

/* For CU_add_suite. */
int bench_use_lmdb(void);
int bench_use_mem(void);

struct kv_options bench_options_default(void);
void bench_begin(void);
void bench_begin_with(const struct kv_options *options);
void bench_end(void);

/* For a restart between begin and end. */
void bench_open_store(const struct kv_options *options);
void bench_close_store(void);

/* Serve the queue until `count`, which the replies raise, is `wanted`. */
void bench_pump(struct queue *queue, const unsigned *count, unsigned wanted);

/* A row, and what became of reading or writing it. */
struct bench_op {
    struct slice key, value;
    char got[64];
    size_t got_n;
    int result; /* what fn_put returns when the put succeeded */
    int err;
    unsigned *done; /* raised by on_done */
};

struct key bench_key(struct slice name);
int bench_fn_get(struct kv_tx *tx, void *arg);
int bench_fn_put(struct kv_tx *tx, void *arg);
int bench_fn_del(struct kv_tx *tx, void *arg);
void bench_on_done(void *arg, int err);

/* Wait for the outcome. */
int bench_put(const char *key, const char *value);
int bench_del(const char *key);

/* Whether the row has this value (NULL: is absent): on a snapshot of its own, or as the client. */
bool bench_holds(const char *key, const char *value);
bool bench_client_sees(const char *key, const char *value);

/* Hold up the writer until the gate is opened. */
void bench_close_gate(struct bench_op *op);
void bench_open_gate(void);

#endif
