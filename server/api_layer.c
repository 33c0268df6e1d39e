/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/repos/<name>/-/layers/<digest>: the files in a layer.
 *
 * DESIGN: a job of the io pool reads the blob, unpacks and lists for a moment, then comes back to
 * the loop, which looks whether anybody still wants it and how long it took, and sends it again: so
 * uploads find the pool's threads free in between. Only layers.max_jobs are read at once; each is
 * limited in entries, unpacked bytes, time and bytes of its answer, and what lies behind a limit is
 * "truncated".
 */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/blob.h"
#include "registry/layer.h"
#include "server/api.h"
#include "server/handlers.h"
#include "server/v2.h"

#include <errno.h>
#include <unistd.h>

#define PIECE_BYTES  65536u
#define SLICE_NS     UINT64_C(20000000) /* of one job */
#define LIST_BYTES   ((size_t)16 << 20)
#define TIME_MIN_S   INT64_C(-62135596800) /* the years 1 to 9999, which RFC 3339 can say */
#define TIME_MAX_S   INT64_C(253402300799)
#define ANSWER_BYTES (LIST_BYTES + 65536)

struct layer_list {
    struct pool_job job;
    struct request *r;
    struct blob_get get;
    struct blob_file *file;
    uint64_t offset, deadline_ms;
    struct layer_reader *layer;
    struct buf answer;
    struct json_writer json;
    struct slice rest; /* of the piece, not fed yet */
    bool counted;      /* in server->layer_jobs */
    int err;           /* of the reader; 0: not done */
    char piece[PIECE_BYTES];
};

static void finish(struct layer_list *list)
{
    if (list->counted)
        atomic_fetch_sub(&list->r->worker->server->layer_jobs, 1);
    if (list->file != NULL)
        blob_file_unref(list->file);
    layer_destroy(list->layer);
    buf_fini(&list->answer);
    request_release(list->r);
}

static void fail(struct layer_list *list, int err, const struct fault *fault)
{
    response_send_error(list->r, err, fault, SLICE(""));
    finish(list);
}

/*
 * On the pool.
 */

static const char *type_name(enum tar_type type)
{
    static const char *const names[] = {
        [TAR_FILE] = "file",         [TAR_DIRECTORY] = "dir", [TAR_SYMLINK] = "symlink",
        [TAR_HARDLINK] = "hardlink", [TAR_OTHER] = "other",
    };

    return names[type];
}

static int add_entry(const struct tar_entry *entry, void *arg)
{
    struct layer_list *list = arg;
    struct json_writer *w = &list->json;

    if (list->answer.n > LIST_BYTES)
        return ERR_LIMIT;
    json_object_begin(w);
    json_name(w, SLICE("path"));
    json_string(w, entry->path);
    api_text(w, "type", slice_from_cstr(type_name(entry->type)));
    api_u64(w, "size", entry->size);
    api_u64(w, "mode", entry->mode);
    if (entry->mtime >= TIME_MIN_S && entry->mtime <= TIME_MAX_S)
        api_time(w, "mtime", entry->mtime * 1000);
    api_text(w, "linkTarget", entry->link_target);
    json_object_end(w);
    return 0;
}

