/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a GET of a popular blob should not cost a trip through the io pool, and a GET of a cold
 * one must not block the worker on the disk. openat2 with RESOLVE_CACHED tells the two apart: it
 * opens (or says ENOENT) from the kernel's caches or fails with EAGAIN at once. Where the kernel or
 * a sandbox does not know it, every open goes through the pool.
 *
 * What was opened stays open for a while (storage/open_files.h): a GET of a small popular blob
 * spent a quarter of its time on opening and closing. Whoever replaces or removes a file here drops
 * it there, so that no removed one keeps its space.
 */
#include "config.h"
#include "storage/blob_file.h"

#include "base/fault_point.h"
#include "base/mem.h"
#include "storage/dir_list.h"
#include "storage/open_files.h"

#include <linux/openat2.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Made when all folders are there and synced, so that later starts need not look at each. */
#define READY_NAME "ready"

static const enum digest_algorithm algorithms[] = {DIGEST_SHA256, DIGEST_SHA512};

struct blob_files {
    const struct datadir *dir;
    struct pool *io;
    struct open_files *open;
    atomic_bool has_cached; /* openat2 with RESOLVE_CACHED works */
};

/* What a struct blob_file is really part of. */
struct counted_file {
    struct blob_file file;
    atomic_uint refs;
    struct pool *io;
    struct pool_job job; /* closes the file */
};

void blob_file_path(const struct digest *digest, char path[BLOB_FILE_PATH_MAX])
{
    char text[DIGEST_TEXT_MAX];
    struct slice whole = digest_format(digest, text);
    size_t colon = slice_find_char(whole, ':');
    const char *hex = text + colon + 1;

    snprintf(path, BLOB_FILE_PATH_MAX, "%.*s/%.2s/%s", (int)colon, text, hex, hex);
}

/*
 * Folders.
 */

static int make_folder(int fd, const char *name, struct fault *fault)
{
    if (mkdirat(fd, name, 0700) == 0 || errno == EEXIST)
        return 0;
    return fault_set_errno(fault, errno, "cannot create blob folder %s", name);
}

static int open_folder(int fd, const char *name, int *folder, struct fault *fault)
{
    *folder = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *folder >= 0 ? 0 : fault_set_errno(fault, errno, "cannot open blob folder %s", name);
}

static int sync_folder(int fd, const char *name, struct fault *fault)
{
    int folder;
    int err = open_folder(fd, name, &folder, fault);

    if (err != 0)
        return err;
    if (fsync(folder) != 0)
        err = fault_set_errno(fault, errno, "cannot sync blob folder %s", name);
    close(folder);
    return err;
}

static int make_folders(int fd, struct fault *fault)
{
    int err = 0;

    for (size_t a = 0; err == 0 && a < ARRAY_LENGTH(algorithms); a++) {
        const char *name = digest_algorithm_name(algorithms[a]);
        char path[32];

        err = make_folder(fd, name, fault);
        for (unsigned i = 0; err == 0 && i < 256; i++) {
            snprintf(path, sizeof(path), "%s/%02x", name, i);
            err = make_folder(fd, path, fault);
        }
        if (err == 0)
            err = sync_folder(fd, name, fault);
    }
    return err == 0 ? sync_folder(fd, ".", fault) : err;
}

static struct blob_files *files_new(const struct datadir *dir, struct pool *io, unsigned open_max)
{
    struct blob_files *files = xcalloc(1, sizeof(*files));

    files->dir = dir;
    files->io = io;
    files->open = open_files_create(open_max);
    atomic_init(&files->has_cached, true);
    return files;
}

