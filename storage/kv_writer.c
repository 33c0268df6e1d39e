/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one thread runs all write functions. It takes what has queued up while the last commit
 * was under way (group commit), runs each function in a transaction of its own inside the batch, so
 * that one which fails leaves nothing, and commits once. Replies go out after the commit; functions
 * that wrote nothing wait with the others, so that nobody learns of rows that are not durable yet.
 *
 * A batch that does not fit into the index or onto the disk is run again function by function, so
 * that a huge one does not fail its neighbours. Any other failed commit is final: the kernel may
 * have dropped pages it was given, and a later commit that succeeds would prove nothing.
 *
 * Sequences and the event chain are kept in memory in three versions (committed, of the batch, of
 * the function) and stored as one row a batch. An aborted function's ids are given again; nobody
 * has seen them.
 */
#include "config.h"
#include "storage/kv_internal.h"
#include "storage/rows.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD_VERSION 1
#define HEAD_SIZE    (1 + 3 * 8 + EVENT_HASH_SIZE)

/* Keeps the dirty pages of a batch far below what LMDB can track in one transaction. */
#define BATCH_ROWS_MAX 16384

#define CONFLICT_TRIES 32

struct batch {
    void *handle;
    struct kv_head head;
    unsigned functions; /* that ran and succeeded */
    unsigned rows;
    size_t bytes;
    uint64_t puts[256], dels[256];
};

/*
 * The rows of the store itself.
 */

static void encode_head(const struct kv_head *head, uint8_t out[HEAD_SIZE])
{
    uint8_t *p = out;

    *p++ = HEAD_VERSION;
    for (int sequence = KV_SEQ_REPO; sequence <= KV_SEQ_EVENT; sequence++) {
        for (int shift = 56; shift >= 0; shift -= 8)
            *p++ = (uint8_t)(head->last[sequence] >> shift);
    }
    memcpy(p, head->hash, EVENT_HASH_SIZE);
}

static int decode_head(struct slice value, struct kv_head *head)
{
    const uint8_t *p = (const uint8_t *)value.p;

    memset(head, 0, sizeof(*head));
    if (value.n != HEAD_SIZE || *p++ != HEAD_VERSION)
        return ERR_CORRUPT;
    for (int sequence = KV_SEQ_REPO; sequence <= KV_SEQ_EVENT; sequence++) {
        for (int i = 0; i < 8; i++)
            head->last[sequence] = head->last[sequence] << 8 | *p++;
    }
    memcpy(head->hash, p, EVENT_HASH_SIZE);
    return 0;
}

static void back_off(unsigned tries)
{
    struct timespec pause = {.tv_nsec = 10000L << (tries < 8 ? tries : 8)};

    nanosleep(&pause, NULL);
}

static int put_meta_once(struct kv_store *store, struct batch *batch, struct slice key,
                         struct slice value)
{
    void *tx;
    int err = store->engine->tx_begin(batch->handle, &tx);

    if (err != 0)
        return err;
    err = store->engine->put(tx, key, value, false);
    if (err == 0)
        return store->engine->tx_commit(tx);
    store->engine->tx_abort(tx);
    return err;
}

/* Put a row of the store's own into the batch. */
static int put_meta(struct kv_store *store, struct batch *batch, struct slice name,
                    struct slice value)
{
    struct key key = key_meta(name);
    int err = put_meta_once(store, batch, key_slice(&key), value);

    for (unsigned tries = 0; err == ERR_CONFLICT && tries < CONFLICT_TRIES; tries++) {
        back_off(tries);
        err = put_meta_once(store, batch, key_slice(&key), value);
    }
    batch->puts[KV_META]++;
    return err;
}

static int put_head(struct kv_store *store, struct batch *batch)
{
    uint8_t value[HEAD_SIZE];

    if (memcmp(&batch->head, &store->head, sizeof(batch->head)) == 0)
        return 0;
    encode_head(&batch->head, value);
    return put_meta(store, batch, SLICE("head"), slice_make(value, sizeof(value)));
}

/*
 * Running functions.
 */

static int run_once(struct kv_store *store, struct batch *batch, struct kv_request *request,
                    bool keep)
{
    const struct kv_engine *engine = store->engine;
    struct kv_tx tx = {.engine = engine, .run = &store->run, .now_ms = request->now_ms};
    int err = engine->tx_begin(batch->handle, &tx.handle);

    if (err != 0)
        return err;
    kv_run_reset(tx.run, &batch->head);
    err = request->fn(&tx, request->arg);
    if (tx.run->err != 0) /* whatever the function made of it */
        err = tx.run->err;
    if (err == 0)
        err = kv_run_finish(&tx);
    if (err == 0 && keep)
        return engine->tx_commit(tx.handle);
    engine->tx_abort(tx.handle);
    return err;
}

