/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blob files: blobs/<algorithm>/<2 hex>/<hex>, immutable once they are there.
 *
 * Durable by order: temporary file written, fdatasync, rename, fsync of the directory; the caller
 * then commits the index row. Names come from digests only; files are opened with O_NOFOLLOW below
 * the directory. Everything that may touch the disk runs on the io pool.
 */
#ifndef STORAGE_BLOB_FILE_H
#define STORAGE_BLOB_FILE_H

#include <sys/types.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/pool.h"
#include "storage/datadir.h"

struct blob_files;

#define BLOB_FILE_PATH_MAX 160 /* "sha512/ab/" + 128 + NUL */

/* "sha256/ab/abcd...", below blobs/: the only way a name becomes a path. */
void blob_file_path(const struct digest *digest, char path[BLOB_FILE_PATH_MAX]);

/* Makes (and syncs) the 2 x 256 directories. `open_max` files that were read stay open. */
int blob_files_open(const struct datadir *dir, struct pool *io, unsigned open_max,
                    struct blob_files **files, struct fault *fault) MUST_CHECK;
/* Only to read: nothing is made. Without an io pool: the blocking forms. Of `dir` they use
 * blobs_fd; it outlives them, here and above. */
struct blob_files *blob_files_attach(const struct datadir *dir);
/* Nobody reads any more; NULL is nothing. */
void blob_files_close(struct blob_files *files);

/* An open blob, shared by the requests that read it: immutable, atomically counted. */
struct blob_file {
    int fd;
    uint64_t size;
};

typedef void (*blob_file_open_fn)(void *arg, int err, struct blob_file *file);

/* Open for reading; done(arg, 0, file) gives one reference, drop it with blob_file_unref. Runs
 * `done` before it returns when the file is open or its path is in the kernel's caches (openat2
 * RESOLVE_CACHED), else through the io pool and `reply`. ERR_NOT_FOUND, ERR_BUSY (out of
 * descriptors), ERR_IO. */
void blob_file_open(struct blob_files *files, const struct digest *digest, struct queue *reply,
                    blob_file_open_fn done, void *arg);
void blob_file_ref(struct blob_file *file);
void blob_file_unref(struct blob_file *file);
/* As blob_file_unref, when there is no pool any more to close a removed file on. */
void blob_file_close(struct blob_file *file);

/*
 * Blocking forms, for pool jobs and process verbs.
 */

/* Move a finished temporary file (`from_name` in directory `from_fd`, already synced) to its place
 * and sync the directory. Replaces what is there: the bytes are the same, and new ones heal damage.
 * The caller holds the digest gate. A failed fsync unlinks the file and is never retried. */
int blob_file_publish(struct blob_files *files, int from_fd, const char *from_name,
                      const struct digest *digest, struct fault *fault) MUST_CHECK;

/* Write bytes in memory as a blob file, durable on return. The caller holds the digest gate. */
int blob_file_write(struct blob_files *files, const struct digest *digest, struct slice bytes,
                    struct fault *fault) MUST_CHECK;

/* Size on disk, or ERR_NOT_FOUND. */
int blob_file_stat(struct blob_files *files, const struct digest *digest, uint64_t *size,
                   struct fault *fault) MUST_CHECK;
int blob_file_open_sync(struct blob_files *files, const struct digest *digest,
                        struct blob_file **file, struct fault *fault) MUST_CHECK;

/* Unlink and sync; the caller holds the digest gate. */
int blob_file_remove(struct blob_files *files, const struct digest *digest,
                     struct fault *fault) MUST_CHECK;

/* Every blob file, in no order (fsck). A name that is no digest is passed as digest == NULL. Stops
 * when `each` returns non-zero and returns that. */
int blob_file_each(struct blob_files *files,
                   int (*each)(const struct digest *digest, const char *name, uint64_t size,
                               void *arg),
                   void *arg, struct fault *fault) MUST_CHECK;

#endif
