/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the n-th allocation or system call of the program fail, when a test says so at run time.
 *
 * DESIGN: linked into the program of a build with --enable-fault-injection, never into another. A
 * function that the program defines itself stands before the one of every library, so the calls of
 * LMDB, libevent, OpenSSL and the C library's own use of malloc pass here as well, also where a
 * sanitizer has replaced malloc: its allocator is called by its name. (A preloaded library would
 * stand before the sanitizer, which refuses that.)
 *
 * Without $FAULT_CALLS everything passes through. With it, the file it names is mapped and shared
 * with the test, which writes what is to fail and reads what happened (tests/support/fault_calls.py
 * has the same layout). Nothing is read or written to decide, so counting changes little of what
 * happens when. All threads count together: the n-th call is the n-th of the process.
 */
#undef _FORTIFY_SOURCE
#if defined(__GNUC__) && !defined(__clang__)
/* Calls of the real allocator become jumps: sanitizers look at who called it. */
#pragma GCC optimize("O2")
#endif
#include "config.h"

#include "base/fault_point.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What is counted. */
enum {
    KIND_ALLOC = 1, /* whose failure is an answer */
    KIND_FIXED = 2, /* xmalloc and its kin, whose failure ends the process */
    KIND_CALL = 4,
    KIND_POINT = 8, /* FAULT_POINT */
};

/* In which way a system call fails; a call that cannot fail so is not counted. */
enum way { WAY_HARD, WAY_FULL, WAY_SHORT, WAY_INTR, WAY_AGAIN, WAYS };

#define STACK_MAX 24

struct control {
    _Atomic uint32_t is_armed;
    uint32_t kinds;
    uint32_t way;
    uint32_t is_sticky; /* the n-th and all that follow it; of calls, those of its name */
    uint64_t n;
    char only[32]; /* this call alone, when not empty */
    _Atomic int64_t wall_offset_ms;

    _Atomic uint64_t count; /* calls that could have failed since it was armed */
    _Atomic uint64_t fired; /* calls that did */
    char name[32];          /* the first of them */
    char thread[16];
    int32_t sys;
    uint32_t stack_n;
    uint64_t stack[STACK_MAX]; /* its callers, relative to where the program was loaded */
    uint32_t last_n, unused;
    uint64_t last[STACK_MAX]; /* those of the last one */
};

static struct control *control;
static pthread_mutex_t description = PTHREAD_MUTEX_INITIALIZER; /* of the calls that failed */
static _Thread_local bool is_inside;

#define SHORTENED (-1)

/* In the order of enum way; 0: does not fail so. */
#define FAULTS(...) ((const int[WAYS]){__VA_ARGS__})

extern const char __executable_start[];

static uint32_t put_stack(uint64_t to[STACK_MAX])
{
    void *stack[STACK_MAX];
    int n = backtrace(stack, STACK_MAX);

    for (int i = 0; i < n; i++)
        to[i] = (uint64_t)((uintptr_t)stack[i] - (uintptr_t)__executable_start);
    return (uint32_t)n;
}

static void describe(const char *name, int sys)
{
    strncpy(control->name, name, sizeof(control->name) - 1);
    prctl(PR_GET_NAME, control->thread);
    control->stack_n = put_stack(control->stack);
    control->sys = sys;
}

/* The errno `name` is to fail with, SHORTENED, or 0. */
static int fault_of(uint32_t kind, const char *name, const int faults[WAYS])
{
    uint64_t n;
    int sys;

    if (control == NULL || !atomic_load_explicit(&control->is_armed, memory_order_acquire) ||
        is_inside || (control->kinds & kind) == 0)
        return 0;
    sys = faults[control->way];
    if (sys == 0 || (control->only[0] != '\0' && strcmp(control->only, name) != 0))
        return 0;
    n = atomic_fetch_add(&control->count, 1) + 1;
    if (n != control->n && (n < control->n || !control->is_sticky))
        return 0;
    is_inside = true;
    pthread_mutex_lock(&description);
    /* A disk that fails takes no connection with it: only the same call goes on failing. */
    if (n > control->n && kind == KIND_CALL && strcmp(control->name, name) != 0)
        sys = 0;
    if (sys != 0) {
        if (atomic_fetch_add(&control->fired, 1) == 0)
            describe(name, sys);
        control->last_n = put_stack(control->last);
    }
    pthread_mutex_unlock(&description);
    is_inside = false;
    return sys;
}

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("FAULT_CALLS");
    void *stack[1];
    int fd;

    if (path == NULL)
        return;
    (void)backtrace(stack, 1); /* loads what it needs now */
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    void *mapped = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED)
        abort();
    control = mapped;
}

