/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/queue.h"

#include "base/fatal.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
    pthread_mutex_t mutex;
    struct queue_node *first, *last;
    size_t depth;
    int fd;
};

struct queue *queue_create(void)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));

    queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->fd < 0)
        fatal("the event of a queue cannot be made", errno);
    pthread_mutex_init(&queue->mutex, NULL);
    return queue;
}

void queue_destroy(struct queue *queue)
{
    close(queue->fd);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

/* The counter only says "not empty", so a full counter (EAGAIN) is as good as a written one. */
static void signal_not_empty(struct queue *queue)
{
    const uint64_t one = 1;

    while (write(queue->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void clear_signal(struct queue *queue)
{
    uint64_t count;

    while (read(queue->fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}

void queue_push(struct queue *queue, struct queue_node *node)
{
    node->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    if (queue->last != NULL)
        queue->last->next = node;
    else
        queue->first = node;
    queue->last = node;
    /* Under the lock: the consumer may destroy the queue as soon as it has seen the last node. */
    if (queue->depth++ == 0)
        signal_not_empty(queue);
    pthread_mutex_unlock(&queue->mutex);
}

struct queue_node *queue_take_all(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    struct queue_node *nodes = queue->first;
    if (nodes != NULL)
        clear_signal(queue);
    queue->first = NULL;
    queue->last = NULL;
    queue->depth = 0;
    pthread_mutex_unlock(&queue->mutex);
    return nodes;
}

int queue_fd(const struct queue *queue)
{
    return queue->fd;
}

size_t queue_depth(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    size_t depth = queue->depth;
    pthread_mutex_unlock(&queue->mutex);
    return depth;
}
