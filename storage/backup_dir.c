/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/backup_dir.h"

#include "base/mem.h"
#include "storage/dir_list.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define INFO_NAME       "backup.json"
#define INFO_TEMP       "backup.json.new"
#define UNFINISHED_NAME "unfinished"
#define LOCK_NAME       "lock"
#define BLOBS_NAME      "blobs"
#define INCOMING_NAME   "incoming"
#define INDEX_FILE      "data.mdb"
#define INDEX_LOCK      "lock.mdb"

static int sync_dir(int fd, const char *path, struct fault *fault)
{
    return fsync(fd) == 0 ? 0 : fault_set_errno(fault, errno, "cannot sync %s", path);
}

/*
 * Where it is.
 */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Upwards from `fd` (taken) to the root. */
static bool climb(int fd, const struct stat *outer)
{
    struct stat here, above;
    bool found = false;

    while (fd >= 0 && fstat(fd, &here) == 0 && !(found = is_same(&here, outer))) {
        int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (up >= 0 && fstat(up, &above) == 0 && is_same(&above, &here)) {
            close(up); /* the root */
            break;
        }
        close(fd);
        fd = up;
    }
    if (fd >= 0)
        close(fd);
    return found;
}

bool backup_dir_is_below(const char *inner, const char *outer)
{
    char parent[PATH_MAX];
    struct stat st;

    if (stat(outer, &st) != 0)
        return false;
    int fd = open(inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT &&
        snprintf(parent, sizeof(parent), "%s", inner) < (int)sizeof(parent))
        fd = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return climb(fd, &st);
}

/*
 * Opening.
 */

