/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the caller renders the line and puts it into its thread's ring; the log thread writes
 * rings out. A ring holds whole lines only, so what lies between its two ends can be handed to
 * write() as it is. Each ring has a mutex that is held for a memcpy by its thread and for a few
 * assignments by the log thread, never over a system call: a slow stderr fills rings, and records
 * are dropped and counted. A ring is made when its thread first logs and freed by the log thread
 * when its thread has ended and it is empty.
 *
 * Whether records go to rings (`is_running`) is looked at under the ring's mutex. The log thread
 * takes each of them once more after log_stop has cleared it: nothing is put into a ring behind
 * its back.
 */
#include "config.h"
#include "base/log.h"

#include "base/clock.h"
#include "base/fatal.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_BYTES     ((size_t)64 << 10)
#define STUCK_AFTER_MS 2000

struct ring {
    struct ring *next; /* set before the ring is published, later by the log thread only */
    pthread_mutex_t mutex;
    size_t begin, n;         /* bytes [begin, begin + n), around the end, are to be written */
    bool is_ended;           /* its thread has ended */
    char line[LOG_LINE_MAX]; /* where its thread renders */
    char bytes[RING_BYTES];
};

static atomic_int least_level = LOG_INFO;
static atomic_int chosen_format = LOG_AUTO;
static atomic_bool is_running; /* acquire and release: who sees it also sees wake_fd */
static atomic_uint_least64_t dropped;

/* Guards the two below it and changes of is_running. */
static pthread_mutex_t rings_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct ring *rings;
static bool has_thread; /* longer than is_running: the log thread writes out what is left */

/* Lines do not mix, also while some are written directly because the log thread is about to end. */
static pthread_mutex_t output_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool is_stuck; /* under it: stderr took nothing for too long */

static _Thread_local struct ring *own_ring;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* only for its destructor */

static pthread_t thread;
static int wake_fd = -1;
static uint64_t reported; /* of `dropped`; the log thread's while it runs */

/* ---- Writing --------------------------------------------------------------------------------- */

/*
 * Whether stderr takes something. While the log thread runs, it waits as long as it has to. At the
 * end of the process nobody may be there to read, so that waiting has an end too; who waited in
 * vain once does not wait again.
 */
static bool wait_writable(void)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    int n;

    do {
        n = poll(&fd, 1, is_stuck ? 0 : STUCK_AFTER_MS);
    } while ((n < 0 && errno == EINTR) ||
             (n == 0 && atomic_load_explicit(&is_running, memory_order_acquire)));
    is_stuck = n == 0;
    return n > 0;
}

