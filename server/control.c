/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/control.h"

#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slice.h"
#include "server/fsck_verb.h"
#include "server/index_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_NAME      "control.sock"
#define QUESTION_MAX     128
#define QUESTION_WAIT_MS 5000
#define ANSWER_WAIT_S    10
#define ACCEPT_PAUSE_NS  100000000
#define BACKUPS_MAX      8

struct control {
    struct store *store;
    uint64_t copy_timeout_ms;
    int fd, stop_fd;
    pthread_t thread;
    int backups[BACKUPS_MAX]; /* askers that copy blobs now; -1: a free place */
};

/* Through /proc, because sun_path is too short for many a data directory. */
static struct sockaddr_un address_in(int dir_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir_fd,
             SOCKET_NAME);
    return address;
}

static bool may_ask(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* Bytes of the peer before `deadline_ms`; false when there are none, or the server stops. */
static bool wait_readable(const struct control *control, int fd, uint64_t deadline_ms)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
                            {.fd = control->stop_fd, .events = POLLIN}};
    uint64_t now_ms = clock_mono_ms();

    return now_ms < deadline_ms && poll(fds, 2, (int)(deadline_ms - now_ms)) > 0 &&
           fds[1].revents == 0;
}

/* A line, without its end; false when the peer does not say one in time. */
static bool read_question(const struct control *control, int fd, char question[QUESTION_MAX])
{
    uint64_t deadline_ms = clock_mono_ms() + QUESTION_WAIT_MS;
    size_t n = 0;

    while (n < QUESTION_MAX - 1 && wait_readable(control, fd, deadline_ms)) {
        if (read(fd, question + n, 1) != 1)
            return false;
        if (question[n] == '\n') {
            question[n] = '\0';
            return true;
        }
        n++;
    }
    return false;
}

/*
 * Backups.
 */

/* NULL when there are too many. */
static int *find_place(struct control *control)
{
    for (size_t i = 0; i < BACKUPS_MAX; i++)
        if (control->backups[i] < 0)
            return &control->backups[i];
    return NULL;
}

static void end_backup(struct control *control, int *place)
{
    close(*place);
    *place = -1;
    reap_gate_resume(control->store->reaping);
    log_info("backup.end", "the process that makes a backup has what it needs, or is gone");
}

/* On success the connection is kept: its end is the end of the pause. */
static int answer_backup(struct control *control, int fd, FILE *out)
{
    struct index_stream stream = {.kv = control->store->kv,
                                  .fd = fd,
                                  .stop_fd = control->stop_fd,
                                  .deadline_ms = clock_mono_ms() + control->copy_timeout_ms};
    struct fault fault = FAULT_INIT;
    int *place = find_place(control);

    if (place == NULL) {
        fprintf(out, "%d backups are being made already: wait for one to end\n", BACKUPS_MAX);
        return EXIT_FAILURE;
    }
    reap_gate_pause(control->store->reaping);
    int err = index_stream_run(&stream, &fault);
    if (err == 0)
        *place = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (err == 0 && *place >= 0)
        return EXIT_SUCCESS;
    reap_gate_resume(control->store->reaping);
    log_warn("backup.failed", "the index was not copied for a backup",
             LOG_CSTR("why", fault_text(&fault, err)));
    fprintf(out, "the index could not be copied: %s\n",
            err == 0 ? "no file descriptor is left" : fault_text(&fault, err));
    return EXIT_FAILURE;
}

static void answer(struct control *control, int fd)
{
    const struct timeval patience = {ANSWER_WAIT_S, 0};
    char question[QUESTION_MAX];
    FILE *out;
    int status = 2;

    if (!may_ask(fd) || !read_question(control, fd, question) ||
        (out = fdopen(dup(fd), "w")) == NULL)
        return;
    /* An asker that stops reading must not stop the server from stopping. */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setvbuf(out, NULL, _IOLBF, 0);
    log_info("control.question", "a process verb asks", LOG_CSTR("question", question));
    if (strcmp(question, "fsck") == 0)
        status = fsck_verb_check(control->store, out);
    else if (strcmp(question, "backup") == 0)
        status = answer_backup(control, fd, out);
    else
        fprintf(out, "this server does not know '%s'\n", question);
    fprintf(out, "exit %d\n", status);
    fclose(out);
}

static void accept_one(struct control *control)
{
    const struct timespec pause = {0, ACCEPT_PAUSE_NS};
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        answer(control, fd);
        close(fd);
    } else if (errno != EAGAIN) {
        nanosleep(&pause, NULL); /* out of descriptors: the asker stays in the backlog */
    }
}

static void *control_thread(void *arg)
{
    struct control *control = arg;
    struct pollfd fds[2 + BACKUPS_MAX] = {{.fd = control->fd, .events = POLLIN},
                                          {.fd = control->stop_fd, .events = POLLIN}};

    for (;;) {
        for (size_t i = 0; i < BACKUPS_MAX; i++) /* a negative one is passed over */
            fds[2 + i] = (struct pollfd){.fd = control->backups[i], .events = POLLIN};
        if (poll(fds, ARRAY_LENGTH(fds), -1) < 0) {
            if (errno != EINTR)
                return NULL;
            continue;
        }
        if (fds[1].revents != 0)
            return NULL;
        for (size_t i = 0; i < BACKUPS_MAX; i++)
            if (fds[2 + i].revents != 0)
                end_backup(control, &control->backups[i]);
        if ((fds[0].revents & POLLIN) != 0)
            accept_one(control);
    }
}

