/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: what a claimer does with an upload. An asynchronous function (create, claim, flush,
 * finish, cancel) gives the pools some work and names its next step in claim->resume. Jobs know
 * nothing of it: the one that leaves none under way posts the claim to the reply queue, and the
 * claimer's thread takes the step. So the course of each function reads from top to bottom on one
 * thread, and `done` never runs before the function returned, for even an upload with nothing to do
 * goes through the queue.
 *
 * A finished hash cannot go on (OpenSSL 3.0 cannot copy a state to keep). Where the digest was
 * taken but the upload stays, it becomes COLD when its claim ends, and is hashed again, as after a
 * restart, in the rare case that somebody continues it.
 */
#include "config.h"
#include "storage/upload_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define REHASH_SLICE_BYTES (8u << 20) /* in one job, so that others get their turn */

/*
 * States and claims.
 */

#define TO(state) (1u << UPLOAD_##state)

static const unsigned legal_moves[UPLOAD_STATES] = {
    [UPLOAD_CREATING] = TO(CLAIMED) | TO(REMOVING),
    [UPLOAD_COLD] = TO(REHASHING) | TO(REMOVING),
    [UPLOAD_REHASHING] = TO(CLAIMED) | TO(DRAINING),
    [UPLOAD_IDLE] = TO(CLAIMED) | TO(REMOVING),
    [UPLOAD_CLAIMED] = TO(FLUSHING) | TO(FINISHING) | TO(DRAINING),
    [UPLOAD_FLUSHING] = TO(CLAIMED),
    [UPLOAD_FINISHING] = TO(CLAIMED) | TO(PUBLISHED),
    [UPLOAD_PUBLISHED] = TO(REMOVING),
    [UPLOAD_DRAINING] = TO(IDLE) | TO(COLD) | TO(CLAIMED) | TO(REMOVING),
};

void upload_set_state_locked(struct upload *upload, enum upload_state state)
{
    assert(legal_moves[upload->state] & 1u << state);
    upload->state = state;
}

static void set_state(struct upload *upload, enum upload_state state)
{
    pthread_mutex_lock(&upload->uploads->mutex);
    upload_set_state_locked(upload, state);
    pthread_mutex_unlock(&upload->uploads->mutex);
}

static void post(struct upload_claim *claim)
{
    if (claim->posted)
        return;
    claim->posted = true;
    queue_push(claim->job.reply, &claim->job.node);
}

void upload_post_locked(struct upload *upload)
{
    post(upload->claim);
}

void upload_fail_locked(struct upload *upload, int err, const struct fault *fault)
{
    if (upload->err != 0)
        return;
    upload->err = err;
    upload->fault = *fault;
    if (upload->waits)
        TAILQ_REMOVE(&upload->uploads->waiters, upload, in_waiters);
    upload->waits = false;
    if (upload->wants_room)
        upload_post_locked(upload);
}

void upload_settle_locked(struct upload *upload)
{
    if (upload->err != 0 || upload->cancelled) {
        uploads_remove_locked(upload);
        return;
    }
    if (upload->has_digest) {
        hasher_destroy(upload->hasher);
        upload->hasher = NULL;
        upload->has_digest = false;
    }
    /* Descriptors are for those who work: there may be many idle uploads. */
    if (upload->fd >= 0)
        close(upload->fd);
    upload->fd = -1;
    upload_set_state_locked(upload, upload->hasher != NULL ? UPLOAD_IDLE : UPLOAD_COLD);
    upload->idle_since_ms = clock_mono_ms();
    TAILQ_INSERT_TAIL(&upload->uploads->idle, upload, in_idle);
}

/* On the claimer's thread, some time after the claim was posted. */
static void claim_done(struct pool_job *job)
{
    struct upload_claim *claim = CONTAINER_OF(job, struct upload_claim, job);
    struct upload *upload = claim->upload;
    void (*resume)(struct upload * upload) = NULL;
    void (*wake)(void *arg) = NULL;

    if (upload == NULL) {
        if (claim->done != NULL)
            claim->done(claim->done_arg, claim->err, NULL, &claim->fault);
        free(claim);
        return;
    }
    pthread_mutex_lock(&upload->uploads->mutex);
    claim->posted = false;
    if (claim->resume != NULL && upload->jobs == 0) {
        resume = claim->resume;
        claim->resume = NULL;
    } else if (upload->wants_room && (upload->filling != NULL || upload->err != 0)) {
        upload->wants_room = false;
        wake = claim->wake;
    }
    pthread_mutex_unlock(&upload->uploads->mutex);
    if (resume != NULL)
        resume(upload);
    else if (wake != NULL)
        wake(claim->wake_arg);
}