static int make_root(const char *path, struct fault *fault)
{
    char parent[PATH_MAX];

    if (path[0] == '\0' || snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
        return fault_set(fault, ERR_CONFIG,
                         "the name of the backup directory is empty or too long");
    if (mkdir(path, 0700) != 0) {
        if (errno == EEXIST)
            return 0;
        if (errno == ENOENT)
            return fault_set(fault, ERR_CONFIG,
                             "the directory above %s does not exist: is a disk not mounted?", path);
        return fault_set_errno(fault, errno, "cannot create the backup directory %s", path);
    }
    int fd = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open the directory above %s to sync it", path);
    int err = sync_dir(fd, path, fault);
    close(fd);
    return err;
}

static bool has_entry(int fd, const char *name)
{
    return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_expected(const char *name, bool is_ours)
{
    static const char *const always[] = {LOCK_NAME, "lost+found"};
    static const char *const ours[] = {INFO_NAME,     INFO_TEMP, UNFINISHED_NAME, BLOBS_NAME,
                                       INCOMING_NAME, "index.a", "index.b"};

    for (size_t i = 0; i < ARRAY_LENGTH(always); i++)
        if (strcmp(name, always[i]) == 0)
            return true;
    for (size_t i = 0; is_ours && i < ARRAY_LENGTH(ours); i++)
        if (strcmp(name, ours[i]) == 0)
            return true;
    return false;
}

/* What is not a backup's stays as it is: empty directories are taken, and our own. */
static int check_foreign(int fd, const char *path, struct fault *fault)
{
    bool is_ours = has_entry(fd, INFO_NAME) || has_entry(fd, UNFINISHED_NAME);
    DIR *list = dir_list_open(fd, ".");
    const char *name;
    int err = 0;

    if (list == NULL)
        return fault_set_errno(fault, errno, "cannot list %s", path);
    while (err == 0 && (name = dir_list_next(list)) != NULL)
        if (!is_expected(name, is_ours))
            err = fault_set(fault, ERR_CONFIG,
                            "%s holds '%.64s', which is not of a backup: name an empty or new "
                            "directory, or that of an earlier backup",
                            path, name);
    closedir(list);
    return err;
}

static int lock(struct backup_dir *dir, int how, struct fault *fault)
{
    if (flock(dir->lock_fd, how | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return fault_set(fault, ERR_LOCKED,
                         "another backup into %s, or a restore from it, is under way", dir->path);
    return fault_set_errno(fault, errno, "cannot lock %s/" LOCK_NAME, dir->path);
}

static int create_file(const struct backup_dir *dir, const char *name, int flags, int *fd,
                       struct fault *fault)
{
    *fd = openat(dir->fd, name, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *fd >= 0 ? 0 : fault_set_errno(fault, errno, "cannot create %s/%s", dir->path, name);
}

static int open_folder(const struct backup_dir *dir, const char *name, bool make, int *fd,
                       struct fault *fault)
{
    if (make && mkdirat(dir->fd, name, 0700) != 0 && errno != EEXIST)
        return fault_set_errno(fault, errno, "cannot create %s/%s", dir->path, name);
    *fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *fd >= 0 ? 0 : fault_set_errno(fault, errno, "cannot open %s/%s", dir->path, name);
}

/* ERR_NOT_FOUND when there is none. */
static int read_info(struct backup_dir *dir, struct fault *fault)
{
    char name[PATH_MAX + 32];
    int fd = openat(dir->fd, INFO_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    snprintf(name, sizeof(name), "%s/" INFO_NAME, dir->path);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot read %s", name);
    char *text = xmalloc(BACKUP_INFO_MAX);
    ssize_t n = pread(fd, text, BACKUP_INFO_MAX, 0);
    int err = n < 0 ? fault_set_errno(fault, errno, "cannot read %s", name) : 0;
    close(fd);
    dir->last = xcalloc(1, sizeof(*dir->last));
    if (err == 0)
        err = backup_info_decode(slice_make(text, (size_t)n), name, dir->last, fault);
    free(text);
    dir->has_last = err == 0;
    return err;
}

static int open_root(const char *path, struct backup_dir *dir, struct fault *fault)
{
    *dir = (struct backup_dir){.fd = -1, .lock_fd = -1, .incoming_fd = -1};
    dir->tree = (struct datadir){.fd = -1, .lock_fd = -1, .blobs_fd = -1, .uploads_fd = -1};
    dir->path = xstrdup(path);
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir->fd >= 0 ? 0 : fault_set_errno(fault, errno, "cannot open the directory %s", path);
}

static int leave_unfinished(struct backup_dir *dir, struct fault *fault)
{
    int fd;

    dir->was_cut = has_entry(dir->fd, UNFINISHED_NAME);
    int err = create_file(dir, UNFINISHED_NAME, O_WRONLY, &fd, fault);
    if (err != 0)
        return err;
    if (fsync(fd) != 0)
        err = fault_set_errno(fault, errno, "cannot sync %s/" UNFINISHED_NAME, dir->path);
    close(fd);
    return err == 0 ? sync_dir(dir->fd, dir->path, fault) : err;
}

static int set_up(struct backup_dir *dir, struct fault *fault)
{
    struct fault none = FAULT_INIT;
    int err = check_foreign(dir->fd, dir->path, fault);

    if (err == 0)
        err = create_file(dir, LOCK_NAME, O_RDWR, &dir->lock_fd, fault);
    if (err == 0)
        err = lock(dir, LOCK_EX, fault);
    if (err != 0)
        return err;
    err = read_info(dir, &none);
    if (err != 0 && err != ERR_NOT_FOUND)
        return fault_set(fault, err, "%s", fault_text(&none, err));
    snprintf(dir->next, sizeof(dir->next), "%s",
             dir->has_last && strcmp(dir->last->index, "index.a") == 0 ? "index.b" : "index.a");
    err = leave_unfinished(dir, fault);
    if (err == 0)
        err = open_folder(dir, BLOBS_NAME, true, &dir->tree.blobs_fd, fault);
    if (err == 0)
        err = open_folder(dir, INCOMING_NAME, true, &dir->incoming_fd, fault);
    return err == 0 ? blob_files_open(&dir->tree, NULL, 0, &dir->files, fault) : err;
}

int backup_dir_open(const char *path, const char *data_path, struct backup_dir *dir,
                    struct fault *fault)
{
    if (backup_dir_is_below(path, data_path))
        return fault_set(fault, ERR_CONFIG,
                         "%s lies in the data directory %s, and would be lost with it: name a "
                         "directory elsewhere, best on another disk",
                         path, data_path);
    int err = make_root(path, fault);
    if (err != 0)
        return err;
    err = open_root(path, dir, fault);
    if (err == 0)
        err = set_up(dir, fault);
    if (err != 0)
        backup_dir_close(dir);
    return err;
}

static int set_up_read(struct backup_dir *dir, struct fault *fault)
{
    int err = read_info(dir, fault);

    if (err == ERR_NOT_FOUND)
        return has_entry(dir->fd, UNFINISHED_NAME)
                   ? fault_set(fault, err,
                               "the backup in %s was never finished: there is nothing to restore",
                               dir->path)
                   : fault_set(fault, err, "%s is not a backup: it has no " INFO_NAME, dir->path);
    if (err != 0)
        return err;
    /* Carried to other places, or read-only, it may have no lock, and needs none. */
    dir->lock_fd = openat(dir->fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (dir->lock_fd >= 0)
        err = lock(dir, LOCK_SH, fault);
    if (err == 0)
        err = open_folder(dir, BLOBS_NAME, false, &dir->tree.blobs_fd, fault);
    if (err == 0)
        dir->files = blob_files_attach(&dir->tree);
    return err;
}

int backup_dir_open_read(const char *path, struct backup_dir *dir, struct fault *fault)
{
    int err = open_root(path, dir, fault);

    if (err == 0)
        err = set_up_read(dir, fault);
    if (err != 0)
        backup_dir_close(dir);
    return err;
}

void backup_dir_close(struct backup_dir *dir)
{
    int *const fds[] = {&dir->incoming_fd, &dir->tree.blobs_fd, &dir->lock_fd, &dir->fd};

    blob_files_close(dir->files);
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
        if (*fds[i] >= 0)
            close(*fds[i]);
    free(dir->last);
    free(dir->path);
    *dir = (struct backup_dir){.fd = -1, .lock_fd = -1, .incoming_fd = -1};
    dir->tree.blobs_fd = -1;
}

/*
 * The index.
 */

/* Its two possible files and the folder; nothing when it is not there. */
static int remove_index(const struct backup_dir *dir, const char *name, struct fault *fault)
{
    int fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0) {
        unlinkat(fd, INDEX_FILE, 0);
        unlinkat(fd, INDEX_LOCK, 0);
        close(fd);
    }
    if (unlinkat(dir->fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return fault_set_errno(fault, errno, "cannot remove %s/%s", dir->path, name);
    return 0;
}

int backup_dir_create_index(const struct backup_dir *dir, int *fd, struct fault *fault)
{
    int folder;
    int err = remove_index(dir, dir->next, fault);

    if (err == 0)
        err = open_folder(dir, dir->next, true, &folder, fault);
    if (err != 0)
        return err;
    *fd = openat(folder, INDEX_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd < 0)
        err =
            fault_set_errno(fault, errno, "cannot create %s/%s/" INDEX_FILE, dir->path, dir->next);
    /* Its name; the bytes are the caller's. */
    if (err == 0)
        err = sync_dir(folder, dir->next, fault);
    if (err != 0 && *fd >= 0)
        close(*fd);
    close(folder);
    return err;
}

int backup_dir_open_index(const struct backup_dir *dir, int *fd, struct fault *fault)
{
    int folder;
    int err = open_folder(dir, dir->last->index, false, &folder, fault);

    if (err != 0)
        return err;
    *fd = openat(folder, INDEX_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0)
        err = fault_set_errno(fault, errno, "cannot open %s/%s/" INDEX_FILE, dir->path,
                              dir->last->index);
    close(folder);
    return err;
}

/*
 * The end.
 */

static int write_info(const struct backup_dir *dir, struct slice text, struct fault *fault)
{
    int fd;
    int err = create_file(dir, INFO_TEMP, O_WRONLY | O_TRUNC, &fd, fault);

    if (err != 0)
        return err;
    ssize_t n = write(fd, text.p, text.n);
    if (n != (ssize_t)text.n || fsync(fd) != 0)
        err = fault_set_errno(fault, n >= 0 && n != (ssize_t)text.n ? ENOSPC : errno,
                              "cannot write %s/" INFO_TEMP, dir->path);
    close(fd);
    return err;
}

int backup_dir_commit(struct backup_dir *dir, const struct backup_info *info, struct fault *fault)
{
    struct buf text;

    buf_init(&text, BACKUP_INFO_MAX);
    backup_info_encode(&text, info);
    int err = text.overflow ? fault_set(fault, ERR_LIMIT, INFO_NAME " would be too large")
                            : write_info(dir, buf_slice(&text), fault);
    buf_fini(&text);
    /* The folder of the index is durable before the name that counts. */
    if (err == 0)
        err = sync_dir(dir->fd, dir->path, fault);
    if (err == 0 && renameat(dir->fd, INFO_TEMP, dir->fd, INFO_NAME) != 0)
        err = fault_set_errno(fault, errno, "cannot rename %s/" INFO_TEMP, dir->path);
    return err == 0 ? sync_dir(dir->fd, dir->path, fault) : err;
}

int backup_dir_end(const struct backup_dir *dir, struct fault *fault)
{
    int err = dir->has_last ? remove_index(dir, dir->last->index, fault) : 0;

    if (err == 0 && unlinkat(dir->fd, UNFINISHED_NAME, 0) != 0 && errno != ENOENT)
        err = fault_set_errno(fault, errno, "cannot remove %s/" UNFINISHED_NAME, dir->path);
    return err == 0 ? sync_dir(dir->fd, dir->path, fault) : err;
}
