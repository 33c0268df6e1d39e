/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: LMDB under the seam. One unnamed database holds every family. Readers are read-only
 * transactions that are reset and renewed, never made anew (MDB_NOTLS: they belong to a client, not
 * to a thread). A batch is a write transaction, a function a child of it; LMDB syncs the file once
 * when the batch commits.
 *
 * No WRITEMAP (a stray write of ours would reach the file), no NOSYNC (a commit is a promise),
 * NORDAHEAD (rows are read at random).
 *
 * A full disk must not end the service, but LMDB reports a write that was cut short by it as EIO,
 * like a broken disk. So blocks are reserved ahead of the file's end: while that succeeds, a commit
 * cannot meet a full disk. When it does not, an EIO means "full". Should the disk be broken
 * as well, nothing is lost: the pages of an aborted commit are written anew by the next one before
 * anything refers to them, and a failed write of the meta page makes LMDB refuse every later
 * transaction. It refuses readers, too, though what they want is there: they go on in a second
 * environment on the same file, which only reads, and needs no locks because nobody writes.
 */
#include "config.h"
#include "storage/kv_engine.h"

#include "base/fault_point.h"
#include "base/mem.h"

#include <lmdb.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_READERS 126

/* Of the lock file; a little more than LMDB uses. */
#define LOCK_HEAD_BYTES 4096
#define LOCK_SLOT_BYTES 64

/* Bytes reserved ahead: a quarter of the file within these. */
#define AHEAD_MIN (UINT64_C(4) << 20)
#define AHEAD_MAX (UINT64_C(64) << 20)

struct lmdb_tx {
    MDB_txn *txn;
    struct lmdb *env;
};

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
    uint64_t page_bytes;
    char *path;

    pthread_mutex_t mutex;
    MDB_env *last; /* what readers use when `env` refuses them; else NULL */

    /* The writer thread's. */
    struct lmdb_tx batch, function;
    uint64_t reserved_bytes; /* the file has blocks up to here */
    bool is_disk_full;       /* no more are to be had */
};

static int err_from_mdb(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return ERR_INDEX_FULL;
    case MDB_READERS_FULL:
    case MDB_TLS_FULL:
        return ERR_BUSY;
    case MDB_KEYEXIST: /* a row at the end that does not belong there */
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
        return ERR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return ERR_INVALID;
    case MDB_PANIC:
        return ERR_IO;
    default:
        return rc > 0 ? err_from_errno(rc) : ERR_INTERNAL;
    }
}

static MDB_val val_from_slice(struct slice slice)
{
    /* LMDB's type has no const; it does not write through it. */
    union {
        const char *in;
        void *out;
    } p = {.in = slice.p};

    return (MDB_val){.mv_size = slice.n, .mv_data = p.out};
}

static int fail(int rc, const char *path, struct fault *fault)
{
    return fault_set(fault, err_from_mdb(rc), "the index in '%s' cannot be opened: %s", path,
                     mdb_strerror(rc));
}

/* The files' names must survive a power cut, too. */
static int sync_directory(const char *path, struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = 0;

    if (fd < 0 || fsync(fd) != 0)
        err = fault_set_errno(fault, errno, "the directory '%s' cannot be synced", path);
    if (fd >= 0)
        close(fd);
    return err;
}

static int open_database(struct lmdb *lmdb, const char *path, bool read_only, struct fault *fault)
{
    MDB_txn *txn;
    MDB_stat stat;
    int dead;
    int rc = read_only ? 0 : mdb_reader_check(lmdb->env, &dead);

    if (rc == 0)
        rc = mdb_txn_begin(lmdb->env, NULL, read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0)
        return fail(rc, path, fault);
    rc = mdb_dbi_open(txn, NULL, 0, &lmdb->dbi);
    if (rc == 0)
        rc = mdb_stat(txn, lmdb->dbi, &stat);
    lmdb->page_bytes = rc == 0 ? stat.ms_psize : 0;
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    /* LMDB does not sync a new file before its first commit, whose pages may be on the disk before
     * those that make it an index. */
    if (rc == 0 && !read_only)
        rc = mdb_env_sync(lmdb->env, 1);
    if (rc != 0)
        return fail(rc, path, fault);
    return read_only ? 0 : sync_directory(path, fault);
}

