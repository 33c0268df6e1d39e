/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast each client address may connect. One thread.
 *
 * A client may have CONNECT_RATE_BURST_S seconds' worth of connections at once; then one is allowed
 * for each that the rate adds. The memory is fixed: of so many busy clients that there is no place
 * for one more, some are forgotten, which allows them more than they should have and never less.
 */
#ifndef SERVER_CONNECT_RATE_H
#define SERVER_CONNECT_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define CONNECT_RATE_BURST_S 10

struct connect_rate;

struct connect_rate *connect_rate_create(void);
void connect_rate_destroy(struct connect_rate *rate);

/* Connections a second of one client; 0: any number (at first). */
void connect_rate_set(struct connect_rate *rate, uint64_t per_second);

/* One more connection of `client` (client_address_key; 0 is never limited) at `now_ns` of the
 * monotonic clock. False when it is one too many, which does not count. */
bool connect_rate_admit(struct connect_rate *rate, uint64_t client, uint64_t now_ns);

#endif
