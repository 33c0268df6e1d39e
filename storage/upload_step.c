/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: an asynchronous function (create, claim, flush, finish, cancel) gives the pools some work
 * and names its next step in claim->resume. Jobs know nothing of it: the one that leaves none under
 * way posts the claim to the reply queue, and the claimer's thread takes the step. So the course of
 * each function reads from top to bottom on one thread, and `done` never runs before the function
 * returned, for even an upload with nothing to do goes through the queue.
 */
#include "config.h"
#include "storage/upload_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

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

void upload_set_state(struct upload *upload, enum upload_state state)
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

/* Short of descriptors or memory: the request fails, but the file is as good as it was. */
bool upload_is_passing(int err)
{
    return err == ERR_BUSY || err == ERR_NO_MEMORY;
}

void upload_settle_locked(struct upload *upload)
{
    if (upload->cancelled || (upload->err != 0 && !upload_is_passing(upload->err))) {
        uploads_remove_locked(upload);
        return;
    }
    if (upload->hasher != NULL && upload->err != 0) {
        /* It is ahead of the file. */
        hasher_destroy(upload->hasher);
        upload->hasher = NULL;
    }
    if (upload->err != 0) /* what was taken after that is lost, and must not be told as there */
        upload->received = upload->written;
    upload->write_failed = false;
    upload->err = 0;
    /* Descriptors are for those who work: there may be many idle uploads. */
    if (upload->fd >= 0)
        close(upload->fd);
    upload->fd = -1;
    upload_set_state_locked(upload, upload->hasher != NULL ? UPLOAD_IDLE : UPLOAD_COLD);
    upload->idle_since_ms = clock_mono_ms();
    upload_idle_begin_locked(upload);
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

struct upload_claim *upload_claim_new(struct queue *reply, upload_done_fn done, void *arg)
{
    struct upload_claim *claim = xcalloc(1, sizeof(*claim));

    claim->job.done = claim_done;
    claim->job.reply = reply;
    claim->done = done;
    claim->done_arg = arg;
    return claim;
}

/* `done` hears of an error by the way of all answers. */
void upload_refuse(struct queue *reply, upload_done_fn done, void *arg, const struct fault *fault)
{
    struct upload_claim *claim = upload_claim_new(reply, done, arg);

    claim->err = fault->code;
    claim->fault = *fault;
    post(claim);
}

/* The claim ends; who is in the queue dies there. */
void upload_claim_end_locked(struct upload *upload)
{
    struct upload_claim *claim = upload->claim;

    upload->claim = NULL;
    claim->upload = NULL;
    claim->done = NULL;
    if (!claim->posted)
        free(claim);
}

void upload_resume_with_locked(struct upload *upload, void (*resume)(struct upload *upload))
{
    upload->claim->resume = resume;
    if (upload->jobs == 0)
        upload_post_locked(upload);
}

/* The next step: run `run` on `pool`, then `resume` on the claimer's thread. */
void upload_step(struct upload *upload, struct pool *pool, void (*run)(struct pool_job *job),
                 void (*resume)(struct upload *upload))
{
    pthread_mutex_lock(&upload->uploads->mutex);
    upload->job.run = run;
    upload->claim->resume = resume;
    upload_job_begin_locked(upload, pool, &upload->job);
    pthread_mutex_unlock(&upload->uploads->mutex);
}

/* The end of a single job, on its pool thread. */
void upload_step_end(struct upload *upload, int err, const struct fault *fault)
{
    struct uploads *uploads = upload->uploads;

    pthread_mutex_lock(&uploads->mutex);
    if (err != 0)
        upload_fail_locked(upload, err, fault);
    upload_job_end_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
}

/* An asynchronous function begins on a claimed upload. */
void upload_begin(struct upload *upload, upload_done_fn done, void *arg)
{
    assert(upload->claim->done == NULL); /* one at a time */
    upload->claim->done = done;
    upload->claim->done_arg = arg;
}

/* ... and ends. The upload may be gone afterwards, and `fault` with it: so a copy is passed. */
void upload_complete(struct upload *upload, int err, const struct fault *fault)
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
void upload_complete_without(struct upload *upload, void (*end_locked)(struct upload *upload))
{
    struct uploads *uploads = upload->uploads;
    struct fault fault = upload->fault;
    upload_done_fn done = upload->claim->done;
    void *arg = upload->claim->done_arg;

    pthread_mutex_lock(&uploads->mutex);
    upload_claim_end_locked(upload);
    end_locked(upload);
    pthread_mutex_unlock(&uploads->mutex);
    done(arg, fault.code, NULL, &fault);
}
