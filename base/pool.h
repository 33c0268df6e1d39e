/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for work that may block or burn: hashing (cpu), files (io).
 *
 * A job runs on one of the pool's threads; then it is pushed to its `reply` queue, and the owner of
 * that queue calls `done` of each job it takes: every node on such a queue is a struct pool_job.
 * With reply == NULL there is no second half and `run` may free the job. Jobs start in the order
 * they were given; two jobs may run at once, so ordered work keeps one job in flight.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

#include "base/queue.h"

struct pool;

struct pool_job {
    struct queue_node node;             /* first member: replies are taken as queue nodes */
    void (*run)(struct pool_job *job);  /* on a pool thread */
    void (*done)(struct pool_job *job); /* on the reply queue's owner */
    struct queue *reply;
};

/* `name` (<= 10 characters, static) names the threads and the metrics. Aborts when threads cannot
 * be had (start-up only). */
struct pool *pool_create(const char *name, unsigned threads);

/* Runs what is queued, then joins. */
void pool_destroy(struct pool *pool);

/* Any thread. The job is the pool's until `done` (or `run` without reply) is called. */
void pool_submit(struct pool *pool, struct pool_job *job);

/* Owner of a reply queue only: calls `done` of each job on it, oldest first; returns how many those
 * were. */
unsigned pool_run_replies(struct queue *queue);

/* Jobs waiting, not counting those running. Any thread. */
size_t pool_depth(struct pool *pool);

#endif
