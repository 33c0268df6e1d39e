/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a record is written into memory of fixed size by the JSON writer, over a buf that cannot
 * grow. Room for the end of the line is set aside first. A value that does not fit is taken back
 * and tried again shorter, so the line is whole whatever its fields hold; what was cut short ends
 * with an ellipsis, and a line that lost something says "cut".
 *
 * The text format is for terminals: what could move the cursor or start an escape sequence (the
 * C0 and C1 controls, DEL) is never written as it is.
 */
#include "config.h"
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#include <assert.h>

#define VALUE_MAX    1024 /* bytes of one text, before escaping */
#define ELLIPSIS     "\xe2\x80\xa6"

#define JSON_END     "}\n"
#define JSON_CUT_END ",\"cut\":true}\n"
#define TEXT_END     "\n"
#define TEXT_CUT_END " cut=true\n"

struct line {
    struct json_writer json; /* its buf is `out` */
    struct buf out;
    bool is_cut;
};

/* Adds one thing; which of them it is follows from the function. */
typedef void add_fn(struct line *line, const char *name, struct slice text, bool is_short);

/* A buf over the caller's memory: as its capacity is its maximum, it never allocates. */
static void line_init(struct line *line, char *out, size_t size, size_t end_bytes)
{
    *line = (struct line){.out = {.p = out, .cap = size - end_bytes, .max = size - end_bytes}};
    json_writer_init(&line->json, &line->out);
}

/* The end always fits: line_init has set it aside. */
static size_t line_end(struct line *line, struct slice end)
{
    memcpy(line->out.p + line->out.n, end.p, end.n);
    return line->out.n + end.n;
}

/* Not within a character, if it is text. */
static struct slice shorten(struct slice text, size_t n)
{
    if (n >= text.n)
        return text;
    for (int i = 0; i < 3 && n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80; i++)
        n--;
    return slice_sub(text, 0, n);
}

/* The whole text, or as much of it as fits, or nothing at all. */
static void add_fitting(struct line *line, add_fn *add, const char *name, struct slice text)
{
    const struct buf before = line->out;
    const bool need_comma = line->json.need_comma;
    struct slice part = shorten(text, VALUE_MAX);

    for (;;) {
        if (part.n < text.n)
            line->is_cut = true;
        add(line, name, part, part.n < text.n);
        if (!line->out.overflow)
            return;
        line->out = before;
        line->json.need_comma = need_comma;
        if (part.n == 0)
            break;
        part = shorten(text, part.n / 2);
    }
    line->is_cut = true;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_add_text(struct line *line, const char *name, struct slice text, bool is_short)
{
    json_name(&line->json, slice_from_cstr(name));
    json_string(&line->json, text);
    if (is_short && !line->out.overflow) {
        line->out.n--; /* the closing quote moves behind the ellipsis */
        buf_add(&line->out, SLICE(ELLIPSIS "\""));
    }
}

static void json_add_bare(struct line *line, const char *name, struct slice text, bool is_short)
{
    /* Half a number would be another number. */
    line->out.overflow |= is_short;
    json_name(&line->json, slice_from_cstr(name));
    json_raw(&line->json, text);
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* Whether the character (of `n` bytes) must not reach a terminal: C0, DEL, C1. */
static bool is_control(const char *p, size_t n)
{
    const unsigned char *c = (const unsigned char *)p;

    return n == 1 ? c[0] < 0x20 || c[0] == 0x7f : n == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}

static void text_add_escaped(struct buf *out, struct slice text, bool is_quoted)
{
    while (text.n) {
        size_t length;
        bool is_valid = utf8_next(text, &length);

        if (!is_valid)
            buf_add(out, SLICE(UTF8_REPLACEMENT));
        else if (is_control(text.p, length))
            buf_addf(out, "\\u%04x", (unsigned)(unsigned char)text.p[length - 1]);
        else if (is_quoted && (text.p[0] == '"' || text.p[0] == '\\'))
            buf_addf(out, "\\%c", text.p[0]);
        else
            buf_add(out, slice_sub(text, 0, length));
        text = slice_sub(text, length, SIZE_MAX);
    }
}

static bool needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == '"' || text.p[i] == '\\' ||
            text.p[i] == '=')
            return true;
    }
    return text.n == 0;
}

static void text_add_text(struct line *line, const char *name, struct slice text, bool is_short)
{
    bool is_quoted = needs_quotes(text);

    buf_add_char(&line->out, ' ');
    text_add_escaped(&line->out, slice_from_cstr(name), false);
    buf_add(&line->out, is_quoted ? SLICE("=\"") : SLICE("="));
    text_add_escaped(&line->out, text, is_quoted);
    if (is_short)
        buf_add(&line->out, SLICE(ELLIPSIS));
    if (is_quoted)
        buf_add_char(&line->out, '"');
}