static struct upload_claim *claim_new(struct queue *reply, upload_done_fn done, void *arg)
{
    struct upload_claim *claim = xcalloc(1, sizeof(*claim));

    claim->job.done = claim_done;
    claim->job.reply = reply;
    claim->done = done;
    claim->done_arg = arg;
    return claim;
}

/* `done` hears of an error by the way of all answers. */
static void refuse(struct queue *reply, upload_done_fn done, void *arg, const struct fault *fault)
{
    struct upload_claim *claim = claim_new(reply, done, arg);

    claim->err = fault->code;
    claim->fault = *fault;
    post(claim);
}

/* The claim ends; who is in the queue dies there. */
static void claim_end_locked(struct upload *upload)
{
    struct upload_claim *claim = upload->claim;

    upload->claim = NULL;
    claim->upload = NULL;
    claim->done = NULL;
    if (!claim->posted)
        free(claim);
}

static void resume_with_locked(struct upload *upload, void (*resume)(struct upload *upload))
{
    upload->claim->resume = resume;
    if (upload->jobs == 0)
        upload_post_locked(upload);
}

/* The next step: run `run` on `pool`, then `resume` on the claimer's thread. */
static void step(struct upload *upload, struct pool *pool, void (*run)(struct pool_job *job),
                 void (*resume)(struct upload *upload))
{
    pthread_mutex_lock(&upload->uploads->mutex);
    upload->job.run = run;
    upload->claim->resume = resume;
    upload_job_begin_locked(upload, pool, &upload->job);
    pthread_mutex_unlock(&upload->uploads->mutex);
}

/* The end of a single job, on its pool thread. */
static void step_end(struct upload *upload, int err, const struct fault *fault)
{
    struct uploads *uploads = upload->uploads;

    pthread_mutex_lock(&uploads->mutex);
    if (err != 0)
        upload_fail_locked(upload, err, fault);
    upload_job_end_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}

/* An asynchronous function begins on a claimed upload. */
static void begin(struct upload *upload, upload_done_fn done, void *arg)
{
    assert(upload->claim->done == NULL); /* one at a time */
    upload->claim->done = done;
    upload->claim->done_arg = arg;
}

/* ... and ends. The upload may be gone afterwards, and `fault` with it: so a copy is passed. */
static void complete(struct upload *upload, int err, const struct fault *fault)
{
    struct upload_claim *claim = upload->claim;
    upload_done_fn done = claim->done;
    struct fault copy = FAULT_INIT;

    if (err != 0)
        copy = *fault;
    claim->done = NULL;
    done(claim->done_arg, err, upload, err != 0 ? &copy : NULL);
}

/* A claim that was not to be: end it and tell. */
static void complete_without(struct upload *upload, void (*end_locked)(struct upload *upload))
{
    struct uploads *uploads = upload->uploads;
    struct fault fault = upload->fault;
    upload_done_fn done = upload->claim->done;
    void *arg = upload->claim->done_arg;

    pthread_mutex_lock(&uploads->mutex);
    claim_end_locked(upload);
    end_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
    done(arg, fault.code, NULL, &fault);
}

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
    ssize_t n = write(fd, bytes.p, bytes.n);
    if (n != (ssize_t)bytes.n)
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
    step_end(upload, err, &fault);
}

static void created(struct upload *upload)
{
    if (upload->err != 0) {
        complete_without(upload, uploads_remove_locked);
        return;
    }
    set_state(upload, UPLOAD_CLAIMED);
    complete(upload, 0, NULL);
}

static void make_id(char id[UPLOAD_ID_SIZE + 1])
{
    uint8_t raw[UPLOAD_ID_SIZE / 2];

    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        abort();
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(id + 2 * i, 3, "%02x", raw[i]);
}

