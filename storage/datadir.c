/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the order at the first start makes every crash repairable by the next start: lock, then
 * the format file (written aside, synced, renamed), then the folders. A directory without a format
 * file may therefore hold nothing but the lock and an unfinished format file; anything else is
 * somebody's and is refused, because the alternative is to mix our files into a home directory.
 *
 * flock and not fcntl: an fcntl lock is lost when any descriptor of the file is closed.
 */
#include "config.h"
#include "storage/datadir.h"

#include "base/mem.h"
#include "base/slice.h"
#include "storage/dir_list.h"

#include <linux/magic.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FORMAT_NAME   "format"
#define FORMAT_TEMP   "format.new"
#define FORMAT_PREFIX "tidemark "
#define LOCK_NAME     "lock"
#define MARK_NAME     "index.damaged"
#define RESTORE_NAME  "restore.unfinished"
#define INDEX_NAME    "index"
#define BLOBS_NAME    "blobs"
#define UPLOADS_NAME  "uploads"
#define KEYS_NAME     "keys"

/* linux/magic.h does not know these. */
#define CIFS_MAGIC   0xff534d42u
#define SMB2_MAGIC   0xfe534d42u
#define LUSTRE_MAGIC 0x0bd00bd0u

/* Locks, memory maps and fsync mean less there than the index needs. */
static const struct {
    unsigned long magic;
    const char *name;
} network_systems[] = {
    {NFS_SUPER_MAGIC, "NFS"},     {SMB_SUPER_MAGIC, "SMB"}, {CIFS_MAGIC, "CIFS"},
    {SMB2_MAGIC, "SMB"},          {AFS_SUPER_MAGIC, "AFS"}, {AFS_FS_MAGIC, "AFS"},
    {CODA_SUPER_MAGIC, "Coda"},   {LUSTRE_MAGIC, "Lustre"}, {CEPH_SUPER_MAGIC, "CephFS"},
    {NCP_SUPER_MAGIC, "NetWare"},
};

/* FUSE carries local and remote file systems alike; these are local ones. */
static const char *const fuse_local[] = {"virtiofs", "fuseblk", "fuse.fuse-overlayfs"};

/*
 * The file system.
 */

/* The type of the mount of `device` ("fuse.sshfs") as mountinfo says it (proc(5)). */
static bool find_mount_type(dev_t device, char *type, size_t size)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t line_size = 0;
    bool found = false;

    if (mounts == NULL)
        return false;
    while (!found && getline(&line, &line_size, mounts) > 0) {
        unsigned major_number, minor_number;
        const char *dash = strstr(line, " - ");

        if (dash == NULL || sscanf(line, "%*u %*u %u:%u ", &major_number, &minor_number) != 2 ||
            makedev(major_number, minor_number) != device)
            continue;
        dash += strlen(" - ");
        snprintf(type, size, "%.*s", (int)strcspn(dash, " "), dash);
        found = true;
    }
    free(line);
    fclose(mounts);
    return found;
}

static bool is_local_fuse(int fd, char *type, size_t size)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !find_mount_type(st.st_dev, type, size))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(fuse_local); i++)
        if (strcmp(type, fuse_local[i]) == 0)
            return true;
    return false;
}

static int check_file_system(int fd, const char *path, struct fault *fault)
{
    struct statfs fs;
    char type[64] = "FUSE";
    const char *name = NULL;

    if (fstatfs(fd, &fs) != 0)
        return fault_set_errno(fault, errno, "cannot ask for the file system of %s", path);
    for (size_t i = 0; i < ARRAY_LENGTH(network_systems); i++)
        if (((unsigned long)fs.f_type & 0xffffffffu) == network_systems[i].magic)
            name = network_systems[i].name;
    if ((unsigned long)fs.f_type == FUSE_SUPER_MAGIC && !is_local_fuse(fd, type, sizeof(type)))
        name = type;
    if (name == NULL)
        return 0;
    return fault_set(fault, ERR_CONFIG,
                     "%s is on a network file system (%s), where locks and syncs cannot be relied "
                     "on: set storage.path to a directory on a local disk",
                     path, name);
}

