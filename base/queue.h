/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue from many threads to one: a mutex, a list and an eventfd that is written only when the
 * list was empty. The consumer waits for the descriptor with libevent or poll, or blocks in
 * queue_wait. Nodes are embedded in what is queued and owned by whoever holds them.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue_node {
    struct queue_node *next;
};

struct queue;

/* Aborts when no eventfd is to be had (start-up only). */
struct queue *queue_create(void);
void queue_destroy(struct queue *queue);

/* Any thread. */
void queue_push(struct queue *queue, struct queue_node *node);

/* Consumer only: all nodes, oldest first, linked by next; NULL when empty. Clears the eventfd. */
struct queue_node *queue_take_all(struct queue *queue);

/* Readable while nodes wait. */
int queue_fd(const struct queue *queue);

/* Any thread: nodes waiting now. */
size_t queue_depth(struct queue *queue);

#endif
