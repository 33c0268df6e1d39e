/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data directory: its layout, its lock, its format version.
 *
 *   format        "tidemark 1"            lock      flock: one process at a time
 *   index/        the key-value store     blobs/<algorithm>/<2 hex>/<hex>
 *   uploads/      <id> and <id>.meta      control.sock, index.damaged (marker of a failed commit)
 *   restore.unfinished                    marker of a restore under way, or cut off
 *   keys/         the server's own keys, once it needs some (auth/server_key.h)
 *
 * Only base names of our own making are ever opened under it. Main thread; the descriptors may be
 * used by any.
 */
#ifndef STORAGE_DATADIR_H
#define STORAGE_DATADIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fault.h"

#define DATADIR_FORMAT 1

struct datadir {
    char *path; /* as given */
    int fd;     /* O_DIRECTORY */
    int lock_fd;
    int blobs_fd, uploads_fd;
};

/* Create what is missing (each directory synced), take the lock. Refuses with words that help: not
 * writable, locked (ERR_LOCKED, names the pid that holds it), newer format, a network file system,
 * a directory with foreign files and no format file, one that a restore has not finished. */
int datadir_open(const char *path, struct datadir *dir, struct fault *fault) MUST_CHECK;
void datadir_close(struct datadir *dir);

/* The same for a restore: only an empty directory, or one whose restore was cut off. Until
 * datadir_end_restore it has a marker, and nobody else opens it. */
int datadir_open_restore(const char *path, struct datadir *dir, struct fault *fault) MUST_CHECK;
int datadir_end_restore(const struct datadir *dir, struct fault *fault) MUST_CHECK;

/* Without the lock and without changing anything, for asking a running server. */
int datadir_peek(const char *path, struct fault *fault) MUST_CHECK;

/* The marker that a commit failed; its presence at start asks for a check of the index. */
int datadir_mark_damaged(const struct datadir *dir, struct fault *fault) MUST_CHECK;
bool datadir_is_marked(const struct datadir *dir);
int datadir_clear_mark(const struct datadir *dir, struct fault *fault) MUST_CHECK;

/* Removes an index that a first start could not finish, being cut off or out of disk or power: too
 * short to hold a row, in a directory that never had a place for blobs. */
void datadir_drop_unborn_index(const struct datadir *dir);

/* Ask the kernel to drop its cached pages of the index files. */
void datadir_drop_index_cache(const struct datadir *dir);

/* The folder of keys (mode 0700). Without `create` ERR_NOT_FOUND when there is none; with it, it is
 * made, durably. The caller closes *fd. */
int datadir_open_keys(const struct datadir *dir, bool create, int *fd,
                      struct fault *fault) MUST_CHECK;

/* Free bytes for unprivileged users on the file system. */
int datadir_free_bytes(const struct datadir *dir, uint64_t *free_bytes, uint64_t *total_bytes,
                       struct fault *fault) MUST_CHECK;

#endif
