/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/token_sweeper.h"

#include "auth/token.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"

#include <stdlib.h>

/* So long a list still says that there was one, and when it ended. */
#define KEEP_DEAD_MS ((int64_t)30 * 24 * 3600 * 1000)

struct token_sweeper {
    struct queue *queue;
    struct kv_client *client;
    struct event *event; /* the queue has answers */
    struct token_sweep slice;
    bool is_running, is_ending;
    uint64_t removed, warned; /* by this sweep */
};

static void end(struct token_sweeper *sweeper, int err)
{
    sweeper->is_running = false;
    if (err != 0)
        log_warn("token.sweep", "secrets could not be looked through; the next minute tries again",
                 LOG_CSTR("error", err_name(err)));
    else if (sweeper->removed + sweeper->warned > 0)
        log_info("token.sweep", "secrets expire soon, or expired long ago and were removed",
                 LOG_U64("expiring", sweeper->warned), LOG_U64("removed", sweeper->removed));
}

static void run_slice(struct token_sweeper *sweeper);

static void swept(void *arg, int err)
{
    struct token_sweeper *sweeper = CONTAINER_OF(arg, struct token_sweeper, slice);

    if (err == 0) {
        sweeper->removed += sweeper->slice.removed;
        sweeper->warned += sweeper->slice.warned;
    }
    if (err != 0 || sweeper->slice.next_id == 0 || sweeper->is_ending) {
        end(sweeper, err);
        return;
    }
    sweeper->slice.after_id = sweeper->slice.next_id;
    run_slice(sweeper);
}

static void run_slice(struct token_sweeper *sweeper)
{
    kv_write(sweeper->client, KV_BACKGROUND, token_sweep, &sweeper->slice, swept);
}

static void on_queue(evutil_socket_t fd, short what, void *arg)
{
    struct token_sweeper *sweeper = arg;

    (void)fd;
    (void)what;
    pool_run_replies(sweeper->queue);
}

struct token_sweeper *token_sweeper_create(struct event_base *base, struct kv_store *kv)
{
    struct token_sweeper *sweeper = xcalloc(1, sizeof(*sweeper));

    sweeper->queue = queue_create();
    sweeper->client = kv_client_create(kv, sweeper->queue);
    sweeper->event =
        event_new(base, queue_fd(sweeper->queue), EV_READ | EV_PERSIST, on_queue, sweeper);
    if (sweeper->event == NULL || event_add(sweeper->event, NULL) != 0)
        fatal("no memory to sweep secrets", 0);
    return sweeper;
}

void token_sweeper_destroy(struct token_sweeper *sweeper)
{
    sweeper->is_ending = true;
    kv_client_destroy(sweeper->client);
    event_free(sweeper->event);
    queue_destroy(sweeper->queue);
    free(sweeper);
}

void token_sweeper_start(struct token_sweeper *sweeper, uint64_t warn_ms)
{
    if (sweeper->is_running)
        return;
    sweeper->is_running = true;
    sweeper->removed = sweeper->warned = 0;
    sweeper->slice = (struct token_sweep){.warn_ms = (int64_t)warn_ms, .keep_ms = KEEP_DEAD_MS};
    run_slice(sweeper);
}
