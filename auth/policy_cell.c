/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "auth/policy_cell.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct policy_cell {
    pthread_mutex_t lock; /* policy */
    struct policy *policy;
    _Atomic uint64_t version;
};

struct policy_cell *policy_cell_create(void)
{
    struct policy_cell *cell = xcalloc(1, sizeof(*cell));

    pthread_mutex_init(&cell->lock, NULL);
    return cell;
}

void policy_cell_destroy(struct policy_cell *cell)
{
    if (cell == NULL)
        return;
    policy_unref(cell->policy);
    pthread_mutex_destroy(&cell->lock);
    free(cell);
}

struct policy *policy_cell_get(struct policy_cell *cell)
{
    pthread_mutex_lock(&cell->lock);
    struct policy *policy = cell->policy != NULL ? policy_ref(cell->policy) : NULL;
    pthread_mutex_unlock(&cell->lock);
    return policy;
}

void policy_cell_set_take(struct policy_cell *cell, struct policy *policy, uint64_t version)
{
    struct policy *unwanted = policy;

    pthread_mutex_lock(&cell->lock);
    if (version >= atomic_load(&cell->version)) {
        unwanted = cell->policy;
        cell->policy = policy;
        atomic_store(&cell->version, version);
    }
    pthread_mutex_unlock(&cell->lock);
    policy_unref(unwanted);
}

uint64_t policy_cell_version(const struct policy_cell *cell)
{
    return atomic_load(&cell->version);
}
