/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: file before row. The file is durable when the transaction runs, and the digest gate is
 * held over both, so that the reaper never removes a file whose row is on its way. A crash in
 * between leaves a file no row names, which fsck lists and a later push of the digest adopts; when
 * the transaction is refused the file is taken back.
 *
 * `done` must not run inside of the call that started the push, while kv_write answers at once when
 * its queue is full: such an answer goes through the client's own queue.
 */
#include "config.h"
#include "registry/push.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

/*
 * A file whose row could not be committed, taken back; the gate is still held. Otherwise requests
 * that are refused after their bytes have arrived could fill a disk with files no row names.
 */

struct undo {
    struct pool_job job;
    struct store *store;
    struct kv_client *client;
    struct digest digest;
    bool is_named; /* by a row of an earlier push */
    void (*after)(void *arg);
    void *arg;
};

static int find_name(struct kv_tx *tx, void *arg)
{
    static const enum object_kind kinds[] = {OBJECT_BLOB, OBJECT_MANIFEST};
    struct undo *undo = arg;
    struct object object;

    undo->is_named = false;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        int err = object_find(tx, &undo->digest, kinds[i], &object);
        if (err != 0 && err != ERR_NOT_FOUND)
            return err;
        undo->is_named |= err == 0 && object.row.state != OBJECT_ABSENT;
    }
    return 0;
}

/* On the io pool. */
static void remove_file(struct pool_job *job)
{
    struct undo *undo = CONTAINER_OF(job, struct undo, job);
    struct fault fault = FAULT_INIT;

    if (blob_file_remove(undo->store->files, &undo->digest, &fault) != 0)
        log_warn("push.undo", "a file without a row stays; fsck lists it",
                 LOG_DIGEST("digest", &undo->digest), LOG_CSTR("why", fault.text));
}

static void undone(struct pool_job *job)
{
    struct undo *undo = CONTAINER_OF(job, struct undo, job);

    undo->after(undo->arg);
    free(undo);
}

static void name_read(void *arg, int err)
{
    struct undo *undo = arg;

    undo->job = (struct pool_job){
        .run = remove_file, .done = undone, .reply = kv_client_queue(undo->client)};
    if (err != 0 || undo->is_named)
        undone(&undo->job);
    else
        pool_submit(undo->store->io, &undo->job);
}

/* Only for a transaction that certainly is not in the index. After a commit that failed on its way
 * to the disk nobody knows: the next start may find the row, and it must then find the file. */
static void start_undo(struct store *store, struct kv_client *client, const struct digest *digest,
                       void (*after)(void *arg), void *arg)
{
    if (!kv_is_writable(store->kv)) {
        after(arg);
        return;
    }
    struct undo *undo = xcalloc(1, sizeof(*undo));
    *undo = (struct undo){
        .store = store, .client = client, .digest = *digest, .after = after, .arg = arg};
    kv_read(client, find_name, undo, name_read);
}

/*
 * Blobs.
 */

struct blob_push {
    struct store *store;
    struct kv_client *client;
    struct upload **upload;
    struct blob_put *put;
    int err;
    push_done_fn done;
    void *arg;
};

static void end_blob(struct blob_push *push, int err, const struct fault *fault)
{
    push_done_fn done = push->done;
    void *arg = push->arg;

    free(push);
    done(arg, err, fault);
}

/* kv_write has one argument for the function and for its `done`. */
static int put_blob(struct kv_tx *tx, void *arg)
{
    const struct blob_push *push = arg;

    return blob_put(tx, push->put);
}

static void leave_blob(void *arg)
{
    struct blob_push *push = arg;

    upload_published(*push->upload);
    *push->upload = NULL;
    end_blob(push, push->err, NULL);
}

static void blob_committed(void *arg, int err)
{
    struct blob_push *push = arg;

    push->err = err;
    if (err == 0)
        leave_blob(push);
    else
        start_undo(push->store, push->client, &push->put->digest, leave_blob, push);
}

static void blob_published(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct blob_push *push = arg;

    if (err != 0) {
        end_blob(push, err, fault);
        return;
    }
    push->put->size = upload_offset(upload);
    kv_write(push->client, KV_SURE, put_blob, push, blob_committed);
}

void push_blob(struct store *store, struct kv_client *client, struct upload **upload,
               struct blob_put *put, push_done_fn done, void *arg)
{
    struct blob_push *push = xcalloc(1, sizeof(*push));

    *push = (struct blob_push){
        .store = store, .client = client, .upload = upload, .put = put, .done = done, .arg = arg};
    upload_finish(*upload, &put->digest, blob_published, push);
}

/*
 * Blobs in memory.
 */

struct bytes_push {
    struct pool_job job;
    struct digest_gate_pass pass;
    struct store *store;
    struct kv_client *client;
    struct slice bytes;
    struct blob_put *put;
    int err;
    struct fault fault;
    push_done_fn done;
    void *arg;
};

static void end_bytes(void *arg)
{
    struct bytes_push *push = arg;

    digest_gate_leave(&push->pass);
    push->done(push->arg, push->err, push->fault.code != 0 ? &push->fault : NULL);
    free(push);
}

static void bytes_committed(void *arg, int err)
{
    struct bytes_push *push = arg;

    push->err = err;
    if (err == 0)
        end_bytes(push);
    else
        start_undo(push->store, push->client, &push->put->digest, end_bytes, push);
}