int blob_files_open(const struct datadir *dir, struct pool *io, unsigned open_max,
                    struct blob_files **files, struct fault *fault)
{
    if (faccessat(dir->blobs_fd, READY_NAME, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        int err = make_folders(dir->blobs_fd, fault);
        if (err != 0)
            return err;
        int ready =
            openat(dir->blobs_fd, READY_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (ready < 0)
            return fault_set_errno(fault, errno, "cannot create blobs/" READY_NAME);
        close(ready);
    }
    *files = files_new(dir, io, open_max);
    return 0;
}

struct blob_files *blob_files_attach(const struct datadir *dir)
{
    return files_new(dir, NULL, 0);
}

void blob_files_close(struct blob_files *files)
{
    if (files == NULL)
        return;
    open_files_destroy(files->open);
    free(files);
}

/*
 * Reading.
 */

/* Takes the descriptor. */
static int wrap(struct blob_files *files, int fd, struct blob_file **file, struct fault *fault)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return fault_set(fault, ERR_IO, "a blob is not a regular file");
    }
    struct counted_file *counted = xcalloc(1, sizeof(*counted));
    counted->file.fd = fd;
    counted->file.size = (uint64_t)st.st_size;
    counted->io = files->io;
    atomic_init(&counted->refs, 1);
    *file = &counted->file;
    return 0;
}

int blob_file_open_sync(struct blob_files *files, const struct digest *digest,
                        struct blob_file **file, struct fault *fault)
{
    char path[BLOB_FILE_PATH_MAX];

    blob_file_path(digest, path);
    int fd = openat(files->dir->blobs_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open blob %s", path);
    return wrap(files, fd, file, fault);
}

/* ERR_AGAIN: the disk may be needed. */
static int open_cached(struct blob_files *files, const struct digest *digest,
                       struct blob_file **file)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_CACHED | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
    };
    char path[BLOB_FILE_PATH_MAX];

    if (!atomic_load_explicit(&files->has_cached, memory_order_relaxed))
        return ERR_AGAIN;
    blob_file_path(digest, path);
    long fd = syscall(SYS_openat2, files->dir->blobs_fd, path, &how, sizeof(how));
    if (fd >= 0)
        return wrap(files, (int)fd, file, NULL);
    if (errno == EAGAIN)
        return ERR_AGAIN;
    if (errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP || errno == EPERM) {
        atomic_store_explicit(&files->has_cached, false, memory_order_relaxed);
        return ERR_AGAIN;
    }
    return err_from_errno(errno);
}

struct open_job {
    struct pool_job job;
    struct blob_files *files;
    struct digest digest;
    struct open_files_ticket ticket;
    blob_file_open_fn done;
    void *arg;
    int err;
    struct blob_file *file;
};

static void open_run(struct pool_job *job)
{
    struct open_job *open = CONTAINER_OF(job, struct open_job, job);

    open->err = blob_file_open_sync(open->files, &open->digest, &open->file, NULL);
    if (open->err == 0)
        open_files_put(open->files->open, &open->digest, open->file, &open->ticket);
}

static void open_done(struct pool_job *job)
{
    struct open_job *open = CONTAINER_OF(job, struct open_job, job);

    open->done(open->arg, open->err, open->file);
    free(open);
}

void blob_file_open(struct blob_files *files, const struct digest *digest, struct queue *reply,
                    blob_file_open_fn done, void *arg)
{
    struct open_files_ticket ticket;
    struct blob_file *file = open_files_get(files->open, digest, &ticket);
    int err = 0;

    if (file == NULL) {
        err = open_cached(files, digest, &file);
        if (err == 0)
            open_files_put(files->open, digest, file, &ticket);
    }
    if (err != ERR_AGAIN) {
        done(arg, err, file);
        return;
    }
    struct open_job *open = xcalloc(1, sizeof(*open));
    open->job.run = open_run;
    open->job.done = open_done;
    open->job.reply = reply;
    open->files = files;
    open->digest = *digest;
    open->ticket = ticket;
    open->done = done;
    open->arg = arg;
    pool_submit(files->io, &open->job);
}

void blob_file_ref(struct blob_file *file)
{
    struct counted_file *counted = CONTAINER_OF(file, struct counted_file, file);

    atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
}

static void close_run(struct pool_job *job)
{
    struct counted_file *counted = CONTAINER_OF(job, struct counted_file, job);

    close(counted->file.fd);
    free(counted);
}

static bool drop_reference(struct counted_file *counted)
{
    return atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) == 1;
}

void blob_file_close(struct blob_file *file)
{
    struct counted_file *counted = CONTAINER_OF(file, struct counted_file, file);

    if (drop_reference(counted))
        close_run(&counted->job);
}