/* The batch takes over what the function did. */
static void account(struct kv_store *store, struct batch *batch)
{
    const struct kv_run *run = &store->run;

    batch->functions++;
    batch->rows += run->rows;
    batch->bytes += run->bytes;
    batch->head = run->head;
    for (size_t family = 0; family < ARRAY_LENGTH(run->puts); family++) {
        batch->puts[family] += run->puts[family];
        batch->dels[family] += run->dels[family];
    }
}

static void run_function(struct kv_store *store, struct batch *batch, struct kv_request *request)
{
    if (request->now_ms == 0)
        request->now_ms = clock_wall_ms();
#ifdef TIDEMARK_DEBUG
    /* A function that is not re-runnable shows it here, not on the day of a conflict. */
    (void)run_once(store, batch, request, false);
#endif
    request->err = run_once(store, batch, request, true);
    for (unsigned tries = 0; request->err == ERR_CONFLICT && tries < CONFLICT_TRIES; tries++) {
        atomic_fetch_add_explicit(&store->conflicts, 1, memory_order_relaxed);
        back_off(tries);
        request->err = run_once(store, batch, request, true);
    }
    if (request->err == 0)
        account(store, batch);
}

static int begin_batch(struct kv_store *store, struct batch *batch)
{
    memset(batch, 0, sizeof(*batch));
    batch->head = store->head;
    return store->engine->batch_begin(store->env, &batch->handle);
}

/* Under the mutex. */
static void tell_watches(struct kv_store *store)
{
    for (struct kv_client *client = store->clients; client != NULL; client = client->next) {
        if (!client->is_watching || client->watch_posted)
            continue;
        client->watch_posted = true;
        queue_push(client->replies, &client->watch_job.node);
    }
}

/* What is durable now becomes what is known. */
static void publish(struct kv_store *store, const struct batch *batch)
{
    bool has_events = store->head.last[KV_SEQ_EVENT] != batch->head.last[KV_SEQ_EVENT];

    store->head = batch->head;
    atomic_store(&store->event_last, batch->head.last[KV_SEQ_EVENT]);
    atomic_fetch_add_explicit(&store->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&store->functions, batch->functions, memory_order_relaxed);
    pthread_mutex_lock(&store->mutex);
    for (size_t family = 0; family < ARRAY_LENGTH(store->puts); family++) {
        store->puts[family] += batch->puts[family];
        store->dels[family] += batch->dels[family];
    }
    if (has_events && store->watches > 0)
        tell_watches(store);
    pthread_mutex_unlock(&store->mutex);
}

static int commit_batch(struct kv_store *store, struct batch *batch)
{
    int err = put_head(store, batch);

    if (err != 0) {
        store->engine->batch_abort(batch->handle);
        return err;
    }
    err = store->engine->batch_commit(batch->handle);
    if (err == 0)
        publish(store, batch);
    return err;
}

/* Nothing reached the index, and nothing is in doubt. */
static bool is_survivable(int err)
{
    return err == ERR_INDEX_FULL || err == ERR_DISK_FULL || err == ERR_CONFLICT ||
           err == ERR_NO_MEMORY;
}

static void stop_writing(struct kv_store *store, int err)
{
    struct fault fault = FAULT_INIT;

    if (!atomic_exchange(&store->is_writable, false))
        return;
    (void)fault_set(&fault, err,
                    "a commit of the index failed (%s): writes are stopped until the restart",
                    err_text(err));
    if (store->options.on_fatal != NULL)
        store->options.on_fatal(store->options.on_fatal_arg, &fault);
}

/* The outcome of a function when the commit of its batch failed. */
static int outcome_of(struct kv_store *store, int err)
{
    if (is_survivable(err))
        return err;
    stop_writing(store, err);
    return ERR_UNAVAILABLE;
}

static void run_alone(struct kv_store *store, struct kv_request *request)
{
    struct batch batch;
    int err;

    if (!atomic_load(&store->is_writable)) {
        request->err = ERR_UNAVAILABLE;
        return;
    }
    err = begin_batch(store, &batch);
    if (err == 0) {
        run_function(store, &batch, request);
        err = commit_batch(store, &batch);
    }
    if (err != 0)
        request->err = outcome_of(store, err);
}