static int put_bytes(struct kv_tx *tx, void *arg)
{
    const struct bytes_push *push = arg;

    return blob_put(tx, push->put);
}

/* On the io pool. */
static void write_bytes(struct pool_job *job)
{
    struct bytes_push *push = CONTAINER_OF(job, struct bytes_push, job);

    push->err = blob_file_write(push->store->files, &push->put->digest, push->bytes, &push->fault);
}

static void bytes_written(struct pool_job *job)
{
    struct bytes_push *push = CONTAINER_OF(job, struct bytes_push, job);

    if (push->err != 0)
        end_bytes(push);
    else
        kv_write(push->client, KV_FRONT, put_bytes, push, bytes_committed);
}

static void enter_bytes(struct bytes_push *push)
{
    push->job = (struct pool_job){
        .run = write_bytes, .done = bytes_written, .reply = kv_client_queue(push->client)};
    pool_submit(push->store->io, &push->job);
}

static void bytes_gate_opened(struct pool_job *job)
{
    enter_bytes(CONTAINER_OF(job, struct bytes_push, pass.job));
}

void push_blob_bytes(struct store *store, struct kv_client *client, struct slice bytes,
                     struct blob_put *put, push_done_fn done, void *arg)
{
    struct bytes_push *push = xcalloc(1, sizeof(*push));

    *push = (struct bytes_push){
        .store = store, .client = client, .bytes = bytes, .put = put, .done = done, .arg = arg};
    digest_compute(DIGEST_SHA256, bytes, &put->digest);
    put->size = bytes.n;
    push->pass.job.done = bytes_gate_opened;
    push->pass.job.reply = kv_client_queue(client);
    if (digest_gate_enter(store->gate, &put->digest, &push->pass))
        enter_bytes(push);
}

/*
 * Manifests.
 */

struct manifest_push {
    struct pool_job job; /* writing the file; the late answer */
    struct digest_gate_pass pass;
    bool has_gate;
    bool starting; /* push_manifest has not returned */
    struct store *store;
    struct kv_client *client;
    struct slice body;
    struct manifest_put *put;
    int err;
    struct fault fault;
    push_done_fn done;
    void *arg;
};

static void end_manifest(struct manifest_push *push)
{
    if (push->has_gate)
        digest_gate_leave(&push->pass);
    push->done(push->arg, push->err, push->fault.code != 0 ? &push->fault : NULL);
    free(push);
}

static void leave_manifest(void *arg)
{
    end_manifest(arg);
}

static void end_later(struct pool_job *job)
{
    end_manifest(CONTAINER_OF(job, struct manifest_push, job));
}

static void explain_size_conflict(struct manifest_push *push)
{
    const struct manifest_put *put = push->put;
    char text[DIGEST_TEXT_MAX];

    fault_set(&push->fault, ERR_MANIFEST_INVALID,
              "the descriptor of " SLICE_FMT " has another size than the %llu bytes stored",
              SLICE_ARG(digest_format(&put->size_conflict_digest, text)),
              (unsigned long long)put->size_conflict_stored);
}

static void manifest_committed(void *arg, int err)
{
    struct manifest_push *push = arg;

    push->err = err;
    if (err == ERR_MANIFEST_INVALID && push->put->size_conflict_digest.algorithm != 0)
        explain_size_conflict(push);
    if (err != 0 && push->has_gate) {
        start_undo(push->store, push->client, &push->put->digest, leave_manifest, push);
        return;
    }
    if (!push->starting) {
        end_manifest(push);
        return;
    }
    push->job.done = end_later;
    queue_push(kv_client_queue(push->client), &push->job.node);
}

static int put_manifest(struct kv_tx *tx, void *arg)
{
    const struct manifest_push *push = arg;

    return manifest_put(tx, push->put);
}

static void commit(struct manifest_push *push)
{
    kv_write(push->client, push->put->lane, put_manifest, push, manifest_committed);
}

/* On the io pool. */
static void write_file(struct pool_job *job)
{
    struct manifest_push *push = CONTAINER_OF(job, struct manifest_push, job);

    push->err = blob_file_write(push->store->files, &push->put->digest, push->body, &push->fault);
}

static void file_written(struct pool_job *job)
{
    struct manifest_push *push = CONTAINER_OF(job, struct manifest_push, job);

    if (push->err != 0)
        end_manifest(push);
    else
        commit(push);
}

static void gate_entered(struct manifest_push *push)
{
    push->has_gate = true;
    push->job = (struct pool_job){
        .run = write_file, .done = file_written, .reply = kv_client_queue(push->client)};
    pool_submit(push->store->io, &push->job);
}

static void gate_opened(struct pool_job *job)
{
    gate_entered(CONTAINER_OF(job, struct manifest_push, pass.job));
}

void push_manifest(struct store *store, struct kv_client *client, struct slice body,
                   struct manifest_put *put, push_done_fn done, void *arg)
{
    struct manifest_push *push = xcalloc(1, sizeof(*push));

    *push = (struct manifest_push){
        .store = store, .client = client, .body = body, .put = put, .done = done, .arg = arg};
    if (body.n <= KV_VALUE_MAX) {
        put->body = body;
        push->starting = true;
        commit(push);
        push->starting = false;
        return;
    }
    put->body = (struct slice){NULL, 0};
    push->pass.job.done = gate_opened;
    push->pass.job.reply = kv_client_queue(client);
    if (digest_gate_enter(store->gate, &put->digest, &push->pass))
        gate_entered(push);
}