/* Readers have their slots in a shared mapping of the lock file, which LMDB leaves full of holes: a
 * slot in one that the disk has no room for would be a SIGBUS. So its blocks come first. */
static int fill_lock_file(const char *path, unsigned readers, struct fault *fault)
{
    char name[4096];
    int n = snprintf(name, sizeof(name), "%s/lock.mdb", path);

    if (n < 0 || (size_t)n >= sizeof(name))
        return fault_set(fault, ERR_CONFIG, "the path of the index is too long");
    int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return fault_set_errno(fault, errno, "'%s' cannot be opened", name);
    int sys = posix_fallocate(fd, 0, LOCK_HEAD_BYTES + (off_t)readers * LOCK_SLOT_BYTES);
    close(fd);
    return sys == 0 ? 0 : fault_set_errno(fault, sys, "'%s' cannot be made", name);
}

static int lmdb_open(const char *path, const struct kv_options *options, void **env,
                     struct fault *fault)
{
    struct lmdb *lmdb = xcalloc(1, sizeof(*lmdb));
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t map_size = (options->map_size_bytes + page - 1) / page * page;
    unsigned readers = options->readers_max ? options->readers_max : DEFAULT_READERS;
    unsigned mode = options->read_only ? MDB_RDONLY | MDB_NOLOCK : 0;
    int err = options->read_only ? 0 : fill_lock_file(path, readers, fault);

    if (err != 0) {
        free(lmdb);
        return err;
    }
    int rc = mdb_env_create(&lmdb->env);
    if (rc == 0)
        rc = mdb_env_set_mapsize(lmdb->env, map_size);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(lmdb->env, readers);
    if (rc == 0)
        rc = mdb_env_open(lmdb->env, path, mode | MDB_NOTLS | MDB_NORDAHEAD, S_IRUSR | S_IWUSR);
    err = rc == 0 ? open_database(lmdb, path, options->read_only, fault) : fail(rc, path, fault);
    if (err != 0) {
        if (lmdb->env != NULL)
            mdb_env_close(lmdb->env);
        free(lmdb);
        return err;
    }
    lmdb->path = xstrdup(path);
    pthread_mutex_init(&lmdb->mutex, NULL);
    *env = lmdb;
    return 0;
}

static void lmdb_close(void *env)
{
    struct lmdb *lmdb = env;

    mdb_env_close(lmdb->env);
    if (lmdb->last != NULL)
        mdb_env_close(lmdb->last);
    pthread_mutex_destroy(&lmdb->mutex);
    free(lmdb->path);
    free(lmdb);
}

static void lmdb_stats(void *env, struct kv_engine_stats *stats)
{
    struct lmdb *lmdb = env;
    MDB_envinfo info;

    *stats = (struct kv_engine_stats){0};
    if (mdb_env_info(lmdb->env, &info) != 0)
        return;
    stats->map_size_bytes = info.me_mapsize;
    stats->used_bytes = ((uint64_t)info.me_last_pgno + 1) * lmdb->page_bytes;
    stats->last_commit = info.me_last_txnid;
}

static void lmdb_reader_check(void *env)
{
    struct lmdb *lmdb = env;
    int dead;

    (void)mdb_reader_check(lmdb->env, &dead);
}

/*
 * Readers.
 */

static int open_last(const struct lmdb *lmdb, MDB_env **last)
{
    const unsigned flags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD;
    MDB_envinfo info;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi; /* the unnamed database has the same in every environment */
    int rc = mdb_env_info(lmdb->env, &info);

    if (rc == 0)
        rc = mdb_env_create(&env);
    if (rc != 0)
        return rc;
    rc = mdb_env_set_mapsize(env, info.me_mapsize);
    if (rc == 0)
        rc = mdb_env_open(env, lmdb->path, flags, S_IRUSR | S_IWUSR);
    if (rc == 0)
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (rc == 0) {
        rc = mdb_dbi_open(txn, NULL, 0, &dbi);
        mdb_txn_abort(txn);
    }
    if (rc == 0)
        *last = env;
    else
        mdb_env_close(env);
    return rc;
}

static int have_last(struct lmdb *lmdb)
{
    int rc = 0;

    pthread_mutex_lock(&lmdb->mutex);
    if (lmdb->last == NULL)
        rc = open_last(lmdb, &lmdb->last);
    pthread_mutex_unlock(&lmdb->mutex);
    return rc;
}