static int check_create_locked(const struct uploads *uploads, const struct upload_meta *meta,
                               struct fault *fault)
{
    if (meta->repository.n > UPLOAD_META_NAME_MAX || meta->identity.n > UPLOAD_META_NAME_MAX)
        return fault_set(fault, ERR_LIMIT, "the name of a repository or user is too long");
    if (uploads->count >= uploads->options.count_max)
        return fault_set(fault, ERR_UPLOAD_LIMIT,
                         "%u uploads are in progress (uploads.max): finish or cancel some first",
                         uploads->count);
    return uploads_admit_locked(uploads, 0, fault);
}

void upload_create(struct uploads *uploads, struct slice repository, struct slice identity,
                   enum digest_algorithm algorithm, struct queue *reply, upload_done_fn done,
                   void *arg)
{
    const struct upload_meta meta = {algorithm, repository, identity};
    struct fault fault = FAULT_INIT;
    struct upload *upload = NULL;
    char id[UPLOAD_ID_SIZE + 1];

    make_id(id);
    pthread_mutex_lock(&uploads->mutex);
    int err = check_create_locked(uploads, &meta, &fault);
    if (err == 0) {
        upload = uploads_new(uploads, id, &meta);
        upload->state = UPLOAD_CREATING;
        upload->hasher = hasher_create(algorithm);
        upload->claim = claim_new(reply, done, arg);
        upload->claim->upload = upload;
        uploads_add_locked(uploads, upload);
    }
    pthread_mutex_unlock(&uploads->mutex);
    if (err != 0)
        refuse(reply, done, arg, &fault);
    else
        step(upload, uploads->parts.io, create_run, created);
}

/*
 * Hashing a file again: after a restart, or with another algorithm.
 */

static int rehash_slice(struct upload *upload, uint8_t *bytes, bool *is_end, struct fault *fault)
{
    int err = upload_file_open(upload, fault);

    if (err == 0 && upload->again_offset == 0)
        posix_fadvise(upload->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *is_end = false;
    for (size_t left = REHASH_SLICE_BYTES; err == 0 && left > 0 && !*is_end;) {
        ssize_t n = pread(upload->fd, bytes, UPLOAD_BUFFER_SIZE, (off_t)upload->again_offset);

        if (n > 0) {
            hasher_update(upload->again, bytes, (size_t)n);
            upload->again_offset += (uint64_t)n;
            left -= (size_t)n < left ? (size_t)n : left;
        } else if (n == 0) {
            *is_end = true;
        } else if (errno != EINTR) {
            err = fault_set_errno(fault, errno, "cannot read upload %s", upload->id);
        }
    }
    return err;
}

static void rehash_run(struct pool_job *job)
{
    struct upload *upload = CONTAINER_OF(job, struct upload, job);
    struct uploads *uploads = upload->uploads;
    uint8_t *bytes = xmalloc(UPLOAD_BUFFER_SIZE);
    struct fault fault = FAULT_INIT;
    bool is_end;
    int err = rehash_slice(upload, bytes, &is_end, &fault);

    free(bytes);
    pthread_mutex_lock(&uploads->mutex);
    bool more = err == 0 && !is_end && !uploads->closing;
    pthread_mutex_unlock(&uploads->mutex);
    if (more)
        pool_submit(uploads->parts.cpu, job);
    else
        step_end(upload, err, &fault);
}

static void rehash(struct upload *upload, enum digest_algorithm algorithm,
                   void (*resume)(struct upload *upload))
{
    upload->again = hasher_create(algorithm);
    upload->again_offset = 0;
    step(upload, upload->uploads->parts.cpu, rehash_run, resume);
}

/*
 * Claim and release.
 */

static void give_up_locked(struct upload *upload)
{
    upload_set_state_locked(upload, UPLOAD_DRAINING);
    upload_settle_locked(upload);
}

/* Short of descriptors for reading it: the file is as good as it was. */
static void stay_cold_locked(struct upload *upload)
{
    upload->err = 0;
    give_up_locked(upload);
}

static void rehashed(struct upload *upload)
{
    if (upload->err != 0) {
        hasher_destroy(upload->again);
        upload->again = NULL;
        complete_without(upload, upload->err == ERR_BUSY ? stay_cold_locked : give_up_locked);
        return;
    }
    upload->hasher = upload->again;
    upload->again = NULL;
    upload->received = upload->again_offset;
    upload->submitted = upload->again_offset;
    upload->writeback = upload->again_offset;
    set_state(upload, UPLOAD_CLAIMED);
    complete(upload, 0, NULL);
}

static void claimed(struct upload *upload)
{
    if (upload->err != 0) /* of what was still under way */
        complete_without(upload, give_up_locked);
    else
        complete(upload, 0, NULL);
}

/* The upload, if it may be claimed. One that drains may: the claim is complete when it has. */
static int find_for_claim_locked(struct uploads *uploads, struct slice id, struct slice repository,
                                 struct slice identity, struct upload **found, struct fault *fault)
{
    struct upload *upload = uploads_find_locked(uploads, id);

    if (upload == NULL || upload->state == UPLOAD_REMOVING || upload->cancelled ||
        !slice_eq(upload->meta.repository, repository) ||
        !slice_eq(upload->meta.identity, identity))
        return fault_set(fault, ERR_UPLOAD_UNKNOWN, "%s", err_text(ERR_UPLOAD_UNKNOWN));
    if (upload->claim != NULL)
        return fault_set(fault, ERR_UPLOAD_BUSY, "%s", err_text(ERR_UPLOAD_BUSY));
    if (upload->err != 0) /* drains before it is removed */
        return fault_set(fault, ERR_UPLOAD_UNKNOWN, "%s", err_text(ERR_UPLOAD_UNKNOWN));
    *found = upload;
    return 0;
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
            TAILQ_REMOVE(&uploads->idle, upload, in_idle);
        is_cold = upload->state == UPLOAD_COLD;
        upload->claim = claim_new(reply, done, arg);
        upload->claim->upload = upload;
        upload_set_state_locked(upload, is_cold ? UPLOAD_REHASHING : UPLOAD_CLAIMED);
        if (!is_cold) {
            upload->claim->resume = claimed;
            upload_post_locked(upload);
        }
    }
    pthread_mutex_unlock(&uploads->mutex);
    if (err != 0)
        refuse(reply, done, arg, &fault);
    else if (is_cold)
        rehash(upload, upload->meta.algorithm, rehashed);
}

