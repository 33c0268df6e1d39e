/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a server: writes down what it does to files, for tests/support/powercut/.
 *
 * DESIGN: every call gets two numbers of one counter, before and after it, in $POWERCUT_COUNTER (a
 * file that the test maps as well). A sync covers what ended before it began, and no more; and an
 * answer the test has read at the number n came of calls that ended before n. Both orders hold
 * whatever the threads do, because each number is taken on the side of the call that makes it true.
 *
 * Calls are appended to $POWERCUT_LOG when they have succeeded; a failed one changed nothing (a
 * write that was cut short is recorded with what it wrote). Files are named by inode, entries by
 * the inode of their directory and a name: the reader knows which of them it cares about. That
 * nothing was missed (a call not interposed here, a shared mapping) is for the reader to check: all
 * that is in the log, applied in order, must give the directory the server left.
 *
 * $POWERCUT_KILL_AT kills the process before the first call that begins at that number or later.
 * $POWERCUT_NOSYNC adds MDB_NOSYNC to every environment of LMDB: a control.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRAMES    8
#define SITE_SIZE 1024

enum kind { CREATE = 1, MKDIR, RENAME, LINK, UNLINK, WRITE, TRUNCATE, SYNC };

/* As recording.py reads it; the names and the data follow. */
struct record {
    uint64_t begin, end;
    uint32_t kind, is_synced; /* the write itself was (O_DSYNC) */
    uint64_t inode;
    uint64_t directory, directory_to;
    uint64_t offset; /* of a write; the size of a truncation */
    uint32_t name_n, name_to_n;
    uint64_t data_n;
};

static int log_fd = -1;
static atomic_uint_fast64_t *counter;
static uint64_t kill_at = UINT64_MAX;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

/* The function this one stands before. */
#define NEXT(name) ((__typeof__(&name))next_of(#name))

static void *next_of(const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);

    if (next == NULL) {
        fprintf(stderr, "recorder: there is no %s\n", name);
        abort();
    }
    return next;
}

/* Half a record would be worse than none. */
static void fail(const char *what)
{
    fprintf(stderr, "recorder: %s: %s\n", what, strerrorname_np(errno));
    abort();
}