static void text_add_bare(struct line *line, const char *name, struct slice text, bool is_short)
{
    line->out.overflow |= is_short;
    buf_add_char(&line->out, ' ');
    text_add_escaped(&line->out, slice_from_cstr(name), false);
    buf_add_char(&line->out, '=');
    buf_add(&line->out, text);
}

/* Event and message stand without names. */
static void text_add_word(struct line *line, const char *name, struct slice text, bool is_short)
{
    (void)name;
    buf_add_char(&line->out, ' ');
    text_add_escaped(&line->out, text, false);
    if (is_short)
        buf_add(&line->out, SLICE(ELLIPSIS));
}

/* ---- Both ------------------------------------------------------------------------------------ */

static struct slice format_u64(uint64_t value, bool is_negative, char out[24])
{
    size_t at = 24;

    do {
        out[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    if (is_negative)
        out[--at] = '-';
    return slice_make(out + at, 24 - at);
}

static void add_field(struct line *line, const struct log_field *field, add_fn *add_text,
                      add_fn *add_bare)
{
    char text[DIGEST_TEXT_MAX];
    char digits[24];

    switch (field->type) {
    case LOG_FIELD_END:
        break;
    case LOG_FIELD_STR:
        add_fitting(line, add_text, field->name, field->text);
        break;
    case LOG_FIELD_U64:
        add_fitting(line, add_bare, field->name, format_u64(field->u64, false, digits));
        break;
    case LOG_FIELD_I64:
        /* Negated as unsigned: -INT64_MIN is no int64. */
        add_fitting(line, add_bare, field->name,
                    format_u64(field->i64 < 0 ? -(uint64_t)field->i64 : (uint64_t)field->i64,
                               field->i64 < 0, digits));
        break;
    case LOG_FIELD_BOOL:
        add_fitting(line, add_bare, field->name, field->u64 ? SLICE("true") : SLICE("false"));
        break;
    case LOG_FIELD_DIGEST:
        if (field->digest && field->digest->algorithm)
            add_fitting(line, add_text, field->name, digest_format(field->digest, text));
        else
            add_fitting(line, add_bare, field->name, SLICE("null"));
        break;
    }
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    assert((unsigned)level < sizeof(names) / sizeof(names[0]));
    return names[level];
}

static size_t render_json(char *out, size_t size, int64_t wall_ms, enum log_level level,
                          const char *event, const char *message, const struct log_field *fields)
{
    char time[CLOCK_RFC3339_MAX];
    struct line line;

    line_init(&line, out, size, sizeof(JSON_CUT_END) - 1);
    clock_format_rfc3339(wall_ms, time);
    json_object_begin(&line.json);
    json_add_text(&line, "ts", slice_from_cstr(time), false);
    json_add_text(&line, "level", slice_from_cstr(level_name(level)), false);
    add_fitting(&line, json_add_text, "event", slice_from_cstr(event));
    add_fitting(&line, json_add_text, "msg", slice_from_cstr(message));
    for (; fields && fields->type != LOG_FIELD_END; fields++)
        add_field(&line, fields, json_add_text, json_add_bare);
    return line_end(&line, line.is_cut ? SLICE(JSON_CUT_END) : SLICE(JSON_END));
}

static size_t render_text(char *out, size_t size, int64_t wall_ms, enum log_level level,
                          const char *event, const char *message, const struct log_field *fields)
{
    char time[CLOCK_RFC3339_MAX];
    struct line line;

    line_init(&line, out, size, sizeof(TEXT_CUT_END) - 1);
    clock_format_rfc3339(wall_ms, time);
    buf_addf(&line.out, "%s %-5s", time, level_name(level));
    add_fitting(&line, text_add_word, NULL, slice_from_cstr(event));
    add_fitting(&line, text_add_word, NULL, slice_from_cstr(message));
    for (; fields && fields->type != LOG_FIELD_END; fields++)
        add_field(&line, fields, text_add_text, text_add_bare);
    return line_end(&line, line.is_cut ? SLICE(TEXT_CUT_END) : SLICE(TEXT_END));
}

size_t log_render(char *out, size_t size, enum log_format format, int64_t wall_ms,
                  enum log_level level, const char *event, const char *message,
                  const struct log_field *fields)
{
    if (size < LOG_LINE_MIN)
        return 0;
    if (format == LOG_TEXT)
        return render_text(out, size, wall_ms, level, event, message, fields);
    return render_json(out, size, wall_ms, level, event, message, fields);
}
