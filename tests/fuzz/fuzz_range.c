/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every range given lies in the content, and together they are not more than the whole; entity tag
 * lists are looked through without leaving them. The first 8 bytes are the size.
 */
#include "config.h"

#include "server/range.h"

#include <stdlib.h>

#define RANGES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct range ranges[RANGES_MAX];
    uint64_t content, total = 0;
    unsigned count;

    if (size < sizeof(content))
        return 0;
    memcpy(&content, data, sizeof(content));
    content >>= content % 64;
    struct slice field = slice_make(data + sizeof(content), size - sizeof(content));
    int err = range_parse(field, content, ranges, RANGES_MAX, &count);
    if (err == 0 && (count == 0 || count > RANGES_MAX))
        abort();
    for (unsigned i = 0; err == 0 && i < count; i++) {
        if (ranges[i].n == 0 || ranges[i].first >= content ||
            ranges[i].n > content - ranges[i].first || ranges[i].n > content - total)
            abort();
        total += ranges[i].n;
    }
    if (etag_list_has(field, SLICE("\"sha256:a\"")) && field.n == 0)
        abort();
    return 0;
}
