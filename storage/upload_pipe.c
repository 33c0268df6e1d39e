/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a full buffer goes down two lanes at once, hashing (cpu pool) and writing (io pool), and
 * is free when it is through both. A lane takes one buffer at a time and keeps their order: a hash
 * has no other, and a file written in order has no holes, so that after a crash its size says how
 * far the upload is.
 *
 * Buffers come from a fixed total. An upload that finds none stands in line and is handed one by
 * whoever frees it; it never waits for itself, because what is in its lanes leaves them without its
 * help. A buffer that is being filled could be held for as long as its sender likes: so when more
 * than half of the total is in use, what a sender left is given to the lanes at once, and senders
 * that fell asleep hold at most half of it.
 *
 * Writeback is started every few MiB, so that the disk is busy from the beginning and the fdatasync
 * at the end finds little left to do.
 *
 * What lies far behind the beginning of a large upload is written past the page cache (O_DIRECT):
 * copying it there and writing it back took as long as hashing it. Only whole blocks can be; pieces
 * that do not begin and end with one go by the cache, on the same descriptor. Neither way promises
 * anything before the fdatasync.
 */
#include "config.h"
#include "storage/upload_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WRITEBACK_BYTES (4u << 20)

/* The first bytes of an upload go by the page cache, where the pull that often follows finds a
 * layer of common size. A debug build goes past it sooner, so that small tests do. */
#ifdef TIDEMARK_DEBUG
#define PAST_CACHE_FROM (UINT64_C(4) << 10)
#else
#define PAST_CACHE_FROM (UINT64_C(16) << 20)
#endif
#define PAST_CACHE_UNIT 4096u /* offset, length and address are multiples of it */

/*
 * Jobs.
 */

void upload_job_begin_locked(struct upload *upload, struct pool *pool, struct pool_job *job)
{
    upload->jobs++;
    upload->uploads->jobs++;
    job->reply = NULL; /* the end of a job is told by upload_job_end_locked */
    pool_submit(pool, job);
}

void upload_job_end_locked(struct upload *upload)
{
    struct uploads *uploads = upload->uploads;

    uploads->jobs--;
    upload->jobs--;
    if (upload->jobs == 0 && upload->state == UPLOAD_DRAINING)
        upload_settle_locked(upload);
    else if (upload->jobs == 0 && upload->claim != NULL && upload->claim->resume != NULL)
        upload_post_locked(upload);
    if (uploads->jobs == 0 && uploads->closing)
        pthread_cond_signal(&uploads->quiet);
}

