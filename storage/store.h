/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything under one data directory, opened together and handed upwards as one thing.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdatomic.h>

#include "base/pool.h"
#include "storage/blob_file.h"
#include "storage/datadir.h"
#include "storage/digest_gate.h"
#include "storage/kv.h"
#include "storage/reap_gate.h"
#include "storage/upload.h"

struct store_options {
    const char *path;
    struct kv_options kv;
    struct upload_options uploads;
    unsigned open_files; /* blob files that stay open between requests */
    unsigned cpu_threads, io_threads;
    bool restoring; /* the data directory of a restore that is not over (datadir_open_restore) */
};

struct store {
    struct datadir dir;
    struct pool *cpu, *io;
    struct kv_store *kv;
    struct blob_files *files;
    struct digest_gate *gate;
    struct reap_gate *reaping;
    struct uploads *uploads;
    struct store_fatal *fatal; /* store.c's own */
    atomic_bool stopping;      /* store_stop was called */
};

/* An index of an older format is brought to today's. On failure nothing stays open. A failed commit
 * of the index leaves the marker of storage/datadir.h and calls options->kv.on_fatal. */
int store_open(const struct store_options *options, struct store *store,
               struct fault *fault) MUST_CHECK;
void store_close(struct store *store);

/* Long work (hashing files again, fsck) ends with ERR_SHUTDOWN from now on. Any thread. */
void store_stop(struct store *store);

/* The first part of store_close, for a server that stops: jobs of uploads under way still answer to
 * the queues of the workers that began them, so those must outlive this. */
void store_close_uploads(struct store *store);

#endif