int fault_calls_point(const char *name)
{
    int sys = fault_of(KIND_POINT, name, FAULTS(ENOMEM, ENOSPC));

    return sys > 0 ? sys : 0;
}

/*
 * Memory.
 */

/* The allocator of a sanitizer, where there is one, and of the C library. */
#define DECLARE_ALLOCATOR(type, name, parameters)                                                  \
    extern type __interceptor_##name parameters __attribute__((weak));                             \
    extern type __libc_##name parameters;

DECLARE_ALLOCATOR(void *, malloc, (size_t))
DECLARE_ALLOCATOR(void *, calloc, (size_t, size_t))
DECLARE_ALLOCATOR(void *, realloc, (void *, size_t))
DECLARE_ALLOCATOR(void *, memalign, (size_t, size_t))

#define REAL(name) (__interceptor_##name != NULL ? __interceptor_##name : __libc_##name)

static bool is_denied(const char *name)
{
    int sys = fault_of(fault_is_fixed ? KIND_FIXED : KIND_ALLOC, name, FAULTS(ENOMEM, ENOMEM));

    if (sys != 0)
        errno = sys;
    return sys != 0;
}

void *malloc(size_t n)
{
    return is_denied("malloc") ? NULL : REAL(malloc)(n);
}

void *calloc(size_t count, size_t n)
{
    return is_denied("calloc") ? NULL : REAL(calloc)(count, n);
}

void *realloc(void *old, size_t n)
{
    return n != 0 && is_denied("realloc") ? NULL : REAL(realloc)(old, n);
}

void *reallocarray(void *old, size_t count, size_t n)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, n, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

void *memalign(size_t alignment, size_t n);

void *memalign(size_t alignment, size_t n)
{
    return is_denied("memalign") ? NULL : REAL(memalign)(alignment, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return memalign(alignment, n);
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
    void *got = memalign(alignment, n);

    if (got == NULL)
        return ENOMEM;
    *p = got;
    return 0;
}

static char *duplicate(const char *text, size_t n)
{
    char *copy = malloc(n + 1);

    if (copy != NULL) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    return duplicate(text, strlen(text));
}

char *strndup(const char *text, size_t max)
{
    return duplicate(text, strnlen(text, max));
}

/*
 * System calls.
 */

/* The next definition of a function behind ours. */
#define NEXT(name)                                                                                 \
    ({                                                                                             \
        static __typeof__(&name) found;                                                            \
        if (found == NULL)                                                                         \
            *(void **)&found = dlsym(RTLD_NEXT, #name);                                            \
        found;                                                                                     \
    })

/* Sanitizers ask for it in each new thread, and end the process when it has no memory. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes)
{
    bool was_inside = is_inside;
    int sys;

    is_inside = true;
    sys = NEXT(pthread_getattr_np)(thread, attributes);
    is_inside = was_inside;
    return sys;
}

/* A call that says -1 and sets errno. */
#define CALL(type, name, parameters, arguments, ...)                                               \
    type name parameters                                                                           \
    {                                                                                              \
        int sys = fault_of(KIND_CALL, #name, FAULTS(__VA_ARGS__));                                 \
                                                                                                   \
        if (sys > 0) {                                                                             \
            errno = sys;                                                                           \
            return (type)-1;                                                                       \
        }                                                                                          \
        return NEXT(name) arguments;                                                               \
    }

/* What wakes a thread is an eventfd, which takes and gives its eight bytes whatever happens. */
static bool is_signal(size_t n)
{
    return n == sizeof(uint64_t);
}

/* One that moves `n` bytes, which it may do in part: the half. */
#define MOVE(name, parameters, arguments, ...)                                                     \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        int sys = is_signal(n) ? 0 : fault_of(KIND_CALL, #name, FAULTS(__VA_ARGS__));              \
                                                                                                   \
        if (sys > 0) {                                                                             \
            errno = sys;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        if (sys == SHORTENED)                                                                      \
            n = (n + 1) / 2;                                                                       \
        return NEXT(name) arguments;                                                               \
    }

/* One that returns its error. */
#define RETURNING(name, parameters, arguments, ...)                                                \
    int name parameters                                                                            \
    {                                                                                              \
        int sys = fault_of(KIND_CALL, #name, FAULTS(__VA_ARGS__));                                 \
                                                                                                   \
        return sys > 0 ? sys : NEXT(name) arguments;                                               \
    }

#define S SHORTENED

/* clang-format off */
/*                                                   hard         full         short intr   again */
MOVE(read, (int fd, void *p, size_t n), (fd, p, n),  EIO,         0,           S,    EINTR)
MOVE(pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), EIO, 0,     S,    EINTR)
MOVE(write, (int fd, const void *p, size_t n), (fd, p, n), EIO,   ENOSPC,      S,    EINTR)
MOVE(pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at),
                                                     EIO,         ENOSPC,      S,    EINTR)
MOVE(recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags),
                                                     ECONNRESET,  ENOMEM,      S,    EINTR, EAGAIN)
MOVE(send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags),
                                                     ECONNRESET,  ENOBUFS,     S,    EINTR, EAGAIN)
