/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/event_wait.h"

#include "server/worker.h"

static void link_in(struct event_waiter **list, struct event_waiter *waiter)
{
    waiter->next = *list;
    waiter->link = list;
    if (waiter->next != NULL)
        waiter->next->link = &waiter->next;
    *list = waiter;
}

static void link_out(struct event_waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next != NULL)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
}

/* Each one once, whoever comes or goes meanwhile: those not told yet are in a list apart. */
void event_wait_wake(struct worker *worker)
{
    struct event_waiter *untold = worker->event_waiters;

    worker->event_waiters = NULL;
    if (untold != NULL)
        untold->link = &untold;
    while (untold != NULL) {
        struct event_waiter *waiter = untold;
        link_out(waiter);
        link_in(&worker->event_waiters, waiter);
        waiter->wake(waiter->arg);
    }
}

static void on_events(void *arg)
{
    event_wait_wake(arg);
}

bool event_wait_add(struct worker *worker, struct event_waiter *waiter)
{
    struct server *server = worker->server;

    if (atomic_fetch_add(&server->event_waiters, 1) >= worker->settings->http_max_event_streams) {
        atomic_fetch_sub(&server->event_waiters, 1);
        return false;
    }
    if (worker->event_waiters_n++ == 0)
        kv_watch(worker->kv, on_events, worker);
    link_in(&worker->event_waiters, waiter);
    return true;
}

void event_wait_remove(struct worker *worker, struct event_waiter *waiter)
{
    if (waiter->link == NULL)
        return;
    link_out(waiter);
    atomic_fetch_sub(&worker->server->event_waiters, 1);
    if (--worker->event_waiters_n == 0)
        kv_unwatch(worker->kv);
}
