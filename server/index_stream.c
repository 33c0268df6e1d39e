/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: LMDB copies in one call that cannot be interrupted, and while it lasts the index file
 * grows. So it writes into a pipe, on a thread for this one copy, and this side passes on what
 * comes. Closing the pipe ends the copy at once: when the server stops, when the asker is gone or
 * reads no more, when the time is over. The asker writes the file itself, as the server may have
 * no right to write where backups are.
 */
#include "config.h"

#include "server/index_stream.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_BYTES (256u << 10)

struct copying {
    struct kv_store *kv;
    int to_fd;
    int err;
};

static void *copy_thread(void *arg)
{
    struct copying *copying = arg;

    copying->err = kv_copy(copying->kv, copying->to_fd);
    close(copying->to_fd); /* the end, for who reads */
    return NULL;
}

/* Until `fd` is ready. */
static int wait_for(const struct index_stream *stream, int fd, short events, struct fault *fault)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events},
                            {.fd = stream->stop_fd, .events = POLLIN}};

    for (;;) {
        uint64_t now_ms = clock_mono_ms();
        uint64_t left_ms = now_ms < stream->deadline_ms ? stream->deadline_ms - now_ms : 0;
        int n = poll(fds, 2, left_ms > 60000 ? 60000 : (int)left_ms);

        if (n < 0 && errno != EINTR)
            return fault_set_errno(fault, errno, "cannot wait for the copy of the index");
        if (n > 0 && fds[1].revents != 0)
            return fault_set(fault, ERR_SHUTDOWN, "the server stops");
        if (n > 0)
            return 0;
        if (left_ms == 0)
            return fault_set(fault, ERR_LIMIT,
                             "copying the index took longer than index.copy_timeout allows: is "
                             "the disk of the backup slow?");
    }
}

static int send_all(const struct index_stream *stream, const char *p, size_t n, struct fault *fault)
{
    while (n > 0) {
        int err = wait_for(stream, stream->fd, POLLOUT, fault);
        if (err != 0)
            return err;
        ssize_t sent = send(stream->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (sent < 0)
            return fault_set(fault, ERR_CANCELLED, "the asker is gone");
        p += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static int pass_on(const struct index_stream *stream, int from_fd, struct fault *fault)
{
    char *piece = xmalloc(PIECE_BYTES);
    char head[32];
    int err;

    while ((err = wait_for(stream, from_fd, POLLIN, fault)) == 0) {
        ssize_t n = read(from_fd, piece, PIECE_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = fault_set_errno(fault, errno, "cannot read the copy of the index");
        if (n <= 0)
            break;
        int head_n = snprintf(head, sizeof(head), "bytes %zd\n", n);
        err = send_all(stream, head, (size_t)head_n, fault);
        if (err == 0)
            err = send_all(stream, piece, (size_t)n, fault);
        if (err != 0)
            break;
    }
    free(piece);
    return err;
}

static int start_thread(struct copying *copying, pthread_t *thread)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int sys = pthread_create(thread, NULL, copy_thread, copying);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return sys;
}

int index_stream_run(struct index_stream *stream, struct fault *fault)
{
    struct copying copying = {.kv = stream->kv};
    pthread_t thread;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return fault_set_errno(fault, errno, "no pipe for the copy of the index");
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIECE_BYTES); /* fewer turns; a wish */
    copying.to_fd = ends[1];
    int sys = start_thread(&copying, &thread);
    if (sys != 0) {
        close(ends[0]);
        close(ends[1]);
        return fault_set_errno(fault, sys, "no thread to copy the index");
    }
    pthread_setname_np(thread, "index copy");
    int err = pass_on(stream, ends[0], fault);
    close(ends[0]);
    pthread_join(thread, NULL);
    if (err == 0 && copying.err != 0)
        err =
            fault_set(fault, copying.err, "the index cannot be copied: %s", err_text(copying.err));
    return err;
}