/* A reader where LMDB refuses them. */
static int begin_last(struct lmdb *lmdb, MDB_txn **txn)
{
    int rc = have_last(lmdb);

    return rc == 0 ? mdb_txn_begin(lmdb->last, NULL, MDB_RDONLY, txn) : rc;
}

/* Compacting: a plain copy takes the lock of the writers while it writes the first pages to `fd`,
 * and would stop every commit for as long as that hangs. It is also shorter, and every page of the
 * tree was looked at. */
static int lmdb_copy(void *env, int fd)
{
    struct lmdb *lmdb = env;
    int rc = mdb_env_copyfd2(lmdb->env, fd, MDB_CP_COMPACT);

    if (rc == MDB_PANIC) {
        rc = have_last(lmdb);
        if (rc == 0)
            rc = mdb_env_copyfd2(lmdb->last, fd, MDB_CP_COMPACT);
    }
    return err_from_mdb(rc);
}

static int lmdb_reader_create(void *env, void **reader)
{
    struct lmdb *lmdb = env;
    struct lmdb_tx *tx = xcalloc(1, sizeof(*tx));
    int rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &tx->txn);

    if (rc == MDB_READERS_FULL) {
        lmdb_reader_check(env);
        rc = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &tx->txn);
    }
    if (rc == MDB_PANIC)
        rc = begin_last(lmdb, &tx->txn);
    if (rc != 0) {
        free(tx);
        return err_from_mdb(rc);
    }
    mdb_txn_reset(tx->txn);
    tx->env = lmdb;
    *reader = tx;
    return 0;
}

static void lmdb_reader_destroy(void *reader)
{
    struct lmdb_tx *tx = reader;

    mdb_txn_abort(tx->txn);
    free(tx);
}

static int lmdb_reader_begin(void *reader, uint64_t *snapshot)
{
    struct lmdb_tx *tx = reader;
    int rc = mdb_txn_renew(tx->txn);

    if (rc == MDB_PANIC) {
        MDB_txn *txn;
        rc = begin_last(tx->env, &txn);
        if (rc == 0) {
            mdb_txn_abort(tx->txn);
            tx->txn = txn;
        }
    }
    if (rc == 0)
        *snapshot = mdb_txn_id(tx->txn);
    return err_from_mdb(rc);
}

static void lmdb_reader_end(void *reader)
{
    struct lmdb_tx *tx = reader;

    mdb_txn_reset(tx->txn);
}

/*
 * Batches and functions.
 */

/* Have blocks for what the next batches may add. */
static void reserve_ahead(struct lmdb *lmdb)
{
    struct kv_engine_stats stats;
    uint64_t ahead;
    int fd;

    lmdb_stats(lmdb, &stats);
    ahead = stats.used_bytes / 4;
    ahead = ahead < AHEAD_MIN ? AHEAD_MIN : ahead > AHEAD_MAX ? AHEAD_MAX : ahead;
    if (stats.used_bytes + ahead > stats.map_size_bytes)
        ahead = stats.map_size_bytes - stats.used_bytes;
    /* Half of it is still there. */
    if (ahead == 0 || stats.used_bytes + ahead / 2 < lmdb->reserved_bytes)
        return;
    lmdb->is_disk_full = false;
    if (mdb_env_get_fd(lmdb->env, &fd) != 0)
        return;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)stats.used_bytes, (off_t)ahead) == 0)
        lmdb->reserved_bytes = stats.used_bytes + ahead;
    else
        lmdb->is_disk_full = errno == ENOSPC || errno == EDQUOT; /* else: not to be had here */
}

static int lmdb_batch_begin(void *env, void **batch)
{
    struct lmdb *lmdb = env;
    int rc;

    reserve_ahead(lmdb);
    rc = mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->batch.txn);
    lmdb->batch.env = lmdb;
    *batch = &lmdb->batch;
    return err_from_mdb(rc);
}

/* When the page that makes a commit valid could not be written, whether it stands is in doubt, and
 * LMDB takes no more. It says so only to who begins the next one, so that is tried; nothing is
 * allocated for it. */
static bool has_refused_itself(const struct lmdb *lmdb)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(lmdb->env, NULL, 0, &txn);

    if (rc == 0)
        mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