void blob_file_unref(struct blob_file *file)
{
    struct counted_file *counted = CONTAINER_OF(file, struct counted_file, file);
    struct stat st;

    if (!drop_reference(counted))
        return;
    counted->job.run = close_run;
    /* The last close of a removed file frees its extents, which takes long for a large one. */
    if (counted->io != NULL && fstat(file->fd, &st) == 0 && st.st_nlink == 0)
        pool_submit(counted->io, &counted->job);
    else
        close_run(&counted->job);
}

int blob_file_stat(struct blob_files *files, const struct digest *digest, uint64_t *size,
                   struct fault *fault)
{
    char path[BLOB_FILE_PATH_MAX];
    struct stat st;

    blob_file_path(digest, path);
    if (fstatat(files->dir->blobs_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return fault_set_errno(fault, errno, "cannot look at blob %s", path);
    if (!S_ISREG(st.st_mode))
        return fault_set(fault, ERR_IO, "blob %s is not a regular file", path);
    *size = (uint64_t)st.st_size;
    return 0;
}

/*
 * Writing.
 */

/* Opened before anything is changed in it: being out of descriptors must come too early, not too
 * late. */
static int open_folder_of(struct blob_files *files, const char *path, int *folder,
                          struct fault *fault)
{
    char name[BLOB_FILE_PATH_MAX];

    snprintf(name, sizeof(name), "%.*s", (int)(strrchr(path, '/') - path), path);
    int err = open_folder(files->dir->blobs_fd, name, folder, fault);
    if (err != ERR_NOT_FOUND)
        return err;
    /* A copy of the data directory may have lost its empty folders. */
    err = make_folders(files->dir->blobs_fd, fault);
    return err == 0 ? open_folder(files->dir->blobs_fd, name, folder, fault) : err;
}

static int sync_and_close(int folder, const char *path, struct fault *fault)
{
    int sys = FAULT_POINT("blob.folder_sync");
    int err = 0;

    if (sys == 0 && fsync(folder) != 0)
        sys = errno;
    if (sys != 0)
        err = fault_set_errno(fault, sys, "cannot sync the folder of blob %s", path);
    close(folder);
    return err;
}

/* *replaced says whether a file of that name was there before. */
static int move(int from_fd, const char *from_name, int to_fd, const char *to_path, bool *replaced)
{
    *replaced = false;
    if (renameat2(from_fd, from_name, to_fd, to_path, RENAME_NOREPLACE) == 0)
        return 0;
    /* EINVAL: a file system without NOREPLACE. The caller holds the digest gate, so nobody comes
     * between the look and the rename. */
    if (errno != EEXIST && errno != EINVAL && errno != ENOSYS)
        return -1;
    *replaced = faccessat(to_fd, to_path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return renameat(from_fd, from_name, to_fd, to_path);
}

int blob_file_publish(struct blob_files *files, int from_fd, const char *from_name,
                      const struct digest *digest, struct fault *fault)
{
    int to_fd = files->dir->blobs_fd;
    char path[BLOB_FILE_PATH_MAX];
    bool replaced;
    int folder;

    blob_file_path(digest, path);
    int err = open_folder_of(files, path, &folder, fault);
    if (err != 0)
        return err;
    if (move(from_fd, from_name, to_fd, path, &replaced) != 0) {
        err = fault_set_errno(fault, errno, "cannot move a blob to %s", path);
        close(folder);
        return err;
    }
    open_files_drop(files->open, digest);
    err = sync_and_close(folder, path, fault);
    /* What replaced a file of the same bytes is as good as that was, whichever of the two a crash
     * leaves, and a row may name it. A new file has no row yet. */
    if (err != 0 && !replaced) {
        unlinkat(to_fd, path, 0);
        open_files_drop(files->open, digest);
    }
    return err;
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes = slice_sub(bytes, (size_t)n, bytes.n);
    }
    return 0;
}

/* A name that uploads_open removes when it survives a crash. */
static void make_temp_name(char name[40])
{
    uint8_t raw[16];

    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        abort();
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(name + 2 * i, 3, "%02x", raw[i]);
    memcpy(name + 2 * sizeof(raw), ".new", sizeof(".new"));
}

int blob_file_write(struct blob_files *files, const struct digest *digest, struct slice bytes,
                    struct fault *fault)
{
    int dir_fd = files->dir->uploads_fd;
    char name[40];
    int err = 0;

    make_temp_name(name);
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot create a file under uploads");
    int sys = FAULT_POINT("blob.sync");
    if (sys == 0 && (write_all(fd, bytes) != 0 || fdatasync(fd) != 0))
        sys = errno;
    if (sys != 0)
        err = fault_set_errno(fault, sys, "cannot write a blob of %zu bytes", bytes.n);
    close(fd);
    if (err == 0)
        err = blob_file_publish(files, dir_fd, name, digest, fault);
    if (err != 0)
        unlinkat(dir_fd, name, 0);
    return err;
}

int blob_file_remove(struct blob_files *files, const struct digest *digest, struct fault *fault)
{
    char path[BLOB_FILE_PATH_MAX];

    int folder;

    blob_file_path(digest, path);
    int err = open_folder_of(files, path, &folder, fault);
    if (err != 0)
        return err;
    if (unlinkat(files->dir->blobs_fd, path, 0) != 0) {
        err = fault_set_errno(fault, errno, "cannot remove blob %s", path);
        close(folder);
        return err;
    }
    open_files_drop(files->open, digest);
    return sync_and_close(folder, path, fault);
}

/*
 * Walking.
 */

struct walk {
    int (*each)(const struct digest *digest, const char *name, uint64_t size, void *arg);
    void *arg;
    struct fault *fault;
};

static bool is_folder_name(const char *name)
{
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

/* One entry at `path` ("sha256/ab/<name>"): a blob when its name is a digest that belongs there. */
static int walk_entry(const struct walk *walk, int fd, const char *name, const char *path)
{
    char text[DIGEST_TEXT_MAX], expected[BLOB_FILE_PATH_MAX];
    struct digest digest;
    struct stat st;

    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        /* Gone since it was listed. */
        return errno == ENOENT ? 0 : fault_set_errno(walk->fault, errno, "cannot look at %s", path);
    int n = snprintf(text, sizeof(text), "%.*s:%s", (int)strcspn(path, "/"), path, name);
    bool is_blob = n > 0 && (size_t)n < sizeof(text) && S_ISREG(st.st_mode) &&
                   digest_parse(slice_make(text, (size_t)n), &digest, NULL) == 0;
    if (is_blob) {
        blob_file_path(&digest, expected);
        is_blob = strcmp(expected, path) == 0;
    }
    return walk->each(is_blob ? &digest : NULL, path, (uint64_t)st.st_size, walk->arg);
}

static int walk_folder(const struct walk *walk, int parent_fd, const char *name, const char *path,
                       bool has_folders)
{
    DIR *list = dir_list_open(parent_fd, name);
    const char *entry;
    int err = 0;

    if (list == NULL)
        return fault_set_errno(walk->fault, errno, "cannot list blobs/%s", path);
    while (err == 0 && (entry = dir_list_next(list)) != NULL) {
        char below[BLOB_FILE_PATH_MAX + NAME_MAX + 2];

        snprintf(below, sizeof(below), "%s/%s", path, entry);
        if (has_folders && is_folder_name(entry))
            err = walk_folder(walk, dirfd(list), entry, below, false);
        else
            err = walk_entry(walk, dirfd(list), entry, below);
    }
    if (err == 0 && errno != 0)
        err = fault_set_errno(walk->fault, errno, "cannot list blobs/%s", path);
    closedir(list);
    return err;
}

int blob_file_each(struct blob_files *files,
                   int (*each)(const struct digest *digest, const char *name, uint64_t size,
                               void *arg),
                   void *arg, struct fault *fault)
{
    const struct walk walk = {each, arg, fault};
    int err = 0;

    for (size_t a = 0; err == 0 && a < ARRAY_LENGTH(algorithms); a++) {
        const char *name = digest_algorithm_name(algorithms[a]);

        err = walk_folder(&walk, files->dir->blobs_fd, name, name, true);
    }
    return err;
}
