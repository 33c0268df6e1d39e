/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/issuer_set.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct place {
    struct issuer *issuer; /* NULL: free */
    uint64_t asked;        /* the count of calls when it was asked for last */
};

struct issuer_set {
    struct issuer_world *world;
    pthread_mutex_t mutex; /* over all below */
    uint64_t calls;
    struct place places[ISSUER_SET_MAX];
};

struct issuer_set *issuer_set_create(struct issuer_world *world)
{
    struct issuer_set *set = xcalloc(1, sizeof(*set));

    set->world = world;
    pthread_mutex_init(&set->mutex, NULL);
    return set;
}

void issuer_set_destroy(struct issuer_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < ISSUER_SET_MAX; i++)
        issuer_unref(set->places[i].issuer);
    pthread_mutex_destroy(&set->mutex);
    free(set);
}

/* The place of `url`, else a free one, else the one that was not asked for the longest. */
static struct place *find_place(struct issuer_set *set, struct slice url)
{
    struct place *oldest = &set->places[0];

    for (size_t i = 0; i < ISSUER_SET_MAX; i++) {
        struct place *place = &set->places[i];

        if (!place->issuer)
            return place; /* they fill up in order */
        if (slice_eq(issuer_url(place->issuer), url))
            return place;
        if (place->asked < oldest->asked)
            oldest = place;
    }
    return oldest;
}

struct issuer *issuer_set_get(struct issuer_set *set, struct slice url)
{
    struct issuer *issuer;
    struct place *place;

    pthread_mutex_lock(&set->mutex);
    place = find_place(set, url);
    if (!place->issuer || !slice_eq(issuer_url(place->issuer), url)) {
        issuer_unref(place->issuer);
        place->issuer = issuer_create(set->world, url);
    }
    place->asked = ++set->calls;
    issuer = issuer_ref(place->issuer);
    pthread_mutex_unlock(&set->mutex);
    return issuer;
}
