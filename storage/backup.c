/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the copy of the index says which files are needed, and every one is looked at, so a
 * backup never leans on what somebody promised: when the server that paused reaping dies, a file
 * that was removed meanwhile shows as missing. What an earlier backup copied is kept by its size
 * alone, as the file got its name after its bytes were synced.
 */
#include "config.h"
#include "storage/backup.h"

#include "base/clock.h"
#include "base/mem.h"
#include "storage/blob_copy.h"
#include "storage/index_file.h"
#include "storage/object_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    const struct backup_options *options;
    struct blob_copy_options how;
    struct kv_store *kv;
    struct blob_copy *copy;
    struct backup_info *info;
    struct backup_progress at;
    struct backup_result *result;
    struct fault *fault;
};

static int open_index(const struct backup_dir *dir, const char *folder,
                      const struct backup_options *options, struct kv_store **kv,
                      struct fault *fault)
{
    const struct kv_options how = {.map_size_bytes = options->map_size_bytes, .read_only = true};
    char path[64];

    /* Not by the directory's name, behind which another could be by now. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir->fd, folder);
    return kv_open(&kv_engine_lmdb, path, &how, kv, fault);
}

/*
 * What is in the snapshot.
 */

static bool has_file(const struct row_obj *row)
{
    return row->store == OBJECT_IN_FILE;
}

static int count_object(const struct row_obj *row, void *arg)
{
    struct job *job = arg;

    if (row->kind == OBJECT_MANIFEST)
        job->info->manifests++;
    if (has_file(row)) {
        job->at.files_total++;
        job->at.bytes_total += row->size;
    }
    return 0;
}

static int count(struct job *job)
{
    int err = object_walk(job->kv, count_object, job);

    job->info->files = job->at.files_total;
    job->info->file_bytes = job->at.bytes_total;
    return err == 0 ? 0
                    : fault_set(job->fault, err, "the copy of the index cannot be read: %s",
                                err_text(err));
}

struct event_hash {
    uint64_t number;
    uint8_t hash[EVENT_HASH_SIZE];
};

/* Of event 0 it is zeros. */
static int read_event_hash(struct kv_tx *tx, void *arg)
{
    struct event_hash *event = arg;
    struct key key = key_event(event->number);
    struct slice value, record;
    const uint8_t *hash;

    memset(event->hash, 0, sizeof(event->hash));
    if (event->number == 0)
        return 0;
    int err = kv_get(tx, key_slice(&key), &value);
    if (err == 0)
        err = event_row_split(value, &record, &hash);
    if (err == 0)
        memcpy(event->hash, hash, sizeof(event->hash));
    return err;
}

/* The chain of events tells registries apart: a backup of another one is not to be replaced. */
static int check_identity(const struct backup_dir *dir, struct kv_store *kv, struct fault *fault)
{
    struct event_hash event = {.number = dir->has_last ? dir->last->event : 0};
    uint64_t now = kv_event_last(kv);

    if (event.number == 0)
        return 0;
    if (now < event.number)
        return fault_set(fault, ERR_CONFIG,
                         "the backup in %s goes up to event %" PRIu64 ", the data only to %" PRIu64
                         ": this is another registry or an older state of it; name another "
                         "directory",
                         dir->path, event.number, now);
    int err = kv_read_sync(kv, read_event_hash, &event);
    if (err != 0)
        return fault_set(fault, err, "event %" PRIu64 " cannot be read: %s", event.number,
                         err_text(err));
    if (memcmp(event.hash, dir->last->event_hash, sizeof(event.hash)) != 0)
        return fault_set(fault, ERR_CONFIG,
                         "the backup in %s is of another registry (event %" PRIu64
                         " differs); name another directory",
                         dir->path, event.number);
    return 0;
}

/*
 * Blobs.
 */

static void tell_progress(struct job *job)
{
    if (job->options->progress != NULL)
        job->options->progress(&job->at, job->options->arg);
}

static int copy_one(struct job *job, const struct row_obj *row, enum blob_copy_result *result)
{
    struct fault why = FAULT_INIT;
    int err = blob_copy_add(job->copy, &row->digest, row->size, &job->how, result, &why);

    if (err != 0)
        return fault_set(job->fault, err, "%s", fault_text(&why, err));
    if (*result == BLOB_COPIED) {
        job->result->copied++;
        job->result->copied_bytes += row->size;
    }
    if (*result == BLOB_DAMAGED)
        job->options->damaged(why.text, job->options->arg);
    job->at.files++;
    job->at.bytes += row->size;
    tell_progress(job);
    return 0;
}

static int back_up_object(const struct row_obj *row, void *arg)
{
    struct job *job = arg;
    enum blob_copy_result result;

    if (!has_file(row))
        return 0;
    int err = copy_one(job, row, &result);
    if (err == 0 && result == BLOB_DAMAGED) {
        if (job->info->damaged_n < BACKUP_DAMAGED_MAX)
            job->info->damaged[job->info->damaged_n] = row->digest;
        job->info->damaged_n++;
    }
    return err;
}

static int copy_all(struct job *job, int (*each)(const struct row_obj *row, void *arg))
{
    tell_progress(job);
    int err = object_walk(job->kv, each, job);
    if (err != 0)
        return job->fault->code == err
                   ? err
                   : fault_set(job->fault, err, "the copy of the index cannot be read: %s",
                               err_text(err));
    return blob_copy_finish(job->copy, job->fault);
}

/*
 * What only earlier backups needed.
 */

struct look_up {
    const struct digest *digest;
    bool found;
};

static int look_up(struct kv_tx *tx, void *arg)
{
    struct look_up *look = arg;
    int err = 0;

    look->found = false;
    for (int kind = OBJECT_BLOB; err == 0 && kind <= OBJECT_MANIFEST; kind++) {
        struct key key = key_digest(look->digest, (enum object_kind)kind);

        look->found |= kv_has(tx, key_slice(&key), &err);
    }
    return err;
}

struct prune {
    struct job *job;
    int blobs_fd;
};

/* Only what is certainly a blob of ours, and certainly not named, goes. */
static int prune_file(const struct digest *digest, const char *name, uint64_t size, void *arg)
{
    struct prune *prune = arg;
    struct look_up look = {.digest = digest};

    (void)size;
    if (digest == NULL)
        return 0;
    int err = kv_read_sync(prune->job->kv, look_up, &look);
    if (err != 0 || look.found)
        return err;
    if (unlinkat(prune->blobs_fd, name, 0) != 0 && errno != ENOENT)
        return fault_set_errno(prune->job->fault, errno, "cannot remove blob %s from the backup",
                               name);
    prune->job->result->removed++;
    return 0;
}

/*
 * Making one.
 */

static int measure_index(struct job *job, int index_fd)
{
    if (fsync(index_fd) != 0)
        return fault_set_errno(job->fault, errno, "cannot sync the copy of the index");
    return index_file_measure(index_fd, &job->info->index_bytes, &job->info->index_digest,
                              job->fault);
}

struct stamp {
    struct event_hash event;
    unsigned format;
};

static int read_stamp(struct kv_tx *tx, void *arg)
{
    struct stamp *stamp = arg;
    int err = read_event_hash(tx, &stamp->event);

    return err == 0 ? kv_format_get(tx, &stamp->format) : err;
}

static int describe(struct job *job, const struct backup_dir *dir)
{
    struct backup_info *info = job->info;
    struct stamp stamp = {.event.number = kv_event_last(job->kv)};
    int err = kv_read_sync(job->kv, read_stamp, &stamp);

    if (err != 0)
        return fault_set(job->fault, err, "the copy of the index cannot be read: %s",
                         err_text(err));
    info->data_format = DATADIR_FORMAT;
    info->index_format = stamp.format;
    info->event = stamp.event.number;
    memcpy(info->event_hash, stamp.event.hash, sizeof(info->event_hash));
    snprintf(info->version, sizeof(info->version), "%s", job->options->version);
    snprintf(info->index, sizeof(info->index), "%s", dir->next);
    info->begun_ms = job->options->begun_ms;
    return 0;
}

static int copy_blobs(struct job *job, struct backup_dir *dir, int blobs_fd)
{
    const struct datadir source = {.fd = -1, .lock_fd = -1, .blobs_fd = blobs_fd, .uploads_fd = -1};
    struct blob_files *from = blob_files_attach(&source);
    int err = blob_copy_create(from, dir->files, dir->tree.blobs_fd, dir->incoming_fd, &job->copy,
                               job->fault);

    if (err == 0)
        err = copy_all(job, back_up_object);
    blob_copy_destroy(job->copy);
    blob_files_close(from);
    return err;
}

static int make(struct job *job, struct backup_dir *dir, int blobs_fd)
{
    struct prune prune = {job, dir->tree.blobs_fd};
    int err = check_identity(dir, job->kv, job->fault);

    if (err == 0)
        err = describe(job, dir);
    if (err == 0)
        err = count(job);
    if (err == 0)
        err = copy_blobs(job, dir, blobs_fd);
    if (err != 0)
        return err;
    job->info->finished_ms = clock_wall_ms();
    err = backup_dir_commit(dir, job->info, job->fault);
    if (err == 0)
        err = blob_file_each(dir->files, prune_file, &prune, job->fault);
    return err == 0 ? backup_dir_end(dir, job->fault) : err;
}

int backup_make(struct backup_dir *dir, int blobs_fd, int index_fd,
                const struct backup_options *options, struct backup_result *result,
                struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct job job = {.options = options,
                      .how = {.verify_present = options->verify},
                      .info = xcalloc(1, sizeof(*job.info)),
                      .result = result,
                      .fault = &why};

    *result = (struct backup_result){0};
    int err = measure_index(&job, index_fd);
    if (err == 0)
        err = open_index(dir, dir->next, options, &job.kv, &why);
    if (err == 0)
        err = make(&job, dir, blobs_fd);
    kv_close(job.kv);
    if (err != 0) {
        free(job.info);
        return fault_set(fault, err, "%s", fault_text(&why, err));
    }
    free(dir->last);
    dir->last = job.info;
    dir->has_last = true;
    return 0;
}

/*
 * The way back.
 */

static bool is_known_damaged(const struct backup_info *info, const struct digest *digest)
{
    for (uint64_t i = 0; i < info->damaged_n && i < BACKUP_DAMAGED_MAX; i++)
        if (digest_eq(&info->damaged[i], digest))
            return true;
    return info->damaged_n > BACKUP_DAMAGED_MAX; /* not all are named */
}

static int restore_object(const struct row_obj *row, void *arg)
{
    struct job *job = arg;
    enum blob_copy_result result;

    if (!has_file(row))
        return 0;
    int err = copy_one(job, row, &result);
    if (err == 0 && result == BLOB_DAMAGED && !is_known_damaged(job->info, &row->digest))
        return fault_set(job->fault, ERR_CORRUPT,
                         "the backup is damaged (see above): nothing was restored; another backup "
                         "may have that blob");
    return err;
}

static int check_index(struct job *job, int fd)
{
    struct digest digest;
    uint64_t size;
    int err = index_file_measure(fd, &size, &digest, job->fault);

    if (err == 0 &&
        (size != job->info->index_bytes || !digest_eq(&digest, &job->info->index_digest)))
        err = fault_set(job->fault, ERR_CORRUPT,
                        "the index of the backup is not what backup.json says: the backup is "
                        "damaged");
    return err;
}

static int put_index(struct job *job, struct backup_dir *dir, const struct datadir *data)
{
    int from = -1, to = -1;
    int err = backup_dir_open_index(dir, &from, job->fault);

    if (err != 0)
        return err;
    err = check_index(job, from);
    if (err == 0) {
        to = openat(data->fd, "index/data.mdb",
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        err = to < 0
                  ? fault_set_errno(job->fault, errno, "cannot create the index in %s", data->path)
                  : index_file_copy(from, to, job->fault);
    }
    if (to >= 0)
        close(to);
    close(from);
    return err;
}

static int restore_blobs(struct job *job, struct backup_dir *dir, const struct datadir *data)
{
    struct blob_files *to = NULL;
    int err = blob_files_open(data, NULL, 0, &to, job->fault);

    if (err == 0)
        err = blob_copy_create(dir->files, to, data->blobs_fd, data->uploads_fd, &job->copy,
                               job->fault);
    if (err == 0)
        err = copy_all(job, restore_object);
    blob_copy_destroy(job->copy);
    blob_files_close(to);
    return err;
}

int backup_restore(struct backup_dir *dir, const struct datadir *data,
                   const struct backup_options *options, struct backup_result *result,
                   struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct job job = {.options = options,
                      .how = {.trust_source = !options->verify},
                      .info = dir->last,
                      .result = result,
                      .fault = &why};

    *result = (struct backup_result){0};
    job.at.files_total = dir->last->files;
    job.at.bytes_total = dir->last->file_bytes;
    int err = put_index(&job, dir, data);
    if (err == 0)
        err = open_index(dir, dir->last->index, options, &job.kv, &why);
    if (err == 0)
        err = restore_blobs(&job, dir, data);
    kv_close(job.kv);
    return err == 0 ? 0 : fault_set(fault, err, "%s", fault_text(&why, err));
}
