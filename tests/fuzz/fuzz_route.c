/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any path names at most one endpoint; what it captures lies within the path, a captured name and
 * argument are not empty where the pattern has them, and building a path from the parts of one that
 * was found finds the same endpoint again.
 */
#include "config.h"

#include "server/route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct slice part, struct slice path)
{
    if (part.n > 0 && (part.p < path.p || part.p + part.n > path.p + path.n))
        abort();
}

/* Puts the parts into the pattern. */
static void build(const struct route *route, const struct route_parts *parts, struct buf *out)
{
    struct slice pattern = slice_from_cstr(route->pattern);

    while (pattern.n > 0) {
        size_t literal = slice_find_char(pattern, '<');
        buf_add(out, slice_sub(pattern, 0, literal));
        pattern = slice_sub(pattern, literal, SIZE_MAX);
        if (slice_starts_with(pattern, SLICE("<name>")))
            buf_add(out, parts->name);
        else if (slice_starts_with(pattern, SLICE("<arg>")))
            buf_add(out, parts->argument);
        else if (slice_starts_with(pattern, SLICE("<path>")))
            buf_add(out, parts->rest);
        else if (pattern.n > 0) /* <ref>: with the ':' or '@' before it */
            buf_add(out, slice_make(parts->argument.p - 1, parts->argument.n + 1));
        size_t end = slice_find_char(pattern, '>');
        pattern = slice_sub(pattern, end + 1, SIZE_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice path = slice_make(size > 0 ? (const void *)data : "", size);
    struct route_parts parts, again;
    struct buf built;

    const struct route *route = route_find(path, &parts);
    if (route == NULL)
        return 0;
    check_within(parts.name, path);
    check_within(parts.argument, path);
    check_within(parts.rest, path);
    if (strstr(route->pattern, "<name>") != NULL && parts.name.n == 0)
        abort();
    buf_init(&built, 2 * size + 256);
    build(route, &parts, &built);
    if (built.overflow || route_find(buf_slice(&built), &again) != route ||
        !slice_eq(parts.name, again.name) || !slice_eq(parts.rest, again.rest))
        abort();
    buf_fini(&built);
    return 0;
}
