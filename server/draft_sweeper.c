/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/draft_sweeper.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "registry/draft.h"

#include <stdlib.h>

struct draft_sweeper {
    struct queue *queue;
    struct kv_client *client;
    struct event *event; /* the queue has answers */
    struct draft_sweep slice;
    bool is_running, is_ending;
    uint64_t removed; /* by this sweep */
};

static void end(struct draft_sweeper *sweeper, int err)
{
    sweeper->is_running = false;
    if (err != 0)
        log_warn("draft.sweep", "old drafts could not be removed; the next minute tries again",
                 LOG_CSTR("error", err_name(err)));
    else if (sweeper->removed > 0)
        log_info("draft.sweep", "files of drafts that nobody published were removed",
                 LOG_U64("files", sweeper->removed));
}

static void run_slice(struct draft_sweeper *sweeper);

static void swept(void *arg, int err)
{
    struct draft_sweeper *sweeper = CONTAINER_OF(arg, struct draft_sweeper, slice);

    if (err == 0)
        sweeper->removed += sweeper->slice.removed;
    if (err != 0 || sweeper->slice.next.n == 0 || sweeper->is_ending) {
        end(sweeper, err);
        return;
    }
    sweeper->slice.after = sweeper->slice.next;
    run_slice(sweeper);
}

static void run_slice(struct draft_sweeper *sweeper)
{
    kv_write(sweeper->client, KV_BACKGROUND, draft_sweep, &sweeper->slice, swept);
}

static void on_queue(evutil_socket_t fd, short what, void *arg)
{
    struct draft_sweeper *sweeper = arg;

    (void)fd;
    (void)what;
    pool_run_replies(sweeper->queue);
}

struct draft_sweeper *draft_sweeper_create(struct event_base *base, struct kv_store *kv)
{
    struct draft_sweeper *sweeper = xcalloc(1, sizeof(*sweeper));

    sweeper->queue = queue_create();
    sweeper->client = kv_client_create(kv, sweeper->queue);
    sweeper->event =
        event_new(base, queue_fd(sweeper->queue), EV_READ | EV_PERSIST, on_queue, sweeper);
    if (sweeper->event == NULL || event_add(sweeper->event, NULL) != 0)
        abort();
    return sweeper;
}

void draft_sweeper_destroy(struct draft_sweeper *sweeper)
{
    sweeper->is_ending = true;
    kv_client_destroy(sweeper->client);
    event_free(sweeper->event);
    queue_destroy(sweeper->queue);
    free(sweeper);
}

void draft_sweeper_start(struct draft_sweeper *sweeper, uint64_t expire_ms)
{
    if (sweeper->is_running)
        return;
    sweeper->is_running = true;
    sweeper->removed = 0;
    sweeper->slice.after.n = 0;
    sweeper->slice.expire_ms = (int64_t)expire_ms;
    run_slice(sweeper);
}
