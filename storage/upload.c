/* SPDX-License-Identifier: Apache-2.0 */
/* What a claimer does with an upload, but for its end: that is in upload_finish.c. */
#include "config.h"
#include "storage/upload_internal.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/*
 * Create.
 */

static int create_sidecar(const struct upload *upload, struct fault *fault)
{
    int dir_fd = upload->uploads->parts.dir->uploads_fd;
    char name[UPLOAD_NAME_SIZE];
    struct buf bytes;
    int err = 0;

    upload_meta_name(upload, name);
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot create uploads/%s", name);
    buf_init(&bytes, UPLOAD_META_MAX);
    upload_meta_encode(&bytes, &upload->meta);
    /* Not synced: 202 promises the offset to a session, which a power cut ends. */
    err = buf_error(&bytes, ERR_INTERNAL);
    ssize_t n = err == 0 ? write(fd, bytes.p, bytes.n) : 0;
    if (err != 0)
        fault_set(fault, err, "cannot write uploads/%s: %s", name, err_text(err));
    else if (n != (ssize_t)bytes.n)
        err = fault_set_errno(fault, n < 0 ? errno : ENOSPC, "cannot write uploads/%s", name);
    buf_fini(&bytes);
    close(fd);
    return err;
}

static void create_run(struct pool_job *job)
{
    struct upload *upload = CONTAINER_OF(job, struct upload, job);
    int dir_fd = upload->uploads->parts.dir->uploads_fd;
    char name[UPLOAD_NAME_SIZE];
    struct fault fault = FAULT_INIT;
    int err = create_sidecar(upload, &fault);

    if (err == 0) {
        upload_file_name(upload, name);
        upload->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (upload->fd < 0)
            err = fault_set_errno(&fault, errno, "cannot create uploads/%s", name);
    }
    upload_step_end(upload, err, &fault);
}

static void created(struct upload *upload)
{
    if (upload->err != 0) {
        upload_complete_without(upload, uploads_remove_locked);
        return;
    }
    upload_set_state(upload, UPLOAD_CLAIMED);
    upload_complete(upload, 0, NULL);
}

static void make_id(char id[UPLOAD_ID_SIZE + 1])
{
    uint8_t raw[UPLOAD_ID_SIZE / 2];

    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        abort();
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(id + 2 * i, 3, "%02x", raw[i]);
}

static int check_create_locked(struct uploads *uploads, const struct upload_meta *meta,
                               uint64_t client, struct fault *fault)
{
    if (meta->repository.n > UPLOAD_META_NAME_MAX || meta->identity.n > UPLOAD_META_NAME_MAX)
        return fault_set(fault, ERR_LIMIT, "the name of a repository or user is too long");
    if (uploads->count >= uploads->options.count_max &&
        !upload_clients_evict_locked(uploads, client))
        return fault_set(fault, ERR_UPLOAD_LIMIT,
                         "%u uploads are in progress (uploads.max): finish or cancel some first",
                         uploads->count);
    return uploads_admit_locked(uploads, 0, fault);
}

void upload_create(struct uploads *uploads, struct slice repository, struct slice identity,
                   uint64_t client, enum digest_algorithm algorithm, struct queue *reply,
                   upload_done_fn done, void *arg)
{
    const struct upload_meta meta = {algorithm, repository, identity};
    struct fault fault = FAULT_INIT;
    struct upload *upload = NULL;
    char id[UPLOAD_ID_SIZE + 1];

    make_id(id);
    pthread_mutex_lock(&uploads->mutex);
    int err = check_create_locked(uploads, &meta, client, &fault);
    if (err == 0) {
        upload = uploads_new(uploads, id, &meta);
        upload->state = UPLOAD_CREATING;
        upload->hasher = hasher_create(algorithm);
        upload->claim = upload_claim_new(reply, done, arg);
        upload->claim->upload = upload;
        uploads_add_locked(uploads, upload, client);
    }
    pthread_mutex_unlock(&uploads->mutex);
    if (err != 0)
        upload_refuse(reply, done, arg, &fault);
    else
        upload_step(upload, uploads->parts.io, create_run, created);
}

/*
 * Claim and release.
 */

static void give_up_locked(struct upload *upload)
{
    upload_set_state_locked(upload, UPLOAD_DRAINING);
    upload_settle_locked(upload);
}

static void rehashed(struct upload *upload)
{
    if (upload->err != 0) {
        hasher_destroy(upload->again);
        upload->again = NULL;
        upload_complete_without(upload, give_up_locked);
        return;
    }
    upload->hasher = upload->again;
    upload->again = NULL;
    upload->received = upload->again_offset;
    upload->submitted = upload->again_offset;
    upload->written = upload->again_offset;
    upload->writeback = upload->again_offset;
    upload_set_state(upload, UPLOAD_CLAIMED);
    upload_complete(upload, 0, NULL);
}

static void claimed(struct upload *upload)
{
    if (upload->err != 0) /* of what was still under way */
        upload_complete_without(upload, give_up_locked);
    else
        upload_complete(upload, 0, NULL);
}

