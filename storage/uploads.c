/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all uploads: opening and closing it, what survived a restart, expiry, removal of
 * files, the disk's reserve.
 *
 * DESIGN: an upload stays in the table until its files are gone, so that the limit counts what is
 * on the disk; while they are being removed it is not found any more. Idle uploads are also in a
 * list, longest idle first, so that expiry looks only at those it removes.
 */
#include "config.h"
#include "storage/upload_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/dir_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define META_SUFFIX ".meta"
#define TEMP_SUFFIX ".new"
/* Of one uploads_expire: pushes wait behind the removal of files. */
#define EXPIRE_MAX 4000

void upload_file_name(const struct upload *upload, char name[UPLOAD_NAME_SIZE])
{
    snprintf(name, UPLOAD_NAME_SIZE, "%s", upload->id);
}

void upload_meta_name(const struct upload *upload, char name[UPLOAD_NAME_SIZE])
{
    snprintf(name, UPLOAD_NAME_SIZE, "%s" META_SUFFIX, upload->id);
}

/*
 * The table.
 */

static bool is_id(struct slice text)
{
    if (text.n != UPLOAD_ID_SIZE)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if ((text.p[i] < '0' || text.p[i] > '9') && (text.p[i] < 'a' || text.p[i] > 'f'))
            return false;
    return true;
}

/* Ids are random: their first digits spread well. */
static struct upload_bucket *bucket_of(struct uploads *uploads, const char *id)
{
    unsigned number = 0;

    for (unsigned i = 0; i < 3; i++)
        number = number * 16 + (unsigned)(id[i] <= '9' ? id[i] - '0' : id[i] - 'a' + 10);
    return &uploads->buckets[number % UPLOADS_BUCKETS];
}

struct upload *uploads_new(struct uploads *uploads, const char *id, const struct upload_meta *meta)
{
    struct upload *upload = xcalloc(1, sizeof(*upload));

    upload->uploads = uploads;
    upload->fd = -1;
    snprintf(upload->id, sizeof(upload->id), "%s", id);
    upload->names = xmalloc(meta->repository.n + meta->identity.n);
    if (meta->repository.n > 0)
        memcpy(upload->names, meta->repository.p, meta->repository.n);
    if (meta->identity.n > 0)
        memcpy(upload->names + meta->repository.n, meta->identity.p, meta->identity.n);
    upload->meta.algorithm = meta->algorithm;
    upload->meta.repository = slice_make(upload->names, meta->repository.n);
    upload->meta.identity = slice_make(upload->names + meta->repository.n, meta->identity.n);
    return upload;
}

void uploads_add_locked(struct uploads *uploads, struct upload *upload, uint64_t client)
{
    upload_clients_add_locked(upload, client);
    LIST_INSERT_HEAD(bucket_of(uploads, upload->id), upload, in_bucket);
    uploads->count++;
}

struct upload *uploads_find_locked(struct uploads *uploads, struct slice id)
{
    struct upload *upload;

    if (!is_id(id))
        return NULL;
    LIST_FOREACH(upload, bucket_of(uploads, id.p), in_bucket)
    {
        /* cppcheck-suppress uninitvar ; it cannot see through LIST_FOREACH */
        if (slice_eq(id, upload_id(upload)))
            return upload;
    }
    return NULL;
}

void uploads_forget_locked(struct upload *upload)
{
    LIST_REMOVE(upload, in_bucket);
    upload_clients_remove_locked(upload);
    upload->uploads->count--;
}

void uploads_free(struct upload *upload)
{
    if (upload->fd >= 0)
        close(upload->fd);
    if (upload->hasher != NULL)
        hasher_destroy(upload->hasher);
    if (upload->again != NULL)
        hasher_destroy(upload->again);
    if (upload->filling != NULL)
        upload_buffer_free(upload->filling);
    free(upload->claim);
    free(upload->names);
    free(upload);
}

