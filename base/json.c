/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: two passes. check_text refuses what yajl would let through or mend in silence: UTF-8 that
 * is only roughly well-formed, half surrogate pairs (it makes them '?'), vertical tabs and form
 * feeds between tokens, strings left open. Then yajl's callbacks build the tree.
 *
 * yajl keeps a stack of its own, one byte a level, and grows it after the callback said yes: the
 * depth limit in begin_container comes first. It does not look at what malloc returns, so it gets
 * the allocator that aborts; all it takes is bounded by the document, which is capped here, and by
 * the depth. The tree and everything else live in the arena.
 *
 * Numbers come as text, so that no size is lost to a double or an overflow.
 */
#include "config.h"
#include "base/json.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <yajl/yajl_parse.h>

#include <stdio.h>
#include <stdlib.h>

#define DOCUMENT_MAX_BYTES ((size_t)1 << 30)

/* Objects up to this size are checked for duplicate names pair by pair, larger ones by sorting. */
#define PAIRWISE_MAX 8

/* How much of a name is quoted in a fault. */
#define QUOTE_MAX 64

struct frame {
    struct json *container;
    struct json *last; /* child */
    struct frame *up, *down;
};

struct parser {
    struct arena *arena;
    const struct json_limits *limits;
    struct slice document;
    struct fault *fault;
    yajl_handle yajl;
    struct json *root;
    struct frame *top; /* NULL outside of the root container */
    struct frame *bottom;
    struct slice name;     /* of the member whose value comes next */
    struct slice **sorted; /* scratch for check_names */
    size_t sorted_max;
    unsigned depth, values;
    int err; /* why a callback stopped the parse */
};