/* The upload, if it may be claimed. One that drains may: the claim is complete when it has. */
static int find_locked(struct uploads *uploads, struct slice id, struct slice repository,
                       struct slice identity, struct upload **found, struct fault *fault)
{
    struct upload *upload = uploads_find_locked(uploads, id);

    if (upload == NULL || upload->state == UPLOAD_REMOVING || upload->cancelled ||
        !slice_eq(upload->meta.repository, repository) ||
        !slice_eq(upload->meta.identity, identity))
        return fault_set(fault, ERR_UPLOAD_UNKNOWN, "%s", err_text(ERR_UPLOAD_UNKNOWN));
    *found = upload;
    return 0;
}

static int find_for_claim_locked(struct uploads *uploads, struct slice id, struct slice repository,
                                 struct slice identity, struct upload **found, struct fault *fault)
{
    struct upload *upload;
    int err = find_locked(uploads, id, repository, identity, &upload, fault);

    if (err != 0)
        return err;
    if (upload->claim != NULL || upload_is_passing(upload->err))
        return fault_set(fault, ERR_UPLOAD_BUSY, "%s", err_text(ERR_UPLOAD_BUSY));
    if (upload->err != 0) /* drains before it is removed */
        return fault_set(fault, ERR_UPLOAD_UNKNOWN, "%s", err_text(ERR_UPLOAD_UNKNOWN));
    *found = upload;
    return 0;
}

int upload_peek(struct uploads *uploads, struct slice id, struct slice repository,
                struct slice identity, uint64_t *offset, struct fault *fault)
{
    struct upload *upload = NULL;

    pthread_mutex_lock(&uploads->mutex);
    int err = find_locked(uploads, id, repository, identity, &upload, fault);
    /* `received` is the claimer's while there is one; what was given to the lanes is everybody's.
     */
    if (err == 0)
        *offset = upload->err != 0        ? upload->written
                  : upload->claim != NULL ? upload->submitted
                                          : upload->received;
    pthread_mutex_unlock(&uploads->mutex);
    return err;
}

void upload_claim(struct uploads *uploads, struct slice id, struct slice repository,
                  struct slice identity, struct queue *reply, upload_done_fn done, void *arg)
{
    struct fault fault = FAULT_INIT;
    struct upload *upload = NULL;
    bool is_cold = false;

    pthread_mutex_lock(&uploads->mutex);
    int err = find_for_claim_locked(uploads, id, repository, identity, &upload, &fault);
    if (err == 0) {
        if (upload->state != UPLOAD_DRAINING)
            upload_idle_end_locked(upload);
        is_cold = upload->state == UPLOAD_COLD;
        upload->claim = upload_claim_new(reply, done, arg);
        upload->claim->upload = upload;
        upload_set_state_locked(upload, is_cold ? UPLOAD_REHASHING : UPLOAD_CLAIMED);
        if (!is_cold) {
            upload->claim->resume = claimed;
            upload_post_locked(upload);
        }
    }
    pthread_mutex_unlock(&uploads->mutex);
    if (err != 0)
        upload_refuse(reply, done, arg, &fault);
    else if (is_cold)
        upload_rehash(upload, upload->meta.algorithm, rehashed);
}

/* What was taken counts, unless a failure makes it worthless. */
void upload_hand_in_locked(struct upload *upload)
{
    upload->wants_room = false;
    if (upload->filling != NULL && upload->filling->n > 0 && upload->err == 0)
        upload_submit_locked(upload);
    upload_buffer_drop_locked(upload);
}

void upload_release(struct upload *upload)
{
    struct uploads *uploads = upload->uploads;

    assert(upload->claim->done == NULL);
    if (upload->state == UPLOAD_PUBLISHED) {
        upload_published(upload);
        return;
    }
    pthread_mutex_lock(&uploads->mutex);
    upload_hand_in_locked(upload);
    upload_claim_end_locked(upload);
    upload_set_state_locked(upload, UPLOAD_DRAINING);
    if (upload->jobs == 0)
        upload_settle_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}

/*
 * Bytes.
 */

struct slice upload_id(const struct upload *upload)
{
    return slice_make(upload->id, UPLOAD_ID_SIZE);
}

enum digest_algorithm upload_algorithm(const struct upload *upload)
{
    return upload->meta.algorithm;
}

uint64_t upload_offset(const struct upload *upload)
{
    return upload->received;
}

void upload_set_wake(struct upload *upload, void (*wake)(void *arg), void *arg)
{
    upload->claim->wake = wake;
    upload->claim->wake_arg = arg;
}

static int check_write_locked(struct upload *upload, size_t n, struct fault *fault)
{
    uint64_t max = upload->uploads->options.blob_max_bytes;

    if (upload->err != 0)
        return upload->err;
    if (n > max || upload->received > max - n)
        return fault_set(fault, ERR_BLOB_TOO_LARGE,
                         "the blob would be larger than blobs.max_size, %ju bytes", (uintmax_t)max);
    return 0;
}

