/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a sync for each of many small files would make a copy wait for the disk most of its time.
 * So files wait in a batch, open and under a number as their name, while the kernel has been told
 * to begin writing them; then all are synced and get their names. The folders are synced once, at
 * the end. Reading, hashing and writing take turns on one thread: a copy runs beside a server, and
 * should not take more than one processor from it.
 */
#include "config.h"
#include "storage/blob_copy.h"

#include "base/fault_point.h"
#include "base/mem.h"
#include "storage/dir_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES     (1u << 20)
#define BATCH_FILES     64
#define BATCH_BYTES     (UINT64_C(64) << 20)
#define WRITEBACK_BYTES (UINT64_C(8) << 20)

struct waiting_file {
    int fd;
    struct digest digest;
};

struct blob_copy {
    struct blob_files *from, *to;
    int to_blobs_fd, incoming_fd;
    uint8_t *piece;
    struct waiting_file batch[BATCH_FILES];
    unsigned batch_n;
    uint64_t batch_bytes;
    bool is_dirty[DIGEST_SHA512 + 1][256]; /* folders with new names */
};

static int clear_incoming(int fd, struct fault *fault)
{
    DIR *list = dir_list_open(fd, ".");
    const char *name;
    int err = 0;

    if (list == NULL)
        return fault_set_errno(fault, errno, "cannot list the folder of incoming blobs");
    while (err == 0 && (name = dir_list_next(list)) != NULL)
        if (unlinkat(fd, name, 0) != 0 && errno != ENOENT)
            err = fault_set_errno(fault, errno, "cannot remove '%.64s' from the incoming blobs",
                                  name);
    closedir(list);
    return err;
}

/* A folder that is a link would lead the copies elsewhere; one that is missing was empty, and lost
 * by what carried the tree here. */
