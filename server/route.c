/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: repository names have slashes. On /v2 a path is therefore matched from its end, where the
 * words are ("/manifests/<reference>"), in code, because it is every pull's path; all other
 * endpoints are matched along their pattern, whose separators no name can hold. The patterns of
 * route.def are the one description of both, and are what metrics and access lines show.
 */
#include "config.h"

#include "server/route.h"

#include "server/handlers.h"

#define X(id, pattern)
#define M(route, method, handler, right) [ROUTE_##route][METHOD_##method] = handler,
static const handler_fn handlers[ROUTE_COUNT][METHOD_COUNT] = {
#include "server/route.def"
};
#undef M

/* A line without a right does not compile, so that no endpoint is open because nobody thought. */
#define M(route, method, handler, right) [ROUTE_##route][METHOD_##method] = RIGHT_##right,
static const enum route_right rights[ROUTE_COUNT][METHOD_COUNT] = {
#include "server/route.def"
};
#undef M
#undef X

#define IS_V2(pattern) (sizeof(pattern) > 4 && (pattern)[1] == 'v' && (pattern)[2] == '2')

const struct route routes[ROUTE_COUNT] = {
#define X(name, text) [ROUTE_##name] = {.id = ROUTE_##name, .pattern = text, .is_v2 = IS_V2(text)},
#include "server/route.def"
#undef X
};

handler_fn route_handler(const struct route *route, enum method method)
{
    return handlers[route->id][method];
}

enum route_right route_right(const struct route *route, enum method method)
{
    return rights[route->id][method];
}

/* The last '/' before `end`; false when there is none. */
static bool last_slash(struct slice path, size_t end, size_t *at)
{
    while (end > 0) {
        if (path.p[--end] == '/') {
            *at = end;
            return true;
        }
    }
    return false;
}

/*
 * /v2: names have slashes, and the words stand behind them.
 */

struct tail {
    struct slice name, word, word2, argument;
};

/* "/v2/<name>/<word2>/<word>/<argument>" from its end; word2 also belongs to <name> where the route
 * has one word only. */
static bool split_tail(struct slice path, struct tail *tail)
{
    const size_t root = sizeof("/v2/") - 1;
    size_t argument, word, word2;

    if (!last_slash(path, path.n, &argument) || argument < root ||
        !last_slash(path, argument, &word) || word <= root)
        return false;
    tail->argument = slice_sub(path, argument + 1, SIZE_MAX);
    tail->word = slice_sub(path, word + 1, argument - word - 1);
    tail->name = slice_sub(path, root, word - root);
    tail->word2 = slice_make(NULL, 0);
    if (last_slash(path, word, &word2) && word2 >= root)
        tail->word2 = slice_sub(path, word2 + 1, word - word2 - 1);
    return true;
}

static const struct route *find_v2(struct slice path, struct route_parts *parts)
{
    struct tail tail;

    if (!split_tail(path, &tail))
        return NULL;
    parts->name = tail.name;
    parts->argument = tail.argument;
    if (slice_eq(tail.word, SLICE("uploads")) && slice_eq(tail.word2, SLICE("blobs"))) {
        parts->name = slice_sub(tail.name, 0, tail.name.n - sizeof("/blobs") + 1);
        if (parts->name.n == 0)
            return NULL;
        return &routes[tail.argument.n > 0 ? ROUTE_V2_UPLOAD : ROUTE_V2_UPLOADS];
    }
    if (slice_eq(tail.word, SLICE("manifests")) && tail.argument.n > 0)
        return &routes[ROUTE_V2_MANIFEST];
    if (slice_eq(tail.word, SLICE("blobs")) && tail.argument.n > 0)
        /* POST to /blobs/uploads without its last slash is a common slip. */
        return &routes[slice_eq(tail.argument, SLICE("uploads")) ? ROUTE_V2_UPLOADS
                                                                 : ROUTE_V2_BLOB];
    if (slice_eq(tail.word, SLICE("tags")) && slice_eq(tail.argument, SLICE("list")))
        return &routes[ROUTE_V2_TAGS];
    if (slice_eq(tail.word, SLICE("referrers")) && tail.argument.n > 0)
        return &routes[ROUTE_V2_REFERRERS];
    return NULL;
}

/*
 * Everything else: segment by segment along the pattern.
 */

