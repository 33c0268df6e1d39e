/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine under the key-value seam provides; only storage/kv*.c includes this.
 *
 * An engine keeps ordered rows and knows three handles: a reader (a snapshot that can be given back
 * and taken again; one thread), a batch (what one durable commit makes visible; the writer thread)
 * and a function's transaction inside a batch, which can be aborted without harm to the batch. Rows
 * are read and written through a transaction handle: of a reader or of a function. Budgets, ids,
 * events and retries are the seam's.
 *
 * Errors are ERR_*: NOT_FOUND; INDEX_FULL and DISK_FULL (the transaction is lost, the engine goes
 * on); CONFLICT (run it again); BUSY (no reader to be had). Anything else from batch_commit
 * means that no later commit can be trusted.
 */
#ifndef STORAGE_KV_ENGINE_H
#define STORAGE_KV_ENGINE_H

#include "storage/kv.h"

struct kv_engine_stats {
    uint64_t map_size_bytes, used_bytes;
    uint64_t last_commit; /* number of the newest snapshot */
};

struct kv_engine {
    const char *name;

    int (*open)(const char *path, const struct kv_options *options, void **env,
                struct fault *fault);
    void (*close)(void *env);
    void (*stats)(void *env, struct kv_engine_stats *stats); /* any thread */
    void (*reader_check)(void *env);                         /* any thread; may be NULL */
    /* As kv_copy says; NULL: the engine has no file. Any thread. */
    int (*copy)(void *env, int fd);

    /* The handle is a transaction after reader_begin, until reader_end. *snapshot is the number of
     * the commit it shows. */
    int (*reader_create)(void *env, void **reader);
    void (*reader_destroy)(void *reader);
    int (*reader_begin)(void *reader, uint64_t *snapshot);
    void (*reader_end)(void *reader);

    int (*batch_begin)(void *env, void **batch);
    /* Durable when it returns 0. The batch is gone either way. */
    int (*batch_commit)(void *batch);
    void (*batch_abort)(void *batch);

    /* One at a time in a batch. */
    int (*tx_begin)(void *batch, void **tx);
    /* Into the batch. The transaction is gone either way. */
    int (*tx_commit)(void *tx);
    void (*tx_abort)(void *tx);

    int (*get)(void *tx, struct slice key, struct slice *value);
    /* `append`: the key is greater than every other. */
    int (*put)(void *tx, struct slice key, struct slice value, bool append);
    int (*del)(void *tx, struct slice key);
    int (*touch)(void *tx, struct slice key); /* NULL: writers are alone anyway */

    /* scan_next gives the first row at scan->start (not when scan->exclusive) or after it when
     * !scan->started, else the one after the row given last, which the engine remembers in
     * scan->cursor. Rows outside of the prefix are the seam's to notice. */
    int (*scan_begin)(void *tx, struct kv_scan *scan);
    int (*scan_next)(void *tx, struct kv_scan *scan, struct slice *key, struct slice *value);
    void (*scan_end)(void *tx, struct kv_scan *scan);
};

#endif
