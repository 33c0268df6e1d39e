/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for events: told after each commit that added some, and when the server
 * drains. Worker thread only, each worker its own.
 */
#ifndef SERVER_EVENT_WAIT_H
#define SERVER_EVENT_WAIT_H

#include <stdbool.h>

struct worker;

struct event_waiter {
    void (*wake)(void *arg); /* may remove any waiter of the worker, itself too */
    void *arg;
    struct event_waiter *next, **link; /* event_wait.c's own */
};

/* False when http.max_event_streams are waiting already, all workers together. */
bool event_wait_add(struct worker *worker, struct event_waiter *waiter);
/* Nothing happens to one that is not there. */
void event_wait_remove(struct worker *worker, struct event_waiter *waiter);

/* The server drains: waiters look at server->draining. */
void event_wait_wake(struct worker *worker);

#endif
