/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of "Forwarded" (those that begin with 'f') and X-Forwarded-For, -Proto and -Host ('x', 'p',
 * 'h'): what is read of them lies in them, a scheme is one of two, and whatever stands left of what
 * the last proxy wrote changes nothing.
 */
#include "config.h"

#include "server/forwarded.h"

#include <stdlib.h>

#define FIELDS_MAX 8
#define TRUSTED    SLICE("10.0.0.0/8,2001:db8::/32")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct slice part, struct slice whole)
{
    return part.p == NULL || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static struct slice name_of(char kind)
{
    switch (kind) {
    case 'f':
        return SLICE("forwarded");
    case 'p':
        return SLICE("x-forwarded-proto");
    case 'h':
        return SLICE("x-forwarded-host");
    default:
        return SLICE("x-forwarded-for");
    }
}

/* The proxy adds the address of the client at the end. */
static void check_last_counts(struct slice left)
{
    struct forwarded forwarded;
    struct client_address wanted;
    const struct http_field fields[] = {{SLICE("x-forwarded-for"), left},
                                        {SLICE("x-forwarded-for"), SLICE("203.0.113.9")}};

    if (!client_address_parse(SLICE("203.0.113.9"), false, &wanted) ||
        forwarded_read(fields, 2, TRUSTED, &forwarded, NULL) != 0 ||
        memcmp(&forwarded.client, &wanted, sizeof(wanted)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_make(data, size), rest = all, line;
    struct http_field fields[FIELDS_MAX];
    struct forwarded forwarded;
    char text[CLIENT_ADDRESS_TEXT_MAX];
    unsigned n = 0;

    if (size == 0)
        return 0;
    while (n < FIELDS_MAX && slice_split(&rest, '\n', &line)) {
        if (line.n == 0 || slice_has_control(line))
            continue;
        fields[n].name = name_of(line.p[0]);
        fields[n++].value = slice_trim(slice_sub(line, 1, SIZE_MAX));
    }
    if (forwarded_read(fields, n, TRUSTED, &forwarded, NULL) == 0) {
        if (!is_within(forwarded.host, all) || (forwarded.host.p != NULL && forwarded.host.n == 0))
            abort();
        if (forwarded.scheme.p != NULL && !slice_eq(forwarded.scheme, SLICE("http")) &&
            !slice_eq(forwarded.scheme, SLICE("https")))
            abort();
        client_address_format(&forwarded.client, text);
        if (!forwarded.is_there && (text[0] != '\0' || forwarded.host.p != NULL))
            abort();
    }
    if (n > 0)
        check_last_counts(fields[0].value);
    return 0;
}
