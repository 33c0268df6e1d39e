/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the content is an array sorted by name, swapped whole under a mutex; a lookup copies the
 * hash out while it holds it. What the file was when it was read (device, inode, size, times) is
 * compared by stat: a file that was replaced, a symbolic link that was moved and a file that was
 * written in place all differ in one of them. A file that changes while it is read is read again at
 * the next look.
 */
#include "config.h"
#include "auth/htpasswd.h"

#include "auth/account.h"
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct line {
    struct slice name, hash; /* in the text */
    unsigned number;         /* in the file, from 1 */
};

struct content {
    char *text;
    struct line *lines; /* by name */
    size_t n, max;
    unsigned cost;
};

struct htpasswd {
    pthread_mutex_t lock; /* of content */
    struct content content;
    char *path;
    struct stat seen; /* the file that was looked at last, good or not */
};

/*
 * Lines.
 */

/* "name:hash". The fault says what is wrong, but never shows the line: there is a hash in it. */
static int parse_line(struct slice text, struct line *line, unsigned *cost, struct fault *fault)
{
    size_t colon = slice_find_char(text, ':');

    if (colon == text.n)
        return fault_set(fault, ERR_CONFIG, "there is no colon; a line is name:hash");
    line->name = slice_sub(text, 0, colon);
    line->hash = slice_sub(text, colon + 1, text.n);
    if (account_name_check(line->name, ACCOUNT_USER, fault) != 0)
        return ERR_CONFIG;
    if (password_hash_parse(line->hash, cost, fault) != 0)
        return ERR_CONFIG;
    return 0;
}

/* Only the first broken line is named. */
struct complaints {
    unsigned broken;
    struct fault *fault;
};

static void complain(struct complaints *complaints, unsigned number, const char *why)
{
    if (complaints->broken++ == 0)
        (void)fault_set(complaints->fault, ERR_CONFIG, "line %u: %s", number, why);
}

static void add_line(struct content *content, const struct line *line, unsigned cost)
{
    if (content->n == content->max) {
        content->max = content->max == 0 ? 64 : content->max * 2;
        content->lines = xrealloc(content->lines, content->max * sizeof(*content->lines));
    }
    content->lines[content->n++] = *line;
    if (cost > content->cost)
        content->cost = cost;
}

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = slice_cmp(x->name, y->name);

    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static void sort(struct content *content, struct complaints *complaints)
{
    char why[64];

    if (content->n > 1)
        qsort(content->lines, content->n, sizeof(*content->lines), compare_lines);
    for (size_t i = 1; i < content->n; i++) {
        if (!slice_eq(content->lines[i - 1].name, content->lines[i].name))
            continue;
        snprintf(why, sizeof(why), "the name is that of line %u", content->lines[i - 1].number);
        complain(complaints, content->lines[i].number, why);
    }
}

/* Empty lines and comments are passed over. */
static void read_lines(struct content *content, struct slice text, struct complaints *complaints)
{
    struct slice one;

    for (unsigned number = 1; slice_split(&text, '\n', &one); number++) {
        struct fault why = FAULT_INIT;
        struct line line = {.number = number};
        unsigned cost = 0;

        if (slice_ends_with(one, SLICE("\r")))
            one.n--;
        if (slice_trim(one).n == 0 || one.p[0] == '#')
            continue;
        if (number > HTPASSWD_LINES_MAX) {
            complain(complaints, number, "the file has too many lines");
            return;
        }
        if (parse_line(one, &line, &cost, &why) != 0)
            complain(complaints, number, why.text);
        else
            add_line(content, &line, cost);
    }
}

/* `content` borrows from the text. */
static int parse(struct slice text, struct content *content, struct fault *fault)
{
    struct fault first = FAULT_INIT;
    struct complaints complaints = {.fault = &first};

    read_lines(content, text, &complaints);
    sort(content, &complaints);
    if (complaints.broken == 0)
        return 0;
    if (complaints.broken == 1)
        return fault_set(fault, ERR_CONFIG, "%s", first.text);
    return fault_set(fault, ERR_CONFIG, "%s (and %u more broken lines)", first.text,
                     complaints.broken - 1);
}

static void forget(struct content *content)
{
    free(content->lines);
    free(content->text);
    *content = (struct content){0};
}

int htpasswd_check(struct slice text, unsigned *users, struct fault *fault)
{
    struct content content = {0};
    int err = parse(text, &content, fault);

    *users = err == 0 ? (unsigned)content.n : 0;
    forget(&content);
    return err;
}

