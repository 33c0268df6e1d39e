/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/reap_gate.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct reap_gate {
    pthread_mutex_t mutex;
    pthread_cond_t left;
    unsigned pauses;
    unsigned inside; /* slices under way */
};

struct reap_gate *reap_gate_create(void)
{
    struct reap_gate *gate = xcalloc(1, sizeof(*gate));

    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->left, NULL);
    return gate;
}

void reap_gate_destroy(struct reap_gate *gate)
{
    if (gate == NULL)
        return;
    assert(gate->pauses == 0 && gate->inside == 0);
    pthread_cond_destroy(&gate->left);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

bool reap_gate_enter(struct reap_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    bool entered = gate->pauses == 0;
    if (entered)
        gate->inside++;
    pthread_mutex_unlock(&gate->mutex);
    return entered;
}

void reap_gate_leave(struct reap_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    assert(gate->inside > 0);
    gate->inside--;
    pthread_cond_broadcast(&gate->left);
    pthread_mutex_unlock(&gate->mutex);
}

void reap_gate_pause(struct reap_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->pauses++; /* first, so that no further slice begins */
    while (gate->inside > 0)
        pthread_cond_wait(&gate->left, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

void reap_gate_resume(struct reap_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    assert(gate->pauses > 0);
    gate->pauses--;
    pthread_mutex_unlock(&gate->mutex);
}

unsigned reap_gate_pauses(struct reap_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    unsigned pauses = gate->pauses;
    pthread_mutex_unlock(&gate->mutex);
    return pauses;
}
