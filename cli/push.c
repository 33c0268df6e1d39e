/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a file is read twice: once for its digest, by which the registry is asked whether it has
 * it, and when not, once more to send it. The second reading is hashed as well, so that a file that
 * changes meanwhile is told as what it is.
 */
#include "config.h"
#include "cli/verb.h"

#include "base/mem.h"
#include "cli/client.h"
#include "cli/files.h"
#include "cli/folder.h"
#include "cli/progress.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE         (256 * 1024)
#define FINISH_TIMEOUT_MS 600000 /* the registry makes the blob durable before it answers */

struct push {
    const struct cli_call *call;
    struct client client;
    struct ref ref;
    struct files files;
    struct progress progress;
    struct hasher *hasher; /* of what is sent */
    uint64_t sent;
};

/* ---- The files --------------------------------------------------------------------------------
 */

/* A path as it was given when it stays in the current folder, else its last name. */
static struct slice title_of(const char *path)
{
    struct slice title = slice_from_cstr(path);
    struct slice rest, part;

    while (slice_starts_with(title, SLICE("./"))) {
        title = slice_sub(title, 2, SIZE_MAX);
        while (title.n > 0 && title.p[0] == '/')
            title = slice_sub(title, 1, SIZE_MAX);
    }
    rest = title;
    bool stays = title.n > 0 && title.p[0] != '/';
    while (stays && slice_split(&rest, '/', &part))
        stays = part.n > 0 && !slice_eq(part, SLICE(".")) && !slice_eq(part, SLICE(".."));
    if (stays)
        return title;
    const char *slash = strrchr(path, '/');
    return slice_from_cstr(slash ? slash + 1 : path);
}

static int open_file(const char *path, int *fd, uint64_t *size, struct fault *fault)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0)
        return fault_set_errno(fault, errno, "%s", path);
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) {
        *size = (uint64_t)st.st_size;
        return 0;
    }
    close(*fd);
    *fd = -1;
    if (S_ISDIR(st.st_mode))
        return fault_set(fault, ERR_IO,
                         "%s is a folder: pack it first, for example with tar -czf %s.tar.gz %s",
                         path, path, path);
    return fault_set(fault, ERR_IO, "%s is no plain file: only files can be pushed", path);
}

/* All are looked at before the first is read: a mistake is told at once. */
static int check_file(const char *path, struct fault *fault)
{
    uint64_t size;
    int fd;
    int err = open_file(path, &fd, &size, fault);

    if (err == 0)
        close(fd);
    return err;
}

static int hash_file(struct push *push, struct file *file, struct fault *fault)
{
    static char bytes[READ_SIZE];
    struct hasher *hasher;
    uint64_t done = 0;
    ssize_t n;
    int fd;
    int err = open_file(file->path, &fd, &file->size, fault);

    if (err != 0)
        return err;
    hasher = hasher_create(DIGEST_SHA256);
    progress_begin(&push->progress, !push->call->quiet, "reading", file->title, 0, file->size);
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        hasher_update(hasher, bytes, (size_t)n);
        done += (uint64_t)n;
        progress_update(&push->progress, done);
    }
    progress_end(&push->progress);
    if (n < 0)
        err = fault_set_errno(fault, errno, "reading %s", file->path);
    else if (done != file->size)
        err = fault_set(fault, ERR_IO, "%s changed while it was read: push it again", file->path);
    hasher_final(hasher, &file->digest);
    hasher_destroy(hasher);
    close(fd);
    return err;
}

static int collect(struct push *push, struct fault *fault)
{
    size_t n = (size_t)push->call->argc - 1;
    int err = 0;

    push->files = (struct files){.list = xcalloc(n, sizeof(struct file)), .n = n};
    for (size_t i = 0; i < n && err == 0; i++) {
        struct file *file = &push->files.list[i];

        file->path = push->call->argv[i];
        file->media_type = SLICE(FILES_MEDIA_TYPE);
        file->title = title_of(file->path);
        err = check_file(file->path, fault);
        if (err == 0)
            err = title_check(file->title, fault);
    }
    if (err == 0)
        err = files_sort(&push->files, fault);
    for (size_t i = 0; i < n && err == 0; i++)
        err = hash_file(push, &push->files.list[i], fault);
    return err;
}

