/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte ranges (RFC 9110 section 14) and entity tag lists (section 13.1). Any thread.
 */
#ifndef SERVER_RANGE_H
#define SERVER_RANGE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct range {
    uint64_t first, n;
};

/* The ranges of a Range field that lie in a content of `size` bytes, in their order. 0 with *count
 * of them; ERR_INVALID: not understood, overlapping beyond reason or more than `max`, so the field
 * is to be ignored; ERR_HTTP_RANGE: none lies in the content. */
int range_parse(struct slice field, uint64_t size, struct range *ranges, unsigned max,
                unsigned *count) MUST_CHECK;

/* Whether a list of entity tags, or "*", names `etag` (with its quotes), compared weakly. */
bool etag_list_has(struct slice field, struct slice etag);

#endif