__attribute__((constructor)) static void set_up(void)
{
    const char *log_path = getenv("POWERCUT_LOG"), *counter_path = getenv("POWERCUT_COUNTER");
    void *frames[1];

    if (log_path == NULL || counter_path == NULL)
        return;
    if (getenv("POWERCUT_KILL_AT") != NULL)
        kill_at = strtoull(getenv("POWERCUT_KILL_AT"), NULL, 10);
    int fd = NEXT(open)(counter_path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail(counter_path);
    counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counter == MAP_FAILED)
        fail(counter_path);
    close(fd);
    (void)backtrace(frames, 1); /* the first call loads a library */
    log_fd = NEXT(open)(log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (log_fd < 0)
        fail(log_path);
}

static bool is_recording(void)
{
    return log_fd >= 0;
}

static uint64_t tick(void)
{
    return is_recording() ? atomic_fetch_add(counter, 1) : 0;
}

/* The number of a call that begins. */
static uint64_t begin_call(void)
{
    uint64_t n = tick();

    if (is_recording() && n >= kill_at)
        kill(getpid(), SIGKILL);
    return n;
}

/*
 * The log.
 */

static void append(const struct record *record, const char *name, const char *name_to,
                   const struct iovec *data, int data_n)
{
    size_t total = sizeof(*record) + record->name_n + record->name_to_n + record->data_n;
    char *bytes = malloc(total), *p = bytes;

    if (bytes == NULL)
        fail("append");
    p = mempcpy(p, record, sizeof(*record));
    p = mempcpy(p, name, record->name_n);
    p = mempcpy(p, name_to, record->name_to_n);
    size_t left = record->data_n;
    for (int i = 0; i < data_n && left > 0; i++) {
        size_t n = data[i].iov_len < left ? data[i].iov_len : left;
        p = mempcpy(p, data[i].iov_base, n);
        left -= n;
    }
    pthread_mutex_lock(&log_mutex);
    if (NEXT(write)(log_fd, bytes, total) != (ssize_t)total)
        fail("append");
    pthread_mutex_unlock(&log_mutex);
    free(bytes);
}

/* The directory of `path`, and where its last part begins. */
static uint64_t split(int dir_fd, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char parent[4096] = ".";
    struct stat st;

    *name = slash != NULL ? slash + 1 : path;
    if (slash != NULL)
        snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (fstatat(dir_fd, parent, &st, 0) != 0)
        fail(path);
    return st.st_ino;
}

/* One entry was made or removed. `inode` 0: it is gone. */
static void record_entry(enum kind kind, uint64_t begin, int dir_fd, const char *path,
                         uint64_t inode)
{
    struct record record = {.begin = begin, .end = tick(), .kind = kind, .inode = inode};
    const char *name;

    record.directory = split(dir_fd, path, &name);
    record.name_n = (uint32_t)strlen(name);
    append(&record, name, "", NULL, 0);
}

static uint64_t inode_at(int dir_fd, const char *path)
{
    struct stat st;

    if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        fail(path);
    return st.st_ino;
}

static void record_move(enum kind kind, uint64_t begin, int from_fd, const char *from, int to_fd,
                        const char *to)
{
    struct record record = {.begin = begin, .end = tick(), .kind = kind};
    const char *name, *name_to;

    record.inode = inode_at(to_fd, to);
    record.directory = split(from_fd, from, &name);
    record.directory_to = split(to_fd, to, &name_to);
    record.name_n = (uint32_t)strlen(name);
    record.name_to_n = (uint32_t)strlen(name_to);
    append(&record, name, name_to, NULL, 0);
}

static void record_truncation(uint64_t begin, int fd, uint64_t size)
{
    struct record record = {.begin = begin, .end = tick(), .kind = TRUNCATE, .offset = size};
    struct stat st;

    if (fstat(fd, &st) != 0)
        fail("fstat");
    record.inode = st.st_ino;
    append(&record, "", "", NULL, 0);
}

/* `offset` -1: the write was at the position of the descriptor, which is behind it now. */
static void record_write(uint64_t begin, int fd, const struct iovec *data, int data_n,
                         size_t written, off_t offset)
{
    struct record record = {.begin = begin, .end = tick(), .kind = WRITE, .data_n = written};
    struct stat st;
    int flags = fcntl(fd, F_GETFL);

    if (fstat(fd, &st) != 0 || flags < 0)
        fail("fstat");
    if (!S_ISREG(st.st_mode) || fd <= STDERR_FILENO)
        return;
    record.inode = st.st_ino;
    record.offset = (uint64_t)(offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR) - (off_t)written);
    record.is_synced = (flags & O_DSYNC) != 0; /* O_SYNC has its bit */
    append(&record, "", "", data, data_n);
}

/* Who called, as "program+0x12 library+0x34": what tells one sync from another. */
static void format_site(char site[SITE_SIZE])
{
    void *frames[FRAMES + 2];
    int n = backtrace(frames, FRAMES + 2);
    size_t used = 0;

    site[0] = '\0';
    for (int i = 2; i < n; i++) { /* this function, and the one that was called */
        Dl_info info;

        if (dladdr(frames[i], &info) == 0)
            continue;
        const char *slash = strrchr(info.dli_fname, '/');
        used += (size_t)snprintf(site + used, SITE_SIZE - used, "%s%s+0x%zx", used > 0 ? " " : "",
                                 slash != NULL ? slash + 1 : info.dli_fname,
                                 (size_t)((char *)frames[i] - (char *)info.dli_fbase));
        if (used >= SITE_SIZE)
            return;
    }
}

static __attribute__((noinline)) int synced(uint64_t begin, int fd, int result, const char *site)
{
    struct record record = {.begin = begin, .end = tick(), .kind = SYNC};
    struct stat st;

    if (result != 0 || !is_recording())
        return result;
    if (fstat(fd, &st) != 0)
        fail("fstat");
    record.inode = st.st_ino;
    record.name_n = (uint32_t)strlen(site);
    append(&record, site, "", NULL, 0);
    return 0;
}

/*
 * Entries.
 */

