/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/pool.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty;
    struct queue_node *first, *last; /* jobs waiting */
    size_t depth;
    bool stopping;
    const char *name;
    unsigned threads_n;
    pthread_t *threads;
};

/* The oldest job; NULL when the pool stops and nothing is left. */
static struct pool_job *next_job(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->first == NULL && !pool->stopping)
        pthread_cond_wait(&pool->not_empty, &pool->mutex);
    struct queue_node *node = pool->first;
    if (node != NULL) {
        pool->first = node->next;
        if (pool->first == NULL)
            pool->last = NULL;
        pool->depth--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return node != NULL ? CONTAINER_OF(node, struct pool_job, node) : NULL;
}

static void *pool_thread(void *arg)
{
    struct pool *pool = arg;
    struct pool_job *job;

    while ((job = next_job(pool)) != NULL) {
        /* Read first: without a reply the job is gone after run. */
        struct queue *reply = job->reply;
        job->run(job);
        if (reply != NULL)
            queue_push(reply, &job->node);
    }
    return NULL;
}

static void start_threads(struct pool *pool)
{
    sigset_t all, before;
    char name[16];

    /* Signals are main's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < pool->threads_n; i++) {
        if (pthread_create(&pool->threads[i], NULL, pool_thread, pool) != 0)
            abort();
        snprintf(name, sizeof(name), "%.10s-%u", pool->name, i % 1000);
        pthread_setname_np(pool->threads[i], name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct pool *pool_create(const char *name, unsigned threads)
{
    struct pool *pool = xcalloc(1, sizeof(*pool));

    pool->name = name;
    pool->threads_n = threads;
    pool->threads = xcalloc(threads, sizeof(*pool->threads));
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->not_empty, NULL);
    start_threads(pool);
    return pool;
}

void pool_destroy(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->not_empty);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->threads_n; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->not_empty);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->threads);
    free(pool);
}

void pool_submit(struct pool *pool, struct pool_job *job)
{
    job->node.next = NULL;
    pthread_mutex_lock(&pool->mutex);
    if (pool->last != NULL)
        pool->last->next = &job->node;
    else
        pool->first = &job->node;
    pool->last = &job->node;
    pool->depth++;
    pthread_cond_signal(&pool->not_empty);
    pthread_mutex_unlock(&pool->mutex);
}

size_t pool_depth(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    size_t depth = pool->depth;
    pthread_mutex_unlock(&pool->mutex);
    return depth;
}

unsigned pool_run_replies(struct queue *queue)
{
    struct queue_node *node = queue_take_all(queue);
    unsigned n = 0;

    while (node != NULL) {
        struct pool_job *job = CONTAINER_OF(node, struct pool_job, node);
        node = node->next; /* read first: the job may be gone after done */
        job->done(job);
        n++;
    }
    return n;
}
