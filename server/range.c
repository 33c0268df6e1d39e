/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/range.h"

/* "first-last", "first-" or "-n" of a content of `size` bytes. ERR_HTTP_RANGE: outside of it;
 * ERR_INVALID: not understood; ERR_LIMIT: it ends before it begins. */
static int parse_one(struct slice spec, uint64_t size, struct range *range)
{
    struct slice rest = slice_trim(spec);
    size_t dash = slice_find_char(rest, '-');
    struct slice first_text = slice_sub(rest, 0, dash);
    struct slice last_text = slice_sub(rest, dash + 1, SIZE_MAX);
    uint64_t first, last = UINT64_MAX;

    if (dash == rest.n)
        return ERR_INVALID;
    if (first_text.n == 0) {
        if (!slice_parse_u64(last_text, &last))
            return ERR_INVALID;
        if (last == 0 || size == 0)
            return ERR_HTTP_RANGE;
        range->n = last < size ? last : size;
        range->first = size - range->n;
        return 0;
    }
    if (!slice_parse_u64(first_text, &first) ||
        (last_text.n > 0 && !slice_parse_u64(last_text, &last)))
        return ERR_INVALID;
    if (last < first)
        return ERR_LIMIT;
    if (first >= size)
        return ERR_HTTP_RANGE;
    range->first = first;
    range->n = (last < size - 1 ? last : size - 1) - first + 1;
    return 0;
}

int range_parse(struct slice field, uint64_t size, struct range *ranges, unsigned max,
                unsigned *count)
{
    struct slice rest, part;
    uint64_t total = 0;
    bool any = false;

    *count = 0;
    if (!slice_eq_nocase(slice_sub(field, 0, 6), SLICE("bytes=")))
        return ERR_INVALID;
    rest = slice_sub(field, 6, SIZE_MAX);
    while (slice_split(&rest, ',', &part)) {
        struct range range;
        if (slice_trim(part).n == 0)
            continue; /* RFC 9110 section 5.6.1: empty list elements */
        any = true;
        int err = parse_one(part, size, &range);
        if (err == ERR_INVALID)
            return err;
        if (err == ERR_LIMIT) {
            /* RFC 9110 section 15.5.17; the conformance suite asks for it. */
            *count = 0;
            return ERR_HTTP_RANGE;
        }
        if (err == ERR_HTTP_RANGE)
            continue;
        /* More bytes than the whole: whoever asks for that does not want parts. */
        if (*count == max || range.n > size - total)
            return ERR_INVALID;
        total += range.n;
        ranges[(*count)++] = range;
    }
    if (!any)
        return ERR_INVALID;
    return *count > 0 ? 0 : ERR_HTTP_RANGE;
}

bool etag_list_has(struct slice field, struct slice etag)
{
    struct slice rest = slice_trim(field), part;

    if (slice_eq(rest, SLICE("*")))
        return true;
    while (slice_split(&rest, ',', &part)) {
        part = slice_trim(part);
        if (slice_starts_with(part, SLICE("W/")))
            part = slice_sub(part, 2, SIZE_MAX);
        if (slice_eq(part, etag))
            return true;
    }
    return false;
}