int upload_file_open(struct upload *upload, struct fault *fault)
{
    char name[UPLOAD_NAME_SIZE];

    if (upload->fd >= 0)
        return 0;
    upload_file_name(upload, name);
    upload->fd =
        openat(upload->uploads->parts.dir->uploads_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    upload->past_cache = false;
    if (upload->fd >= 0)
        return 0;
    if (errno == ENOENT)
        return fault_set(fault, ERR_IO, "the data file of upload %s is gone", name);
    return fault_set_errno(fault, errno, "cannot open upload %s", name);
}

/*
 * Buffers.
 */

/* Mapped and not from the heap: a heap would keep them for good. NULL: out of memory. */
static struct upload_buffer *buffer_new(void)
{
    void *bytes =
        mmap(NULL, UPLOAD_BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED)
        return NULL;
    struct upload_buffer *buffer = xcalloc(1, sizeof(*buffer));
    buffer->bytes = bytes;
    return buffer;
}

void upload_buffer_free(struct upload_buffer *buffer)
{
    munmap(buffer->bytes, UPLOAD_BUFFER_SIZE);
    free(buffer);
}

static unsigned buffers_max(const struct uploads *uploads)
{
    uint64_t n = uploads->options.buffer_total_bytes / UPLOAD_BUFFER_SIZE;

    return n == 0 ? 1 : n > UINT32_MAX ? UINT32_MAX : (unsigned)n;
}

bool uploads_buffers_are_short_locked(const struct uploads *uploads)
{
    return uploads->buffers_used > buffers_max(uploads) / 2;
}

/* Make one of the total the upload's `filling`. */
static int buffer_take(struct upload *upload, struct fault *fault)
{
    struct uploads *uploads = upload->uploads;
    struct upload_buffer *buffer = uploads->cache;

    if (buffer != NULL) {
        uploads->cache = buffer->next;
        uploads->cache_n--;
        if (uploads->cache_spare > uploads->cache_n)
            uploads->cache_spare = uploads->cache_n;
    } else {
        buffer = buffer_new();
        if (buffer == NULL)
            return fault_set(fault, ERR_NO_MEMORY, "no memory for an upload buffer");
    }
    buffer->upload = upload;
    buffer->n = 0;
    uploads->buffers_used++;
    upload->buffers_n++;
    upload->filling = buffer;
    return 0;
}

void uploads_give_buffers_locked(struct uploads *uploads)
{
    struct upload *upload;

    while (uploads->buffers_used < buffers_max(uploads) &&
           (upload = TAILQ_FIRST(&uploads->waiters)) != NULL) {
        struct fault fault = FAULT_INIT;

        TAILQ_REMOVE(&uploads->waiters, upload, in_waiters);
        upload->waits = false;
        int err = buffer_take(upload, &fault);
        if (err != 0)
            upload_fail_locked(upload, err, &fault);
        else
            upload_post_locked(upload);
    }
}

static void buffer_put(struct upload_buffer *buffer)
{
    struct uploads *uploads = buffer->upload->uploads;

    buffer->upload->buffers_n--;
    buffer->upload = NULL;
    buffer->next = uploads->cache;
    uploads->cache = buffer;
    uploads->cache_n++;
    uploads->buffers_used--;
    uploads_give_buffers_locked(uploads);
}

int upload_buffer_get_locked(struct upload *upload, struct fault *fault)
{
    struct uploads *uploads = upload->uploads;

    /* With two in the lanes the next is asked for when one comes back. */
    if (upload->buffers_n >= UPLOAD_BUFFERS_MAX)
        return ERR_AGAIN;
    if (TAILQ_EMPTY(&uploads->waiters) && uploads->buffers_used < buffers_max(uploads))
        return buffer_take(upload, fault);
    if (!upload->waits) {
        TAILQ_INSERT_TAIL(&uploads->waiters, upload, in_waiters);
        upload->waits = true;
    }
    return ERR_AGAIN;
}

void upload_buffer_drop_locked(struct upload *upload)
{
    upload->wants_room = false;
    if (upload->waits)
        TAILQ_REMOVE(&upload->uploads->waiters, upload, in_waiters);
    upload->waits = false;
    if (upload->filling != NULL)
        buffer_put(upload->filling);
    upload->filling = NULL;
}

void uploads_trim_locked(struct uploads *uploads, unsigned n)
{
    for (; n > 0 && uploads->cache != NULL; n--) {
        struct upload_buffer *buffer = uploads->cache;

        uploads->cache = buffer->next;
        uploads->cache_n--;
        upload_buffer_free(buffer);
    }
    uploads->cache_spare = uploads->cache_n;
}

/*
 * Lanes.
 */

static struct pool *hash_pool(const struct upload *upload)
{
    return upload->uploads->parts.cpu;
}

static struct pool *write_pool(const struct upload *upload)
{
    return upload->uploads->parts.io;
}

static void start_hash(struct upload_buffer *buffer)
{
    upload_job_begin_locked(buffer->upload, hash_pool(buffer->upload), &buffer->hash_job);
}

static void start_write(struct upload_buffer *buffer)
{
    upload_job_begin_locked(buffer->upload, write_pool(buffer->upload), &buffer->write_job);
}

static void lane_add(struct upload_lane *lane, struct upload_buffer *buffer,
                     void (*start)(struct upload_buffer *buffer))
{
    if (lane->running != NULL) {
        lane->waiting = buffer;
        return;
    }
    lane->running = buffer;
    start(buffer);
}

static void lane_next(struct upload_lane *lane, void (*start)(struct upload_buffer *buffer))
{
    lane->running = lane->waiting;
    lane->waiting = NULL;
    if (lane->running != NULL)
        start(lane->running);
}

/* The buffer came out of one of its two lanes. */
static void buffer_leave_lane(struct upload_buffer *buffer)
{
    struct upload *upload = buffer->upload;

    if (--buffer->jobs_left > 0)
        return;
    buffer_put(buffer);
    if (!upload->wants_room || upload->filling != NULL || upload->err != 0)
        return;
    struct fault fault = FAULT_INIT;
    int err = upload_buffer_get_locked(upload, &fault);
    if (err == 0)
        upload_post_locked(upload);
    else if (err != ERR_AGAIN)
        upload_fail_locked(upload, err, &fault);
}

static void hash_run(struct pool_job *job)
{
    struct upload_buffer *buffer = CONTAINER_OF(job, struct upload_buffer, hash_job);
    struct upload *upload = buffer->upload;
    struct uploads *uploads = upload->uploads;

    hasher_update(upload->hasher, buffer->bytes, buffer->n);
    pthread_mutex_lock(&uploads->mutex);
    lane_next(&upload->hash_lane, start_hash);
    buffer_leave_lane(buffer);
    upload_job_end_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}

void upload_write_past_cache(struct upload *upload, bool want)
{
    if (upload->past_cache == want)
        return;
    int flags = fcntl(upload->fd, F_GETFL);
    if (flags >= 0 && fcntl(upload->fd, F_SETFL, want ? flags | O_DIRECT : flags & ~O_DIRECT) == 0)
        upload->past_cache = want;
    else
        upload->never_past_cache = true;
}

static bool goes_past_cache(const struct upload *upload, const struct upload_buffer *buffer)
{
    return !upload->never_past_cache && buffer->offset >= PAST_CACHE_FROM &&
           buffer->offset % PAST_CACHE_UNIT == 0 && buffer->n % PAST_CACHE_UNIT == 0;
}

/* A file system that refuses it, or has taken a part that ends between two of its blocks, gets the
 * rest by its cache. */
static bool leaves_cache_refused(struct upload *upload)
{
    if (errno != EINVAL || !upload->past_cache)
        return false;
    upload->never_past_cache = true;
    upload_write_past_cache(upload, false);
    return true;
}

static int write_buffer(struct upload *upload, const struct upload_buffer *buffer,
                        struct fault *fault)
{
    int err = upload_file_open(upload, fault);

    if (err == 0)
        upload_write_past_cache(upload, goes_past_cache(upload, buffer));
    for (size_t at = 0; err == 0 && at < buffer->n;) {
        ssize_t n =
            pwrite(upload->fd, buffer->bytes + at, buffer->n - at, (off_t)(buffer->offset + at));

        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR && !leaves_cache_refused(upload))
            err = fault_set_errno(fault, errno, "cannot write upload %s at %ju", upload->id,
                                  (uintmax_t)(buffer->offset + at));
    }
    uint64_t end = buffer->offset + buffer->n;
    if (err == 0 && !upload->past_cache && end - upload->writeback >= WRITEBACK_BYTES) {
        /* A hint: whether the bytes arrive is what fdatasync says. */
        sync_file_range(upload->fd, (off_t)upload->writeback, (off_t)(end - upload->writeback),
                        SYNC_FILE_RANGE_WRITE);
        upload->writeback = end;
    }
    return err;
}

static void write_run(struct pool_job *job)
{
    struct upload_buffer *buffer = CONTAINER_OF(job, struct upload_buffer, write_job);
    struct upload *upload = buffer->upload;
    struct uploads *uploads = upload->uploads;
    struct fault fault = FAULT_INIT;
    int err = 0;

    if (!upload->write_failed)
        err = write_buffer(upload, buffer, &fault);
    if (err != 0)
        upload->write_failed = true;
    pthread_mutex_lock(&uploads->mutex);
    if (err != 0)
        upload_fail_locked(upload, err, &fault);
    else if (!upload->write_failed)
        upload->written = buffer->offset + buffer->n;
    lane_next(&upload->write_lane, start_write);
    buffer_leave_lane(buffer);
    upload_job_end_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}

void upload_submit_locked(struct upload *upload)
{
    struct upload_buffer *buffer = upload->filling;

    upload->filling = NULL;
    buffer->offset = upload->submitted;
    upload->submitted += buffer->n;
    buffer->jobs_left = 2;
    buffer->hash_job.run = hash_run;
    buffer->write_job.run = write_run;
    lane_add(&upload->hash_lane, buffer, start_hash);
    lane_add(&upload->write_lane, buffer, start_write);
}
