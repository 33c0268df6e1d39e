/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line on a terminal that says how far a transfer is. It appears when the transfer takes longer
 * than a moment, is drawn over itself, and leaves nothing behind. Main thread only.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define PROGRESS_LINE_MAX 1024

struct progress {
    bool is_on;
    const char *verb;  /* "pushing" */
    struct slice name; /* of the file, borrowed */
    uint64_t total, first;
    uint64_t begun_ms, drawn_ms; /* drawn 0: not yet */
};

/* `is_wanted` says whether the user wants one; it still needs a terminal. `first` bytes were there
 * before we began. */
void progress_begin(struct progress *progress, bool is_wanted, const char *verb, struct slice name,
                    uint64_t first, uint64_t total);
void progress_update(struct progress *progress, uint64_t done);
void progress_end(struct progress *progress);

/* The line without its end, at most `columns` wide; returns its length in bytes. */
size_t progress_format(char out[PROGRESS_LINE_MAX], const struct progress *progress, uint64_t done,
                       uint64_t now_ms, unsigned columns);

#endif
