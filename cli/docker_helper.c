/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/docker_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* A path in the name would run anything. */
static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!plain && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return name.n > 0 && name.n <= DOCKER_HELPER_NAME_MAX;
}

static int spawn(const char *program, const char *action, int in, int out, pid_t *pid,
                 struct fault *fault)
{
    char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)action, NULL};
    posix_spawn_file_actions_t actions;
    int err;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    err = posix_spawnp(pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return err == 0 ? 0 : fault_set_errno(fault, err, "running %s", program);
}

/* A helper reads all before it prints, so the one after the other does not block. */
static int write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        bytes = slice_sub(bytes, (size_t)n, SIZE_MAX);
    }
    return 0;
}

static void read_all(int fd, struct buf *output)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(output, slice_make(bytes, (size_t)n));
    explicit_bzero(bytes, sizeof(bytes));
}

static int wait_for(pid_t pid, const char *program, const struct buf *output, struct fault *fault)
{
    struct slice said = slice_trim(buf_slice(output));
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    /* The words of all helpers for it: the protocol has no code. */
    if (slice_starts_with(said, SLICE("credentials not found")))
        return fault_set(fault, ERR_NOT_FOUND, "%s has no credential for it", program);
    return fault_set(fault, ERR_IO, "%s failed: " SLICE_FMT, program,
                     SLICE_ARG(slice_sub(said, 0, 120)));
}

static int talk(const char *program, const char *action, struct slice input, int in[2], int out[2],
                struct buf *output, struct fault *fault)
{
    pid_t pid;
    int err = spawn(program, action, in[0], out[1], &pid, fault);

    close(in[0]);
    close(out[1]);
    if (err == 0) {
        int failure = write_all(in[1], input);

        close(in[1]);
        in[1] = -1;
        read_all(out[0], output);
        err = wait_for(pid, program, output, fault);
        /* One that does not care for its input is no error by itself. */
        if (err == 0 && failure != 0 && failure != EPIPE)
            err = fault_set_errno(fault, failure, "writing to %s", program);
    }
    if (in[1] >= 0)
        close(in[1]);
    close(out[0]);
    return err;
}

int docker_helper_run(struct slice name, const char *action, struct slice input, struct buf *output,
                      struct fault *fault)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    char program[DOCKER_HELPER_NAME_MAX + 32];
    int in[2], out[2];

    if (!is_name(name))
        return fault_set(fault, ERR_INVALID, "\"" SLICE_FMT "\" is no name of a credential helper",
                         SLICE_ARG(slice_sub(name, 0, 64)));
    snprintf(program, sizeof(program), "docker-credential-" SLICE_FMT, SLICE_ARG(name));
    if (pipe2(in, O_CLOEXEC) != 0)
        return fault_set_errno(fault, errno, "making a pipe");
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return fault_set_errno(fault, errno, "making a pipe");
    }
    sigaction(SIGPIPE, &ignore, &before);
    int err = talk(program, action, input, in, out, output, fault);
    sigaction(SIGPIPE, &before, NULL);
    if (err == 0 && output->overflow)
        err = fault_set(fault, ERR_LIMIT, "%s printed too much", program);
    return err;
}
