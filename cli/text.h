/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words for a terminal. What came from a registry was written by anybody: no control byte of it
 * reaches the terminal. Main thread only.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/slice.h"

#define TEXT_SIZE_MAX 16
#define TEXT_COLUMNS  8

/* Appends `s` with control characters and broken UTF-8 as U+FFFD. */
void text_clean(struct buf *out, struct slice s);

/* The same on a stream. */
void text_print(FILE *out, struct slice s);

/* Characters of a cleaned text, for columns. */
size_t text_width(struct slice s);

/* "0 B", "1023 B", "1.0 KiB", "117 MiB", "2.5 GiB" */
void text_size(uint64_t bytes, char out[TEXT_SIZE_MAX]);

/* The beginning of a digest that people compare by eye: "sha256:44136fa355b3". */
struct slice text_short_digest(struct slice digest);

/* Rows whose columns stand under each other. Begin with zeroes. */
struct text_table {
    struct buf cells; /* each ends with NUL */
    size_t columns;
    size_t width[TEXT_COLUMNS];
    size_t filled; /* cells of the current row */
    size_t rows;
};

void text_table_init(struct text_table *table, size_t columns);
void text_table_add(struct text_table *table, struct slice cell);
/* Prints the rows and forgets them; widths stay, so that the next page stands under this one. */
void text_table_print(struct text_table *table, FILE *out);
void text_table_fini(struct text_table *table);

#endif
