/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: bytes go to a temporary file named by the digest and are hashed as they come. Bytes that
 * were there before are hashed first, and the rest is asked for by Range; a registry that sends the
 * whole blob all the same is taken at its word, from zero. When the digest then is wrong, the older
 * part may be to blame: it goes, and the blob is fetched once more from its beginning.
 */
#include "config.h"
#include "cli/pull.h"

#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)

struct transfer {
    const struct pull_target *target;
    const struct file *file;
    int fd;
    struct hasher *hasher;
    uint64_t have;    /* bytes in the temporary file, all of them hashed */
    uint64_t resumed; /* of them, those that were there before */
    struct progress progress;
};

static int write_all(int fd, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0)
            bytes = slice_sub(bytes, (size_t)n, SIZE_MAX);
    }
    return 0;
}

static int start_over(struct transfer *t, struct fault *fault)
{
    hasher_reset(t->hasher);
    t->have = t->resumed = 0;
    if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0)
        return fault_set_errno(fault, errno, "emptying a temporary file");
    return 0;
}

/* Hashes what is there. More than the blob has cannot be a part of it. */
static int read_partial(struct transfer *t, struct fault *fault)
{
    static char bytes[READ_SIZE];
    struct stat st;
    ssize_t n;

    if (fstat(t->fd, &st) != 0)
        return fault_set_errno(fault, errno, "a temporary file");
    if (st.st_size == 0)
        return 0;
    if ((uint64_t)st.st_size > t->file->size)
        return start_over(t, fault);
    while ((n = read(t->fd, bytes, sizeof(bytes))) > 0) {
        hasher_update(t->hasher, bytes, (size_t)n);
        t->have += (uint64_t)n;
    }
    if (n < 0)
        return fault_set_errno(fault, errno, "reading a temporary file");
    t->resumed = t->have;
    return 0;
}

/* ---- The transfer -----------------------------------------------------------------------------
 */

/* "bytes 100-999/1000" begins where we are. */
static bool is_our_range(struct slice field, const struct transfer *t)
{
    char wanted[80];

    snprintf(wanted, sizeof(wanted), "bytes %llu-%llu/%llu", (unsigned long long)t->have,
             (unsigned long long)(t->file->size - 1), (unsigned long long)t->file->size);
    return slice_eq(field, slice_from_cstr(wanted));
}

static int on_begin(void *arg, struct fetch *fetch, int status, struct fault *fault)
{
    struct transfer *t = arg;

    if (status == 200)
        return t->have > 0 ? start_over(t, fault) : 0;
    if (status == 206 && t->have > 0 && is_our_range(fetch_field(fetch, "Content-Range"), t))
        return 0;
    return fault_set(fault, ERR_SYNTAX, "the registry answered with another part than asked for");
}

static int on_take(void *arg, struct slice bytes, struct fault *fault)
{
    struct transfer *t = arg;
    int sys;

    if (bytes.n > t->file->size - t->have)
        return fault_set(fault, ERR_LIMIT, "the registry sends more than the %llu bytes announced",
                         (unsigned long long)t->file->size);
    sys = write_all(t->fd, bytes);
    if (sys != 0)
        return fault_set_errno(fault, sys, "writing a temporary file in %s",
                               t->target->folder->path);
    hasher_update(t->hasher, bytes.p, bytes.n);
    t->have += bytes.n;
    return 0;
}

static void on_progress(void *arg, uint64_t sent, uint64_t received)
{
    struct transfer *t = arg;

    (void)sent;
    (void)received;
    progress_update(&t->progress, t->have);
}

static int request_rest(struct transfer *t, struct fault *fault)
{
    static const struct fetch_hooks hooks = {
        .begin = on_begin,
        .take = on_take,
        .progress = on_progress,
    };
    struct client *client = t->target->client;
    char range[64], digest[DIGEST_TEXT_MAX];
    const char *fields[] = {NULL, NULL};
    struct fetch_request request = {
        .method = FETCH_GET,
        .fields = fields,
        .hooks = &hooks,
        .arg = t,
        .max_bytes = UINT64_MAX, /* on_take has the limit */
    };
    int status;

    if (t->have > 0) {
        snprintf(range, sizeof(range), "Range: bytes=%llu-", (unsigned long long)t->have);
        fields[0] = range;
    }
    client_path(client, "/v2/%.*s/blobs/%.*s", SLICE_ARG(t->target->repository),
                SLICE_ARG(digest_format(&t->file->digest, digest)));
    progress_begin(&t->progress, t->target->show_progress, "pulling", t->file->title, t->have,
                   t->file->size);
    int err = client_send(client, &request, &status, fault);
    progress_end(&t->progress);
    if (err == 0 && (status < 200 || status > 299))
        err = client_refusal(client, status, fault);
    return err;
}

/* Whether it is all there, and right. ERR_DIGEST_MISMATCH when it is all there and wrong. */
static int check(struct transfer *t, struct fault *fault)
{
    struct digest found;

    if (t->have < t->file->size)
        return fault_set(fault, ERR_SIZE_INVALID,
                         "the registry sent %llu of the %llu bytes announced",
                         (unsigned long long)t->have, (unsigned long long)t->file->size);
    hasher_final(t->hasher, &found);
    hasher_reset(t->hasher);
    if (digest_eq(&found, &t->file->digest))
        return 0;
    return fault_set(fault, ERR_DIGEST_MISMATCH,
                     "what the registry sent does not have the digest that its manifest says: it "
                     "is damaged, and was thrown away");
}

static int fetch_and_check(struct transfer *t, struct fault *fault)
{
    int err = read_partial(t, fault);

    if (err == 0 && (t->have < t->file->size || t->file->size == 0))
        err = request_rest(t, fault);
    if (err == 0)
        err = check(t, fault);
    if (err != ERR_DIGEST_MISMATCH || t->resumed == 0)
        return err;
    err = start_over(t, fault);
    if (err == 0)
        err = request_rest(t, fault);
    return err == 0 ? check(t, fault) : err;
}

/* Worth keeping: the part is what it is, only the rest did not come. */
static bool may_go_on(int err)
{
    return err == ERR_CANCELLED || err == ERR_HTTP_TIMEOUT || err == ERR_UNAVAILABLE ||
           err == ERR_BUSY;
}

static int fail(const struct transfer *t, const char *partial, int err, const struct fault *why,
                struct fault *fault)
{
    if (may_go_on(err) && t->have > 0)
        return fault_set(fault, err,
                         "%.*s: %s\n  %llu of %llu bytes are kept; the same command goes on there.",
                         SLICE_ARG(t->file->title), fault_text(why, err),
                         (unsigned long long)t->have, (unsigned long long)t->file->size);
    folder_partial_remove(t->target->folder, partial);
    return fault_set(fault, err, "%.*s: %s", SLICE_ARG(t->file->title), fault_text(why, err));
}

int pull_file(const struct pull_target *target, const struct file *file, struct fault *fault)
{
    struct transfer t = {.target = target, .file = file};
    struct fault why = FAULT_INIT;
    char partial[PARTIAL_MAX];
    int err = folder_partial_open(target->folder, &file->digest, partial, &t.fd, fault);

    if (err != 0)
        return err;
    t.hasher = hasher_create(file->digest.algorithm);
    err = fetch_and_check(&t, &why);
    if (err == 0)
        err = folder_place(target->folder, partial, file->title, target->force, &why);
    if (err != 0)
        err = fail(&t, partial, err, &why, fault);
    hasher_destroy(t.hasher);
    close(t.fd);
    return err;
}