/* A buffer with room. ERR_AGAIN: there is none now. */
static int need_buffer_locked(struct upload *upload, struct fault *fault)
{
    if (upload->filling != NULL)
        return 0;
    int err = uploads_admit_locked(upload->uploads, 0, fault);
    return err != 0 ? err : upload_buffer_get_locked(upload, fault);
}

static size_t fill(struct upload_buffer *buffer, struct slice bytes)
{
    size_t room = UPLOAD_BUFFER_SIZE - buffer->n;
    size_t n = bytes.n < room ? bytes.n : room;

    memcpy(buffer->bytes + buffer->n, bytes.p, n);
    buffer->n += n;
    return n;
}

/* How a call for room ended: to wait for a buffer is no failure. */
static int settle_write_locked(struct upload *upload, int err, const struct fault *failure,
                               struct fault *fault)
{
    upload->wants_room = err == ERR_AGAIN;
    if (err == 0 || err == ERR_AGAIN)
        return 0;
    upload_fail_locked(upload, err, failure);
    if (fault != NULL)
        *fault = upload->fault;
    return err;
}

/* What came into `filling` goes on when that is full, or when buffers are short. */
static void submit_filled_locked(struct upload *upload)
{
    const struct upload_buffer *buffer = upload->filling;

    if (buffer != NULL && buffer->n > 0 &&
        (buffer->n == UPLOAD_BUFFER_SIZE || uploads_buffers_are_short_locked(upload->uploads)))
        upload_submit_locked(upload);
}

int upload_write(struct upload *upload, struct slice bytes, size_t *taken, struct fault *fault)
{
    struct uploads *uploads = upload->uploads;
    struct fault failure = FAULT_INIT;

    assert(upload->state == UPLOAD_CLAIMED);
    *taken = 0;
    pthread_mutex_lock(&uploads->mutex);
    int err = check_write_locked(upload, bytes.n, &failure);
    while (err == 0 && *taken < bytes.n) {
        err = need_buffer_locked(upload, &failure);
        if (err != 0)
            break;
        /* Copied without the lock: `filling` is ours until it is submitted. */
        struct upload_buffer *buffer = upload->filling;
        pthread_mutex_unlock(&uploads->mutex);
        *taken += fill(buffer, slice_sub(bytes, *taken, bytes.n));
        pthread_mutex_lock(&uploads->mutex);
        if (buffer->n == UPLOAD_BUFFER_SIZE)
            upload_submit_locked(upload);
    }
    upload->received += *taken;
    if (err == 0)
        submit_filled_locked(upload);
    err = settle_write_locked(upload, err, &failure, fault);
    pthread_mutex_unlock(&uploads->mutex);
    return err;
}

int upload_room(struct upload *upload, void **bytes, size_t *n, struct fault *fault)
{
    struct uploads *uploads = upload->uploads;
    struct fault failure = FAULT_INIT;
    size_t room = 0;

    assert(upload->state == UPLOAD_CLAIMED);
    pthread_mutex_lock(&uploads->mutex);
    int err = check_write_locked(upload, 1, &failure);
    if (err == 0)
        err = need_buffer_locked(upload, &failure);
    if (err == 0) {
        uint64_t left = uploads->options.blob_max_bytes - upload->received;
        *bytes = upload->filling->bytes + upload->filling->n;
        room = UPLOAD_BUFFER_SIZE - upload->filling->n;
        if (room > left)
            room = (size_t)left;
    }
    if (*n > room)
        *n = room;
    err = settle_write_locked(upload, err, &failure, fault);
    pthread_mutex_unlock(&uploads->mutex);
    return err;
}

void upload_filled(struct upload *upload, size_t n)
{
    pthread_mutex_lock(&upload->uploads->mutex);
    upload->filling->n += n;
    upload->received += n;
    submit_filled_locked(upload);
    pthread_mutex_unlock(&upload->uploads->mutex);
}

static void flushed(struct upload *upload)
{
    upload_set_state(upload, UPLOAD_CLAIMED);
    upload_complete(upload, upload->err, &upload->fault);
}

void upload_flush(struct upload *upload, upload_done_fn done, void *arg)
{
    struct uploads *uploads = upload->uploads;

    upload_begin(upload, done, arg);
    pthread_mutex_lock(&uploads->mutex);
    upload_set_state_locked(upload, UPLOAD_FLUSHING);
    upload_hand_in_locked(upload);
    upload_resume_with_locked(upload, flushed);
    pthread_mutex_unlock(&uploads->mutex);
}

/*
 * Cancel.
 */

static void cancelled(struct upload *upload)
{
    upload_complete(upload, upload->err, &upload->fault);
    uploads_free(upload);
}

void upload_cancel(struct upload *upload, upload_done_fn done, void *arg)
{
    struct uploads *uploads = upload->uploads;

    upload_begin(upload, done, arg);
    pthread_mutex_lock(&uploads->mutex);
    upload->cancelled = true;
    upload_buffer_drop_locked(upload);
    upload->claim->resume = cancelled;
    upload_set_state_locked(upload, UPLOAD_DRAINING);
    if (upload->jobs == 0)
        upload_settle_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}