/*
 * Queues.
 */

static struct kv_request *pop(struct kv_store *store, enum kv_lane lane)
{
    struct kv_lane_queue *queue = &store->lanes[lane];

    pthread_mutex_lock(&store->mutex);
    struct kv_request *request = queue->first;
    if (request != NULL) {
        queue->first = request->next;
        if (queue->first == NULL)
            queue->last = NULL;
        queue->depth--;
        request->next = NULL;
    }
    pthread_mutex_unlock(&store->mutex);
    return request;
}

/* False when the store closes and nothing is left. */
static bool wait_for_work(struct kv_store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (store->lanes[KV_FRONT].first == NULL && store->lanes[KV_BACKGROUND].first == NULL &&
           !store->stopping)
        pthread_cond_wait(&store->work, &store->mutex);
    bool work = store->lanes[KV_FRONT].first != NULL || store->lanes[KV_BACKGROUND].first != NULL;
    pthread_mutex_unlock(&store->mutex);
    return work;
}

static void reply(struct kv_store *store, struct kv_request *request)
{
    if (request->client != NULL) {
        queue_push(request->job.reply, &request->job.node);
        return;
    }
    pthread_mutex_lock(&store->mutex);
    request->completed = true;
    pthread_cond_broadcast(&store->completed);
    pthread_mutex_unlock(&store->mutex);
}

static void reply_all(struct kv_store *store, struct kv_request *first)
{
    while (first != NULL) {
        struct kv_request *next = first->next; /* read first: the reply gives it away */
        reply(store, first);
        first = next;
    }
}

static bool is_full(const struct batch *batch, uint64_t deadline_ns)
{
    return batch->bytes + KV_WRITTEN_MAX > KV_BATCH_BYTES || batch->rows >= BATCH_ROWS_MAX ||
           clock_mono_ns() >= deadline_ns;
}

/* Run front functions until the batch is full or none waits, then one of the background, which so
 * cannot starve. Returns those that ran, in order. */
static struct kv_request *fill_batch(struct kv_store *store, struct batch *batch)
{
    uint64_t deadline_ns = clock_mono_ns() + KV_BATCH_MS * UINT64_C(1000000);
    struct kv_request *first = NULL, **end = &first, *request;
    unsigned n = 0;

    while (n + 1 < KV_BATCH_MAX && (n == 0 || !is_full(batch, deadline_ns)) &&
           (request = pop(store, KV_FRONT)) != NULL) {
        run_function(store, batch, request);
        *end = request;
        end = &request->next;
        n++;
    }
    request = pop(store, KV_BACKGROUND);
    if (request != NULL) {
        run_function(store, batch, request);
        *end = request;
    }
    return first;
}

/* Everything that waits now; what comes later may fare better. */
static void refuse_all(struct kv_store *store, int err)
{
    struct kv_lane_queue waiting[ARRAY_LENGTH(store->lanes)];

    pthread_mutex_lock(&store->mutex);
    memcpy(waiting, store->lanes, sizeof(waiting));
    memset(store->lanes, 0, sizeof(store->lanes));
    pthread_mutex_unlock(&store->mutex);
    for (size_t lane = 0; lane < ARRAY_LENGTH(waiting); lane++) {
        for (struct kv_request *r = waiting[lane].first; r != NULL; r = r->next)
            r->err = err;
        reply_all(store, waiting[lane].first);
    }
}

static void write_batch(struct kv_store *store)
{
    struct batch batch;
    struct kv_request *first;
    int err = begin_batch(store, &batch);

    if (err != 0) {
        refuse_all(store, outcome_of(store, err));
        return;
    }
    first = fill_batch(store, &batch);
    err = commit_batch(store, &batch);
    if (err != 0 && (!is_survivable(err) || first->next == NULL))
        err = outcome_of(store, err);
    for (struct kv_request *request = first; err != 0 && request != NULL; request = request->next) {
        if (is_survivable(err) && first->next != NULL)
            run_alone(store, request);
        else if (request->err == 0 || err == ERR_UNAVAILABLE)
            request->err = err;
    }
    reply_all(store, first);
}

static void *writer_thread(void *arg)
{
    struct kv_store *store = arg;

    while (wait_for_work(store)) {
        if (atomic_load(&store->is_writable))
            write_batch(store);
        else
            refuse_all(store, ERR_UNAVAILABLE);
    }
    return NULL;
}

/*
 * Opening and closing.
 */

