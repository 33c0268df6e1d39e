/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/client_address.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned char mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void take_v4(const void *four, struct client_address *address)
{
    memcpy(address->bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(address->bytes + sizeof(mapped_prefix), four, 4);
}

static bool is_v4(const struct client_address *address)
{
    return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

void client_address_from_socket(const struct sockaddr_storage *socket,
                                struct client_address *address)
{
    *address = (struct client_address){{0}};
    if (socket->ss_family == AF_INET)
        take_v4(&((const struct sockaddr_in *)socket)->sin_addr, address);
    else if (socket->ss_family == AF_INET6)
        memcpy(address->bytes, &((const struct sockaddr_in6 *)socket)->sin6_addr,
               sizeof(address->bytes));
}

static bool parse_host(int family, struct slice host, struct client_address *address)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr four;

    if (host.n == 0 || host.n >= sizeof(text) || memchr(host.p, '\0', host.n) != NULL)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (family == AF_INET6)
        return inet_pton(AF_INET6, text, address->bytes) == 1;
    if (inet_pton(AF_INET, text, &four) != 1)
        return false;
    take_v4(&four, address);
    return true;
}

/* ":" and a port, or nothing. Proxies that hide the port write an obfuscated one (RFC 7239, 6.3).
 */
static bool is_port(struct slice text)
{
    if (text.n == 0)
        return true;
    if (text.n < 2 || text.n > 32 || text.p[0] != ':')
        return false;
    for (size_t i = 1; i < text.n; i++) {
        char c = text.p[i];
        bool is_digit = c >= '0' && c <= '9';
        bool is_hidden = text.p[1] == '_' && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                              c == '_' || c == '.' || c == '-');
        if (!is_digit && !is_hidden)
            return false;
    }
    return true;
}

bool client_address_parse(struct slice text, bool has_port, struct client_address *address)
{
    struct slice host, port;
    int family = AF_INET;
    size_t colon = slice_find_char(text, ':');

    *address = (struct client_address){{0}};
    if (text.n > 0 && text.p[0] == '[') {
        size_t close = slice_find_char(text, ']');
        if (close == text.n)
            return false;
        host = slice_sub(text, 1, close - 1);
        port = slice_sub(text, close + 1, SIZE_MAX);
        family = AF_INET6;
    } else if (slice_find_char(slice_sub(text, colon + 1, SIZE_MAX), ':') + colon + 1 < text.n) {
        host = text;
        port = slice_make(text.p, 0);
        family = AF_INET6;
    } else {
        host = slice_sub(text, 0, colon);
        port = slice_sub(text, colon, SIZE_MAX);
    }
    if ((port.n > 0 && !has_port) || !is_port(port) || !parse_host(family, host, address)) {
        *address = (struct client_address){{0}};
        return false;
    }
    return true;
}

bool client_address_is_known(const struct client_address *address)
{
    static const struct client_address unknown;

    return memcmp(address, &unknown, sizeof(unknown)) != 0;
}

void client_address_format(const struct client_address *address, char text[CLIENT_ADDRESS_TEXT_MAX])
{
    text[0] = '\0';
    if (!client_address_is_known(address))
        return;
    if (is_v4(address))
        inet_ntop(AF_INET, address->bytes + sizeof(mapped_prefix), text, CLIENT_ADDRESS_TEXT_MAX);
    else
        inet_ntop(AF_INET6, address->bytes, text, CLIENT_ADDRESS_TEXT_MAX);
}

uint64_t client_address_number(const struct client_address *address)
{
    uint64_t network;
    uint32_t four;

    if (!client_address_is_known(address))
        return 0;
    if (is_v4(address)) {
        memcpy(&four, address->bytes + sizeof(mapped_prefix), sizeof(four));
        return UINT64_C(0xffff00000000) | ntohl(four);
    }
    memcpy(&network, address->bytes, sizeof(network));
    /* ::1 is of a network that is 0. */
    return network != 0 ? network : 1;
}

uint64_t client_address_key(const struct sockaddr_storage *socket)
{
    struct client_address address;

    client_address_from_socket(socket, &address);
    return client_address_number(&address);
}