/* ---- Blobs ------------------------------------------------------------------------------------
 */

static void on_sent(void *arg, struct slice bytes)
{
    struct push *push = arg;

    hasher_update(push->hasher, bytes.p, bytes.n);
}

static void on_progress(void *arg, uint64_t sent, uint64_t received)
{
    struct push *push = arg;

    (void)received;
    progress_update(&push->progress, sent);
}

static const struct fetch_hooks send_hooks = {.sent = on_sent, .progress = on_progress};

static int has_blob(struct push *push, struct slice digest, bool *has, struct fault *fault)
{
    struct fetch_request request = {.method = FETCH_HEAD};
    int status;

    client_path(&push->client, "/v2/%.*s/blobs/%.*s", SLICE_ARG(push->ref.repository),
                SLICE_ARG(digest));
    int err = client_send(&push->client, &request, &status, fault);
    *has = err == 0 && status == 200;
    if (err != 0 || status == 200 || status == 404)
        return err;
    return client_refusal(&push->client, status, fault);
}

/* POST: where to send the blob to, with its digest. */
static int begin_upload(struct push *push, struct slice digest, struct buf *url,
                        struct fault *fault)
{
    struct fetch_request request = {.method = FETCH_POST, .max_bytes = FETCH_REFUSAL_MAX};
    char query[DIGEST_TEXT_MAX + 16];
    int status;

    client_path(&push->client, "/v2/%.*s/blobs/uploads/", SLICE_ARG(push->ref.repository));
    int err = client_send(&push->client, &request, &status, fault);
    if (err != 0)
        return err;
    if (status != 202)
        return client_refusal(&push->client, status, fault);
    snprintf(query, sizeof(query), "digest=%.*s", SLICE_ARG(digest));
    return fetch_resolve(push->client.url.p, fetch_field(push->client.fetch, "Location"), query,
                         url, fault);
}

/* PUT, from memory when `file` is NULL. */
static int send_blob(struct push *push, struct slice body, const struct fetch_file *file,
                     struct slice digest, struct fault *fault)
{
    static const char *const fields[] = {"Content-Type: application/octet-stream", NULL};
    struct fetch_request request = {
        .method = FETCH_PUT,
        .fields = fields,
        .body = body,
        .file = file,
        .hooks = file ? &send_hooks : NULL,
        .arg = push,
        .max_bytes = FETCH_REFUSAL_MAX,
        .idle_timeout_ms = FINISH_TIMEOUT_MS,
    };
    struct buf url;
    int status = 0;

    buf_init(&url, CLIENT_URL_MAX);
    int err = begin_upload(push, digest, &url, fault);
    if (err == 0) {
        buf_reset(&push->client.url);
        buf_add(&push->client.url, buf_slice(&url));
        err = client_send(&push->client, &request, &status, fault);
    }
    if (err == 0 && status != 201)
        err = client_refusal(&push->client, status, fault);
    buf_fini(&url);
    return err;
}

static int send_file(struct push *push, struct file *file, struct slice digest, struct fault *fault)
{
    struct fetch_file source;
    struct digest sent;
    uint64_t size;
    int err = open_file(file->path, &source.fd, &size, fault);

    if (err != 0)
        return err;
    if (size != file->size) {
        close(source.fd);
        return fault_set(fault, ERR_IO, "%s changed while it was pushed: push it again",
                         file->path);
    }
    source.size = size;
    push->hasher = hasher_create(DIGEST_SHA256);
    progress_begin(&push->progress, !push->call->quiet, "pushing", file->title, 0, size);
    err = send_blob(push, (struct slice){0}, &source, digest, fault);
    progress_end(&push->progress);
    hasher_final(push->hasher, &sent);
    hasher_destroy(push->hasher);
    close(source.fd);
    if (err == ERR_HTTP_FORBIDDEN && !digest_eq(&sent, &file->digest) && fault->code == err &&
        strstr(fault->text, "DIGEST_INVALID"))
        return fault_set(fault, ERR_IO, "%s changed while it was pushed: push it again",
                         file->path);
    return err;
}

