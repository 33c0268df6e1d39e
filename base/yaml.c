/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: libyaml's events become a tree; a frame a level remembers where the next node goes. What
 * makes YAML surprising (anchors that copy subtrees, tags that change types, a second document) is
 * refused where it appears. Duplicate keys are looked for when their mapping ends, by sorting: the
 * document may come from a client. The limits are constants, because what we read is configuration.
 */
#include "config.h"
#include "base/yaml.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <yaml.h>

#define DOCUMENT_MAX_BYTES ((size_t)1 << 20)
#define DEPTH_MAX          64
#define NODES_MAX          65536
#define QUOTE_MAX          64

struct frame {
    struct yaml *container; /* NULL in the first frame, where the root goes */
    struct yaml *last;      /* child */
    struct yaml *pending;   /* mapping: the child whose key was read and whose value comes next */
    size_t count;           /* children */
};

struct parser {
    struct arena *arena;
    struct slice document;
    struct fault *fault;
    yaml_parser_t yaml;
    struct yaml *root;
    struct frame frames[1 + DEPTH_MAX];
    int depth;
    size_t nodes;
    struct slice **sorted; /* scratch for check_keys */
    size_t sorted_max;
    bool is_done;
};

/* libyaml counts from 0, people from 1. */
static int fail(struct parser *p, yaml_mark_t mark, int code, const char *why)
{
    return fault_set(p->fault, code, "%zu:%zu: %s", mark.line + 1, mark.column + 1, why);
}

static int fail_no_memory(struct parser *p)
{
    return fault_set(p->fault, ERR_NO_MEMORY, "the document needs more than %zu bytes of memory",
                     p->arena->max_bytes);
}

