/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What json_parse takes, json_value writes so that it is read again as the same tree; the second
 * writing is byte for byte the first. The byte range of every object and array is a document of
 * its own, with the same tree. A refusal comes with a reason.
 */
#include "config.h"
#include "base/json.h"
#include "base/utf8.h"

#include <stdlib.h>

#define MEMORY_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_limits limits = {.max_depth = 16, .max_values = 2000};

static void check_same(const struct json *a, const struct json *b)
{
    const struct json *x, *y;
    uint32_t count = 0;

    if (a->type != b->type || a->boolean != b->boolean || a->integer != b->integer ||
        a->count != b->count || !slice_eq(a->text, b->text))
        abort();
    for (x = a->first, y = b->first; x && y; x = x->next, y = y->next) {
        if (!slice_eq(x->name, y->name))
            abort();
        check_same(x, y);
        count++;
    }
    if (x || y || count != a->count)
        abort();
}

static struct json *parse_again(struct arena *arena, struct slice text)
{
    struct json *root;

    if (json_parse(arena, text, &limits, &root, NULL) < 0)
        abort();
    return root;
}

/* Parsed on its own once per level, so only near the root: the depth makes it quadratic. */
static void check_ranges(struct arena *arena, struct slice document, const struct json *value,
                         int levels)
{
    if (value->type != JSON_ARRAY && value->type != JSON_OBJECT)
        return;
    if (value->begin >= value->end || value->end > document.n)
        abort();
    if (levels == 0)
        return;
    check_same(value,
               parse_again(arena, slice_sub(document, value->begin, value->end - value->begin)));
    for (const struct json *child = value->first; child; child = child->next)
        check_ranges(arena, document, child, levels - 1);
}

/* A name finds the member it belongs to: there is no other of that name. */
static void check_members(const struct json *value)
{
    for (const struct json *child = value->first; child; child = child->next) {
        if (value->type == JSON_OBJECT && value->count < 100 &&
            json_member(value, child->name) != child)
            abort();
        check_members(child);
    }
}

static void write_value(struct buf *out, const struct json *value)
{
    struct json_writer w;

    buf_reset(out);
    json_writer_init(&w, out);
    json_value(&w, value);
    if (out->overflow)
        abort();
}

static void check_round_trip(struct arena *arena, const struct json *root)
{
    struct json *again;
    struct buf first, second;

    buf_init(&first, MEMORY_MAX);
    buf_init(&second, MEMORY_MAX);
    write_value(&first, root);
    if (utf8_valid_prefix(buf_slice(&first)) != first.n)
        abort();
    again = parse_again(arena, buf_slice(&first));
    check_same(root, again);
    write_value(&second, again);
    if (!slice_eq(buf_slice(&first), buf_slice(&second)))
        abort();
    buf_fini(&first);
    buf_fini(&second);
}

/* Any bytes written as a string are a valid document, and the string comes back when it was text.
 */
static void check_string(struct arena *arena, struct slice bytes)
{
    struct json_writer w;
    struct json *root;
    struct buf out;

    buf_init(&out, MEMORY_MAX);
    json_writer_init(&w, &out);
    json_string(&w, bytes);
    root = parse_again(arena, buf_slice(&out));
    if (root->type != JSON_STRING || out.overflow)
        abort();
    if (utf8_valid_prefix(bytes) == bytes.n && !slice_eq(root->text, bytes))
        abort();
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice document = slice_make(size ? data : NULL, size);
    struct fault fault = FAULT_INIT;
    struct arena arena;
    struct json *root;
    int err;

    arena_init(&arena, MEMORY_MAX);
    err = json_parse(&arena, document, &limits, &root, &fault);
    if (err == 0) {
        if (fault.code != 0 || utf8_valid_prefix(document) != document.n)
            abort();
        check_round_trip(&arena, root);
        check_ranges(&arena, document, root, 3);
        check_members(root);
    } else if (root || fault.code != err || fault.text[0] == '\0' ||
               (err != ERR_SYNTAX && err != ERR_LIMIT)) {
        abort();
    }
    check_string(&arena, document);
    arena_fini(&arena);
    return 0;
}