/* "line 3, column 14: why", where columns count characters. */
static int fail_at(struct slice document, size_t offset, struct fault *fault, int code,
                   const char *why)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < offset && i < document.n; i++) {
        if (document.p[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)document.p[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return fault_set(fault, code, "line %zu, column %zu: %s", line, column, why);
}

/* --- First pass ------------------------------------------------------------------------------ */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The UTF-16 unit of the \uXXXX at `at`; -1 when there is none (yajl says what is wrong then). */
static int escaped_unit(struct slice s, size_t at)
{
    int unit = 0;

    if (s.n - at < 6 || s.p[at] != '\\' || s.p[at + 1] != 'u')
        return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        int value = hex_value(s.p[i]);

        if (value < 0)
            return -1;
        unit = unit << 4 | value;
    }
    return unit;
}

static bool is_high_surrogate(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Bytes of the escape at `at`; 0 when it is half a surrogate pair. */
static size_t escape_length(struct slice s, size_t at)
{
    int unit = escaped_unit(s, at);

    if (is_low_surrogate(unit))
        return 0;
    if (is_high_surrogate(unit))
        return is_low_surrogate(escaped_unit(s, at + 6)) ? 12 : 0;
    return unit < 0 ? 2 : 6;
}

/* From the opening quote at *at to after the closing one. */
static int check_string(struct slice s, size_t *at, struct fault *fault)
{
    size_t i = *at + 1;

    while (i < s.n && s.p[i] != '"') {
        size_t length = 1;

        if (s.p[i] == '\\') {
            length = escape_length(s, i);
            if (length == 0)
                return fail_at(s, i, fault, ERR_SYNTAX, "half of a surrogate pair");
        }
        i += length;
    }
    if (i >= s.n)
        return fail_at(s, *at, fault, ERR_SYNTAX, "the string that begins here has no end");
    *at = i + 1;
    return 0;
}

static int check_text(struct slice s, struct fault *fault)
{
    size_t at = utf8_valid_prefix(s);
    int err;

    if (at < s.n)
        return fail_at(s, at, fault, ERR_SYNTAX, "not valid UTF-8");
    at = 0;
    while (at < s.n) {
        if (s.p[at] == '"') {
            err = check_string(s, &at, fault);
            if (err < 0)
                return err;
            continue;
        }
        if (s.p[at] == '\v' || s.p[at] == '\f')
            return fail_at(s, at, fault, ERR_SYNTAX,
                           "only space, tab and line ends may stand here");
        at++;
    }
    return 0;
}

/* --- Second pass ----------------------------------------------------------------------------- */

/* The end of the token a callback is about. */
static size_t offset_now(const struct parser *p)
{
    return yajl_get_bytes_consumed(p->yajl);
}

/* Its last byte. (A number at the very end is delivered when nothing counts as consumed yet.) */
static size_t offset_of_token(const struct parser *p)
{
    size_t end = offset_now(p);

    return end ? end - 1 : 0;
}

/* Callbacks answer 0 to stop the parse. */
static int stop_at(struct parser *p, size_t offset, int code, const char *why)
{
    p->err = fail_at(p->document, offset, p->fault, code, why);
    return 0;
}

static int stop_no_memory(struct parser *p)
{
    p->err = fault_set(p->fault, ERR_NO_MEMORY, "the document needs more than %zu bytes of memory",
                       p->arena->max_bytes);
    return 0;
}

/* A new value at the place the document is at; NULL stops the parse. */
static struct json *add_value(struct parser *p, enum json_type type)
{
    struct json *value;

    if (p->values >= p->limits->max_values) {
        stop_at(p, offset_of_token(p), ERR_LIMIT, "the document has too many values");
        return NULL;
    }
    p->values++;
    value = arena_alloc(p->arena, sizeof(*value));
    if (!value) {
        stop_no_memory(p);
        return NULL;
    }
    value->type = type;
    value->begin = value->end = offset_now(p);
    if (!p->top) {
        p->root = value;
        return value;
    }
    if (p->top->last)
        p->top->last->next = value;
    else
        p->top->container->first = value;
    p->top->last = value;
    p->top->container->count++;
    if (p->top->container->type == JSON_OBJECT)
        value->name = p->name;
    return value;
}

static int add_text(struct parser *p, struct slice bytes, struct slice *text)
{
    *text = arena_dup(p->arena, bytes);
    return text->p ? 1 : stop_no_memory(p);
}

static int on_null(void *context)
{
    return add_value(context, JSON_NULL) != NULL;
}

static int on_boolean(void *context, int boolean)
{
    struct json *value = add_value(context, JSON_BOOL);

    if (!value)
        return 0;
    value->boolean = boolean != 0;
    return 1;
}

/* Whether `text`, a number by JSON's grammar, is an integer of 64 bits. */
static bool parse_integer(struct slice text, int64_t *integer)
{
    bool negative = text.p[0] == '-';
    uint64_t magnitude;

    if (!slice_parse_u64(slice_sub(text, negative, SIZE_MAX), &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *integer = (int64_t)(negative ? -magnitude : magnitude);
    return true;
}

static int on_number(void *context, const char *p, size_t n)
{
    struct parser *parser = context;
    struct json *value = add_value(parser, JSON_NUMBER);

    if (!value || !add_text(parser, slice_make(p, n), &value->text))
        return 0;
    if (parse_integer(value->text, &value->integer))
        value->type = JSON_INTEGER;
    return 1;
}

static int on_string(void *context, const unsigned char *p, size_t n)
{
    struct parser *parser = context;
    struct json *value = add_value(parser, JSON_STRING);

    return value && add_text(parser, slice_make(p, n), &value->text);
}

static int on_name(void *context, const unsigned char *p, size_t n)
{
    struct parser *parser = context;

    return add_text(parser, slice_make(p, n), &parser->name);
}

/* The next frame down; those left before are used again. */
static struct frame *push_frame(struct parser *p)
{
    struct frame **link = p->top ? &p->top->down : &p->bottom;

    if (!*link) {
        *link = arena_alloc(p->arena, sizeof(**link));
        if (!*link)
            return NULL;
        (*link)->up = p->top;
    }
    p->top = *link;
    return p->top;
}

static int begin_container(struct parser *p, enum json_type type)
{
    struct json *value;

    if (p->depth >= p->limits->max_depth)
        return stop_at(p, offset_of_token(p), ERR_LIMIT, "the document is nested too deeply");
    value = add_value(p, type);
    if (!value)
        return 0;
    value->begin = offset_of_token(p);
    if (!push_frame(p))
        return stop_no_memory(p);
    p->top->container = value;
    p->top->last = NULL;
    p->depth++;
    return 1;
}

static int end_container(struct parser *p)
{
    p->top->container->end = offset_now(p);
    p->top = p->top->up;
    p->depth--;
    return 1;
}

static int on_object_begin(void *context)
{
    return begin_container(context, JSON_OBJECT);
}

static int on_array_begin(void *context)
{
    return begin_container(context, JSON_ARRAY);
}

static int on_array_end(void *context)
{
    return end_container(context);
}

static int stop_duplicate(struct parser *p, const struct json *member)
{
    struct slice quote = slice_sub(member->name, 0, QUOTE_MAX);
    char why[QUOTE_MAX + 32];

    quote.n = utf8_valid_prefix(quote); /* not cut within a character */
    snprintf(why, sizeof(why), "member \"" SLICE_FMT "\" is there twice", SLICE_ARG(quote));
    return stop_at(p, member->begin, ERR_SYNTAX, why);
}

static const struct json *find_twice_by_pairs(const struct json *object)
{
    for (const struct json *a = object->first; a; a = a->next) {
        for (const struct json *b = a->next; b; b = b->next) {
            if (slice_eq(a->name, b->name))
                return b;
        }
    }
    return NULL;
}

/* Room for `count` pointers, kept for the next large object. */
static bool reserve_sorted(struct parser *p, size_t count)
{
    if (count > p->sorted_max) {
        p->sorted = arena_alloc(p->arena, 2 * count * sizeof(struct slice *));
        p->sorted_max = p->sorted ? 2 * count : 0;
    }
    return p->sorted != NULL;
}

/* NULL when all differ, or when memory is out (p->err says so then). */
static const struct json *find_twice_by_sorting(struct parser *p, struct json *object)
{
    const struct json *a, *b;
    size_t count = 0, at;

    if (!reserve_sorted(p, object->count)) {
        stop_no_memory(p);
        return NULL;
    }
    for (struct json *member = object->first; member; member = member->next)
        p->sorted[count++] = &member->name;
    at = slice_find_duplicate(p->sorted, count);
    if (!at)
        return NULL;
    a = CONTAINER_OF(p->sorted[at - 1], struct json, name);
    b = CONTAINER_OF(p->sorted[at], struct json, name);
    return a->begin > b->begin ? a : b;
}

static int check_names(struct parser *p, struct json *object)
{
    const struct json *twice = object->count <= PAIRWISE_MAX ? find_twice_by_pairs(object)
                                                             : find_twice_by_sorting(p, object);

    if (twice)
        return stop_duplicate(p, twice);
    return p->err == 0;
}

static int on_object_end(void *context)
{
    struct parser *p = context;

    return check_names(p, p->top->container) && end_container(p);
}

/* What yajl says, without its "parse error: " and line end. */
static int fail_yajl(struct parser *p, size_t offset)
{
    unsigned char *message = yajl_get_error(p->yajl, 0, NULL, 0);
    struct slice text = slice_from_cstr((const char *)message);
    size_t colon = slice_find_char(text, ':');
    char why[160];
    int err;

    if (colon < text.n)
        text = slice_trim(slice_sub(text, colon + 1, SIZE_MAX));
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '.'))
        text.n--;
    text = slice_sub(text, 0, sizeof(why) - 1);
    memcpy(why, text.p, text.n);
    why[text.n] = '\0';
    err = fail_at(p->document, offset, p->fault, ERR_SYNTAX, why);
    yajl_free_error(p->yajl, message);
    return err;
}

static int run(struct parser *p)
{
    yajl_status status;
    size_t offset;

    status = yajl_parse(p->yajl, (const unsigned char *)p->document.p, p->document.n);
    offset = offset_now(p);
    if (status == yajl_status_ok) {
        status = yajl_complete_parse(p->yajl);
        offset = p->document.n;
    } else if (offset > 0) {
        offset--; /* yajl has passed the byte or token it stumbled over */
    }
    if (status == yajl_status_client_canceled)
        return p->err;
    return status == yajl_status_ok ? 0 : fail_yajl(p, offset);
}

static void *yajl_malloc(void *context, size_t n)
{
    (void)context;
    return xmalloc(n);
}

static void *yajl_realloc(void *context, void *old, size_t n)
{
    (void)context;
    return xrealloc(old, n);
}

static void yajl_release(void *context, void *p)
{
    (void)context;
    free(p);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object_begin,
    .yajl_map_key = on_name,
    .yajl_end_map = on_object_end,
    .yajl_start_array = on_array_begin,
    .yajl_end_array = on_array_end,
};

int json_parse(struct arena *arena, struct slice document, const struct json_limits *limits,
               struct json **root, struct fault *fault)
{
    yajl_alloc_funcs allocator = {yajl_malloc, yajl_realloc, yajl_release, NULL};
    struct parser parser = {.arena = arena, .limits = limits, .document = document, .fault = fault};
    int err;

    *root = NULL;
    if (document.n == 0)
        return fault_set(fault, ERR_SYNTAX, "line 1, column 1: the document is empty");
    if (document.n > DOCUMENT_MAX_BYTES)
        return fault_set(fault, ERR_LIMIT, "the document is larger than 1 GiB");
    err = check_text(document, fault);
    if (err < 0)
        return err;
    parser.yajl = yajl_alloc(&callbacks, &allocator, &parser);
    yajl_config(parser.yajl, yajl_dont_validate_strings, 1); /* done in the first pass, better */
    err = run(&parser);
    yajl_free(parser.yajl);
    if (err == 0)
        *root = parser.root;
    return err;
}

const struct json *json_member(const struct json *object, struct slice name)
{
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *member = object->first; member; member = member->next) {
        if (slice_eq(member->name, name))
            return member;
    }
    return NULL;
}