/* What was taken counts, unless a failure makes it worthless. */
static void hand_in_locked(struct upload *upload)
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
    hand_in_locked(upload);
    claim_end_locked(upload);
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

int upload_write(struct upload *upload, struct slice bytes, size_t *taken, struct fault *fault)
{
    struct uploads *uploads = upload->uploads;
    struct fault failure = FAULT_INIT;

    assert(upload->state == UPLOAD_CLAIMED && !upload->has_digest);
    *taken = 0;
    pthread_mutex_lock(&uploads->mutex);
    upload->wants_room = false;
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
    if (err == ERR_AGAIN) {
        upload->wants_room = true;
        err = 0;
    } else if (err != 0) {
        upload_fail_locked(upload, err, &failure);
        if (fault != NULL)
            *fault = upload->fault;
    } else if (upload->filling != NULL && upload->filling->n > 0 &&
               uploads_buffers_are_short_locked(uploads)) {
        upload_submit_locked(upload);
    }
    pthread_mutex_unlock(&uploads->mutex);
    return err;
}

static void flushed(struct upload *upload)
{
    set_state(upload, UPLOAD_CLAIMED);
    complete(upload, upload->err, &upload->fault);
}

void upload_flush(struct upload *upload, upload_done_fn done, void *arg)
{
    struct uploads *uploads = upload->uploads;

    begin(upload, done, arg);
    pthread_mutex_lock(&uploads->mutex);
    upload_set_state_locked(upload, UPLOAD_FLUSHING);
    hand_in_locked(upload);
    resume_with_locked(upload, flushed);
    pthread_mutex_unlock(&uploads->mutex);
}

/*
 * Finish.
 */

static void finish_failed(struct upload *upload, int err, const struct fault *fault)
{
    set_state(upload, UPLOAD_CLAIMED);
    complete(upload, err, fault);
}

static void published(struct upload *upload)
{
    if (upload->err != 0) {
        digest_gate_leave(&upload->pass);
        finish_failed(upload, upload->err, &upload->fault);
        return;
    }
    set_state(upload, UPLOAD_PUBLISHED);
    complete(upload, 0, NULL);
}

