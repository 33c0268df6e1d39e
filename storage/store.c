/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/store.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/migration.h"

#include <stdio.h>
#include <stdlib.h>

/* What on_fatal of the index needs: it outlives the options given to store_open. */
struct store_fatal {
    const struct datadir *dir;
    void (*on_fatal)(void *arg, const struct fault *fault);
    void *arg;
};

/* On the writer thread. The marker comes first: whatever the caller does then (it may well exit),
 * the next start knows. */
static void leave_mark(void *arg, const struct fault *fault)
{
    const struct store_fatal *fatal = arg;
    struct fault mark = FAULT_INIT;

    if (datadir_mark_damaged(fatal->dir, &mark) != 0)
        log_error("store.mark", "the marker of a failed commit could not be left; run fsck by hand",
                  LOG_CSTR("reason", mark.text));
    if (fatal->on_fatal != NULL)
        fatal->on_fatal(fatal->arg, fault);
}

static int open_index(const struct store_options *options, struct store *store, struct fault *fault)
{
    struct kv_options kv = options->kv;
    char path[4096];

    /* After a failed sync the page cache may hold what the disk does not: what is read from now on
     * must be what a power cut would have left. */
    if (datadir_is_marked(&store->dir)) {
        log_warn("store.damaged", "a commit failed before the last stop: reading the index anew");
        datadir_drop_index_cache(&store->dir);
    }
    datadir_drop_unborn_index(&store->dir);
    int n = snprintf(path, sizeof(path), "%s/index", store->dir.path);
    if (n < 0 || (size_t)n >= sizeof(path))
        return fault_set(fault, ERR_CONFIG, "storage.path is too long");
    store->fatal = xcalloc(1, sizeof(*store->fatal));
    store->fatal->dir = &store->dir;
    store->fatal->on_fatal = kv.on_fatal;
    store->fatal->arg = kv.on_fatal_arg;
    kv.on_fatal = leave_mark;
    kv.on_fatal_arg = store->fatal;
    int err = kv_open(&kv_engine_lmdb, path, &kv, &store->kv, fault);
    return err == 0 ? migration_run(store->kv, fault) : err;
}

static int open_files(const struct store_options *options, struct store *store, struct fault *fault)
{
    int err = blob_files_open(&store->dir, store->io, options->open_files, &store->files, fault);

    if (err != 0)
        return err;
    const struct upload_parts parts = {
        .dir = &store->dir,
        .files = store->files,
        .gate = store->gate,
        .cpu = store->cpu,
        .io = store->io,
    };
    return uploads_open(&parts, &options->uploads, &store->uploads, fault);
}

int store_open(const struct store_options *options, struct store *store, struct fault *fault)
{
    *store = (struct store){0};
    int err = options->restoring ? datadir_open_restore(options->path, &store->dir, fault)
                                 : datadir_open(options->path, &store->dir, fault);

    if (err != 0)
        return err;
    store->cpu = pool_create("cpu", options->cpu_threads > 0 ? options->cpu_threads : 1);
    store->io = pool_create("io", options->io_threads > 0 ? options->io_threads : 1);
    store->gate = digest_gate_create();
    store->reaping = reap_gate_create();
    err = open_index(options, store, fault);
    if (err == 0)
        err = open_files(options, store, fault);
    if (err != 0)
        store_close(store);
    return err;
}

/* Uploads first: their jobs use everything else. */
void store_stop(struct store *store)
{
    atomic_store(&store->stopping, true);
    uploads_stop(store->uploads);
}

void store_close_uploads(struct store *store)
{
    uploads_close(store->uploads);
    store->uploads = NULL;
}

void store_close(struct store *store)
{
    store_close_uploads(store);
    if (store->kv != NULL)
        kv_close(store->kv);
    if (store->io != NULL)
        pool_destroy(store->io);
    if (store->cpu != NULL)
        pool_destroy(store->cpu);
    if (store->files != NULL)
        blob_files_close(store->files);
    digest_gate_destroy(store->gate);
    reap_gate_destroy(store->reaping);
    datadir_close(&store->dir);
    free(store->fatal);
    *store = (struct store){.dir = {.fd = -1, .lock_fd = -1, .blobs_fd = -1, .uploads_fd = -1}};
}
