/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* What a lead byte asks for: how many bytes follow, and the range of the first of them. The
 * narrowed ranges are what keeps out overlong forms, surrogates and code points too large. */
struct lead {
    unsigned char first, last; /* the lead bytes this row is about */
    unsigned char following;
    unsigned char low, high;
};

static const struct lead leads[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf}, {0xe1, 0xec, 2, 0x80, 0xbf},
    {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf},
    {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct lead *find_lead(unsigned char byte)
{
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    }
    return NULL;
}

bool utf8_next(struct slice s, size_t *length)
{
    const unsigned char *p = (const unsigned char *)s.p;
    const struct lead *lead;
    size_t n = 1;

    if (p[0] < 0x80) {
        *length = 1;
        return true;
    }
    lead = find_lead(p[0]);
    if (lead && s.n > 1 && p[1] >= lead->low && p[1] <= lead->high) {
        for (n = 2; n <= lead->following && n < s.n; n++) {
            if ((p[n] & 0xc0) != 0x80)
                break;
        }
    }
    *length = n;
    return lead && n == (size_t)lead->following + 1;
}

/* Eight bytes at a time: nearly everything we read is ASCII. */
static size_t ascii_prefix(struct slice s)
{
    size_t at = 0;
    uint64_t word;

    for (; s.n - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.p + at, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < s.n && (unsigned char)s.p[at] < 0x80)
        at++;
    return at;
}

size_t utf8_valid_prefix(struct slice s)
{
    size_t at = ascii_prefix(s);
    size_t length;

    while (at < s.n && utf8_next(slice_sub(s, at, SIZE_MAX), &length)) {
        at += length;
        at += ascii_prefix(slice_sub(s, at, SIZE_MAX));
    }
    return at;
}