/* `text` up to `stop` goes to *part, the rest, from `stop` on, to *rest. */
static void cut(struct slice text, size_t stop, struct slice *part, struct slice *rest)
{
    *part = slice_sub(text, 0, stop);
    *rest = slice_sub(text, stop, SIZE_MAX);
}

/* Where a name ends: before "/-/" ("-" alone is no part of a name) when the pattern goes on so,
 * before ':' or '@' when a reference follows, else at the end. */
static size_t name_end(struct slice path, struct slice pattern)
{
    if (slice_starts_with(pattern, SLICE("/-/"))) {
        for (size_t i = 0; i + 3 <= path.n; i++) {
            if (memcmp(path.p + i, "/-/", 3) == 0)
                return i;
        }
        return 0;
    }
    if (slice_starts_with(pattern, SLICE("<ref>"))) {
        size_t colon = slice_find_char(path, ':'), at = slice_find_char(path, '@');
        return colon < at ? colon : at;
    }
    return path.n;
}

/* One placeholder of the pattern takes its part of the path. */
static bool take_part(struct slice *path, struct slice *pattern, struct route_parts *parts)
{
    struct slice part;

    if (slice_starts_with(*pattern, SLICE("<name>"))) {
        *pattern = slice_sub(*pattern, sizeof("<name>") - 1, SIZE_MAX);
        cut(*path, name_end(*path, *pattern), &parts->name, path);
        /* The API's own separator is no name. */
        return parts->name.n > 0 && (pattern->n > 0 || name_end(parts->name, SLICE("/-/")) == 0);
    }
    if (slice_starts_with(*pattern, SLICE("<ref>"))) {
        *pattern = slice_sub(*pattern, sizeof("<ref>") - 1, SIZE_MAX);
        cut(*path, slice_find_char(*path, '/'), &part, path);
        parts->argument = slice_sub(part, 1, SIZE_MAX);
        return part.n > 1;
    }
    if (slice_starts_with(*pattern, SLICE("<path>"))) {
        *pattern = slice_sub(*pattern, sizeof("<path>") - 1, SIZE_MAX);
        parts->rest = *path;
        *path = slice_make(NULL, 0);
        return parts->rest.n > 0;
    }
    *pattern = slice_sub(*pattern, sizeof("<arg>") - 1, SIZE_MAX);
    cut(*path, slice_find_char(*path, '/'), &parts->argument, path);
    return parts->argument.n > 0;
}

static bool matches(struct slice pattern, struct slice path, struct route_parts *parts)
{
    *parts = (struct route_parts){0};
    while (pattern.n > 0) {
        size_t literal = slice_find_char(pattern, '<');
        /* A last slash is easily left out. */
        if (path.n == 0 && slice_eq(pattern, SLICE("/")))
            return true;
        if (!slice_starts_with(path, slice_sub(pattern, 0, literal)))
            return false;
        path = slice_sub(path, literal, SIZE_MAX);
        pattern = slice_sub(pattern, literal, SIZE_MAX);
        if (pattern.n > 0 && !take_part(&path, &pattern, parts))
            return false;
    }
    return path.n == 0;
}

static const struct route *find_fixed(struct slice path, enum route_id first, enum route_id last)
{
    for (int id = first; id <= (int)last; id++) {
        if (slice_eq(path, slice_from_cstr(routes[id].pattern)))
            return &routes[id];
    }
    return NULL;
}

const struct route *route_find(struct slice path, struct route_parts *parts)
{
    *parts = (struct route_parts){0};
    if (slice_starts_with(path, SLICE("/v2/"))) {
        const struct route *route = find_fixed(path, ROUTE_V2_BASE, ROUTE_V2_DISCOVER);
        return route != NULL ? route : find_v2(path, parts);
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!routes[i].is_v2 && matches(slice_from_cstr(routes[i].pattern), path, parts))
            return &routes[i];
    }
    *parts = (struct route_parts){0};
    /* "/v2" is what people type, and some clients ping. */
    return slice_eq(path, SLICE("/v2")) ? &routes[ROUTE_V2_BASE] : NULL;
}

void route_allow(const struct route *route, struct buf *out)
{
    bool any = false;

    for (int method = 0; method < METHOD_COUNT; method++) {
        if (handlers[route->id][method] == NULL)
            continue;
        if (any)
            buf_add(out, SLICE(", "));
        buf_add(out, slice_from_cstr(method_name((enum method)method)));
        any = true;
    }
}
