/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network address of a client: as text, and as the number that limits count by. Any thread.
 */
#ifndef SERVER_CLIENT_ADDRESS_H
#define SERVER_CLIENT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"

/* An IPv6 address, or an IPv4 one mapped into it. All zero: not an internet address, or unknown. */
struct client_address {
    unsigned char bytes[16];
};

#define CLIENT_ADDRESS_TEXT_MAX INET6_ADDRSTRLEN

void client_address_from_socket(const struct sockaddr_storage *socket,
                                struct client_address *address);

/* "192.0.2.7", "2001:db8::7" or "[2001:db8::7]", where `has_port` allows a port behind an IPv4 or
 * bracketed address, which is dropped. False: it is something else. */
bool client_address_parse(struct slice text, bool has_port, struct client_address *address);

/* NUL-terminated; IPv4 in its own form, "" when unknown. */
void client_address_format(const struct client_address *address,
                           char text[CLIENT_ADDRESS_TEXT_MAX]);

bool client_address_is_known(const struct client_address *address);

/* The same number for all of an IPv6 /64, which is what one customer gets; an IPv4 address is the
 * same in both families. 0: not an internet address. */
uint64_t client_address_number(const struct client_address *address);

/* client_address_number of a socket's address. */
uint64_t client_address_key(const struct sockaddr_storage *address);

#endif
