/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of networks as the configuration writes them: "10.0.0.0/8, 2001:db8::/32, 192.0.2.7". Any
 * thread.
 */
#ifndef SERVER_NETWORKS_H
#define SERVER_NETWORKS_H

#include "base/fault.h"
#include "server/client_address.h"

#define NETWORKS_MAX 64

/* ERR_CONFIG naming the part that is no network, or has bits behind its length. */
int networks_check(struct slice list, struct fault *fault) MUST_CHECK;

/* Whether one of a checked list has this address; an unknown one is in none. The text is read each
 * time: it is asked once a connection, and then only of those that come through a proxy. */
bool networks_contain(struct slice list, const struct client_address *address);

#endif
