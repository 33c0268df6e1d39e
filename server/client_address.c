/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static uint64_t key_of_v4(uint32_t address)
{
    return UINT64_C(0xffff00000000) | ntohl(address);
}

uint64_t client_address_key(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    uint64_t network;

    if (address->ss_family == AF_INET)
        return key_of_v4(four->sin_addr.s_addr);
    if (address->ss_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        return key_of_v4(six->sin6_addr.s6_addr32[3]);
    memcpy(&network, &six->sin6_addr, sizeof(network));
    /* ::1 is of a network that is 0. */
    return network != 0 ? network : 1;
}
