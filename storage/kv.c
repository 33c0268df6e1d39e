/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the store and its clients. A client keeps one engine reader for its life; the first read
 * of a loop turn takes a snapshot, the end of the turn gives it back, so a read costs no lock and
 * no allocation. A completed write marks the snapshot stale: the next read (not one inside the done
 * of another, whose values are still borrowed) takes a new one, and so sees what was written.
 */
#include "config.h"
#include "storage/kv_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

const char *kv_family_name(uint8_t id)
{
    static const char *const names[256] = {
#define X(enumerator, id, name) [id] = name,
#include "storage/family.def"
#undef X
    };

    return names[id];
}

/*
 * The store.
 */

static struct kv_store *store_create(const struct kv_engine *engine,
                                     const struct kv_options *options)
{
    struct kv_store *store = xcalloc(1, sizeof(*store));

    store->engine = engine;
    store->options = *options;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->completed, NULL);
    atomic_init(&store->is_writable, !options->read_only);
    return store;
}

static void store_destroy(struct kv_store *store)
{
    if (store->env != NULL)
        store->engine->close(store->env);
    pthread_cond_destroy(&store->completed);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

int kv_open(const struct kv_engine *engine, const char *path, const struct kv_options *options,
            struct kv_store **store, struct fault *fault)
{
    struct kv_store *opened = store_create(engine, options);
    int err = engine->open(path, options, &opened->env, fault);

    if (err == 0)
        err = kv_writer_load(opened, fault);
    if (err == 0 && !options->read_only)
        err = kv_writer_start(opened, fault);
    if (err != 0) {
        store_destroy(opened);
        opened = NULL;
    }
    *store = opened;
    return err;
}

void kv_close(struct kv_store *store)
{
    if (store == NULL)
        return;
    if (!store->options.read_only)
        kv_writer_stop(store);
    assert(store->clients == NULL);
    store_destroy(store);
}

bool kv_is_writable(const struct kv_store *store)
{
    return atomic_load(&store->is_writable);
}

uint64_t kv_event_last(const struct kv_store *store)
{
    return atomic_load(&store->event_last);
}

/* Under the mutex. */
static uint64_t oldest_snapshot(const struct kv_store *store, uint64_t newest)
{
    uint64_t oldest = newest;

    for (const struct kv_client *client = store->clients; client != NULL; client = client->next) {
        uint64_t snapshot = atomic_load_explicit(&client->snapshot, memory_order_relaxed);
        if (snapshot != 0 && snapshot < oldest)
            oldest = snapshot;
    }
    return oldest;
}

void kv_stats_get(struct kv_store *store, struct kv_stats *stats)
{
    struct kv_engine_stats engine;

    store->engine->stats(store->env, &engine);
    *stats = (struct kv_stats){
        .map_size_bytes = engine.map_size_bytes,
        .used_bytes = engine.used_bytes,
        .commits = atomic_load_explicit(&store->commits, memory_order_relaxed),
        .functions = atomic_load_explicit(&store->functions, memory_order_relaxed),
        .conflicts = atomic_load_explicit(&store->conflicts, memory_order_relaxed),
    };
    pthread_mutex_lock(&store->mutex);
    stats->front_depth = store->lanes[KV_FRONT].depth;
    stats->background_depth = store->lanes[KV_BACKGROUND].depth;
    stats->oldest_reader_txns = engine.last_commit - oldest_snapshot(store, engine.last_commit);
    pthread_mutex_unlock(&store->mutex);
}

void kv_reader_check(struct kv_store *store)
{
    if (store->engine->reader_check != NULL)
        store->engine->reader_check(store->env);
}

void kv_row_counts(struct kv_store *store, uint64_t puts[256], uint64_t dels[256])
{
    pthread_mutex_lock(&store->mutex);
    memcpy(puts, store->puts, sizeof(store->puts));
    memcpy(dels, store->dels, sizeof(store->dels));
    pthread_mutex_unlock(&store->mutex);
}

/*
 * Watching.
 */

static void watch_called(struct pool_job *job)
{
    struct kv_client *client = CONTAINER_OF(job, struct kv_client, watch_job);

    pthread_mutex_lock(&client->store->mutex);
    client->watch_posted = false; /* a commit from now on posts again */
    pthread_mutex_unlock(&client->store->mutex);
    client->is_stale = true;
    if (client->watch != NULL)
        client->watch(client->watch_arg);
}

/*
 * Clients.
 */

static void client_init(struct kv_client *client, struct kv_store *store, struct queue *replies)
{
    *client = (struct kv_client){.store = store, .replies = replies, .random = 2463534242u};
    client->tx.engine = store->engine;
    client->watch_job.done = watch_called;
    pthread_mutex_lock(&store->mutex);
    client->next = store->clients;
    client->link = &store->clients;
    if (client->next != NULL)
        client->next->link = &client->next;
    store->clients = client;
    pthread_mutex_unlock(&store->mutex);
}

static bool is_watch_posted(struct kv_client *client)
{
    pthread_mutex_lock(&client->store->mutex);
    bool posted = client->watch_posted;
    pthread_mutex_unlock(&client->store->mutex);
    return posted;
}

/* Call what comes on the reply queue until nothing of this client is under way. */
static void wait_for_replies(struct kv_client *client)
{
    while (client->pending != 0 || is_watch_posted(client)) {
        struct pollfd fd = {.fd = queue_fd(client->replies), .events = POLLIN};

        if (pool_run_replies(client->replies) == 0)
            (void)poll(&fd, 1, -1);
    }
}

static void client_fini(struct kv_client *client)
{
    struct kv_store *store = client->store;

    assert(client->depth == 0);
    kv_unwatch(client);
    wait_for_replies(client);
    kv_turn_end(client);
    if (client->tx.handle != NULL)
        store->engine->reader_destroy(client->tx.handle);
    pthread_mutex_lock(&store->mutex);
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    pthread_mutex_unlock(&store->mutex);
}

struct kv_client *kv_client_create(struct kv_store *store, struct queue *replies)
{
    struct kv_client *client = xmalloc(sizeof(*client));

    client_init(client, store, replies);
    return client;
}

void kv_client_destroy(struct kv_client *client)
{
    if (client == NULL)
        return;
    client_fini(client);
    free(client);
}

struct queue *kv_client_queue(struct kv_client *client)
{
    return client->replies;
}

struct kv_store *kv_client_store(struct kv_client *client)
{
    return client->store;
}

static void set_watching(struct kv_client *client, bool is_watching)
{
    struct kv_store *store = client->store;

    pthread_mutex_lock(&store->mutex);
    if (client->is_watching != is_watching)
        store->watches += is_watching ? 1 : UINT_MAX;
    client->is_watching = is_watching;
    pthread_mutex_unlock(&store->mutex);
}

void kv_watch(struct kv_client *client, void (*fn)(void *arg), void *arg)
{
    assert(client->replies != NULL);
    client->watch = fn;
    client->watch_arg = arg;
    set_watching(client, true);
}

void kv_unwatch(struct kv_client *client)
{
    client->watch = NULL;
    set_watching(client, false);
}

/*
 * Reading.
 */

void kv_turn_end(struct kv_client *client)
{
    assert(client->depth == 0);
    if (!client->is_open)
        return;
    client->store->engine->reader_end(client->tx.handle);
    client->is_open = false;
    atomic_store_explicit(&client->snapshot, 0, memory_order_relaxed);
}

/* Have a snapshot that shows every write this client saw completed. */
static int take_snapshot(struct kv_client *client)
{
    const struct kv_engine *engine = client->store->engine;
    uint64_t snapshot;
    int err = 0;

    if (client->is_open && (!client->is_stale || client->depth != 0))
        return 0;
    if (client->is_open)
        kv_turn_end(client);
    if (client->tx.handle == NULL)
        err = engine->reader_create(client->store->env, &client->tx.handle);
    if (err == 0)
        err = engine->reader_begin(client->tx.handle, &snapshot);
    if (err != 0)
        return err;
    client->is_open = true;
    client->is_stale = false;
    client->tx.now_ms = clock_wall_ms();
    atomic_store_explicit(&client->snapshot, snapshot, memory_order_relaxed);
    return 0;
}

static void read_now(struct kv_client *client, kv_fn fn, void *arg, kv_done_fn done)
{
    int err = take_snapshot(client);

    client->depth++;
    if (err == 0)
        err = fn(&client->tx, arg);
    done(arg, err);
    client->depth--;
}

static struct kv_request *request_create(struct kv_client *client, kv_fn fn, void *arg,
                                         kv_done_fn done, void (*job_done)(struct pool_job *job))
{
    struct kv_request *request = xcalloc(1, sizeof(*request));

    request->job.done = job_done;
    request->job.reply = client->replies;
    request->client = client;
    request->fn = fn;
    request->arg = arg;
    request->done = done;
    client->pending++;
    return request;
}

#ifdef TIDEMARK_DEBUG
static void deferred_read(struct pool_job *job)
{
    struct kv_request request = *CONTAINER_OF(job, struct kv_request, job);

    free(CONTAINER_OF(job, struct kv_request, job));
    request.client->pending--;
    read_now(request.client, request.fn, request.arg, request.done);
}

/* One in four. Every client defers the same ones of its reads, so that a failure comes again. */
static bool wants_deferred(struct kv_client *client)
{
    client->random ^= client->random << 13;
    client->random ^= client->random >> 17;
    client->random ^= client->random << 5;
    return client->replies != NULL && client->random % 4 == 0;
}
#endif

void kv_read(struct kv_client *client, kv_fn fn, void *arg, kv_done_fn done)
{
#ifdef TIDEMARK_DEBUG
    if (wants_deferred(client)) {
        struct kv_request *request = request_create(client, fn, arg, done, deferred_read);
        queue_push(client->replies, &request->job.node);
        return;
    }
#endif
    read_now(client, fn, arg, done);
}

int kv_read_sync(struct kv_store *store, kv_fn fn, void *arg)
{
    struct kv_client client;
    int err;

    client_init(&client, store, NULL);
    err = take_snapshot(&client);
    if (err == 0)
        err = fn(&client.tx, arg);
    client_fini(&client);
    return err;
}

/* The snapshot is taken inside of the engine; this one is not younger. */
static uint64_t snapshot_before_copy(struct kv_store *store)
{
    struct kv_engine_stats stats;

    store->engine->stats(store->env, &stats);
    return stats.last_commit;
}

int kv_copy(struct kv_store *store, int fd)
{
    struct kv_client reader; /* so that kv_stats_get knows of it */

    if (store->engine->copy == NULL)
        return ERR_INVALID;
    client_init(&reader, store, NULL);
    atomic_store_explicit(&reader.snapshot, snapshot_before_copy(store), memory_order_relaxed);
    int err = store->engine->copy(store->env, fd);
    client_fini(&reader);
    return err;
}

/*
 * Writing: hand the function to the writer (kv_writer.c).
 */

static int enqueue(struct kv_store *store, enum kv_lane lane, struct kv_request *request)
{
    struct kv_lane_queue *queue = &store->lanes[lane == KV_SURE ? KV_FRONT : lane];
    int err = 0;

    pthread_mutex_lock(&store->mutex);
    if (!atomic_load(&store->is_writable)) {
        err = ERR_UNAVAILABLE;
    } else if (store->stopping) {
        err = ERR_SHUTDOWN;
    } else if (lane != KV_SURE && queue->depth >= store->options.queue_max) {
        err = ERR_BUSY;
    } else {
        if (queue->last != NULL)
            queue->last->next = request;
        else
            queue->first = request;
        queue->last = request;
        queue->depth++;
        pthread_cond_signal(&store->work);
    }
    pthread_mutex_unlock(&store->mutex);
    return err;
}

static void write_done(struct pool_job *job)
{
    struct kv_request request = *CONTAINER_OF(job, struct kv_request, job);

    free(CONTAINER_OF(job, struct kv_request, job));
    request.client->pending--;
    request.client->is_stale = true;
    request.done(request.arg, request.err);
}

void kv_write(struct kv_client *client, enum kv_lane lane, kv_fn fn, void *arg, kv_done_fn done)
{
    struct kv_request *request = request_create(client, fn, arg, done, write_done);
    int err = enqueue(client->store, lane, request);

    if (err == 0)
        return;
    client->pending--;
    free(request);
    done(arg, err);
}

int kv_write_sync(struct kv_store *store, kv_fn fn, void *arg)
{
    struct kv_request request = {.fn = fn, .arg = arg};
    int err = enqueue(store, KV_FRONT, &request);

    if (err != 0)
        return err;
    pthread_mutex_lock(&store->mutex);
    while (!request.completed)
        pthread_cond_wait(&store->completed, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    return request.err;
}