static int check_folder(int blobs_fd, const char *path, struct fault *fault)
{
    struct stat st;

    if (mkdirat(blobs_fd, path, 0700) != 0 && errno != EEXIST)
        return fault_set_errno(fault, errno, "cannot create blob folder %s", path);
    if (fstatat(blobs_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return fault_set_errno(fault, errno, "cannot look at blob folder %s", path);
    return S_ISDIR(st.st_mode)
               ? 0
               : fault_set(fault, ERR_CONFIG, "%s among the blobs is no folder", path);
}

static int check_folders(int blobs_fd, struct fault *fault)
{
    char path[32];
    int err = 0;

    for (int a = DIGEST_SHA256; err == 0 && a <= DIGEST_SHA512; a++) {
        const char *name = digest_algorithm_name((enum digest_algorithm)a);

        err = check_folder(blobs_fd, name, fault);
        for (unsigned i = 0; err == 0 && i < 256; i++) {
            snprintf(path, sizeof(path), "%s/%02x", name, i);
            err = check_folder(blobs_fd, path, fault);
        }
    }
    return err;
}

int blob_copy_create(struct blob_files *from, struct blob_files *to, int to_blobs_fd,
                     int incoming_fd, struct blob_copy **copy, struct fault *fault)
{
    int err = clear_incoming(incoming_fd, fault);

    if (err == 0)
        err = check_folders(to_blobs_fd, fault);
    if (err != 0)
        return err;
    struct blob_copy *made = xcalloc(1, sizeof(*made));
    made->from = from;
    made->to = to;
    made->to_blobs_fd = to_blobs_fd;
    made->incoming_fd = incoming_fd;
    made->piece = xmalloc(PIECE_BYTES);
    *copy = made;
    return 0;
}

void blob_copy_destroy(struct blob_copy *copy)
{
    if (copy == NULL)
        return;
    for (unsigned i = 0; i < copy->batch_n; i++)
        close(copy->batch[i].fd);
    free(copy->piece);
    free(copy);
}

/*
 * The batch.
 */

static void format_name(unsigned i, char name[16])
{
    snprintf(name, 16, "%u", i);
}

static int sync_batch(const struct blob_copy *copy, struct fault *fault)
{
    for (unsigned i = 0; i < copy->batch_n; i++) {
        int sys = FAULT_POINT("copy.sync");

        if (sys == 0 && fdatasync(copy->batch[i].fd) != 0)
            sys = errno;
        if (sys != 0)
            return fault_set_errno(fault, sys, "cannot sync a copied blob");
        /* Nobody reads it soon, and the memory is better used for what the server reads. */
        posix_fadvise(copy->batch[i].fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    return 0;
}

static int name_batch(struct blob_copy *copy, struct fault *fault)
{
    char name[16], path[BLOB_FILE_PATH_MAX];

    for (unsigned i = 0; i < copy->batch_n; i++) {
        const struct digest *digest = &copy->batch[i].digest;

        format_name(i, name);
        blob_file_path(digest, path);
        if (renameat(copy->incoming_fd, name, copy->to_blobs_fd, path) != 0)
            return fault_set_errno(fault, errno, "cannot move a blob to %s", path);
        copy->is_dirty[digest->algorithm][digest->raw[0]] = true;
    }
    return 0;
}

static int flush_batch(struct blob_copy *copy, struct fault *fault)
{
    int err = sync_batch(copy, fault);

    if (err == 0)
        err = name_batch(copy, fault);
    for (unsigned i = 0; i < copy->batch_n; i++)
        close(copy->batch[i].fd);
    copy->batch_n = 0;
    copy->batch_bytes = 0;
    return err;
}

/*
 * One file.
 */

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, p, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        p += written;
        n -= (size_t)written;
    }
    return 0;
}

/* What is wrong with the source goes to `damage`, the rest to the result. */
struct damage {
    bool found;
    struct fault *fault;
};

static void set_damage(struct damage *damage, const struct digest *digest, const char *what)
{
    char text[DIGEST_TEXT_MAX];

    damage->found = true;
    digest_format(digest, text);
    (void)fault_set(damage->fault, ERR_CORRUPT, "blob %s %s", text, what);
}

/* Reads the file once: `to_fd` (or -1) gets the bytes, `hasher` (or NULL) sees them. */
static int pass_bytes(struct blob_copy *copy, const struct blob_file *file, int to_fd,
                      struct hasher *hasher, bool *read_failed, struct fault *fault)
{
    uint64_t at = 0, begun = 0;

    *read_failed = false;
    for (;;) {
        ssize_t n = pread(file->fd, copy->piece, PIECE_BYTES, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        *read_failed = n < 0;
        if (n <= 0)
            return 0;
        if (hasher != NULL)
            hasher_update(hasher, copy->piece, (size_t)n);
        int sys = to_fd >= 0 ? write_all(to_fd, copy->piece, (size_t)n) : 0;
        if (sys != 0)
            return fault_set_errno(fault, sys, "cannot write a copied blob");
        at += (uint64_t)n;
        if (to_fd >= 0 && at - begun >= WRITEBACK_BYTES) {
            (void)sync_file_range(to_fd, (off_t)begun, (off_t)(at - begun), SYNC_FILE_RANGE_WRITE);
            begun = at;
        }
    }
}

/* pass_bytes, and whether the bytes are those of the digest. */
static int pass_checked(struct blob_copy *copy, const struct blob_file *file,
                        const struct digest *digest, int to_fd, bool hash, struct damage *damage,
                        struct fault *fault)
{
    struct hasher *hasher = hash ? hasher_create((enum digest_algorithm)digest->algorithm) : NULL;
    struct digest computed = *digest;
    bool read_failed;

    int err = pass_bytes(copy, file, to_fd, hasher, &read_failed, fault);
    if (err == 0 && hasher != NULL)
        hasher_final(hasher, &computed);
    if (hasher != NULL)
        hasher_destroy(hasher);
    if (err == 0 && read_failed)
        set_damage(damage, digest, "cannot be read");
    else if (err == 0 && !digest_eq(&computed, digest))
        set_damage(damage, digest, "has other bytes than its digest says");
    return err;
}

/* Opens the source and looks at its size; NULL and damage otherwise. */
static struct blob_file *open_source(struct blob_copy *copy, const struct digest *digest,
                                     uint64_t size, struct damage *damage)
{
    struct blob_file *file = NULL;
    int err = blob_file_open_sync(copy->from, digest, &file, NULL);

    if (err != 0) {
        set_damage(damage, digest, err == ERR_NOT_FOUND ? "is missing" : "cannot be opened");
        return NULL;
    }
    if (file->size == size)
        return file;
    blob_file_unref(file);
    set_damage(damage, digest, "has another size than its row says");
    return NULL;
}

/* Into the batch. */
static int copy_file(struct blob_copy *copy, const struct blob_file *file,
                     const struct digest *digest, bool hash, struct damage *damage,
                     struct fault *fault)
{
    char name[16];

    format_name(copy->batch_n, name);
    int fd = openat(copy->incoming_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot create a file for a blob");
    int err = pass_checked(copy, file, digest, fd, hash, damage, fault);
    if (err != 0 || damage->found) {
        close(fd);
        unlinkat(copy->incoming_fd, name, 0);
        /* A full disk, most likely: what is whole stays for the next try. */
        if (err != 0)
            (void)flush_batch(copy, NULL);
        return err;
    }
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    copy->batch[copy->batch_n++] = (struct waiting_file){.fd = fd, .digest = *digest};
    copy->batch_bytes += file->size;
    if (copy->batch_n == BATCH_FILES || copy->batch_bytes >= BATCH_BYTES)
        return flush_batch(copy, fault);
    return 0;
}

/* *present: there, of that size and, when asked for, of those bytes. */
static int look_at_target(struct blob_copy *copy, const struct digest *digest, uint64_t size,
                          bool hash, bool *present, struct fault *fault)
{
    struct damage damage = {0};
    struct blob_file *file = NULL;
    uint64_t size_there;
    int err = blob_file_stat(copy->to, digest, &size_there, fault);

    *present = err == 0 && size_there == size;
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err != 0 || !*present || !hash)
        return err;
    err = blob_file_open_sync(copy->to, digest, &file, fault);
    if (err != 0)
        return err;
    err = pass_checked(copy, file, digest, -1, true, &damage, fault);
    blob_file_unref(file);
    *present = !damage.found;
    return err;
}

int blob_copy_add(struct blob_copy *copy, const struct digest *digest, uint64_t size_bytes,
                  const struct blob_copy_options *options, enum blob_copy_result *result,
                  struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct damage damage = {.fault = fault};
    bool present;

    int err = look_at_target(copy, digest, size_bytes, options->verify_present, &present, &why);
    if (err != 0)
        return fault_set(fault, err, "%s", fault_text(&why, err));
    if (present) {
        *result = BLOB_PRESENT;
        return 0;
    }
    struct blob_file *file = open_source(copy, digest, size_bytes, &damage);
    if (file != NULL) {
        err = copy_file(copy, file, digest, !options->trust_source, &damage, &why);
        blob_file_unref(file);
    }
    if (err != 0)
        return fault_set(fault, err, "%s", fault_text(&why, err));
    *result = damage.found ? BLOB_DAMAGED : BLOB_COPIED;
    return 0;
}

/*
 * The end.
 */

static int sync_folder(int blobs_fd, const char *path, struct fault *fault)
{
    int fd = openat(blobs_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int sys = fd < 0 ? errno : FAULT_POINT("copy.folder_sync");

    if (sys == 0 && fsync(fd) != 0)
        sys = errno;
    if (fd >= 0)
        close(fd);
    return sys == 0 ? 0 : fault_set_errno(fault, sys, "cannot sync blob folder %s", path);
}

int blob_copy_finish(struct blob_copy *copy, struct fault *fault)
{
    int err = flush_batch(copy, fault);
    char path[32];

    for (int a = DIGEST_SHA256; a <= DIGEST_SHA512; a++) {
        for (unsigned i = 0; err == 0 && i < 256; i++) {
            if (!copy->is_dirty[a][i])
                continue;
            snprintf(path, sizeof(path), "%s/%02x", digest_algorithm_name((enum digest_algorithm)a),
                     i);
            err = sync_folder(copy->to_blobs_fd, path, fault);
        }
        if (err == 0)
            err = sync_folder(copy->to_blobs_fd, digest_algorithm_name((enum digest_algorithm)a),
                              fault);
    }
    return err == 0 ? sync_folder(copy->to_blobs_fd, ".", fault) : err;
}
