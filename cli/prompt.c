/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a signal while echo is off must not leave the terminal so. The handlers only note it;
 * reading is interrupted, the terminal is put back, and the signal is raised again.
 */
#include "config.h"
#include "cli/prompt.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
static volatile sig_atomic_t caught;

static void note(int number)
{
    caught = number;
}

/* 1 for a line, 0 for the end of input, -1 with errno. */
static int read_line(int fd, struct buf *line)
{
    char c;

    for (;;) {
        ssize_t n = read(fd, &c, 1);

        if (n < 0)
            return -1;
        if (n == 0)
            return line->n > 0;
        if (c == '\n')
            return 1;
        buf_add_char(line, c);
    }
}

/* What was typed before the question is thrown away: it was for something else. */
static int read_hidden(int fd, const char *question, struct buf *line)
{
    struct sigaction action = {.sa_handler = note}, before[ARRAY_LENGTH(signals)];
    struct termios shown, hidden;
    int outcome, failure;

    if (tcgetattr(fd, &shown) != 0)
        return -1;
    caught = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++)
        sigaction(signals[i], &action, &before[i]);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fd, TCSAFLUSH, &hidden);
    dprintf(fd, "%s", question);
    outcome = read_line(fd, line);
    failure = errno;
    tcsetattr(fd, TCSADRAIN, &shown);
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++)
        sigaction(signals[i], &before[i], NULL);
    if (caught != 0)
        raise(caught);
    errno = failure;
    return outcome;
}

int prompt_line(const char *question, bool is_secret, const char *instead, struct buf *line,
                struct fault *fault)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    int outcome;

    if (fd < 0)
        return fault_set(fault, ERR_INVALID, "there is no terminal to ask at; %s", instead);
    if (!is_secret)
        dprintf(fd, "%s", question);
    outcome = is_secret ? read_hidden(fd, question, line) : read_line(fd, line);
    if (is_secret)
        dprintf(fd, "\n");
    close(fd);
    if (outcome <= 0)
        return fault_set(fault, ERR_CANCELLED, "nothing was typed");
    if (line->overflow)
        return fault_set(fault, ERR_LIMIT, "that is too long");
    return 0;
}

int prompt_stdin(struct buf *text, struct fault *fault)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(text, slice_make(bytes, (size_t)n));
    explicit_bzero(bytes, sizeof(bytes));
    if (n < 0)
        return fault_set_errno(fault, errno, "reading standard input");
    if (text->overflow)
        return fault_set(fault, ERR_LIMIT, "what came by standard input is too long");
    if (text->n > 0 && text->p[text->n - 1] == '\n')
        text->n--;
    if (text->n > 0 && text->p[text->n - 1] == '\r')
        text->n--;
    return text->n > 0 ? 0 : fault_set(fault, ERR_INVALID, "nothing came by standard input");
}

void prompt_fini(struct buf *text)
{
    if (text->p)
        explicit_bzero(text->p, text->cap);
    buf_fini(text);
}
