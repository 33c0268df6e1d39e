/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials that one worker has verified, so that the next request with the same Authorization
 * value costs a hash and not a signature. An entry is found by a keyed hash of the value under a
 * key made at start: nothing of a secret is kept. It has a fixed number of places; what was used
 * longest ago among four makes room. Worker thread only.
 */
#ifndef SERVER_CREDENTIAL_CACHE_H
#define SERVER_CREDENTIAL_CACHE_H

#include <stdint.h>

#include "server/credential.h"

struct credential_cache;

/* `places` is rounded up to a power of two. */
struct credential_cache *credential_cache_create(uint64_t places);
/* NULL does nothing. */
void credential_cache_destroy(struct credential_cache *cache);

#define CREDENTIAL_KEY_SIZE 16
struct credential_key {
    uint8_t bytes[CREDENTIAL_KEY_SIZE];
};
/* The keyed hash of a value. False: it cannot be computed, and nothing is cached. */
bool credential_cache_key(struct credential_cache *cache, struct slice value,
                          struct credential_key *key);

/* NULL when there is none, it is over at `now_ms` (wall clock), or it was put under another
 * generation. Borrowed. */
struct credential *credential_cache_find(struct credential_cache *cache,
                                         const struct credential_key *key, uint64_t generation,
                                         int64_t now_ms);

/* Takes a reference of its own. It is over at `until_ms`. */
void credential_cache_put(struct credential_cache *cache, const struct credential_key *key,
                          uint64_t generation, int64_t until_ms, struct credential *credential);

#endif