/* A stderr that is gone (closed pipe) swallows what it is given. */
static void write_locked(const char *p, size_t n)
{
    while (n > 0 && wait_writable()) {
        /* What poll promises is that this many bytes do not block. */
        ssize_t written = write(STDERR_FILENO, p, n < PIPE_BUF ? n : PIPE_BUF);

        if (written < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (written < 0)
            return;
        p += written;
        n -= (size_t)written;
    }
}

static void write_out(const char *p, size_t n)
{
    pthread_mutex_lock(&output_mutex);
    write_locked(p, n);
    pthread_mutex_unlock(&output_mutex);
}

static void wake_thread(void)
{
    const uint64_t one = 1;

    while (write(wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

/* ---- Rings ----------------------------------------------------------------------------------- */

static void ring_destroy(struct ring *ring)
{
    pthread_mutex_destroy(&ring->mutex);
    free(ring);
}

static void unlink_ring(const struct ring *ring)
{
    struct ring **at = &rings;

    while (*at != ring)
        at = &(*at)->next;
    *at = ring->next;
}

/* The thread ends. While there is a log thread, it alone frees: it may be reading the ring. */
static void on_thread_end(void *arg)
{
    struct ring *ring = arg;

    own_ring = NULL;
    pthread_mutex_lock(&rings_mutex);
    if (has_thread) {
        pthread_mutex_lock(&ring->mutex);
        ring->is_ended = true;
        pthread_mutex_unlock(&ring->mutex);
        wake_thread();
    } else {
        unlink_ring(ring);
        ring_destroy(ring);
    }
    pthread_mutex_unlock(&rings_mutex);
}

static void create_key(void)
{
    int sys = pthread_key_create(&key, on_thread_end);

    if (sys != 0)
        fatal("the log has no key for its threads", sys);
}

/* The calling thread's ring; NULL while there is no log thread to empty it. */
static struct ring *get_own_ring(void)
{
    struct ring *ring = own_ring;

    if (ring)
        return ring;
    pthread_once(&key_once, create_key);
    pthread_mutex_lock(&rings_mutex);
    if (atomic_load_explicit(&is_running, memory_order_acquire)) {
        /* Not zeroed: the pages of the ring are not touched before they are needed. */
        ring = xmalloc(sizeof(*ring));
        pthread_mutex_init(&ring->mutex, NULL);
        ring->begin = 0;
        ring->n = 0;
        ring->is_ended = false;
        ring->next = rings;
        rings = ring;
    }
    pthread_mutex_unlock(&rings_mutex);
    own_ring = ring;
    if (ring && pthread_setspecific(key, ring) != 0)
        fatal("no memory for the log of a thread", 0);
    return ring;
}

static void copy_in(struct ring *ring, const char *line, size_t n)
{
    size_t at = (ring->begin + ring->n) % RING_BYTES;
    size_t to_end = RING_BYTES - at;
    size_t first = n < to_end ? n : to_end;

    memcpy(ring->bytes + at, line, first);
    memcpy(ring->bytes, line + first, n - first);
    ring->n += n;
}

/* False when there is no log thread any more. */
static bool ring_put(struct ring *ring, const char *line, size_t n)
{
    bool is_first = false;
    bool is_taken;

    pthread_mutex_lock(&ring->mutex);
    is_taken = atomic_load_explicit(&is_running, memory_order_acquire);
    if (is_taken && n <= RING_BYTES - ring->n) {
        is_first = ring->n == 0;
        copy_in(ring, line, n);
    } else if (is_taken) {
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    }
    /* Under the lock, which the log thread takes once more before log_stop closes wake_fd. */
    if (is_first)
        wake_thread();
    pthread_mutex_unlock(&ring->mutex);
    return is_taken;
}

/* ---- The log thread -------------------------------------------------------------------------- */

/* Write out what the ring holds now. True when it held something. The bytes are read without the
 * lock: the ring's thread does not touch them before they are given back. */
static bool drain_ring(struct ring *ring)
{
    size_t begin, n, first;

    pthread_mutex_lock(&ring->mutex);
    begin = ring->begin;
    n = ring->n;
    pthread_mutex_unlock(&ring->mutex);
    if (n == 0)
        return false;
    first = n < RING_BYTES - begin ? n : RING_BYTES - begin;
    pthread_mutex_lock(&output_mutex);
    write_locked(ring->bytes + begin, first);
    write_locked(ring->bytes, n - first);
    pthread_mutex_unlock(&output_mutex);

    pthread_mutex_lock(&ring->mutex);
    ring->n -= n;
    /* An empty ring starts over, so that a quiet thread uses the same few pages for ever. */
    ring->begin = ring->n ? (begin + n) % RING_BYTES : 0;
    pthread_mutex_unlock(&ring->mutex);
    return true;
}

static struct ring *first_ring(void)
{
    struct ring *ring;

    pthread_mutex_lock(&rings_mutex);
    ring = rings;
    pthread_mutex_unlock(&rings_mutex);
    return ring;
}

/* In rounds, so that one busy thread does not keep out the others. */
static void drain_all(void)
{
    bool again = true;

    while (again) {
        again = false;
        for (struct ring *ring = first_ring(); ring; ring = ring->next)
            again |= drain_ring(ring);
    }
}

static void free_ended(void)
{
    pthread_mutex_lock(&rings_mutex);
    for (struct ring **at = &rings; *at;) {
        struct ring *ring = *at;
        bool is_free;

        pthread_mutex_lock(&ring->mutex);
        is_free = ring->is_ended && ring->n == 0;
        pthread_mutex_unlock(&ring->mutex);
        if (is_free) {
            *at = ring->next;
            ring_destroy(ring);
        } else {
            at = &ring->next;
        }
    }
    pthread_mutex_unlock(&rings_mutex);
}

/* A reader of the log must see that it has a hole. */
static void report_dropped(void)
{
    uint64_t now = log_dropped();
    char line[LOG_LINE_MAX];
    size_t n;

    if (now == reported)
        return;
    const struct log_field fields[] = {LOG_U64("records", now - reported), {.type = LOG_FIELD_END}};
    n = log_render(line, sizeof(line), (enum log_format)atomic_load(&chosen_format),
                   clock_wall_ms(), LOG_WARN, "log.dropped",
                   "records were dropped because standard error takes them too slowly", fields);
    write_out(line, n);
    reported = now;
}

static void wait_for_work(void)
{
    struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
    uint64_t count;

    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        continue;
    while (read(wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}

static void *log_thread(void *arg)
{
    (void)arg;
    while (atomic_load_explicit(&is_running, memory_order_acquire)) {
        wait_for_work();
        drain_all();
        free_ended();
        report_dropped();
    }
    drain_all();
    free_ended();
    report_dropped();
    return NULL;
}

void log_start(void)
{
    sigset_t all, before;

    assert(!atomic_load(&is_running));
    reported = log_dropped();
    pthread_mutex_lock(&output_mutex);
    is_stuck = false;
    pthread_mutex_unlock(&output_mutex);
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0)
        fatal("the event of the log thread cannot be made", errno);
    pthread_mutex_lock(&rings_mutex);
    atomic_store_explicit(&is_running, true, memory_order_release);
    has_thread = true;
    pthread_mutex_unlock(&rings_mutex);
    sigfillset(&all); /* signals are main's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int sys = pthread_create(&thread, NULL, log_thread, NULL);
    if (sys != 0)
        fatal("the log thread cannot be started", sys);
    pthread_setname_np(thread, "log");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void log_stop(void)
{
    pthread_mutex_lock(&rings_mutex);
    if (!atomic_load_explicit(&is_running, memory_order_acquire)) {
        pthread_mutex_unlock(&rings_mutex);
        return;
    }
    atomic_store_explicit(&is_running, false, memory_order_release);
    pthread_mutex_unlock(&rings_mutex);
    wake_thread();
    pthread_join(thread, NULL);
    pthread_mutex_lock(&rings_mutex);
    has_thread = false;
    close(wake_fd);
    wake_fd = -1;
    pthread_mutex_unlock(&rings_mutex);
    free_ended(); /* threads that ended after the log thread last looked */
}

/* ---- Callers --------------------------------------------------------------------------------- */

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&least_level, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
    /* Asked here, once: isatty is a system call. */
    if (format == LOG_AUTO)
        format = isatty(STDERR_FILENO) ? LOG_TEXT : LOG_JSON;
    atomic_store_explicit(&chosen_format, (int)format, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

static size_t render_now(char out[LOG_LINE_MAX], enum log_level level, const char *event,
                         const char *message, const struct log_field *fields)
{
    int format = atomic_load_explicit(&chosen_format, memory_order_relaxed);

    if (format == LOG_AUTO) {
        log_set_format(LOG_AUTO);
        format = atomic_load_explicit(&chosen_format, memory_order_relaxed);
    }
    return log_render(out, LOG_LINE_MAX, (enum log_format)format, clock_wall_ms(), level, event,
                      message, fields);
}

static void write_directly(enum log_level level, const char *event, const char *message,
                           const struct log_field *fields)
{
    char line[LOG_LINE_MAX];

    write_out(line, render_now(line, level, event, message, fields));
}

void log_write(enum log_level level, const char *event, const char *message,
               const struct log_field *fields)
{
    int saved = errno; /* a caller logs first and returns errno later */
    struct ring *ring = get_own_ring();

    if (!ring || !ring_put(ring, ring->line, render_now(ring->line, level, event, message, fields)))
        write_directly(level, event, message, fields);
    errno = saved;
}
