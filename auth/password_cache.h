/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which passwords have lately been right, so that a client that sends its password with every
 * request does not cost a bcrypt each time. An entry is a keyed hash of the bcrypt text and the
 * password, under a key made at start: nothing of a password is kept, and when the bcrypt text
 * changes, no entry fits any more. Any thread.
 */
#ifndef AUTH_PASSWORD_CACHE_H
#define AUTH_PASSWORD_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct password_cache;

struct password_cache *password_cache_create(void);
void password_cache_destroy(struct password_cache *cache);

/* `now_ms` is clock_mono_ms's. */
bool password_cache_has(struct password_cache *cache, struct slice hash, struct slice password,
                        uint64_t now_ms);
void password_cache_add(struct password_cache *cache, struct slice hash, struct slice password,
                        uint64_t now_ms, uint64_t life_ms);

#endif