/*
 * Files of the directory.
 */

static int sync_dir(int fd, const char *path, struct fault *fault)
{
    return fsync(fd) == 0 ? 0 : fault_set_errno(fault, errno, "cannot sync directory %s", path);
}

/* What a refused call means to whoever set up the directory. */
static int fail_write(int sys, const char *what, const char *path, struct fault *fault)
{
    if (sys == EACCES || sys == EPERM || sys == EROFS)
        return fault_set(fault, ERR_CONFIG,
                         "%s is not writable for user id %ju (%s): give it to that user, or set "
                         "storage.path to another directory",
                         path, (uintmax_t)geteuid(),
                         sys == EROFS ? "the file system is read-only" : "permission denied");
    return fault_set_errno(fault, sys, "cannot %s in %s", what, path);
}

/* Reads at most size - 1 bytes and ends them with a NUL. */
static ssize_t read_text(int dir_fd, const char *name, char *text, size_t size)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -1;
    ssize_t n = pread(fd, text, size - 1, 0);
    int sys = errno;
    close(fd);
    errno = sys;
    if (n >= 0)
        text[n] = '\0';
    return n;
}

/* Synced before there is a folder: after a power cut folders without it would not be ours. */
static int write_format(int fd, const char *path, struct fault *fault)
{
    char text[32];
    int n = snprintf(text, sizeof(text), FORMAT_PREFIX "%d\n", DATADIR_FORMAT);
    int file = openat(fd, FORMAT_TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (file < 0)
        return fail_write(errno, "create the format file", path, fault);
    ssize_t written = write(file, text, (size_t)n);
    int sys = written < 0 ? errno : ENOSPC;
    bool ok = written == n;
    if (ok && fsync(file) != 0) {
        sys = errno;
        ok = false;
    }
    close(file);
    if (ok && renameat(fd, FORMAT_TEMP, fd, FORMAT_NAME) != 0) {
        sys = errno;
        ok = false;
    }
    if (!ok)
        return fail_write(sys, "write the format file", path, fault);
    return sync_dir(fd, path, fault);
}

/* ERR_NOT_FOUND when there is no format file. */
static int check_format(int fd, const char *path, struct fault *fault)
{
    char text[64];
    uint64_t format;
    ssize_t n = read_text(fd, FORMAT_NAME, text, sizeof(text));

    if (n < 0 && errno == ENOENT)
        return fault_set(fault, ERR_NOT_FOUND, "%s is not a data directory of Tidemark", path);
    if (n < 0)
        return fault_set_errno(fault, errno, "cannot read %s/" FORMAT_NAME, path);
    struct slice rest = slice_make(text, (size_t)n);
    if (!slice_starts_with(rest, SLICE(FORMAT_PREFIX)) || !slice_ends_with(rest, SLICE("\n")) ||
        !slice_parse_u64(slice_sub(rest, strlen(FORMAT_PREFIX), rest.n - strlen(FORMAT_PREFIX) - 1),
                         &format) ||
        format == 0)
        return fault_set(fault, ERR_CORRUPT,
                         "%s/" FORMAT_NAME " does not say which format the data has; restore it "
                         "from a backup (format %d reads \"" FORMAT_PREFIX "%d\")",
                         path, DATADIR_FORMAT, DATADIR_FORMAT);
    if (format > DATADIR_FORMAT)
        return fault_set(fault, ERR_CONFIG,
                         "%s was written by a newer Tidemark (format %ju, this one knows %d): "
                         "install that version again, or restore a backup made before it",
                         path, (uintmax_t)format, DATADIR_FORMAT);
    return 0;
}

/* Without a format file the directory must be empty but for what we leave when a first start dies
 * and what mkfs makes. */
static int check_foreign(int fd, const char *path, struct fault *fault)
{
    static const char *const expected[] = {LOCK_NAME, FORMAT_TEMP, "lost+found", RESTORE_NAME};
    DIR *list = dir_list_open(fd, ".");
    const char *name;
    int err = 0;

    if (list == NULL)
        return fault_set_errno(fault, errno, "cannot list %s", path);
    while (err == 0 && (name = dir_list_next(list)) != NULL) {
        bool known = false;

        for (size_t i = 0; i < ARRAY_LENGTH(expected); i++)
            known |= strcmp(name, expected[i]) == 0;
        if (!known)
            err = fault_set(fault, ERR_CONFIG,
                            "%s has no " FORMAT_NAME " file but holds '%.64s', which is not ours: "
                            "set storage.path to an empty or new directory",
                            path, name);
    }
    if (err == 0 && errno != 0)
        err = fault_set_errno(fault, errno, "cannot list %s", path);
    closedir(list);
    return err;
}

/* The pid in the file is for people: the lock itself is what counts. */
static int take_lock(struct datadir *dir, struct fault *fault)
{
    char text[32];

    dir->lock_fd = openat(dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0)
        return fail_write(errno, "create the lock file", dir->path, fault);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fault_set_errno(fault, errno, "cannot lock %s/" LOCK_NAME, dir->path);
        uint64_t pid = 0;
        ssize_t n = read_text(dir->fd, LOCK_NAME, text, sizeof(text));
        if (n > 1 && slice_parse_u64(slice_make(text, (size_t)n - 1), &pid))
            return fault_set(fault, ERR_LOCKED,
                             "%s is in use by process %ju: stop it first, or set storage.path to "
                             "another directory",
                             dir->path, (uintmax_t)pid);
        return fault_set(fault, ERR_LOCKED, "%s is in use by another process", dir->path);
    }
    int n = snprintf(text, sizeof(text), "%ju\n", (uintmax_t)getpid());
    if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, text, (size_t)n, 0) != n)
        return fail_write(errno, "write the lock file", dir->path, fault);
    return 0;
}