static void publish_run(struct pool_job *job)
{
    struct upload *upload = CONTAINER_OF(job, struct upload, job);
    const struct upload_parts *parts = &upload->uploads->parts;
    char name[UPLOAD_NAME_SIZE];
    struct fault fault = FAULT_INIT;

    upload_file_name(upload, name);
    close(upload->fd);
    upload->fd = -1;
    int err =
        blob_file_publish(parts->files, parts->dir->uploads_fd, name, &upload->expected, &fault);
    step_end(upload, err, &fault);
}

static void publish(struct upload *upload)
{
    step(upload, upload->uploads->parts.io, publish_run, published);
}

static void gate_entered(struct pool_job *job)
{
    publish(CONTAINER_OF(job, struct upload, pass.job));
}

static void synced(struct upload *upload)
{
    if (upload->err != 0) {
        finish_failed(upload, upload->err, &upload->fault);
        return;
    }
    upload->pass.job.done = gate_entered;
    upload->pass.job.reply = upload->claim->job.reply;
    if (digest_gate_enter(upload->uploads->parts.gate, &upload->expected, &upload->pass))
        publish(upload);
}

/* Once: after a failed fdatasync the kernel holds the pages for clean, and a second would lie. */
static void sync_run(struct pool_job *job)
{
    struct upload *upload = CONTAINER_OF(job, struct upload, job);
    struct fault fault = FAULT_INIT;
    int err = upload_file_open(upload, &fault);

    if (err == 0 && fdatasync(upload->fd) != 0)
        err = fault_set_errno(&fault, errno, "cannot sync upload %s", upload->id);
    step_end(upload, err, &fault);
}

static void compare(struct upload *upload, const struct digest *digest)
{
    char is[DIGEST_TEXT_MAX], should_be[DIGEST_TEXT_MAX];
    struct fault fault = FAULT_INIT;

    if (digest_eq(digest, &upload->expected)) {
        step(upload, upload->uploads->parts.io, sync_run, synced);
        return;
    }
    digest_format(digest, is);
    digest_format(&upload->expected, should_be);
    int err = fault_set(&fault, ERR_DIGEST_MISMATCH,
                        "the %ju bytes uploaded are %s, not %s as the request says",
                        (uintmax_t)upload->received, is, should_be);
    finish_failed(upload, err, &fault);
}

static void rehashed_for_finish(struct upload *upload)
{
    struct digest digest;

    hasher_final(upload->again, &digest);
    hasher_destroy(upload->again);
    upload->again = NULL;
    if (upload->err != 0)
        finish_failed(upload, upload->err, &upload->fault);
    else
        compare(upload, &digest);
}

static void flushed_for_finish(struct upload *upload)
{
    if (upload->err != 0) {
        finish_failed(upload, upload->err, &upload->fault);
        return;
    }
    if (upload->expected.algorithm != (uint8_t)upload->meta.algorithm) {
        rehash(upload, upload->expected.algorithm, rehashed_for_finish);
        return;
    }
    if (!upload->has_digest)
        hasher_final(upload->hasher, &upload->digest);
    upload->has_digest = true;
    compare(upload, &upload->digest);
}

void upload_finish(struct upload *upload, const struct digest *digest, upload_done_fn done,
                   void *arg)
{
    struct uploads *uploads = upload->uploads;

    begin(upload, done, arg);
    upload->expected = *digest;
    pthread_mutex_lock(&uploads->mutex);
    upload_set_state_locked(upload, UPLOAD_FINISHING);
    hand_in_locked(upload);
    resume_with_locked(upload, flushed_for_finish);
    pthread_mutex_unlock(&uploads->mutex);
}

void upload_published(struct upload *upload)
{
    struct uploads *uploads = upload->uploads;

    digest_gate_leave(&upload->pass);
    pthread_mutex_lock(&uploads->mutex);
    claim_end_locked(upload);
    uploads_remove_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}

/*
 * Cancel.
 */

static void cancelled(struct upload *upload)
{
    complete(upload, upload->err, &upload->fault);
    uploads_free(upload);
}

void upload_cancel(struct upload *upload, upload_done_fn done, void *arg)
{
    struct uploads *uploads = upload->uploads;

    begin(upload, done, arg);
    pthread_mutex_lock(&uploads->mutex);
    upload->cancelled = true;
    upload_buffer_drop_locked(upload);
    upload->claim->resume = cancelled;
    upload_set_state_locked(upload, UPLOAD_DRAINING);
    if (upload->jobs == 0)
        upload_settle_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}