/*
 * Removal.
 */

static int remove_file(int dir_fd, const char *name, struct fault *fault)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return fault_set_errno(fault, errno, "cannot remove uploads/%s", name);
}

/* The data file of a published upload has moved away: there is none to remove then. */
static void remove_run(struct pool_job *job)
{
    struct upload *upload = CONTAINER_OF(job, struct upload, job);
    struct uploads *uploads = upload->uploads;
    int dir_fd = uploads->parts.dir->uploads_fd;
    char file[UPLOAD_NAME_SIZE], meta[UPLOAD_NAME_SIZE];
    struct fault fault = FAULT_INIT;

    upload_file_name(upload, file);
    upload_meta_name(upload, meta);
    int err = remove_file(dir_fd, file, &fault);
    if (err == 0)
        err = remove_file(dir_fd, meta, &fault);
    if (upload->fd >= 0)
        close(upload->fd);
    upload->fd = -1;
    if (err != 0)
        log_warn("upload.remove", "files of an upload stay", LOG_CSTR("reason", fault.text));

    pthread_mutex_lock(&uploads->mutex);
    bool is_claimed = upload->claim != NULL;
    upload->err = err;
    upload->fault = fault;
    uploads_forget_locked(upload);
    upload_job_end_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
    if (!is_claimed)
        uploads_free(upload);
}

void uploads_remove_locked(struct upload *upload)
{
    upload_set_state_locked(upload, UPLOAD_REMOVING);
    upload->job.run = remove_run;
    upload_job_begin_locked(upload, upload->uploads->parts.io, &upload->job);
}

void uploads_expire(struct uploads *uploads)
{
    uint64_t now = clock_mono_ms();
    struct upload *upload;
    unsigned removed = 0;

    pthread_mutex_lock(&uploads->mutex);
    uint64_t limit_ms = (uint64_t)uploads->options.idle_expire_s * 1000;
    while (removed < EXPIRE_MAX && (upload = TAILQ_FIRST(&uploads->idle)) != NULL &&
           now - upload->idle_since_ms > limit_ms) {
        upload_idle_end_locked(upload);
        uploads_remove_locked(upload);
        removed++;
    }
    pthread_mutex_unlock(&uploads->mutex);
    if (removed > 0)
        log_info("upload.expire", "removed uploads that nobody continued",
                 LOG_U64("count", removed));
}

/*
 * What survived.
 */

static void discard(struct uploads *uploads, const char *name, const char *why)
{
    struct fault fault = FAULT_INIT;

    log_warn("upload.damaged", "removed a file of an upload that cannot be continued",
             LOG_CSTR("file", name), LOG_CSTR("reason", why));
    if (remove_file(uploads->parts.dir->uploads_fd, name, &fault) != 0)
        log_warn("upload.remove", "a file of an upload stays", LOG_CSTR("reason", fault.text));
}

/* n > UPLOAD_META_MAX when the file is larger. */
static ssize_t read_sidecar(int dir_fd, const char *name, char bytes[UPLOAD_META_MAX + 1])
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -1;
    ssize_t n = pread(fd, bytes, UPLOAD_META_MAX + 1, 0);
    close(fd);
    return n;
}

/* How long ago a file was written. The clock may have moved since: only a hint. */
static uint64_t idle_ms(const struct stat *st)
{
    int64_t now = clock_wall_ms();
    int64_t then = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;

    return now > then ? (uint64_t)(now - then) : 0;
}

