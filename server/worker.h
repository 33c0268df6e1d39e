/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread, one libevent base, its connections for life. Nothing in a turn of its loop
 * blocks; other threads reach it only through its queue (nodes are struct pool_job, whose `done`
 * the worker calls).
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <event2/event.h>

#include "base/pool.h"
#include "server/client_address.h"
#include "server/server.h"

struct conn;
struct event_waiter;
struct gate_client;

struct worker {
    struct server *server;
    unsigned index;
    struct event_base *base;
    struct queue *queue;
    struct kv_client *kv;
    struct gate_client *gate;           /* NULL: authentication is off */
    const struct settings *settings;    /* this worker's reference to the current snapshot */
    struct conn *conns;                 /* all open ones, linked */
    atomic_uint load;                   /* connections, for the dispatcher */
    struct event_waiter *event_waiters; /* event_wait.c's own */
    unsigned event_waiters_n;
    struct worker_private *private_; /* thread, events, buffers, graveyard: worker.c's own */
};

/* Main thread. */
struct worker *worker_create(struct server *server, unsigned index,
                             const struct settings *settings);
void worker_start(struct worker *worker);
/* Hand over an accepted, non-blocking socket of a client at `from`, which is to speak TLS or not;
 * the worker closes it. */
void worker_give(struct worker *worker, int fd, const struct client_address *from, bool is_tls);
/* A new snapshot; the worker takes its own reference. */
void worker_set_settings(struct worker *worker, const struct settings *settings);
/* Idle connections close, busy ones after their answer. */
void worker_drain(struct worker *worker);
/* Close what is left and join the thread. Other threads may still push to its queue. */
void worker_stop(struct worker *worker);
/* Nobody does any more (store_close_uploads has returned): take what came late, free. */
void worker_destroy(struct worker *worker);

#endif
