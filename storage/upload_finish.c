/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to a blob: digest, sync, gate, rename. And hashing a file again, after a restart or
 * with another algorithm.
 *
 * DESIGN: the state of a hash can be copied in memory, but not saved (OpenSSL 3.0). So a digest
 * that did not match costs nothing more than the comparison, while after a restart the bytes of an
 * upload are hashed again when somebody continues it.
 */
#include "config.h"
#include "storage/upload_internal.h"

#include "base/fault_point.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define REHASH_SLICE_BYTES (8u << 20) /* in one job, so that others get their turn */

/*
 * Hashing a file again: after a restart, or with another algorithm.
 */

static int rehash_slice(struct upload *upload, uint8_t *bytes, bool *is_end, struct fault *fault)
{
    int err = upload_file_open(upload, fault);

    if (err == 0)
        upload_write_past_cache(upload, false);
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
    if (err == 0 && !is_end && uploads->stopping)
        err = fault_set(&fault, ERR_SHUTDOWN, "%s", err_text(ERR_SHUTDOWN));
    pthread_mutex_unlock(&uploads->mutex);
    if (err == 0 && !is_end)
        pool_submit(uploads->parts.cpu, job);
    else
        upload_step_end(upload, err, &fault);
}

void upload_rehash(struct upload *upload, enum digest_algorithm algorithm,
                   void (*resume)(struct upload *upload))
{
    upload->again = hasher_create(algorithm);
    upload->again_offset = 0;
    upload_step(upload, upload->uploads->parts.cpu, rehash_run, resume);
}

/*
 * Finish.
 */

static void finish_failed(struct upload *upload, int err, const struct fault *fault)
{
    upload_set_state(upload, UPLOAD_CLAIMED);
    upload_complete(upload, err, fault);
}

static void published(struct upload *upload)
{
    if (upload->err != 0) {
        digest_gate_leave(&upload->pass);
        finish_failed(upload, upload->err, &upload->fault);
        return;
    }
    upload_set_state(upload, UPLOAD_PUBLISHED);
    upload_complete(upload, 0, NULL);
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
    upload_step_end(upload, err, &fault);
}

static void publish(struct upload *upload)
{
    upload_step(upload, upload->uploads->parts.io, publish_run, published);
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

    if (err == 0) {
        int sys = FAULT_POINT("upload.sync");
        if (sys == 0 && fdatasync(upload->fd) != 0)
            sys = errno;
        if (sys != 0)
            err = fault_set_errno(&fault, sys, "cannot sync upload %s", upload->id);
    }
    upload_step_end(upload, err, &fault);
}

static void compare(struct upload *upload, const struct digest *digest)
{
    char is[DIGEST_TEXT_MAX], should_be[DIGEST_TEXT_MAX];
    struct fault fault = FAULT_INIT;

    if (digest_eq(digest, &upload->expected)) {
        upload_step(upload, upload->uploads->parts.io, sync_run, synced);
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

void upload_digest(struct upload *upload, struct digest *digest)
{
    assert(upload->state == UPLOAD_CLAIMED && upload->filling == NULL && upload->jobs == 0);
    hasher_peek(upload->hasher, digest);
}

static void flushed_for_finish(struct upload *upload)
{
    if (upload->err != 0) {
        finish_failed(upload, upload->err, &upload->fault);
        return;
    }
    if (upload->expected.algorithm != (uint8_t)upload->meta.algorithm) {
        upload_rehash(upload, upload->expected.algorithm, rehashed_for_finish);
        return;
    }
    struct digest digest;
    hasher_peek(upload->hasher, &digest);
    compare(upload, &digest);
}

void upload_finish(struct upload *upload, const struct digest *digest, upload_done_fn done,
                   void *arg)
{
    struct uploads *uploads = upload->uploads;

    upload_begin(upload, done, arg);
    upload->expected = *digest;
    pthread_mutex_lock(&uploads->mutex);
    upload_set_state_locked(upload, UPLOAD_FINISHING);
    upload_hand_in_locked(upload);
    upload_resume_with_locked(upload, flushed_for_finish);
    pthread_mutex_unlock(&uploads->mutex);
}

void upload_published(struct upload *upload)
{
    struct uploads *uploads = upload->uploads;

    digest_gate_leave(&upload->pass);
    pthread_mutex_lock(&uploads->mutex);
    upload_claim_end_locked(upload);
    uploads_remove_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}
