/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a token bucket is one number here: the time at which it will be full again. A connection
 * moves that by what the rate takes for one, and is one too many when it would lie further ahead
 * than a whole bucket takes. A time that has passed is a full bucket, which is what an unknown
 * client has: such a slot is free, and nothing has to be swept.
 *
 * A client has a few slots where it may be, all in two cache lines. When others are in all of them
 * the one that needs its slot least loses it.
 */
#include "config.h"

#include "server/connect_rate.h"

#include "base/mem.h"

#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)
#define BURST_NS  (CONNECT_RATE_BURST_S * SECOND_NS)
#define SET_BITS  10
#define WAYS      8

struct slot {
    uint64_t client;
    uint64_t full_ns;
};

struct connect_rate {
    uint64_t cost_ns; /* of a connection; 0: no limit */
    struct slot slots[1 << SET_BITS][WAYS];
};

struct connect_rate *connect_rate_create(void)
{
    return xcalloc(1, sizeof(struct connect_rate));
}

void connect_rate_destroy(struct connect_rate *rate)
{
    free(rate);
}

void connect_rate_set(struct connect_rate *rate, uint64_t per_second)
{
    rate->cost_ns = per_second == 0 ? 0 : SECOND_NS / per_second;
}

/* The slot of `client`, or else the one whose bucket is full soonest. */
static struct slot *find_slot(struct connect_rate *rate, uint64_t client)
{
    /* The golden ratio: addresses of one network differ in their last bits only. */
    struct slot *set = rate->slots[client * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SET_BITS)];
    struct slot *fullest = &set[0];

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].client == client)
            return &set[i];
        if (set[i].full_ns < fullest->full_ns)
            fullest = &set[i];
    }
    return fullest;
}

bool connect_rate_admit(struct connect_rate *rate, uint64_t client, uint64_t now_ns)
{
    if (client == 0 || rate->cost_ns == 0)
        return true;
    struct slot *slot = find_slot(rate, client);
    uint64_t full_ns = slot->client == client && slot->full_ns > now_ns ? slot->full_ns : now_ns;
    if (full_ns + rate->cost_ns > now_ns + BURST_NS)
        return false;
    slot->client = client;
    slot->full_ns = full_ns + rate->cost_ns;
    return true;
}