/* Folder `name` below the directory, made when absent. *fd may be NULL. */
static int open_folder(const struct datadir *dir, const char *name, int *fd, struct fault *fault)
{
    if (mkdirat(dir->fd, name, 0700) != 0 && errno != EEXIST)
        return fail_write(errno, "create a folder", dir->path, fault);
    int folder = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return fault_set_errno(fault, errno, "cannot open folder %s/%s", dir->path, name);
    if (faccessat(dir->fd, name, W_OK | X_OK, AT_EACCESS) != 0) {
        int sys = errno;
        close(folder);
        return fail_write(sys, "write", dir->path, fault);
    }
    if (fd != NULL)
        *fd = folder;
    else
        close(folder);
    return 0;
}

/* Make the directory itself; its parent must be there, because a missing one is more often a
 * mistyped path or a missing mount than a wish. */
static int make_root(const char *path, struct fault *fault)
{
    char parent[PATH_MAX];
    int n = snprintf(parent, sizeof(parent), "%s", path);

    if (n <= 0 || (size_t)n >= sizeof(parent))
        return fault_set(fault, ERR_CONFIG, "storage.path is empty or too long");
    bool is_new = mkdir(path, 0700) == 0;
    if (!is_new && errno != EEXIST) {
        if (errno == ENOENT)
            return fault_set(fault, ERR_CONFIG,
                             "the directory above %s does not exist: create it, or correct "
                             "storage.path",
                             path);
        return fail_write(errno, "create the data directory", path, fault);
    }
    /* Also when it was there: who made it may have been killed before this. A parent that we may
     * not open means that somebody else made it. */
    int fd = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && !is_new)
        return 0;
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open the directory above %s to sync it", path);
    int err = sync_dir(fd, path, fault);
    close(fd);
    return err;
}

