/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/clock_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "storage/event.h"

#include <stdlib.h>

#define STEP_MIN_MS INT64_C(5000)

struct clock_watch {
    struct queue *queue;
    struct kv_client *client;
    struct event *answers;
    int64_t offset_ms; /* wall minus monotonic, of which the log knows */
    int64_t seen_ms;   /* the same, of the step that is being written */
    bool is_writing;
};

static int64_t offset_ms(void)
{
    return clock_wall_ms() - (int64_t)clock_mono_ms();
}

static int stage(struct kv_tx *tx, void *arg)
{
    (void)arg;
    return event_stage_stepped(tx);
}

static void written(void *arg, int err)
{
    struct clock_watch *watch = arg;

    watch->is_writing = false;
    if (err == 0)
        watch->offset_ms = watch->seen_ms;
    else
        log_warn("clock.stepped", "the event could not be written; the next second tries again",
                 LOG_CSTR("error", err_name(err)));
}

void clock_watch_look(struct clock_watch *watch)
{
    int64_t now_ms = offset_ms(), step_ms = now_ms - watch->offset_ms;

    if (watch->is_writing || (step_ms <= STEP_MIN_MS && step_ms >= -STEP_MIN_MS))
        return;
    log_warn("clock.stepped", "the clock was set: times before and after do not compare",
             LOG_I64("step_ms", step_ms));
    watch->is_writing = true;
    watch->seen_ms = now_ms;
    kv_write(watch->client, KV_FRONT, stage, watch, written);
}

static void on_answers(evutil_socket_t fd, short what, void *arg)
{
    struct clock_watch *watch = arg;

    (void)fd;
    (void)what;
    pool_run_replies(watch->queue);
}

struct clock_watch *clock_watch_create(struct event_base *base, struct kv_store *kv)
{
    struct clock_watch *watch = xcalloc(1, sizeof(*watch));

    watch->offset_ms = offset_ms();
    watch->queue = queue_create();
    watch->client = kv_client_create(kv, watch->queue);
    watch->answers =
        event_new(base, queue_fd(watch->queue), EV_READ | EV_PERSIST, on_answers, watch);
    if (watch->answers == NULL || event_add(watch->answers, NULL) != 0)
        abort();
    return watch;
}

void clock_watch_destroy(struct clock_watch *watch)
{
    kv_client_destroy(watch->client);
    event_free(watch->answers);
    queue_destroy(watch->queue);
    free(watch);
}
