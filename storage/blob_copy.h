/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies blob files from one blobs/ tree into another (backup, restore), each with its digest
 * recomputed on the way. What is in its place is whole: a file gets its name after its bytes were
 * synced. Folders are synced by blob_copy_finish, and only then it is all durable.
 *
 * Blocking; one thread.
 */
#ifndef STORAGE_BLOB_COPY_H
#define STORAGE_BLOB_COPY_H

#include "storage/blob_file.h"

struct blob_copy;

/* `incoming_fd` is a folder on the file system of the target, for files on their way; what is in it
 * from a run that was cut off is removed. Borrows all of it. */
int blob_copy_create(struct blob_files *from, struct blob_files *to, int to_blobs_fd,
                     int incoming_fd, struct blob_copy **copy, struct fault *fault) MUST_CHECK;
void blob_copy_destroy(struct blob_copy *copy);

enum blob_copy_result {
    BLOB_COPIED,
    BLOB_PRESENT, /* with that size */
    BLOB_DAMAGED, /* the source is missing, unreadable, or not what its name says; see `fault` */
};

struct blob_copy_options {
    bool trust_source;   /* do not hash what is copied: its size is enough */
    bool verify_present; /* hash what is there already; damage is replaced */
};

/* An error is one of the target, or memory; it is of no use to go on. */
int blob_copy_add(struct blob_copy *copy, const struct digest *digest, uint64_t size_bytes,
                  const struct blob_copy_options *options, enum blob_copy_result *result,
                  struct fault *fault) MUST_CHECK;

/* Everything that was added is in its place and durable. */
int blob_copy_finish(struct blob_copy *copy, struct fault *fault) MUST_CHECK;

#endif