MOVE(sendfile, (int fd, int from, off_t *at, size_t n), (fd, from, at, n),
                                                     EIO,         ENOMEM,      S,    EINTR, EAGAIN)
CALL(int, fsync, (int fd), (fd),                     EIO,         ENOSPC)
CALL(int, fdatasync, (int fd), (fd),                 EIO,         ENOSPC)
CALL(int, msync, (void *p, size_t n, int flags), (p, n, flags), EIO)
CALL(int, sync_file_range, (int fd, off_t at, off_t n, unsigned flags), (fd, at, n, flags),
                                                     EIO,         ENOSPC)
CALL(int, ftruncate, (int fd, off_t n), (fd, n),     EIO,         ENOSPC,      0,    EINTR)
CALL(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n),
                                                     EIO,         ENOSPC,      0,    EINTR)
RETURNING(posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n), EIO, ENOSPC, 0, EINTR)
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to),
                                                     EIO,         ENOSPC)
CALL(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags),                        EIO,         ENOSPC)
CALL(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), EIO, EROFS)
CALL(int, rmdir, (const char *path), (path),         EIO)
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), EIO, ENOSPC)
CALL(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), EIO, ENOSPC)
CALL(int, fstat, (int fd, struct stat *s), (fd, s),  EIO)
CALL(int, fstatat, (int fd, const char *path, struct stat *s, int flags), (fd, path, s, flags),
                                                     EIO,         ENOMEM)
CALL(int, fstatfs, (int fd, struct statfs *s), (fd, s), EIO)
CALL(int, fstatvfs, (int fd, struct statvfs *s), (fd, s), EIO)
CALL(int, faccessat, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags), EIO)
CALL(int, fchmodat, (int fd, const char *path, mode_t mode, int flags), (fd, path, mode, flags),
                                                     EIO)
CALL(int, flock, (int fd, int operation), (fd, operation), ENOLCK)
CALL(int, socket, (int family, int type, int protocol), (family, type, protocol),
                                                     ENOMEM,      EMFILE)
CALL(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), EACCES, EADDRINUSE)
CALL(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
CALL(int, accept4, (int fd, struct sockaddr *restrict a, socklen_t *restrict n, int flags),
     (fd, a, n, flags),                              ECONNABORTED, EMFILE,     0,    EINTR, EAGAIN)
CALL(int, setsockopt, (int fd, int level, int name, const void *p, socklen_t n),
     (fd, level, name, p, n),                        ENOMEM)
CALL(int, epoll_create1, (int flags), (flags),       ENOMEM,      EMFILE)
CALL(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event),
     (epoll, operation, fd, event),                  ENOMEM,      ENOSPC)
