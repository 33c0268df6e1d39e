/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/backup_report.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <unistd.h>

#define DRAW_EVERY_MS 200

void backup_report_init(struct backup_report *report, const char *verb, bool quiet)
{
    *report = (struct backup_report){.verb = verb, .is_drawn = !quiet && isatty(STDERR_FILENO)};
}

const char *backup_report_size(uint64_t bytes, char out[BACKUP_SIZE_MAX])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < ARRAY_LENGTH(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, BACKUP_SIZE_MAX, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
    return out;
}

void backup_report_progress(const struct backup_progress *progress, void *arg)
{
    struct backup_report *report = arg;
    char done[BACKUP_SIZE_MAX], total[BACKUP_SIZE_MAX];
    uint64_t now_ms = clock_mono_ms();

    if (!report->is_drawn || (report->has_line && now_ms - report->drawn_ms < DRAW_EVERY_MS))
        return;
    report->drawn_ms = now_ms;
    report->has_line = true;
    fprintf(stderr, "\r\033[K%s: %llu of %llu blobs, %s of %s", report->verb,
            (unsigned long long)progress->files, (unsigned long long)progress->files_total,
            backup_report_size(progress->bytes, done),
            backup_report_size(progress->bytes_total, total));
    fflush(stderr);
}

void backup_report_end(struct backup_report *report)
{
    if (report->has_line)
        fputs("\r\033[K", stderr);
    report->has_line = false;
}

void backup_report_damaged(const char *text, void *arg)
{
    struct backup_report *report = arg;

    backup_report_end(report);
    fprintf(stderr, "tidemark %s: %s\n", report->verb, text);
}

void backup_report_failure(struct backup_report *report, const struct fault *fault, int err)
{
    backup_report_end(report);
    fprintf(stderr, "tidemark %s: %s\n", report->verb, fault_text(fault, err));
}
