/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the headers of a tar archive as its bytes come: ustar, GNU (long names, base-256 numbers,
 * old sparse files), pax (path, linkpath, size, mtime). Contents are passed over. Bytes are not
 * trusted: every length is bounded, memory is at most TAR_META_MAX. One thread at a time.
 */
#ifndef REGISTRY_TAR_H
#define REGISTRY_TAR_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define TAR_BLOCK    512u
#define TAR_PATH_MAX 4096u    /* of a path or link target; a longer one is cut */
#define TAR_META_MAX 1048576u /* of one extended header; a longer one is ERR_LIMIT */

enum tar_type { TAR_FILE, TAR_DIRECTORY, TAR_SYMLINK, TAR_HARDLINK, TAR_OTHER };

struct tar_entry {
    struct slice path;
    enum tar_type type;
    uint64_t size;
    uint32_t mode;
    int64_t mtime;            /* seconds since 1970 */
    struct slice link_target; /* of links */
};

struct tar_reader {
    int (*each)(const struct tar_entry *entry, void *arg);
    void *arg;
    bool ended; /* its last block was read; what follows is no part of it */
    unsigned entries;

    /* tar.c's own */
    int state;
    uint8_t block[TAR_BLOCK];
    size_t block_n;
    uint64_t left;   /* of contents or an extended header */
    size_t padding;  /* after it */
    unsigned zeroes; /* blocks */
    char meta_type;  /* of the extended header in `meta` */
    struct buf meta, path, link_target;
    bool has_size, has_real_size, has_mtime; /* in a pax header */
    uint64_t size, real_size;
    int64_t mtime;
};

/* `each` gets one entry after the other, borrowed until it returns. */
void tar_init(struct tar_reader *tar, int (*each)(const struct tar_entry *entry, void *arg),
              void *arg);
void tar_fini(struct tar_reader *tar);

/* More bytes. ERR_SYNTAX when they are no archive (from here on), ERR_LIMIT, or what `each`
 * returned when that is not 0; then no more. */
int tar_feed(struct tar_reader *tar, struct slice bytes) MUST_CHECK;

/* True where an entry, and so the archive, may end. */
bool tar_is_between(const struct tar_reader *tar);

#endif