/* O_EXCL says whether a file is new. */
static int open_recorded(int dir_fd, const char *path, int flags, mode_t mode)
{
    int (*next)(int, const char *, int, ...) = NEXT(openat);
    uint64_t begin = begin_call();
    int fd = -1;

    if (!is_recording() || (flags & (O_CREAT | O_TRUNC)) == 0 || (flags & O_TMPFILE) == O_TMPFILE)
        return next(dir_fd, path, flags, mode);
    if ((flags & O_CREAT) != 0) {
        fd = next(dir_fd, path, flags | O_EXCL, mode);
        if (fd >= 0)
            record_entry(CREATE, begin, dir_fd, path, inode_at(dir_fd, path));
        else if (errno != EEXIST || (flags & O_EXCL) != 0)
            return fd;
    }
    if (fd >= 0)
        return fd;
    fd = next(dir_fd, path, flags & ~O_CREAT, mode);
    if (fd >= 0 && (flags & O_TRUNC) != 0)
        record_truncation(begin, fd, 0);
    return fd;
}

#define MODE_OF(flags, mode)                                                                       \
    do {                                                                                           \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        if (((flags) & (O_CREAT | __O_TMPFILE)) != 0)                                              \
            (mode) = va_arg(more, mode_t);                                                         \
        va_end(more);                                                                              \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, mode);
    return open_recorded(AT_FDCWD, path, flags, mode);
}

int openat(int dir_fd, const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, mode);
    return open_recorded(dir_fd, path, flags, mode);
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    uint64_t begin = begin_call();
    int result = NEXT(mkdirat)(dir_fd, path, mode);

    if (result == 0 && is_recording())
        record_entry(MKDIR, begin, dir_fd, path, inode_at(dir_fd, path));
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    uint64_t begin = begin_call();
    int result = NEXT(unlinkat)(dir_fd, path, flags);

    if (result == 0 && is_recording())
        record_entry(UNLINK, begin, dir_fd, path, 0);
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    uint64_t begin = begin_call();
    int result = NEXT(renameat2)(from_fd, from, to_fd, to, flags);

    if (result == 0 && is_recording())
        record_move(RENAME, begin, from_fd, from, to_fd, to);
    return result;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat2(from_fd, from, to_fd, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    uint64_t begin = begin_call();
    int result = NEXT(linkat)(from_fd, from, to_fd, to, flags);

    if (result == 0 && is_recording())
        record_move(LINK, begin, from_fd, from, to_fd, to);
    return result;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/*
 * Bytes.
 */

static struct iovec vector_of(const void *bytes, size_t n)
{
    /* Only read, but an iovec has no const. */
    union {
        const void *in;
        void *out;
    } p = {.in = bytes};

    return (struct iovec){.iov_base = p.out, .iov_len = n};
}

ssize_t pwritev2(int fd, const struct iovec *data, int data_n, off_t offset, int flags)
{
    uint64_t begin = begin_call();
    ssize_t n = NEXT(pwritev2)(fd, data, data_n, offset, flags);

    if (n > 0 && is_recording())
        record_write(begin, fd, data, data_n, (size_t)n, offset);
    return n;
}

ssize_t pwritev(int fd, const struct iovec *data, int data_n, off_t offset)
{
    return pwritev2(fd, data, data_n, offset, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    struct iovec data = vector_of(bytes, n);

    return pwritev2(fd, &data, 1, offset, 0);
}

/* Not by pwritev2, which cannot write to everything. Sockets and events come by here as well. */
ssize_t writev(int fd, const struct iovec *data, int data_n)
{
    uint64_t begin = begin_call();
    ssize_t n = NEXT(writev)(fd, data, data_n);

    if (n > 0 && is_recording())
        record_write(begin, fd, data, data_n, (size_t)n, -1);
    return n;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    struct iovec data = vector_of(bytes, n);

    return writev(fd, &data, 1);
}

int ftruncate(int fd, off_t size)
{
    uint64_t begin = begin_call();
    int result = NEXT(ftruncate)(fd, size);

    if (result == 0 && is_recording())
        record_truncation(begin, fd, (uint64_t)size);
    return result;
}

/*
 * Syncs. sync_file_range promises nothing and is not here.
 */

int fsync(int fd)
{
    char site[SITE_SIZE];
    uint64_t begin = begin_call();

    format_site(site);
    return synced(begin, fd, NEXT(fsync)(fd), site);
}

int fdatasync(int fd)
{
    char site[SITE_SIZE];
    uint64_t begin = begin_call();

    format_site(site);
    return synced(begin, fd, NEXT(fdatasync)(fd), site);
}

/*
 * A control.
 */

int mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    if (getenv("POWERCUT_NOSYNC") != NULL)
        flags |= MDB_NOSYNC;
    return NEXT(mdb_env_open)(env, path, flags, mode);
}
