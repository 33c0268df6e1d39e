/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the fields hold and however little room there is, a record is one line: valid JSON with
 * the fields in their order, or text without control characters. The first byte chooses the room,
 * the others are cut into message, names and texts at each 0xfe.
 */
#include "config.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define FIELDS_MAX 24
#define NAME_MAX   40
#define CUT        ((char)0xfe)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
    char message[200];
    char names[FIELDS_MAX][NAME_MAX];
    struct digest digest;
    struct log_field fields[FIELDS_MAX + 1];
    size_t fields_n;
};

static void copy_text(char *out, size_t max, struct slice text)
{
    size_t n = text.n < max - 1 ? text.n : max - 1;

    if (n)
        memcpy(out, text.p, n);
    out[n] = '\0';
}

/* Every third field has the text's bytes as a number, each name starts with its place. */
static void add_field(struct record *record, struct slice text)
{
    size_t i = record->fields_n++;
    char *name = record->names[i];
    int n = snprintf(name, NAME_MAX, "%zu.", i);
    uint64_t number = 0;

    copy_text(name + n, NAME_MAX - (size_t)n, slice_sub(text, 0, 10));
    if (text.n)
        memcpy(&number, text.p, text.n < sizeof(number) ? text.n : sizeof(number));
    switch (i % 6) {
    case 2:
        record->fields[i] = number % 2 ? LOG_U64(name, number) : LOG_BOOL(name, number % 4);
        break;
    case 5:
        record->fields[i] = LOG_I64(name, (int64_t)number);
        break;
    case 4:
        record->fields[i] = LOG_DIGEST(name, number % 2 ? &record->digest : NULL);
        break;
    default:
        record->fields[i] = LOG_STR(name, text);
        break;
    }
}

static void build(struct record *record, struct slice input)
{
    struct slice part = {NULL, 0};

    *record = (struct record){.digest = {.algorithm = DIGEST_SHA512}};
    (void)slice_split(&input, CUT, &part);
    copy_text(record->message, sizeof(record->message), part);
    while (record->fields_n < FIELDS_MAX && slice_split(&input, CUT, &part))
        add_field(record, part);
    record->fields[record->fields_n] = (struct log_field){.type = LOG_FIELD_END};
}

static void check_json(struct slice line)
{
    const struct json_limits limits = {.max_depth = 2, .max_values = 100};
    const char *last = NULL;
    struct arena arena;
    struct json *root;

    arena_init(&arena, 1 << 20);
    if (json_parse(&arena, slice_sub(line, 0, line.n - 1), &limits, &root, NULL) < 0 ||
        root->type != JSON_OBJECT || !json_member(root, SLICE("ts")) ||
        !json_member(root, SLICE("level")))
        abort();
    for (const struct json *member = root->first; member; member = member->next) {
        if (member->type == JSON_OBJECT || member->type == JSON_ARRAY)
            abort();
        /* The names begin with a number that grows. */
        if (member->name.n && member->name.p[0] >= '0' && member->name.p[0] <= '9') {
            if (last && strtoul(last, NULL, 10) > strtoul(member->name.p, NULL, 10))
                abort();
            last = member->name.p;
        }
    }
    arena_fini(&arena);
}

static void check_text(struct slice line)
{
    struct slice rest = slice_sub(line, 0, line.n - 1);

    while (rest.n) {
        const unsigned char *c = (const unsigned char *)rest.p;
        size_t length;

        if (!utf8_next(rest, &length) || c[0] < ' ' || c[0] == 0x7f ||
            (length == 2 && c[0] == 0xc2 && c[1] < 0xa0))
            abort();
        rest = slice_sub(rest, length, SIZE_MAX);
    }
}

static struct slice render(const struct record *record, size_t room, enum log_format format)
{
    char *out = malloc(room ? room : 1); /* of just this size: the sanitizer watches its end */
    size_t n;

    if (!out)
        abort();
    n = log_render(out, room, format, INT64_C(1795552200123), LOG_WARN, "fuzz.event",
                   record->message, record->fields);
    if (n > room || (n == 0) != (room < LOG_LINE_MIN))
        abort();
    if (n && (out[n - 1] != '\n' || slice_find_char(slice_make(out, n), '\n') != n - 1))
        abort();
    return slice_make(out, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(size ? data : NULL, size);
    size_t room = size ? (size_t)data[0] * data[0] / 8 : LOG_LINE_MAX;
    struct record record;
    struct slice line;

    build(&record, slice_sub(input, 1, SIZE_MAX));
    line = render(&record, room, LOG_JSON);
    if (line.n)
        check_json(line);
    free((void *)(uintptr_t)line.p);
    line = render(&record, room, LOG_TEXT);
    if (line.n)
        check_text(line);
    free((void *)(uintptr_t)line.p);
    return 0;
}
