/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: repository names have slashes, so a path is matched from its end, where the words are
 * ("/manifests/<reference>"); the patterns of route.def stay the one description, and are what
 * metrics and access lines show.
 */
#include "config.h"

#include "server/route.h"

#include "server/handlers.h"

#define X(id, pattern)
#define M(route, method, handler) [ROUTE_##route][METHOD_##method] = handler,
static const handler_fn handlers[ROUTE_COUNT][METHOD_COUNT] = {
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

/* Paths without parts of the client's choosing. */
static const struct route *find_fixed(struct slice path)
{
    static const enum route_id fixed[] = {ROUTE_V2_BASE, ROUTE_V2_CATALOG, ROUTE_V2_DISCOVER,
                                          ROUTE_LIVEZ,   ROUTE_READYZ,     ROUTE_METRICS};

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (slice_eq(path, slice_from_cstr(routes[fixed[i]].pattern)))
            return &routes[fixed[i]];
    }
    /* "/v2" is what people type, and some clients ping. */
    return slice_eq(path, SLICE("/v2")) ? &routes[ROUTE_V2_BASE] : NULL;
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

struct tail {
    struct slice name, word, word2, argument;
};

/* "/v2/<name>/<word2>/<word>/<argument>" from its end; word2 also belongs to <name> where the route
 * has one word only. */
static bool split_tail(struct slice path, struct tail *tail)
{
    const size_t root = sizeof("/v2/") - 1;
    size_t argument, word, word2;

    if (!slice_starts_with(path, SLICE("/v2/")) || !last_slash(path, path.n, &argument) ||
        argument < root || !last_slash(path, argument, &word) || word < root)
        return false;
    tail->argument = slice_sub(path, argument + 1, SIZE_MAX);
    tail->word = slice_sub(path, word + 1, argument - word - 1);
    tail->name = slice_sub(path, root, word - root);
    tail->word2 = slice_make(NULL, 0);
    if (last_slash(path, word, &word2) && word2 >= root)
        tail->word2 = slice_sub(path, word2 + 1, word - word2 - 1);
    return true;
}

const struct route *route_find(struct slice path, struct slice *name, struct slice *argument)
{
    struct tail tail;
    const struct route *route = find_fixed(path);

    *name = slice_make(NULL, 0);
    *argument = slice_make(NULL, 0);
    if (route != NULL)
        return route;
    if (!split_tail(path, &tail))
        return NULL;
    *name = tail.name;
    *argument = tail.argument;
    if (slice_eq(tail.word, SLICE("uploads")) && slice_eq(tail.word2, SLICE("blobs"))) {
        *name = slice_sub(tail.name, 0, tail.name.n - sizeof("/blobs") + 1);
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