static int open_root(const char *path, int *fd, struct fault *fault)
{
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0)
        return 0;
    if (errno == ENOENT)
        return fault_set(fault, ERR_NOT_FOUND, "the data directory %s does not exist", path);
    if (errno == ENOTDIR)
        return fault_set(fault, ERR_CONFIG, "%s is not a directory", path);
    if (errno == EACCES)
        return fault_set(fault, ERR_CONFIG,
                         "%s is not readable for user id %ju: give it to that user, or set "
                         "storage.path to another directory",
                         path, (uintmax_t)geteuid());
    return fault_set_errno(fault, errno, "cannot open the data directory %s", path);
}

static bool has_marker(int fd, const char *name)
{
    return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int leave_marker(const struct datadir *dir, const char *name, struct fault *fault)
{
    int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot create %s/%s", dir->path, name);
    int err = 0;
    if (fsync(fd) != 0)
        err = fault_set_errno(fault, errno, "cannot sync %s/%s", dir->path, name);
    close(fd);
    int dir_err = sync_dir(dir->fd, dir->path, err == 0 ? fault : NULL);
    return err != 0 ? err : dir_err;
}

static int remove_marker(const struct datadir *dir, const char *name, struct fault *fault)
{
    if (unlinkat(dir->fd, name, 0) != 0)
        return errno == ENOENT
                   ? 0
                   : fault_set_errno(fault, errno, "cannot remove %s/%s", dir->path, name);
    return sync_dir(dir->fd, dir->path, fault);
}

/* Is this directory what it is opened for? */
static int check_purpose(int fd, const char *path, bool restoring, bool fresh, struct fault *fault)
{
    bool unfinished = has_marker(fd, RESTORE_NAME);

    if (!restoring && unfinished)
        return fault_set(fault, ERR_CONFIG,
                         "a restore into %s was not finished: run \"tidemark restore\" again, with "
                         "the same backup, and it goes on",
                         path);
    if (restoring && !unfinished && !fresh)
        return fault_set(fault, ERR_EXISTS,
                         "%s is a data directory already: a restore needs an empty or new one",
                         path);
    return 0;
}

static int set_up(struct datadir *dir, bool restoring, struct fault *fault)
{
    int err = check_file_system(dir->fd, dir->path, fault);

    if (err != 0)
        return err;
    err = check_format(dir->fd, dir->path, fault);
    bool fresh = err == ERR_NOT_FOUND;
    if (fresh)
        err = check_foreign(dir->fd, dir->path, fault);
    if (err == 0)
        err = check_purpose(dir->fd, dir->path, restoring, fresh, fault);
    if (err == 0)
        err = take_lock(dir, fault);
    if (err == 0 && restoring) /* before the format file: with that alone it could be served */
        err = leave_marker(dir, RESTORE_NAME, fault);
    if (err == 0 && fresh)
        err = write_format(dir->fd, dir->path, fault);
    if (err == 0)
        err = open_folder(dir, INDEX_NAME, NULL, fault);
    if (err == 0)
        err = open_folder(dir, BLOBS_NAME, &dir->blobs_fd, fault);
    if (err == 0)
        err = open_folder(dir, UPLOADS_NAME, &dir->uploads_fd, fault);
    /* Also when all was there: who made it may have been killed before this. */
    if (err == 0)
        err = sync_dir(dir->fd, dir->path, fault);
    return err;
}

static int open_dir(const char *path, bool restoring, struct datadir *dir, struct fault *fault)
{
    *dir = (struct datadir){.fd = -1, .lock_fd = -1, .blobs_fd = -1, .uploads_fd = -1};
    int err = make_root(path, fault);

    if (err != 0)
        return err;
    dir->path = xstrdup(path);
    err = open_root(path, &dir->fd, fault);
    if (err == 0)
        err = set_up(dir, restoring, fault);
    if (err != 0) {
        datadir_close(dir);
        return err;
    }
    if (fault != NULL) /* "no format file" was no failure */
        *fault = (struct fault)FAULT_INIT;
    return 0;
}

int datadir_open(const char *path, struct datadir *dir, struct fault *fault)
{
    return open_dir(path, false, dir, fault);
}

int datadir_open_restore(const char *path, struct datadir *dir, struct fault *fault)
{
    return open_dir(path, true, dir, fault);
}

int datadir_end_restore(const struct datadir *dir, struct fault *fault)
{
    return remove_marker(dir, RESTORE_NAME, fault);
}

void datadir_close(struct datadir *dir)
{
    int *const fds[] = {&dir->blobs_fd, &dir->uploads_fd, &dir->lock_fd, &dir->fd};

    /* The lock file stays: removing it would let two processes lock two files of one name. */
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
    free(dir->path);
    dir->path = NULL;
}

int datadir_peek(const char *path, struct fault *fault)
{
    int fd;
    int err = open_root(path, &fd, fault);

    if (err != 0)
        return err;
    /* This first: a restore cut off early has no format file yet. */
    err = check_purpose(fd, path, false, false, fault);
    if (err == 0)
        err = check_format(fd, path, fault);
    close(fd);
    return err;
}

/*
 * The marker, the index files, the disk.
 */

int datadir_mark_damaged(const struct datadir *dir, struct fault *fault)
{
    return leave_marker(dir, MARK_NAME, fault);
}

bool datadir_is_marked(const struct datadir *dir)
{
    /* In doubt it is: the check costs time, a wrong "no" costs data. */
    return has_marker(dir->fd, MARK_NAME);
}

int datadir_clear_mark(const struct datadir *dir, struct fault *fault)
{
    return remove_marker(dir, MARK_NAME, fault);
}

void datadir_drop_index_cache(const struct datadir *dir)
{
    DIR *list = dir_list_open(dir->fd, INDEX_NAME);
    const char *name;

    if (list == NULL)
        return;
    while ((name = dir_list_next(list)) != NULL) {
        int fd = openat(dirfd(list), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
            continue;
        /* Not for a directory or pipe, but there it does nothing. */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    closedir(list);
}

void datadir_drop_unborn_index(const struct datadir *dir)
{
    struct stat st;
    /* As long as an index without a row: LMDB makes it without a sync, so a power cut can leave it
     * empty, torn or full of zeros. */
    const off_t rowless = 2 * (off_t)sysconf(_SC_PAGESIZE);

    if (faccessat(dir->blobs_fd, "sha256", F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return;
    if (fstatat(dir->fd, INDEX_NAME "/data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) && st.st_size <= rowless)
        unlinkat(dir->fd, INDEX_NAME "/data.mdb", 0);
}

int datadir_free_bytes(const struct datadir *dir, uint64_t *free_bytes, uint64_t *total_bytes,
                       struct fault *fault)
{
    struct statvfs fs;

    if (fstatvfs(dir->fd, &fs) != 0)
        return fault_set_errno(fault, errno, "cannot measure the disk of %s", dir->path);
    *free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    *total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    return 0;
}

/*
 * The keys.
 */

int datadir_open_keys(const struct datadir *dir, bool create, int *fd, struct fault *fault)
{
    struct stat st;

    *fd = -1;
    if (!create && fstatat(dir->fd, KEYS_NAME, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT
                   ? fault_set(fault, ERR_NOT_FOUND, "%s has no keys", dir->path)
                   : fault_set_errno(fault, errno, "cannot look at %s/" KEYS_NAME, dir->path);
    int err = open_folder(dir, KEYS_NAME, fd, fault);
    /* Also when it was there: who made it may have been killed before this. */
    if (err == 0 && create)
        err = sync_dir(dir->fd, dir->path, fault);
    if (err != 0 && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    return err;
}
