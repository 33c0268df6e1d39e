/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/networks.h"

#include <string.h>

#define V4_BITS_BEFORE 96 /* of a mapped address */

struct network {
    struct client_address address;
    unsigned bits;
};

static bool has_colon(struct slice text)
{
    return slice_find_char(text, ':') < text.n;
}

static bool parse_network(struct slice text, struct network *network)
{
    size_t slash = slice_find_char(text, '/');
    struct slice host = slice_sub(text, 0, slash);
    bool is_six = has_colon(host);
    uint64_t bits = is_six ? 128 : 32;

    if (!client_address_parse(host, false, &network->address))
        return false;
    if (slash < text.n && (!slice_parse_u64(slice_sub(text, slash + 1, SIZE_MAX), &bits) ||
                           bits > (is_six ? 128 : 32)))
        return false;
    network->bits = (unsigned)bits + (is_six ? 0 : V4_BITS_BEFORE);
    return true;
}

static unsigned bit_of(const struct client_address *address, unsigned i)
{
    return address->bytes[i / 8] >> (7 - i % 8) & 1;
}

/* "10.1.2.3/8" is a slip: nobody can say which of both was meant. */
static bool has_host_bits(const struct network *network)
{
    for (unsigned i = network->bits; i < 128; i++) {
        if (bit_of(&network->address, i) != 0)
            return true;
    }
    return false;
}

int networks_check(struct slice list, struct fault *fault)
{
    struct slice part;
    unsigned n = 0;

    while (slice_split(&list, ',', &part)) {
        struct network network;
        part = slice_trim(part);
        if (!parse_network(part, &network))
            return fault_set(fault, ERR_CONFIG,
                             "'" SLICE_FMT "' is no network: write 10.0.0.0/8, 2001:db8::/32 or "
                             "one address",
                             SLICE_ARG(slice_sub(part, 0, 60)));
        if (has_host_bits(&network))
            return fault_set(fault, ERR_CONFIG,
                             "'" SLICE_FMT
                             "' has bits behind its length; did you mean one address, "
                             "or a longer network?",
                             SLICE_ARG(slice_sub(part, 0, 60)));
        if (++n > NETWORKS_MAX)
            return fault_set(fault, ERR_CONFIG, "takes at most %d networks", NETWORKS_MAX);
    }
    return 0;
}

static bool has(const struct network *network, const struct client_address *address)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(network->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || (network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

bool networks_contain(struct slice list, const struct client_address *address)
{
    struct slice part;

    if (list.n == 0 || !client_address_is_known(address))
        return false;
    while (slice_split(&list, ',', &part)) {
        struct network network;
        if (parse_network(slice_trim(part), &network) && has(&network, address))
            return true;
    }
    return false;
}