static int read_piece(struct layer_list *list)
{
    ssize_t n;

    do
        n = pread(list->file->fd, list->piece, PIECE_BYTES, (off_t)list->offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_from_errno(errno);
    if (n == 0)
        return layer_finish(list->layer);
    list->offset += (uint64_t)n;
    list->rest = slice_make(list->piece, (size_t)n);
    return 0;
}

static void read_on(struct pool_job *job)
{
    struct layer_list *list = CONTAINER_OF(job, struct layer_list, job);
    uint64_t end_ns = clock_mono_ns() + SLICE_NS;

    while (list->err == 0 && clock_mono_ns() < end_ns) {
        if (list->rest.n > 0 || layer_has_more(list->layer))
            list->err = layer_feed(list->layer, &list->rest);
        else
            list->err = read_piece(list);
    }
}

/*
 * On the loop.
 */

static void send_list(struct layer_list *list, bool truncated)
{
    struct request *r = list->r;
    struct json_writer *w = &list->json;
    char etag[API_ETAG_SIZE];

    json_array_end(w);
    api_text(w, "format",
             layer_format(list->layer) == LAYER_TAR ? SLICE("tar") : SLICE("tar+gzip"));
    api_bool(w, "truncated", truncated);
    json_object_end(w);
    if (truncated) {
        /* Another limit would give another answer. */
        api_etag(buf_slice(&list->answer), etag);
        api_send_json_tagged(r, &list->answer, slice_from_cstr(etag));
    } else {
        api_send_json_tagged(r, &list->answer, v2_etag(r, &list->get.digest));
    }
    finish(list);
}

static void refuse_format(struct layer_list *list)
{
    struct fault fault = FAULT_INIT;

    fault_set(&fault, ERR_HTTP_MEDIA_TYPE,
              layer_format(list->layer) == LAYER_ZSTD
                  ? "this blob is compressed by zstd; only tar and tar+gzip layers can be listed"
                  : "this blob is no tar or tar+gzip archive, so there are no files to list");
    fail(list, ERR_HTTP_MEDIA_TYPE, &fault);
}

static void submit(struct layer_list *list);

static void was_read(struct pool_job *job)
{
    struct layer_list *list = CONTAINER_OF(job, struct layer_list, job);

    if (list->r->gone)
        fail(list, ERR_CANCELLED, NULL);
    else if (list->err == ERR_NOT_FOUND)
        send_list(list, false);
    else if (list->err == ERR_LIMIT || list->err == ERR_SYNTAX)
        send_list(list, true);
    else if (list->err == ERR_HTTP_MEDIA_TYPE)
        refuse_format(list);
    else if (list->err != 0)
        fail(list, list->err, NULL);
    else if (clock_mono_ms() >= list->deadline_ms)
        send_list(list, true);
    else
        submit(list);
}

static void submit(struct layer_list *list)
{
    struct request *r = list->r;

    list->job = (struct pool_job){.run = read_on, .done = was_read, .reply = r->worker->queue};
    pool_submit(r->worker->server->store->io, &list->job);
}

static void begin_list(struct layer_list *list)
{
    struct json_writer *w = &list->json;

    buf_init(&list->answer, ANSWER_BYTES);
    json_writer_init(w, &list->answer);
    json_object_begin(w);
    api_digest(w, "digest", &list->get.digest);
    json_name(w, SLICE("entries"));
    json_array_begin(w);
}

static void file_opened(void *arg, int err, struct blob_file *file)
{
    struct layer_list *list = arg;
    const struct settings *settings = list->r->worker->settings;
    const struct layer_limits limits = {
        .max_entries = (unsigned)settings->layers_max_entries,
        .max_unpacked_bytes = settings->layers_max_unpacked_bytes,
    };

    list->r->log_digest = list->get.digest;
    err = v2_file_check(list->r, err, file, &list->get.digest, list->get.size);
    if (err == 0) {
        list->file = file;
        err = layer_create(&limits, add_entry, list, &list->layer);
    }
    if (err != 0) {
        fail(list, err == ERR_NOT_FOUND ? ERR_BLOB_UNKNOWN : err, NULL);
        return;
    }
    begin_list(list);
    list->deadline_ms = clock_mono_ms() + settings->layers_max_time_ms;
    submit(list);
}

static bool count_job(struct layer_list *list)
{
    struct server *server = list->r->worker->server;

    list->counted = true;
    return atomic_fetch_add(&server->layer_jobs, 1) < list->r->worker->settings->layers_max_jobs;
}

static void row_read(void *arg, int err)
{
    struct layer_list *list = CONTAINER_OF(arg, struct layer_list, get);
    struct request *r = list->r;
    struct fault fault = FAULT_INIT;

    if (err == 0 && api_is_unchanged(r, v2_etag(r, &list->get.digest))) {
        finish(list);
        return;
    }
    if (err == 0 && !count_job(list))
        err = fault_set(&fault, ERR_BUSY, "layers.max_jobs layers are being read; try again");
    if (err != 0)
        fail(list, err, &fault);
    else
        blob_file_open(r->worker->server->store->files, &list->get.digest, r->worker->queue,
                       file_opened, list);
}

void api_layer_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct layer_list *list = arena_alloc(&r->arena, sizeof(*list));

    int err = list == NULL ? ERR_NO_MEMORY : digest_parse(r->argument, &list->get.digest, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    list->r = r;
    list->get.repository = r->repository;
    request_hold(r);
    kv_read(r->worker->kv, blob_get, &list->get, row_read);
}
