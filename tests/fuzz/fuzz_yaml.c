/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What yaml_parse takes is a well-formed tree (positions, no key twice, nothing beyond the limits)
 * which, written as flow YAML with everything escaped, is read again as the same tree. A refusal
 * comes with a place and a reason.
 */
#include "config.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "base/yaml.h"

#include <stdlib.h>

#define MEMORY_MAX ((size_t)64 << 20)
#define DEPTH_MAX  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_position(int line, int column, size_t size)
{
    if (line < 1 || column < 1 || (size_t)line > size + 1 || (size_t)column > size + 1)
        abort();
}

static void check_text(struct slice text)
{
    if (!text.p || text.p[text.n] != '\0' || slice_find_char(text, '\0') != text.n ||
        utf8_valid_prefix(text) != text.n)
        abort();
}

static void check_tree(const struct yaml *node, size_t size, int depth)
{
    check_position(node->line, node->column, size);
    if (node->type == YAML_SCALAR) {
        check_text(node->text);
        if (node->first)
            abort();
        return;
    }
    if (depth >= DEPTH_MAX)
        abort();
    for (const struct yaml *child = node->first; child; child = child->next) {
        if (node->type == YAML_MAPPING) {
            check_text(child->key);
            check_position(child->key_line, child->key_column, size);
        } else if (child->key.n || child->key_line) {
            abort();
        }
        check_tree(child, size, depth + 1);
    }
}

static void check_keys(const struct yaml *node)
{
    size_t left = 200; /* quadratic, so not over everything */

    for (const struct yaml *a = node->first; a && left; a = a->next, left--) {
        if (node->type == YAML_MAPPING) {
            for (const struct yaml *b = a->next; b; b = b->next) {
                if (slice_eq(a->key, b->key))
                    abort();
            }
        }
        check_keys(a);
    }
}

static uint32_t code_point(struct slice s)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)s.p[0] & lead_bits[s.n];

    for (size_t i = 1; i < s.n; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
    return c;
}

static void write_text(struct buf *out, struct slice text)
{
    buf_add_char(out, '"');
    while (text.n) {
        size_t length;

        if (!utf8_next(text, &length))
            abort();
        buf_addf(out, "\\U%08x", (unsigned)code_point(slice_sub(text, 0, length)));
        text = slice_sub(text, length, SIZE_MAX);
    }
    buf_add_char(out, '"');
}

/* With "? " before keys: without it they may have 1,024 characters at most. */
static void write_node(struct buf *out, const struct yaml *node)
{
    if (node->type == YAML_SCALAR) {
        write_text(out, node->text);
        return;
    }
    buf_add_char(out, node->type == YAML_MAPPING ? '{' : '[');
    for (const struct yaml *child = node->first; child; child = child->next) {
        if (node->type == YAML_MAPPING) {
            buf_add(out, SLICE("? "));
            write_text(out, child->key);
            buf_add(out, SLICE("\n: "));
        }
        write_node(out, child);
        buf_add(out, SLICE(",\n"));
    }
    buf_add_char(out, node->type == YAML_MAPPING ? '}' : ']');
}

static void check_same(const struct yaml *a, const struct yaml *b)
{
    const struct yaml *x, *y;

    if (a->type != b->type || !slice_eq(a->text, b->text) || !slice_eq(a->key, b->key))
        abort();
    for (x = a->first, y = b->first; x && y; x = x->next, y = y->next)
        check_same(x, y);
    if (x || y)
        abort();
}

static void check_round_trip(struct arena *arena, const struct yaml *root)
{
    struct fault fault = FAULT_INIT;
    struct yaml *again;
    struct buf out;
    int err;

    buf_init(&out, MEMORY_MAX);
    write_node(&out, root);
    if (out.overflow)
        abort();
    err = yaml_parse(arena, buf_slice(&out), &again, &fault);
    if (err == 0)
        check_same(root, again);
    else if (err != ERR_LIMIT) /* the escapes may take it past the size limit, nothing else */
        abort();
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = FAULT_INIT;
    struct arena arena;
    struct yaml *root;
    int err;

    arena_init(&arena, MEMORY_MAX);
    err = yaml_parse(&arena, slice_make(size ? data : NULL, size), &root, &fault);
    if (err == 0) {
        if (fault.code != 0)
            abort();
        check_tree(root, size, 0);
        check_keys(root);
        check_round_trip(&arena, root);
    } else if (root || fault.code != err || (err != ERR_SYNTAX && err != ERR_LIMIT) ||
               fault.text[0] == '\0') {
        abort();
    }
    arena_fini(&arena);
    return 0;
}