static int lmdb_batch_commit(void *batch)
{
    struct lmdb_tx *tx = batch;
    int rc = FAULT_POINT("index.commit");

    if (rc != 0)
        mdb_txn_abort(tx->txn);
    else
        rc = mdb_txn_commit(tx->txn);
    if (rc != 0 && has_refused_itself(tx->env))
        rc = MDB_PANIC;
    else if (rc == EIO && tx->env->is_disk_full)
        rc = ENOSPC;
    return err_from_mdb(rc);
}

static void lmdb_abort(void *handle)
{
    struct lmdb_tx *tx = handle;

    mdb_txn_abort(tx->txn);
}

static int lmdb_tx_begin(void *batch, void **handle)
{
    struct lmdb *lmdb = ((struct lmdb_tx *)batch)->env;
    int rc = mdb_txn_begin(lmdb->env, lmdb->batch.txn, 0, &lmdb->function.txn);

    lmdb->function.env = lmdb;
    *handle = &lmdb->function;
    return err_from_mdb(rc);
}

static int lmdb_tx_commit(void *handle)
{
    struct lmdb_tx *tx = handle;

    return err_from_mdb(mdb_txn_commit(tx->txn));
}

/*
 * Rows.
 */

static int lmdb_get(void *handle, struct slice key, struct slice *value)
{
    struct lmdb_tx *tx = handle;
    MDB_val k = val_from_slice(key), v;
    int rc = mdb_get(tx->txn, tx->env->dbi, &k, &v);

    if (rc == 0)
        *value = slice_make(v.mv_data, v.mv_size);
    return err_from_mdb(rc);
}

static int lmdb_put(void *handle, struct slice key, struct slice value, bool append)
{
    struct lmdb_tx *tx = handle;
    MDB_val k = val_from_slice(key), v = val_from_slice(value);

    return err_from_mdb(mdb_put(tx->txn, tx->env->dbi, &k, &v, append ? MDB_APPEND : 0));
}

static int lmdb_del(void *handle, struct slice key)
{
    struct lmdb_tx *tx = handle;
    MDB_val k = val_from_slice(key);

    return err_from_mdb(mdb_del(tx->txn, tx->env->dbi, &k, NULL));
}

static int lmdb_scan_begin(void *handle, struct kv_scan *scan)
{
    struct lmdb_tx *tx = handle;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(tx->txn, tx->env->dbi, &cursor);

    if (rc == 0)
        scan->cursor = cursor;
    return err_from_mdb(rc);
}

/* To the first row of the scan. */
static int seek(struct kv_scan *scan, MDB_val *k, MDB_val *v)
{
    struct slice start = slice_make(scan->start, scan->start_n);
    int rc;

    *k = val_from_slice(start);
    rc = mdb_cursor_get(scan->cursor, k, v, start.n != 0 ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && scan->exclusive && slice_eq(slice_make(k->mv_data, k->mv_size), start))
        rc = mdb_cursor_get(scan->cursor, k, v, MDB_NEXT);
    return rc;
}

static int lmdb_scan_next(void *handle, struct kv_scan *scan, struct slice *key,
                          struct slice *value)
{
    MDB_val k, v;
    int rc = scan->started ? mdb_cursor_get(scan->cursor, &k, &v, MDB_NEXT) : seek(scan, &k, &v);

    (void)handle;
    if (rc == 0) {
        *key = slice_make(k.mv_data, k.mv_size);
        *value = slice_make(v.mv_data, v.mv_size);
    }
    return err_from_mdb(rc);
}

static void lmdb_scan_end(void *handle, struct kv_scan *scan)
{
    (void)handle;
    mdb_cursor_close(scan->cursor);
    scan->cursor = NULL;
}

const struct kv_engine kv_engine_lmdb = {
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .stats = lmdb_stats,
    .reader_check = lmdb_reader_check,
    .copy = lmdb_copy,
    .reader_create = lmdb_reader_create,
    .reader_destroy = lmdb_reader_destroy,
    .reader_begin = lmdb_reader_begin,
    .reader_end = lmdb_reader_end,
    .batch_begin = lmdb_batch_begin,
    .batch_commit = lmdb_batch_commit,
    .batch_abort = lmdb_abort,
    .tx_begin = lmdb_tx_begin,
    .tx_commit = lmdb_tx_commit,
    .tx_abort = lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .scan_begin = lmdb_scan_begin,
    .scan_next = lmdb_scan_next,
    .scan_end = lmdb_scan_end,
};
