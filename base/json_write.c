/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/json.h"

#include "base/utf8.h"

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* Every value and every name starts here, and needs a comma before its next sibling. */
static void begin_item(struct json_writer *w)
{
    if (w->need_comma)
        buf_add_char(w->out, ',');
    w->need_comma = true;
}

static void begin_container(struct json_writer *w, char c)
{
    begin_item(w);
    buf_add_char(w->out, c);
    w->need_comma = false;
}

static void end_container(struct json_writer *w, char c)
{
    buf_add_char(w->out, c);
    w->need_comma = true;
}

void json_object_begin(struct json_writer *w)
{
    begin_container(w, '{');
}

void json_object_end(struct json_writer *w)
{
    end_container(w, '}');
}

void json_array_begin(struct json_writer *w)
{
    begin_container(w, '[');
}

void json_array_end(struct json_writer *w)
{
    end_container(w, ']');
}

/* The letter of a two-character escape, or 0. */
static char short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static void add_escaped(struct buf *out, char c)
{
    char letter = short_escape(c);

    if (letter) {
        buf_add_char(out, '\\');
        buf_add_char(out, letter);
    } else {
        buf_add(out, SLICE("\\u00"));
        buf_add_hex(out, slice_make(&c, 1));
    }
}

/* Bytes at the front of `text` that stand for themselves in a JSON string. */
static size_t plain_prefix(struct slice text)
{
    size_t at = 0;

    while (at < text.n && (unsigned char)text.p[at] >= 0x20 && (unsigned char)text.p[at] < 0x80 &&
           text.p[at] != '"' && text.p[at] != '\\')
        at++;
    return at;
}

static void add_quoted(struct buf *out, struct slice text)
{
    buf_add_char(out, '"');
    while (text.n) {
        size_t plain = plain_prefix(text);
        size_t length;

        buf_add(out, slice_sub(text, 0, plain));
        text = slice_sub(text, plain, SIZE_MAX);
        if (text.n == 0)
            break;
        if (!utf8_next(text, &length))
            buf_add(out, SLICE(UTF8_REPLACEMENT));
        else if (length == 1)
            add_escaped(out, text.p[0]);
        else
            buf_add(out, slice_sub(text, 0, length));
        text = slice_sub(text, length, SIZE_MAX);
    }
    buf_add_char(out, '"');
}

void json_name(struct json_writer *w, struct slice name)
{
    begin_item(w);
    add_quoted(w->out, name);
    buf_add_char(w->out, ':');
    w->need_comma = false;
}

void json_string(struct json_writer *w, struct slice text)
{
    begin_item(w);
    add_quoted(w->out, text);
}

void json_u64(struct json_writer *w, uint64_t value)
{
    begin_item(w);
    buf_add_u64(w->out, value);
}

void json_i64(struct json_writer *w, int64_t value)
{
    begin_item(w);
    if (value < 0)
        buf_add_char(w->out, '-');
    /* Negated as unsigned: -INT64_MIN is no int64. */
    buf_add_u64(w->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_bool(struct json_writer *w, bool value)
{
    json_raw(w, value ? SLICE("true") : SLICE("false"));
}

void json_null(struct json_writer *w)
{
    json_raw(w, SLICE("null"));
}

void json_raw(struct json_writer *w, struct slice value)
{
    begin_item(w);
    buf_add(w->out, value);
}

static void write_children(struct json_writer *w, const struct json *parent)
{
    for (const struct json *child = parent->first; child; child = child->next) {
        if (parent->type == JSON_OBJECT)
            json_name(w, child->name);
        json_value(w, child);
    }
}

/* Recursion goes no deeper than the limit the value was parsed with. */
void json_value(struct json_writer *w, const struct json *value)
{
    switch (value->type) {
    case JSON_NULL:
        json_null(w);
        break;
    case JSON_BOOL:
        json_bool(w, value->boolean);
        break;
    case JSON_INTEGER:
    case JSON_NUMBER:
        json_raw(w, value->text);
        break;
    case JSON_STRING:
        json_string(w, value->text);
        break;
    case JSON_ARRAY:
        json_array_begin(w);
        write_children(w, value);
        json_array_end(w);
        break;
    case JSON_OBJECT:
        json_object_begin(w);
        write_children(w, value);
        json_object_end(w);
        break;
    }
}