/* The reader (wrong bytes) only knows an offset. */
static yaml_mark_t mark_of_offset(struct slice document, size_t offset)
{
    yaml_mark_t mark = {offset, 0, 0};

    for (size_t i = 0; i < offset && i < document.n; i++) {
        if (document.p[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)document.p[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static int fail_libyaml(struct parser *p)
{
    const yaml_parser_t *yaml = &p->yaml;
    yaml_mark_t mark = yaml->problem_mark;

    if (yaml->error == YAML_MEMORY_ERROR)
        return fail_no_memory(p);
    if (yaml->error == YAML_READER_ERROR)
        mark = mark_of_offset(p->document, yaml->problem_offset);
    return fault_set(p->fault, ERR_SYNTAX, "%zu:%zu: %s%s%s", mark.line + 1, mark.column + 1,
                     yaml->problem ? yaml->problem : "syntax error", yaml->context ? ", " : "",
                     yaml->context ? yaml->context : "");
}

static struct frame *top(struct parser *p)
{
    return &p->frames[p->depth];
}

static int create_node(struct parser *p, yaml_mark_t mark, struct yaml **node)
{
    if (p->nodes >= NODES_MAX)
        return fail(p, mark, ERR_LIMIT, "the document has too many values");
    *node = arena_alloc(p->arena, sizeof(**node));
    if (!*node)
        return fail_no_memory(p);
    p->nodes++;
    return 0;
}

static void append(struct parser *p, struct yaml *node)
{
    struct frame *frame = top(p);

    if (!frame->container)
        p->root = node;
    else if (frame->last)
        frame->last->next = node;
    else
        frame->container->first = node;
    frame->last = node;
    frame->count++;
}

/* The node which the event gives a value to, in its place in the tree. */
static int place_node(struct parser *p, yaml_mark_t mark, struct yaml **node)
{
    struct frame *frame = top(p);
    int err;

    if (frame->pending) {
        *node = frame->pending;
        frame->pending = NULL;
    } else {
        err = create_node(p, mark, node);
        if (err < 0)
            return err;
        append(p, *node);
    }
    (*node)->line = (int)mark.line + 1;
    (*node)->column = (int)mark.column + 1;
    return 0;
}

static bool expects_key(struct parser *p)
{
    const struct frame *frame = top(p);

    return frame->container && frame->container->type == YAML_MAPPING && !frame->pending;
}

static int refuse_properties(struct parser *p, yaml_mark_t mark, const yaml_char_t *anchor,
                             const yaml_char_t *tag)
{
    if (anchor)
        return fail(p, mark, ERR_SYNTAX, "anchors (&name) are not allowed");
    if (tag)
        return fail(p, mark, ERR_SYNTAX, "tags (!name) are not allowed");
    return 0;
}

static int copy_text(struct parser *p, const yaml_event_t *event, struct slice *text)
{
    struct slice value = slice_make(event->data.scalar.value, event->data.scalar.length);

    if (slice_find_char(value, '\0') < value.n)
        return fail(p, event->start_mark, ERR_SYNTAX, "NUL characters are not allowed");
    *text = arena_dup(p->arena, value);
    return text->p ? 0 : fail_no_memory(p);
}

static int on_key(struct parser *p, const yaml_event_t *event)
{
    struct yaml *node;
    int err = create_node(p, event->start_mark, &node);

    if (err < 0)
        return err;
    node->key_line = (int)event->start_mark.line + 1;
    node->key_column = (int)event->start_mark.column + 1;
    append(p, node);
    top(p)->pending = node;
    return copy_text(p, event, &node->key);
}

static int on_scalar(struct parser *p, const yaml_event_t *event)
{
    struct yaml *node;
    int err =
        refuse_properties(p, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);

    if (err < 0)
        return err;
    if (expects_key(p))
        return on_key(p, event);
    err = place_node(p, event->start_mark, &node);
    if (err < 0)
        return err;
    node->type = YAML_SCALAR;
    /* A block scalar (| or >) is as much meant as text as one in quotes. */
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return copy_text(p, event, &node->text);
}

static int on_container(struct parser *p, yaml_mark_t mark, enum yaml_type type)
{
    struct yaml *node;
    int err;

    if (expects_key(p))
        return fail(p, mark, ERR_SYNTAX, "a key must be a word, not a list or mapping");
    if (p->depth >= DEPTH_MAX)
        return fail(p, mark, ERR_LIMIT, "the document is nested too deeply");
    err = place_node(p, mark, &node);
    if (err < 0)
        return err;
    node->type = type;
    p->frames[++p->depth] = (struct frame){.container = node};
    return 0;
}

static bool is_before(const struct yaml *a, const struct yaml *b)
{
    return a->key_line != b->key_line ? a->key_line < b->key_line : a->key_column < b->key_column;
}

/* A quoted key may hold control bytes, which are no business of whoever reads the message. */
static void make_printable(struct fault *fault)
{
    for (char *c = fault != NULL ? fault->text : NULL; c != NULL && *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

static int fail_duplicate(struct parser *p, const struct yaml *a, const struct yaml *b)
{
    const struct yaml *first = is_before(a, b) ? a : b;
    const struct yaml *second = first == a ? b : a;
    struct slice quote = slice_sub(second->key, 0, QUOTE_MAX);

    quote.n = utf8_valid_prefix(quote); /* not cut within a character */
    fault_set(p->fault, ERR_SYNTAX, "%d:%d: key '" SLICE_FMT "' is there twice, first at %d:%d",
              second->key_line, second->key_column, SLICE_ARG(quote), first->key_line,
              first->key_column);
    make_printable(p->fault);
    return ERR_SYNTAX;
}

static int check_keys(struct parser *p, const struct frame *frame)
{
    size_t count = 0, at;

    if (frame->count > p->sorted_max) {
        p->sorted = arena_alloc(p->arena, 2 * frame->count * sizeof(*p->sorted));
        if (!p->sorted)
            return fail_no_memory(p);
        p->sorted_max = 2 * frame->count;
    }
    for (struct yaml *node = frame->container->first; node; node = node->next)
        p->sorted[count++] = &node->key;
    at = slice_find_duplicate(p->sorted, count);
    if (!at)
        return 0;
    return fail_duplicate(p, CONTAINER_OF(p->sorted[at - 1], struct yaml, key),
                          CONTAINER_OF(p->sorted[at], struct yaml, key));
}

static int on_mapping_end(struct parser *p)
{
    int err = check_keys(p, top(p));

    p->depth--;
    return err;
}

static int on_event(struct parser *p, const yaml_event_t *event)
{
    yaml_mark_t mark = event->start_mark;
    int err;

    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    case YAML_STREAM_END_EVENT:
        p->is_done = true;
        return 0;
    case YAML_DOCUMENT_START_EVENT:
        return p->root ? fail(p, mark, ERR_SYNTAX, "a second document is not allowed") : 0;
    case YAML_ALIAS_EVENT:
        return fail(p, mark, ERR_SYNTAX, "aliases (*name) are not allowed");
    case YAML_SCALAR_EVENT:
        return on_scalar(p, event);
    case YAML_SEQUENCE_START_EVENT:
        err = refuse_properties(p, mark, event->data.sequence_start.anchor,
                                event->data.sequence_start.tag);
        return err < 0 ? err : on_container(p, mark, YAML_SEQUENCE);
    case YAML_MAPPING_START_EVENT:
        err = refuse_properties(p, mark, event->data.mapping_start.anchor,
                                event->data.mapping_start.tag);
        return err < 0 ? err : on_container(p, mark, YAML_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
        p->depth--;
        return 0;
    case YAML_MAPPING_END_EVENT:
        return on_mapping_end(p);
    }
    return 0;
}

static int run(struct parser *p)
{
    int err = 0;

    while (err == 0 && !p->is_done) {
        yaml_event_t event;

        if (!yaml_parser_parse(&p->yaml, &event))
            return fail_libyaml(p);
        err = on_event(p, &event);
        yaml_event_delete(&event);
    }
    return err;
}

/* "", "# only a comment" and "---" are documents without settings, not mistakes. */
static int fill_empty(struct parser *p)
{
    static const yaml_mark_t start = {0, 0, 0};
    int err = 0;

    if (!p->root)
        err = place_node(p, start, &p->root);
    else if (p->root->type != YAML_SCALAR || p->root->quoted || p->root->text.n)
        return 0;
    if (err == 0)
        p->root->type = YAML_MAPPING;
    return err;
}

int yaml_parse(struct arena *arena, struct slice document, struct yaml **root, struct fault *fault)
{
    struct parser parser = {.arena = arena, .document = document, .fault = fault};
    int err;

    *root = NULL;
    if (document.n > DOCUMENT_MAX_BYTES)
        return fault_set(fault, ERR_LIMIT, "the document has %zu bytes, at most %zu are allowed",
                         document.n, DOCUMENT_MAX_BYTES);
    if (!yaml_parser_initialize(&parser.yaml))
        return fail_no_memory(&parser);
    yaml_parser_set_encoding(&parser.yaml,
                             YAML_UTF8_ENCODING); /* not UTF-16 by a byte order mark */
    yaml_parser_set_input_string(&parser.yaml,
                                 (const unsigned char *)(document.p ? document.p : ""), document.n);
    err = run(&parser);
    yaml_parser_delete(&parser.yaml);
    if (err == 0)
        err = fill_empty(&parser);
    if (err == 0)
        *root = parser.root;
    return err;
}
