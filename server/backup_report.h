/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `backup` and `restore` say while they work: progress to a terminal, and blobs that could not
 * be had. Main thread.
 */
#ifndef SERVER_BACKUP_REPORT_H
#define SERVER_BACKUP_REPORT_H

#include <stdbool.h>

#include "storage/backup.h"

struct backup_report {
    const char *verb;
    bool is_drawn; /* standard error is a terminal, and not --quiet */
    uint64_t drawn_ms;
    bool has_line;
};

void backup_report_init(struct backup_report *report, const char *verb, bool quiet);

/* For struct backup_options; `arg` is the report. */
void backup_report_progress(const struct backup_progress *progress, void *arg);
void backup_report_damaged(const char *text, void *arg);

/* Takes the line of the progress away. */
void backup_report_end(struct backup_report *report);

/* "tidemark <verb>: <text>" on standard error. */
void backup_report_failure(struct backup_report *report, const struct fault *fault, int err);

#define BACKUP_SIZE_MAX 32

/* "12.3 MiB", in `out`. */
const char *backup_report_size(uint64_t bytes, char out[BACKUP_SIZE_MAX]);

#endif
