/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remembers wrong passwords, by account and address and by address alone, and says how long the
 * next try has to wait: nothing for the first two, then twice as long each time, and a lockout at
 * the limit. An IPv6 address counts by its first 64 bits, which is what one subscriber has. The
 * table has a fixed size; what was longest ago makes room. It is in memory: a restart forgets. Any
 * thread.
 */
#ifndef AUTH_LOCKOUT_H
#define AUTH_LOCKOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct lockout_options {
    unsigned failures;         /* of one account from one address; 0: no limit, no waiting */
    unsigned address_failures; /* of all accounts from one address; 0: no limit */
    uint64_t time_ms;          /* how long it is locked, and after which failures are forgotten */
};

struct lockout;

struct lockout *lockout_create(void);
void lockout_destroy(struct lockout *lockout);

/* Milliseconds until the next try; 0: it may be made. `now_ms` is clock_mono_ms's. */
uint64_t lockout_wait(struct lockout *lockout, const struct lockout_options *options,
                      struct slice account, struct slice address, uint64_t now_ms);

struct lockout_verdict {
    unsigned failures;                   /* of the account from there */
    bool account_locked, address_locked; /* by this failure */
    bool is_new; /* worth an event: the first one in a while, or one that locks */
};
struct lockout_verdict lockout_failed(struct lockout *lockout,
                                      const struct lockout_options *options, struct slice account,
                                      struct slice address, uint64_t now_ms);

/* The right password: failures of this account from there are forgotten. Those of the address are
 * not, or one good account would buy an attacker all others. */
void lockout_succeeded(struct lockout *lockout, struct slice account, struct slice address);

#endif
