/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup: one snapshot of the index, and every blob file it names. Whoever makes one
 *
 *   1. opens the directory (storage/backup_dir.h),
 *   2. pauses reaping (storage/reap_gate.h), of the running server or by holding the lock,
 *   3. has the index copied (kv_copy) into backup_dir_create_index,
 *   4. calls backup_make,
 *   5. lets reaping go on.
 *
 * Blobs need no snapshot: a file never changes once it is there, and a row only names files that
 * are. Restoring is the same way back. Blocking; one thread.
 */
#ifndef STORAGE_BACKUP_H
#define STORAGE_BACKUP_H

#include "storage/backup_dir.h"

struct backup_progress {
    uint64_t files, bytes;             /* looked at so far */
    uint64_t files_total, bytes_total; /* of the snapshot */
};

struct backup_options {
    const char *version;     /* of this program */
    int64_t begun_ms;        /* wall time */
    bool verify;             /* backup: hash what was there before; restore: hash what is copied */
    uint64_t map_size_bytes; /* index.map_size */
    void (*progress)(const struct backup_progress *progress, void *arg); /* may be NULL */
    /* A blob that could not be had, and why. */
    void (*damaged)(const char *text, void *arg);
    void *arg;
};

struct backup_result {
    uint64_t copied, copied_bytes; /* blob files that were not there before */
    uint64_t removed;              /* that no longer are named */
};

/* `blobs_fd` is blobs/ of the data directory, `index_fd` the copy of the index. On success
 * dir->last is the new backup; when dir->last->damaged_n is not 0 some blobs are not in it. On
 * failure the backup that was there before still is the one that counts, and what was copied is
 * there for the next try. */
int backup_make(struct backup_dir *dir, int blobs_fd, int index_fd,
                const struct backup_options *options, struct backup_result *result,
                struct fault *fault) MUST_CHECK;

/* Index and blobs of `dir` into a data directory that datadir_open_restore gave. Blobs the backup
 * does not have are left out; any other that is not as it should be is an error. */
int backup_restore(struct backup_dir *dir, const struct datadir *data,
                   const struct backup_options *options, struct backup_result *result,
                   struct fault *fault) MUST_CHECK;

#endif