static int load_rows(struct kv_store *store, void *tx, bool *is_new, struct fault *fault)
{
    struct key format_key = key_meta(SLICE("format")), head_key = key_meta(SLICE("head"));
    struct slice value;
    int err = store->engine->get(tx, key_slice(&format_key), &value);

    *is_new = err == ERR_NOT_FOUND;
    if (*is_new)
        return 0;
    if (err != 0)
        return fault_set(fault, err, "the index cannot be read: %s", err_text(err));
    if (value.n != 1 || value.p[0] == 0)
        return fault_set(fault, ERR_CORRUPT,
                         "the format of the index is unreadable: restore a backup");
    if ((uint8_t)value.p[0] > KV_FORMAT)
        return fault_set(fault, ERR_INVALID,
                         "the index has format %u, this program knows formats up to %d: run the "
                         "newer version that wrote it, or restore a backup made before",
                         (unsigned)(uint8_t)value.p[0], KV_FORMAT);
    err = store->engine->get(tx, key_slice(&head_key), &value);
    if (err == ERR_NOT_FOUND)
        return 0; /* nothing has been numbered yet */
    if (err == 0)
        err = decode_head(value, &store->head);
    return err == 0 ? 0 : fault_set(fault, err, "the head of the index is unreadable");
}

int kv_last_given(struct kv_tx *tx, uint64_t last[KV_SEQ_EVENT + 1])
{
    struct key key = key_meta(SLICE("head"));
    struct kv_head head = {.last = {0}};
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == 0)
        err = decode_head(value, &head);
    memcpy(last, head.last, sizeof(head.last));
    return err == ERR_NOT_FOUND ? 0 : err;
}

int kv_format_get(struct kv_tx *tx, unsigned *format)
{
    struct key key = key_meta(SLICE("format"));
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == 0 && value.n != 1)
        return ERR_CORRUPT;
    if (err == 0)
        *format = (uint8_t)value.p[0];
    return err;
}

int kv_format_put(struct kv_tx *tx, unsigned format)
{
    struct key key = key_meta(SLICE("format"));
    const uint8_t value[] = {(uint8_t)format};

    return kv_put(tx, key_slice(&key), slice_make(value, sizeof(value)));
}

/* Without a transaction that writes. An index without a format never was one. */
static int load_read_only(struct kv_store *store, struct fault *fault)
{
    const struct kv_engine *engine = store->engine;
    uint64_t snapshot;
    void *reader;
    bool is_new;
    int err = engine->reader_create(store->env, &reader);

    if (err != 0)
        return fault_set(fault, err, "the index cannot be read: %s", err_text(err));
    err = engine->reader_begin(reader, &snapshot);
    if (err == 0) {
        err = load_rows(store, reader, &is_new, fault);
        engine->reader_end(reader);
    }
    engine->reader_destroy(reader);
    if (err == 0 && is_new)
        err = fault_set(fault, ERR_CORRUPT, "the index is empty");
    atomic_store(&store->event_last, store->head.last[KV_SEQ_EVENT]);
    return err;
}

int kv_writer_load(struct kv_store *store, struct fault *fault)
{
    if (store->options.read_only)
        return load_read_only(store, fault);

    static const char format[] = {KV_FORMAT};
    struct batch batch;
    bool is_new;
    void *tx;
    int err = begin_batch(store, &batch);

    if (err != 0)
        return fault_set(fault, err, "the index cannot be written: %s", err_text(err));
    err = store->engine->tx_begin(batch.handle, &tx);
    if (err == 0) {
        err = load_rows(store, tx, &is_new, fault);
        store->engine->tx_abort(tx);
    }
    if (err != 0 || !is_new) {
        store->engine->batch_abort(batch.handle);
        atomic_store(&store->event_last, store->head.last[KV_SEQ_EVENT]);
        return err;
    }
    err = put_meta(store, &batch, SLICE("format"), slice_make(format, sizeof(format)));
    if (err == 0)
        err = store->engine->batch_commit(batch.handle);
    else
        store->engine->batch_abort(batch.handle);
    return err == 0 ? 0 : fault_set(fault, err, "the index cannot be written: %s", err_text(err));
}

int kv_writer_start(struct kv_store *store, struct fault *fault)
{
    sigset_t all, before;
    int sys;

    /* Signals are main's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sys = pthread_create(&store->writer, NULL, writer_thread, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (sys != 0)
        return fault_set_errno(fault, sys, "the writer thread cannot be started");
    pthread_setname_np(store->writer, "writer");
    return 0;
}

void kv_writer_stop(struct kv_store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->writer, NULL);
    buf_fini(&store->run.staged);
}
