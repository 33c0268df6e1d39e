/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kv.c (store, clients, reads), kv_tx.c (inside a function) and kv_writer.c (queues, batches,
 * commits) share; nobody else includes it.
 */
#ifndef STORAGE_KV_INTERNAL_H
#define STORAGE_KV_INTERNAL_H

#include "base/buf.h"
#include "base/pool.h"
#include "storage/event.h"
#include "storage/kv_engine.h"

#include <pthread.h>
#include <stdatomic.h>

/* Where the sequences and the event chain stand: one row, written once per batch that moved it. */
struct kv_head {
    uint64_t last[KV_SEQ_EVENT + 1]; /* by enum kv_sequence; 0: none given yet */
    uint8_t hash[EVENT_HASH_SIZE];   /* of event last[KV_SEQ_EVENT] */
};

/* What a write function has done so far; started anew by each run. */
struct kv_run {
    struct kv_head head;
    unsigned rows, rows_max;
    size_t bytes;
    unsigned events; /* staged */
    unsigned scans;  /* open */
    int err;         /* the first engine error: the function fails even when it ignores it */
    bool append;     /* put at the end of the tree */
    struct buf staged;
    uint32_t puts[256], dels[256];
};

struct kv_tx {
    const struct kv_engine *engine;
    void *handle;       /* the engine's */
    struct kv_run *run; /* NULL in a read */
    int64_t now_ms;
};

struct kv_client {
    struct kv_store *store;
    struct queue *replies;
    struct kv_tx tx;  /* handle is NULL until the first read */
    bool is_open;     /* tx shows a snapshot */
    bool is_stale;    /* a write completed since it was taken */
    unsigned depth;   /* reads running, one inside the done of the other */
    unsigned pending; /* replies not called yet */
    uint32_t random;
    atomic_uint_fast64_t snapshot; /* number of the snapshot; 0: none */
    struct kv_client *next, **link;
    void (*watch)(void *arg); /* on events; the client's thread's own */
    void *watch_arg;
    struct pool_job watch_job; /* tells the client; below: under the store's mutex */
    bool is_watching, watch_posted;
};

/* A function on its way: to the writer and back, or a deferred read. */
struct kv_request {
    struct pool_job job;
    struct kv_client *client; /* NULL: kv_write_sync waits for `completed` */
    kv_fn fn;
    void *arg;
    kv_done_fn done;
    int err;
    int64_t now_ms; /* 0 until its first run */
    bool completed;
    struct kv_request *next;
};

struct kv_lane_queue {
    struct kv_request *first, *last;
    uint64_t depth;
};

struct kv_store {
    const struct kv_engine *engine;
    void *env;
    struct kv_options options;

    pthread_mutex_t mutex; /* lanes, stopping, completed, clients, watches, counts */
    pthread_cond_t work;
    pthread_cond_t completed;
    struct kv_lane_queue lanes[KV_BACKGROUND + 1];
    bool stopping;
    struct kv_client *clients;
    unsigned watches;
    uint64_t puts[256], dels[256];

    atomic_bool is_writable;
    atomic_uint_fast64_t event_last;
    atomic_uint_fast64_t commits, functions, conflicts;

    /* The writer thread's. */
    pthread_t writer;
    struct kv_head head; /* as committed */
    struct kv_run run;
};

/* kv_writer.c */

/* Read (or, in an empty index, write) the format and the head. Before the writer starts. */
int kv_writer_load(struct kv_store *store, struct fault *fault) MUST_CHECK;
int kv_writer_start(struct kv_store *store, struct fault *fault) MUST_CHECK;
/* Runs what is queued, then joins. */
void kv_writer_stop(struct kv_store *store);

/* kv_tx.c */

void kv_run_reset(struct kv_run *run, const struct kv_head *head);
/* Number the staged events and write them and the rows that cite them. */
int kv_run_finish(struct kv_tx *tx) MUST_CHECK;

#endif
