/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords as bcrypt texts ("$2b$12$..."), by libcrypt. Hashing is slow on purpose: these
 * functions take a quarter of a second and belong on the password thread, never on a loop.
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/slice.h"

#define PASSWORD_HASH_SIZE 60 /* bytes of a bcrypt text */
#define PASSWORD_MIN       8
#define PASSWORD_MAX       72 /* bytes: bcrypt does not see more */
#define PASSWORD_COST_MIN  4
#define PASSWORD_COST_MAX  15 /* two seconds: more would stop all other logins */

/* For a new one: length, no NUL. ERR_INVALID. */
int password_check_new(struct slice password, struct fault *fault) MUST_CHECK;

/* Blocking. ERR_INTERNAL when libcrypt has no bcrypt or there are no random bytes. */
int password_hash(struct slice password, unsigned cost, char out[PASSWORD_HASH_SIZE + 1],
                  struct fault *fault) MUST_CHECK;

/* $2a$, $2b$ or $2y$ with a cost from PASSWORD_COST_MIN to PASSWORD_COST_MAX; says what is wrong
 * with it. *cost may be NULL. ERR_INVALID. */
int password_hash_parse(struct slice hash, unsigned *cost, struct fault *fault) MUST_CHECK;

/* Blocking. A failure takes as long as one hash of `cost`, whatever `hash` is, an empty one
 * included: how long it took says nothing about whether there is such a user. */
bool password_matches(struct slice hash, struct slice password, unsigned cost);

#endif