CALL(int, epoll_wait, (int epoll, struct epoll_event *events, int max, int timeout),
     (epoll, events, max, timeout),                  0,           0,           0,    EINTR)
CALL(int, eventfd, (unsigned count, int flags), (count, flags), ENOMEM, EMFILE)
CALL(int, dup, (int fd), (fd),                       0,           EMFILE)
RETURNING(pthread_create, (pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                           void *(*fn)(void *), void *restrict arg),
          (thread, attributes, fn, arg),             EAGAIN)

/* clang-format on */

/* Vectors are shortened by their number, a single one by its length. */
#define VECTOR(name, parameters, arguments, ...)                                                   \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        int sys = fault_of(KIND_CALL, #name, FAULTS(__VA_ARGS__));                                 \
        struct iovec half = {.iov_base = NULL};                                                    \
                                                                                                   \
        if (sys > 0) {                                                                             \
            errno = sys;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        if (sys == SHORTENED && count > 0) {                                                       \
            half = (struct iovec){vectors[0].iov_base, (vectors[0].iov_len + 1) / 2};              \
            vectors = &half;                                                                       \
            count = 1;                                                                             \
        }                                                                                          \
        return NEXT(name) arguments;                                                               \
    }

VECTOR(writev, (int fd, const struct iovec *vectors, int count), (fd, vectors, count), EIO, ENOSPC,
       S, EINTR)
VECTOR(preadv2, (int fd, const struct iovec *vectors, int count, off_t at, int flags),
       (fd, vectors, count, at, flags), EIO, 0, S, EINTR, EAGAIN)

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    int sys = fault_of(KIND_CALL, "sendmsg", FAULTS(ECONNRESET, ENOBUFS, S, EINTR, EAGAIN));
    struct msghdr shorter = *message;
    struct iovec half;

    if (sys > 0) {
        errno = sys;
        return -1;
    }
    if (sys == SHORTENED && message->msg_iovlen > 0) {
        half = (struct iovec){message->msg_iov[0].iov_base, (message->msg_iov[0].iov_len + 1) / 2};
        shorter.msg_iov = &half;
        shorter.msg_iovlen = 1;
    }
    return NEXT(sendmsg)(fd, &shorter, flags);
}

#define OPENING(name, parameters, last, arguments)                                                 \
    int name parameters                                                                            \
    {                                                                                              \
        int sys = fault_of(KIND_CALL, #name, FAULTS(EIO, EMFILE));                                 \
        va_list rest;                                                                              \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(rest, last);                                                                      \
        mode = (last) & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                          \
        va_end(rest);                                                                              \
        if (sys > 0) {                                                                             \
            errno = sys;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        return NEXT(name) arguments;                                                               \
    }

OPENING(open, (const char *path, int flags, ...), flags, (path, flags, mode))
OPENING(openat, (int fd, const char *path, int flags, ...), flags, (fd, path, flags, mode))

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    int sys = fault_of(KIND_CALL, "mmap", FAULTS(ENOMEM));

    if (sys > 0) {
        errno = sys;
        return MAP_FAILED;
    }
    return NEXT(mmap)(at, n, protection, flags, fd, offset);
}

struct dirent *readdir(DIR *dir)
{
    int sys = fault_of(KIND_CALL, "readdir", FAULTS(EIO));

    if (sys > 0) {
        errno = sys;
        return NULL;
    }
    return NEXT(readdir)(dir);
}

DIR *fdopendir(int fd)
{
    int sys = fault_of(KIND_CALL, "fdopendir", FAULTS(ENOMEM, EMFILE));

    if (sys > 0) {
        errno = sys;
        return NULL;
    }
    return NEXT(fdopendir)(fd);
}

/*
 * Time: what the wall shows, moved by as much as the test says.
 */

static int64_t wall_offset_ms(void)
{
    return control == NULL ? 0 : atomic_load(&control->wall_offset_ms);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = NEXT(clock_gettime)(clock, now);

    if (result == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += wall_offset_ms() / 1000;
    return result;
}