/* Take up the pair <id>, <id>.meta; NULL is a reason not to. */
static const char *restore(struct uploads *uploads, const char *id, const char *sidecar)
{
    int dir_fd = uploads->parts.dir->uploads_fd;
    char bytes[UPLOAD_META_MAX + 1];
    struct upload_meta meta;
    struct stat st;
    ssize_t n = read_sidecar(dir_fd, sidecar, bytes);

    if (n < 0)
        return "the sidecar cannot be read";
    if (upload_meta_parse(slice_make(bytes, (size_t)n), &meta) != 0)
        return "the sidecar is damaged";
    if (fstatat(dir_fd, id, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return "the data file is missing";
    struct upload *upload = uploads_new(uploads, id, &meta);
    uint64_t now = clock_mono_ms(), age = idle_ms(&st);
    upload->received = (uint64_t)st.st_size;
    upload->written = upload->received;
    upload->idle_since_ms = now > age ? now - age : 0;
    upload->state = UPLOAD_COLD;
    uploads_add_locked(uploads, upload, 0);
    return NULL;
}

static void look_at(struct uploads *uploads, const char *name)
{
    int dir_fd = uploads->parts.dir->uploads_fd;
    struct slice text = slice_from_cstr(name);
    char id[UPLOAD_ID_SIZE + 1], sidecar[UPLOAD_NAME_SIZE];

    if (!is_id(slice_sub(text, 0, UPLOAD_ID_SIZE))) {
        log_warn("upload.foreign", "a file under uploads is not ours", LOG_STR("file", text));
        return;
    }
    struct slice suffix = slice_sub(text, UPLOAD_ID_SIZE, text.n);
    snprintf(id, sizeof(id), "%.*s", UPLOAD_ID_SIZE, name);
    snprintf(sidecar, sizeof(sidecar), "%s" META_SUFFIX, id);
    if (slice_eq(suffix, SLICE(META_SUFFIX))) {
        const char *why = restore(uploads, id, name);
        if (why != NULL) {
            discard(uploads, name, why);
            if (faccessat(dir_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                discard(uploads, id, why);
        }
    } else if (suffix.n == 0) {
        if (faccessat(dir_fd, sidecar, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            discard(uploads, name, "it has no sidecar");
    } else if (slice_eq(suffix, SLICE(TEMP_SUFFIX))) {
        discard(uploads, name, "it was not finished");
    } else {
        log_warn("upload.foreign", "a file under uploads is not ours", LOG_STR("file", text));
    }
}

static int restore_all(struct uploads *uploads, struct fault *fault)
{
    DIR *list = dir_list_open(uploads->parts.dir->uploads_fd, ".");
    const char *name;

    if (list == NULL)
        return fault_set_errno(fault, errno, "cannot list uploads");
    while ((name = dir_list_next(list)) != NULL)
        if (name[0] != '.')
            look_at(uploads, name);
    closedir(list);
    return 0;
}

static int compare_idle(const void *a, const void *b)
{
    const struct upload *const *left = a, *const *right = b;

    return ((*left)->idle_since_ms > (*right)->idle_since_ms) -
           ((*left)->idle_since_ms < (*right)->idle_since_ms);
}

static void sort_idle(struct uploads *uploads)
{
    struct upload **all = xcalloc(uploads->count, sizeof(struct upload *));
    struct upload *upload;
    unsigned n = 0;

    for (unsigned i = 0; i < UPLOADS_BUCKETS; i++)
        LIST_FOREACH(upload, &uploads->buckets[i], in_bucket)
        {
            /* cppcheck-suppress uninitvar ; as above */
            all[n++] = upload;
        }
    qsort(all, n, sizeof(struct upload *), compare_idle);
    for (unsigned i = 0; i < n; i++)
        upload_idle_begin_locked(all[i]);
    free(all);
}

int uploads_open(const struct upload_parts *parts, const struct upload_options *options,
                 struct uploads **uploads, struct fault *fault)
{
    struct uploads *opened = xcalloc(1, sizeof(*opened));

    opened->parts = *parts;
    opened->options = *options;
    pthread_mutex_init(&opened->mutex, NULL);
    pthread_cond_init(&opened->quiet, NULL);
    TAILQ_INIT(&opened->idle);
    TAILQ_INIT(&opened->waiters);
    int err = datadir_free_bytes(parts->dir, &opened->free_bytes, &opened->total_bytes, fault);
    if (err == 0)
        err = restore_all(opened, fault);
    if (err != 0) {
        uploads_close(opened);
        return err;
    }
    sort_idle(opened);
    *uploads = opened;
    return 0;
}

void uploads_stop(struct uploads *uploads)
{
    pthread_mutex_lock(&uploads->mutex);
    uploads->stopping = true;
    pthread_mutex_unlock(&uploads->mutex);
}

void uploads_close(struct uploads *uploads)
{
    struct upload *upload;

    if (uploads == NULL)
        return;
    pthread_mutex_lock(&uploads->mutex);
    uploads->closing = true;
    while (uploads->jobs > 0)
        pthread_cond_wait(&uploads->quiet, &uploads->mutex);
    pthread_mutex_unlock(&uploads->mutex);
    for (unsigned i = 0; i < UPLOADS_BUCKETS; i++)
        while ((upload = LIST_FIRST(&uploads->buckets[i])) != NULL) {
            uploads_forget_locked(upload);
            uploads_free(upload);
        }
    uploads_trim_locked(uploads, uploads->cache_n);
    pthread_cond_destroy(&uploads->quiet);
    pthread_mutex_destroy(&uploads->mutex);
    free(uploads);
}

/*
 * Limits and measures.
 */

void uploads_set_options(struct uploads *uploads, const struct upload_options *options)
{
    pthread_mutex_lock(&uploads->mutex);
    uploads->options = *options;
    uploads_give_buffers_locked(uploads);
    pthread_mutex_unlock(&uploads->mutex);
}

unsigned uploads_count(struct uploads *uploads)
{
    pthread_mutex_lock(&uploads->mutex);
    unsigned count = uploads->count;
    pthread_mutex_unlock(&uploads->mutex);
    return count;
}

uint64_t uploads_buffer_bytes(struct uploads *uploads)
{
    pthread_mutex_lock(&uploads->mutex);
    uint64_t bytes = (uint64_t)uploads->buffers_used * UPLOAD_BUFFER_SIZE;
    pthread_mutex_unlock(&uploads->mutex);
    return bytes;
}

int uploads_admit_locked(const struct uploads *uploads, uint64_t incoming_bytes,
                         struct fault *fault)
{
    uint64_t reserve = uploads->options.reserve_bytes;

    if (reserve > uploads->total_bytes / 100)
        reserve = uploads->total_bytes / 100;
    if (uploads->free_bytes >= reserve && uploads->free_bytes - reserve >= incoming_bytes)
        return 0;
    return fault_set(fault, ERR_DISK_FULL,
                     "the disk has %ju MiB free, of which %ju MiB are kept in reserve "
                     "(storage.reserve): no room for %ju more bytes",
                     (uintmax_t)(uploads->free_bytes >> 20), (uintmax_t)(reserve >> 20),
                     (uintmax_t)incoming_bytes);
}

int uploads_admit(struct uploads *uploads, uint64_t incoming_bytes, struct fault *fault)
{
    pthread_mutex_lock(&uploads->mutex);
    int err = uploads_admit_locked(uploads, incoming_bytes, fault);
    pthread_mutex_unlock(&uploads->mutex);
    return err;
}

void uploads_measure(struct uploads *uploads)
{
    uint64_t free_bytes, total_bytes;
    struct fault fault = FAULT_INIT;
    int err = datadir_free_bytes(uploads->parts.dir, &free_bytes, &total_bytes, &fault);

    if (err != 0)
        log_warn("upload.measure", "free disk is unknown", LOG_CSTR("reason", fault.text));
    pthread_mutex_lock(&uploads->mutex);
    if (err == 0) {
        uploads->free_bytes = free_bytes;
        uploads->total_bytes = total_bytes;
    }
    uploads_trim_locked(uploads, uploads->cache_spare);
    pthread_mutex_unlock(&uploads->mutex);
}
