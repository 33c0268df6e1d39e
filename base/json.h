/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in (a tree in an arena, over yajl) and out (appended to a buf, over yajl_gen's rules).
 *
 * The reader is strict: RFC 8259, UTF-8 checked, no comments, no trailing bytes, no duplicate
 * member names, depth and number of values limited. One thread at a time.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_type type;
    bool boolean;
    int64_t integer;    /* JSON_INTEGER: fits int64 */
    struct slice text;  /* JSON_STRING: unescaped; JSON_NUMBER and JSON_INTEGER: as written */
    struct slice name;  /* member name when inside an object, unescaped */
    struct json *first; /* children of an array or object, in document order */
    struct json *next;  /* next sibling */
    uint32_t count;     /* number of children */
    size_t begin, end;  /* byte range of the value in the document; objects and arrays only */
};

struct json_limits {
    unsigned max_depth;
    unsigned max_values;
};

/* Parse a whole document. ERR_SYNTAX with line and column in `fault`, ERR_LIMIT for depth or number
 * of values, ERR_NO_MEMORY when the arena is full. Strings are copied into the arena. */
int json_parse(struct arena *arena, struct slice document, const struct json_limits *limits,
               struct json **root, struct fault *fault) MUST_CHECK;

/* Member of an object by name; NULL when absent or when `object` is NULL or not an object. */
const struct json *json_member(const struct json *object, struct slice name);

/* Writers: append to `out`. Commas are the caller's through the json_writer below. */
struct json_writer {
    struct buf *out;
    bool need_comma;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_name(struct json_writer *w, struct slice name);
void json_string(struct json_writer *w, struct slice text); /* invalid UTF-8 becomes U+FFFD */
void json_u64(struct json_writer *w, uint64_t value);
void json_i64(struct json_writer *w, int64_t value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
/* Bytes that are already one JSON value. */
void json_raw(struct json_writer *w, struct slice value);
/* A parsed value, written again. */
void json_value(struct json_writer *w, const struct json *value);

#endif
