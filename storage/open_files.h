/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blob files that stay open between requests, so that a popular one is not opened, looked at and
 * closed for each. Any thread.
 */
#ifndef STORAGE_OPEN_FILES_H
#define STORAGE_OPEN_FILES_H

#include "base/digest.h"

struct blob_file;
struct open_files;

/* Keeps at most `max` files, rounded down to a multiple of four; with less than four, none. */
struct open_files *open_files_create(unsigned max);
/* Closes all that nobody reads. */
void open_files_destroy(struct open_files *files);

/* What a look-up that found nothing hands to open_files_put. */
struct open_files_ticket {
    uint64_t epoch;
};

/* The file with a reference for the caller, or NULL and a ticket. */
struct blob_file *open_files_get(struct open_files *files, const struct digest *digest,
                                 struct open_files_ticket *ticket);

/* Keep a file that was opened after open_files_get gave `ticket`; takes a reference of its own.
 * Does nothing when a file of about this digest was dropped meanwhile: this one may be older. */
void open_files_put(struct open_files *files, const struct digest *digest, struct blob_file *file,
                    const struct open_files_ticket *ticket);

/* The file of that name is another one now, or none. Call it after the change. */
void open_files_drop(struct open_files *files, const struct digest *digest);

#endif
