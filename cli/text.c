/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/text.h"

#include "base/utf8.h"

#include <string.h>

#define TABLE_MAX_BYTES (64 * 1024 * 1024)

/* C0, DEL, and C1, which is two bytes in UTF-8. */
static bool is_control(struct slice character)
{
    unsigned char first = (unsigned char)character.p[0];

    if (character.n == 1)
        return first < 0x20 || first == 0x7f;
    return character.n == 2 && first == 0xc2 && (unsigned char)character.p[1] < 0xa0;
}

void text_clean(struct buf *out, struct slice s)
{
    while (s.n > 0) {
        size_t length;
        bool good = utf8_next(s, &length);
        struct slice character = slice_sub(s, 0, length);

        if (good && !is_control(character))
            buf_add(out, character);
        else
            buf_add(out, SLICE(UTF8_REPLACEMENT));
        s = slice_sub(s, length, SIZE_MAX);
    }
}

void text_print(FILE *out, struct slice s)
{
    struct buf clean;

    buf_init(&clean, TABLE_MAX_BYTES);
    text_clean(&clean, s);
    if (clean.n > 0)
        fwrite(clean.p, 1, clean.n, out);
    buf_fini(&clean);
}

size_t text_width(struct slice s)
{
    size_t width = 0;

    for (size_t i = 0; i < s.n; i++)
        width += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return width;
}

void text_size(uint64_t bytes, char out[TEXT_SIZE_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;

    if (bytes < 1024) {
        snprintf(out, TEXT_SIZE_MAX, "%u B", (unsigned)bytes);
        return;
    }
    /* So that ten times as much fits. */
    if (bytes >= UINT64_MAX / 16) {
        bytes /= 1024;
        unit++;
    }
    uint64_t tenths = bytes * 10;
    /* 1023.5 KiB and more would be printed as 1024. */
    while (tenths >= 10235 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        tenths = (tenths + 512) / 1024;
        unit++;
    }
    if (tenths < 100)
        snprintf(out, TEXT_SIZE_MAX, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                 units[unit]);
    else
        snprintf(out, TEXT_SIZE_MAX, "%u %s", (unsigned)((tenths + 5) / 10), units[unit]);
}

struct slice text_short_digest(struct slice digest)
{
    size_t colon = slice_find_char(digest, ':');

    return slice_sub(digest, 0, colon + 1 + 12);
}

void text_table_init(struct text_table *table, size_t columns)
{
    *table = (struct text_table){.columns = columns};
    buf_init(&table->cells, TABLE_MAX_BYTES);
}

void text_table_add(struct text_table *table, struct slice cell)
{
    size_t from = table->cells.n;
    size_t width;

    text_clean(&table->cells, cell);
    width = text_width(
        slice_make(table->cells.p + (from < table->cells.n ? from : 0), table->cells.n - from));
    buf_add_char(&table->cells, '\0');
    if (width > table->width[table->filled])
        table->width[table->filled] = width;
    if (++table->filled == table->columns) {
        table->filled = 0;
        table->rows++;
    }
}

void text_table_print(struct text_table *table, FILE *out)
{
    const char *cell = table->cells.p;

    for (size_t row = 0; row < table->rows && !table->cells.overflow; row++) {
        for (size_t column = 0; column < table->columns; column++) {
            struct slice text = slice_from_cstr(cell);
            size_t width = text_width(text);

            fputs(cell, out);
            cell += text.n + 1;
            if (column + 1 == table->columns)
                break;
            for (size_t i = width; i < table->width[column] + 2; i++)
                fputc(' ', out);
        }
        fputc('\n', out);
    }
    buf_reset(&table->cells);
    table->rows = table->filled = 0;
}

void text_table_fini(struct text_table *table)
{
    buf_fini(&table->cells);
}