/*
 * The file.
 */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_all(int fd, struct buf *text)
{
    char block[16384];
    ssize_t n;

    while ((n = read(fd, block, sizeof(block))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        buf_add(text, slice_make(block, (size_t)n));
        if (text->overflow)
            return EFBIG;
    }
    return 0;
}

static int read_content(const char *path, int fd, struct content *content, struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct buf text;
    size_t n;
    int sys, err;

    buf_init(&text, HTPASSWD_FILE_MAX);
    sys = read_all(fd, &text);
    content->text = buf_take(&text, &n);
    buf_fini(&text);
    if (sys != 0)
        return fault_set_errno(fault, sys, "%s", path);
    err = parse(slice_make(content->text, n), content, &why);
    return err != 0 ? fault_set(fault, err, "%s: %s", path, why.text) : 0;
}

/* *as_read is what the file was before it was read. */
static int load(const char *path, struct content *content, struct stat *as_read,
                struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat after;
    int err;

    if (fd < 0)
        return fault_set_errno(fault, errno, "auth.htpasswd: %s", path);
    if (fstat(fd, as_read) != 0)
        err = fault_set_errno(fault, errno, "auth.htpasswd: %s", path);
    else if (!S_ISREG(as_read->st_mode))
        err = fault_set(fault, ERR_CONFIG, "auth.htpasswd: %s is not a file", path);
    else
        err = read_content(path, fd, content, fault);
    if (err == 0 && (fstat(fd, &after) != 0 || !is_same_file(as_read, &after)))
        err = fault_set(fault, ERR_AGAIN, "auth.htpasswd: %s changes while it is read", path);
    close(fd);
    return err;
}

int htpasswd_open(const char *path, struct htpasswd **htpasswd, struct fault *fault)
{
    struct htpasswd *opened = xcalloc(1, sizeof(*opened));
    int err;

    pthread_mutex_init(&opened->lock, NULL);
    opened->path = xstrdup(path);
    err = load(path, &opened->content, &opened->seen, fault);
    if (err != 0) {
        htpasswd_close(opened);
        return err;
    }
    *htpasswd = opened;
    return 0;
}

void htpasswd_close(struct htpasswd *htpasswd)
{
    forget(&htpasswd->content);
    pthread_mutex_destroy(&htpasswd->lock);
    free(htpasswd->path);
    free(htpasswd);
}

/* A stat that fails leaves zeros, which no file has: a file that is gone is complained of once, and
 * looked at when it is there again. */
int htpasswd_refresh(struct htpasswd *htpasswd, bool *changed, struct fault *fault)
{
    struct content content = {0}, old;
    struct stat now, as_read;
    int err;

    *changed = false;
    memset(&now, 0, sizeof(now));
    if (stat(htpasswd->path, &now) != 0)
        memset(&now, 0, sizeof(now));
    if (is_same_file(&now, &htpasswd->seen))
        return 0;
    memset(&as_read, 0, sizeof(as_read));
    err = load(htpasswd->path, &content, &as_read, fault);
    if (err == ERR_AGAIN) {
        forget(&content);
        return 0;
    }
    htpasswd->seen = err == 0 ? as_read : now;
    if (err != 0) {
        forget(&content);
        return err;
    }
    pthread_mutex_lock(&htpasswd->lock);
    old = htpasswd->content;
    htpasswd->content = content;
    pthread_mutex_unlock(&htpasswd->lock);
    forget(&old);
    *changed = true;
    return 0;
}

/*
 * Asking.
 */

static int compare_name(const void *name, const void *line)
{
    return slice_cmp(*(const struct slice *)name, ((const struct line *)line)->name);
}

bool htpasswd_find(struct htpasswd *htpasswd, struct slice user, char hash[PASSWORD_HASH_SIZE + 1])
{
    const struct line *line = NULL;

    pthread_mutex_lock(&htpasswd->lock);
    if (htpasswd->content.n > 0)
        line = bsearch(&user, htpasswd->content.lines, htpasswd->content.n, sizeof(*line),
                       compare_name);
    if (line != NULL) {
        memcpy(hash, line->hash.p, PASSWORD_HASH_SIZE);
        hash[PASSWORD_HASH_SIZE] = '\0';
    }
    pthread_mutex_unlock(&htpasswd->lock);
    return line != NULL;
}

unsigned htpasswd_cost(struct htpasswd *htpasswd)
{
    pthread_mutex_lock(&htpasswd->lock);
    unsigned cost = htpasswd->content.cost;
    pthread_mutex_unlock(&htpasswd->lock);
    return cost;
}

unsigned htpasswd_users(struct htpasswd *htpasswd)
{
    pthread_mutex_lock(&htpasswd->lock);
    unsigned users = (unsigned)htpasswd->content.n;
    pthread_mutex_unlock(&htpasswd->lock);
    return users;
}
