/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a client is as far as limits go: a number for its network address. Any thread.
 */
#ifndef SERVER_CLIENT_ADDRESS_H
#define SERVER_CLIENT_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

/* The same number for all of an IPv6 /64, which is what one customer gets; an IPv4 address is the
 * same in both families. 0: not an internet address. */
uint64_t client_address_key(const struct sockaddr_storage *address);

#endif