static int push_file(struct push *push, size_t i, struct fault *fault)
{
    struct file *file = &push->files.list[i];
    char text[DIGEST_TEXT_MAX];
    struct slice digest = digest_format(&file->digest, text);
    char size[TEXT_SIZE_MAX];

    int err = has_blob(push, digest, &file->is_present, fault);
    if (err == 0 && !file->is_present)
        err = send_file(push, file, digest, fault);
    if (err != 0 || push->call->quiet || push->call->json)
        return err;
    text_size(file->size, size);
    printf("%s  %.*s  %s  ", file->is_present ? "was there" : "pushed   ",
           SLICE_ARG(text_short_digest(digest)), size);
    text_print(stdout, file->title);
    putchar('\n');
    return 0;
}

static int push_config(struct push *push, struct fault *fault)
{
    bool has;
    int err = has_blob(push, SLICE(FILES_EMPTY_DIGEST), &has, fault);

    if (err == 0 && !has)
        err = send_blob(push, SLICE("{}"), NULL, SLICE(FILES_EMPTY_DIGEST), fault);
    return err;
}

/* ---- The manifest -----------------------------------------------------------------------------
 */

static int put_manifest(struct push *push, struct slice manifest, struct fault *fault)
{
    static const char *const fields[] = {"Content-Type: " FILES_MANIFEST_TYPE, NULL};
    struct fetch_request request = {
        .method = FETCH_PUT,
        .fields = fields,
        .body = manifest,
        .max_bytes = FETCH_REFUSAL_MAX,
    };
    int status;

    client_path(&push->client, "/v2/%.*s/manifests/%.*s", SLICE_ARG(push->ref.repository),
                SLICE_ARG(push->ref.tag));
    int err = client_send(&push->client, &request, &status, fault);
    if (err == 0 && status != 201)
        err = client_refusal(&push->client, status, fault);
    return err;
}

static void report_json(const struct push *push, struct slice digest, size_t size)
{
    struct buf out;
    struct json_writer w;

    buf_init(&out, 4 * FILES_MANIFEST_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, SLICE("repository"));
    json_string(&w, push->ref.repository);
    json_name(&w, SLICE("tag"));
    json_string(&w, push->ref.tag);
    json_name(&w, SLICE("digest"));
    json_string(&w, digest);
    json_name(&w, SLICE("size"));
    json_u64(&w, size);
    json_name(&w, SLICE("files"));
    files_write_json(&push->files, "sent", &w);
    json_object_end(&w);
    printf("%.*s\n", SLICE_ARG(buf_slice(&out)));
    buf_fini(&out);
}

static void report(const struct push *push, struct slice manifest)
{
    struct digest digest;
    char text[DIGEST_TEXT_MAX];
    struct slice name;

    digest_compute(DIGEST_SHA256, manifest, &digest);
    name = digest_format(&digest, text);
    if (push->call->json)
        report_json(push, name, manifest.n);
    else if (push->call->quiet)
        printf("%.*s\n", SLICE_ARG(name));
    else
        printf("%.*s:%.*s is %.*s\n", SLICE_ARG(push->ref.repository), SLICE_ARG(push->ref.tag),
               SLICE_ARG(name));
}

static int push_all(struct push *push, struct fault *fault)
{
    struct buf manifest;
    int err = collect(push, fault);

    buf_init(&manifest, FILES_MANIFEST_MAX);
    if (err == 0) {
        files_write(&push->files, &manifest);
        if (manifest.overflow)
            err = fault_set(fault, ERR_LIMIT, "that many files do not fit into one artifact");
    }
    for (size_t i = 0; i < push->files.n && err == 0; i++)
        err = push_file(push, i, fault);
    if (err == 0)
        err = push_config(push, fault);
    if (err == 0)
        err = put_manifest(push, buf_slice(&manifest), fault);
    if (err == 0)
        report(push, buf_slice(&manifest));
    buf_fini(&manifest);
    free(push->files.list);
    return err;
}

int push_run(const struct cli_call *call, struct fault *fault)
{
    struct push push = {.call = call};
    int err = ref_parse(slice_from_cstr(call->argv[call->argc - 1]), REF_TAG, &push.ref, fault);

    if (err == 0)
        err = client_open(&push.client, &push.ref, call->server, fault);
    if (err != 0)
        return err;
    err = push_all(&push, fault);
    client_close(&push.client);
    return err;
}