static int open_socket(const struct datadir *dir, int *fd, struct fault *fault)
{
    struct sockaddr_un address = address_in(dir->fd);

    /* One left by a server that was killed; we hold the lock. */
    if (unlinkat(dir->fd, SOCKET_NAME, 0) != 0 && errno != ENOENT)
        return fault_set_errno(fault, errno, "cannot remove the old %s", SOCKET_NAME);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return fault_set_errno(fault, errno, "no socket for %s", SOCKET_NAME);
    if (bind(*fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        fchmodat(dir->fd, SOCKET_NAME, 0600, 0) != 0 || listen(*fd, 4) != 0) {
        int sys = errno;
        close(*fd);
        return fault_set_errno(fault, sys, "cannot listen on %s in the data directory",
                               SOCKET_NAME);
    }
    return 0;
}

int control_start(struct store *store, uint64_t copy_timeout_ms, struct control **control,
                  struct fault *fault)
{
    sigset_t all, before;
    int fd = -1;
    int err = open_socket(&store->dir, &fd, fault);

    if (err != 0)
        return err;
    struct control *c = xcalloc(1, sizeof(*c));
    c->store = store;
    c->copy_timeout_ms = copy_timeout_ms;
    for (size_t i = 0; i < BACKUPS_MAX; i++)
        c->backups[i] = -1;
    c->fd = fd;
    c->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (c->stop_fd < 0)
        fatal("the event of the control thread cannot be made", errno);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int sys = pthread_create(&c->thread, NULL, control_thread, c);
    if (sys != 0)
        fatal("the control thread cannot be started", sys);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setname_np(c->thread, "control");
    *control = c;
    return 0;
}

void control_stop(struct control *control)
{
    const uint64_t one = 1;

    if (write(control->stop_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        abort();
    pthread_join(control->thread, NULL);
    for (size_t i = 0; i < BACKUPS_MAX; i++)
        if (control->backups[i] >= 0)
            end_backup(control, &control->backups[i]);
    if (unlinkat(control->store->dir.fd, SOCKET_NAME, 0) != 0)
        log_debug("control.unlink", "control.sock was gone already");
    close(control->fd);
    close(control->stop_fd);
    free(control);
}

/*
 * The asking side.
 */

static int connect_to(const char *path, int *fd)
{
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return ERR_NOT_FOUND;
    struct sockaddr_un address = address_in(dir);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = *fd < 0 ? ERR_IO : 0;
    if (err == 0 && connect(*fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(*fd);
        err = ERR_NOT_FOUND;
    }
    close(dir);
    return err;
}

static int write_all(int fd, const char *p, size_t n, struct fault *fault)
{
    while (n > 0) {
        ssize_t written = write(fd, p, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fault_set_errno(fault, errno, "cannot write the copy of the index");
        p += written;
        n -= (size_t)written;
    }
    return 0;
}

/* `left` bytes of the answer into `to_fd`. */
static int take_bytes(FILE *in, uint64_t left, int to_fd, struct fault *fault)
{
    char piece[65536];

    while (left > 0) {
        size_t n = fread(piece, 1, left < sizeof(piece) ? (size_t)left : sizeof(piece), in);

        if (n == 0)
            return fault_set(fault, ERR_IO, "the server did not answer to the end");
        int err = write_all(to_fd, piece, n, fault);
        if (err != 0)
            return err;
        left -= n;
    }
    return 0;
}

/* The number after `word`. */
static bool read_number(struct slice line, struct slice word, uint64_t *number)
{
    return slice_starts_with(line, word) &&
           slice_parse_u64(slice_sub(line, word.n, SIZE_MAX), number);
}

/* Lines to `out`, bytes to `bytes_fd` (-1: there are none), until the exit status. */
static int read_answer(FILE *in, FILE *out, int bytes_fd, int *status, struct fault *fault)
{
    char *line = NULL;
    size_t size = 0;
    bool ended = false;
    int err = 0;

    while (err == 0 && !ended && getline(&line, &size, in) > 0) {
        struct slice text = slice_make(line, strcspn(line, "\n"));
        uint64_t number;

        if (bytes_fd >= 0 && read_number(text, SLICE("bytes "), &number)) {
            err = take_bytes(in, number, bytes_fd, fault);
        } else if (read_number(text, SLICE("exit "), &number) && number < 256) {
            *status = (int)number;
            ended = true;
        } else {
            fputs(line, out);
        }
    }
    free(line);
    return err == 0 && !ended ? fault_set(fault, ERR_IO, "the server did not answer to the end")
                              : err;
}

/* *in is the answer to come. */
static int put_question(const char *path, const char *question, FILE **in, struct fault *fault)
{
    int fd;
    int err = connect_to(path, &fd);

    if (err != 0)
        return err;
    *in = fdopen(fd, "r");
    if (*in == NULL) {
        close(fd);
        return fault_set(fault, ERR_NO_MEMORY, "no memory to ask the server");
    }
    if (dprintf(fd, "%s\n", question) > 0)
        return 0;
    fclose(*in);
    return fault_set(fault, ERR_IO, "the server on '%s' does not listen", path);
}

int control_ask(const char *path, const char *question, FILE *out, int *status, struct fault *fault)
{
    FILE *in;
    int err = put_question(path, question, &in, fault);

    if (err != 0)
        return err;
    err = read_answer(in, out, -1, status, fault);
    fclose(in);
    return err;
}

int control_ask_backup(const char *path, int index_fd, FILE *out, int *hold_fd, int *status,
                       struct fault *fault)
{
    FILE *in;
    int err = put_question(path, "backup", &in, fault);

    *hold_fd = -1;
    if (err != 0)
        return err;
    err = read_answer(in, out, index_fd, status, fault);
    if (err == 0 && *status == EXIT_SUCCESS) {
        *hold_fd = fcntl(fileno(in), F_DUPFD_CLOEXEC, 0);
        if (*hold_fd < 0)
            err = fault_set_errno(fault, errno, "cannot keep the connection to the server");
    }
    fclose(in);
    return err;
}
