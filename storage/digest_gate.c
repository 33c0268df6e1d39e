/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a stripe is a flag, not a mutex: the holder keeps it over disk writes and commits, and it
 * is left on another thread than it was entered on. The mutex guards the flag and the list of those
 * who wait, and is held for a few instructions. A stripe is handed to the one who waits longest
 * without being free in between, so nobody can overtake.
 *
 * Two digests of one stripe wait for each other needlessly; with 256 stripes that is rare, and it
 * is why nobody may hold two passes of one gate at once.
 */
#include "config.h"
#include "storage/digest_gate.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define STRIPES 256

struct stripe {
    pthread_mutex_t mutex;
    bool held;
    struct digest_gate_pass *first, *last; /* waiting */
};

struct digest_gate {
    struct stripe stripes[STRIPES];
};

struct digest_gate *digest_gate_create(void)
{
    struct digest_gate *gate = xcalloc(1, sizeof(*gate));

    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&gate->stripes[i].mutex, NULL);
    return gate;
}

void digest_gate_destroy(struct digest_gate *gate)
{
    if (gate == NULL)
        return;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&gate->stripes[i].mutex);
    free(gate);
}

bool digest_gate_enter(struct digest_gate *gate, const struct digest *digest,
                       struct digest_gate_pass *pass)
{
    pass->gate = gate;
    pass->stripe = digest->raw[0]; /* digests are evenly spread by nature */
    pass->next = NULL;

    struct stripe *stripe = &gate->stripes[pass->stripe];
    pthread_mutex_lock(&stripe->mutex);
    bool ours = !stripe->held;
    if (ours) {
        stripe->held = true;
    } else {
        if (stripe->last != NULL)
            stripe->last->next = pass;
        else
            stripe->first = pass;
        stripe->last = pass;
    }
    pthread_mutex_unlock(&stripe->mutex);
    return ours;
}

void digest_gate_leave(struct digest_gate_pass *pass)
{
    struct stripe *stripe = &pass->gate->stripes[pass->stripe];

    pthread_mutex_lock(&stripe->mutex);
    struct digest_gate_pass *next = stripe->first;
    if (next != NULL) {
        stripe->first = next->next;
        if (stripe->first == NULL)
            stripe->last = NULL;
    } else {
        stripe->held = false;
    }
    pthread_mutex_unlock(&stripe->mutex);
    if (next != NULL)
        queue_push(next->job.reply, &next->job.node);
}
