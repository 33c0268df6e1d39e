/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/repos/<name>/-/manifests/<reference>: a manifest taken apart.
 *
 * DESIGN: row, bytes, parse, look-up of the parts, answer. A manifest that stands in the index is
 * small: all of it happens in one turn. The bytes of a larger one come from its file, on the io
 * pool, are parsed there, and the answer is written on the cpu pool; its parts are looked up some
 * at a time, a turn each. The arena of the request belongs to the pool while a job is there.
 */
#include "config.h"

#include "base/log.h"
#include "base/mem.h"
#include "registry/manifest_info.h"
#include "registry/manifest_view.h"
#include "server/api.h"
#include "server/handlers.h"

#define LOOK_UP_TURN 512 /* parts in one turn */
#define ANSWER_MAX   ((size_t)96 << 20)

struct manifest_show {
    struct pool_job job;
    struct request *r;
    struct manifest_info info;
    struct manifest_view *view;
    unsigned looked_up;
    struct buf body;
    char etag[API_ETAG_SIZE];
    int err;
};

static void finish(struct manifest_show *show, int err)
{
    if (err != 0) {
        response_send_error(show->r, err, NULL, SLICE(""));
        buf_fini(&show->body);
    } else {
        show->r->log_digest = show->info.digest;
        api_send_json_tagged(show->r, &show->body, slice_from_cstr(show->etag));
    }
    request_release(show->r);
}

/*
 * The answer; any thread.
 */

static void write_descriptor(struct json_writer *w, const struct view_descriptor *d, bool is_entry)
{
    json_object_begin(w);
    api_text(w, "mediaType", d->media_type);
    api_digest(w, "digest", &d->digest);
    api_u64(w, "size", d->size);
    api_text(w, "artifactType", d->artifact_type);
    api_text(w, "title", d->title);
    api_text(w, "platform", d->platform);
    if (d->annotations != NULL) {
        json_name(w, SLICE("annotations"));
        json_value(w, d->annotations);
    }
    if (is_entry)
        api_bool(w, "present", d->present);
    json_object_end(w);
}

static void write_one(struct json_writer *w, const char *name, const struct view_descriptor *d)
{
    if (d == NULL)
        return;
    json_name(w, slice_from_cstr(name));
    write_descriptor(w, d, false);
}

static void write_list(struct json_writer *w, const char *name, const struct view_descriptor *list,
                       unsigned n)
{
    json_name(w, slice_from_cstr(name));
    json_array_begin(w);
    for (unsigned i = 0; i < n; i++)
        write_descriptor(w, &list[i], true);
    json_array_end(w);
}

static void write_manifest(struct json_writer *w, const struct manifest_show *show)
{
    const struct manifest_info *info = &show->info;
    const struct manifest_view *view = show->view;

    json_object_begin(w);
    api_text(w, "name", info->repository);
    api_digest(w, "digest", &info->digest);
    api_text(w, "mediaType", info->media_type);
    api_text(w, "kind", slice_from_cstr(manifest_view_kind_name(view->kind)));
    api_text(w, "artifactType", view->artifact_type);
    api_u64(w, "size", info->size);
    api_u64(w, "totalSize", view->total_size);
    if (view->annotations != NULL) {
        json_name(w, SLICE("annotations"));
        json_value(w, view->annotations);
    }
    write_one(w, "subject", view->subject);
    write_one(w, "config", view->config);
    write_list(w, "layers", view->layers, view->layers_n);
    write_list(w, "manifests", view->manifests, view->manifests_n);
    json_name(w, SLICE("tags"));
    json_array_begin(w);
    for (unsigned i = 0; i < info->tags_n; i++)
        json_string(w, info->tags[i]);
    json_array_end(w);
    api_time(w, "pushedAt", info->pushed_ms);
    api_u64(w, "event", info->event);
    json_object_end(w);
}

static void write_answer(struct pool_job *job)
{
    struct manifest_show *show = CONTAINER_OF(job, struct manifest_show, job);
    struct json_writer w;

    buf_init(&show->body, ANSWER_MAX);
    json_writer_init(&w, &show->body);
    write_manifest(&w, show);
    api_etag(buf_slice(&show->body), show->etag);
}

static void answer_written(struct pool_job *job)
{
    finish(CONTAINER_OF(job, struct manifest_show, job), 0);
}

/*
 * The parts.
 */

static int look_up(struct kv_tx *tx, void *arg)
{
    struct manifest_show *show = arg;

    return manifest_view_look_up(tx, show->info.repo, show->view, show->looked_up, LOOK_UP_TURN);
}

static void look_up_next(struct pool_job *job);

static void looked_up(void *arg, int err)
{
    struct manifest_show *show = arg;
    struct request *r = show->r;

    show->looked_up += LOOK_UP_TURN;
    if (err == 0 && r->gone)
        err = ERR_CANCELLED;
    if (err != 0) {
        finish(show, err);
    } else if (show->looked_up < show->view->layers_n + show->view->manifests_n) {
        api_next_turn(r, &show->job, look_up_next);
    } else if (show->info.body.n <= KV_VALUE_MAX) {
        write_answer(&show->job);
        finish(show, 0);
    } else {
        show->job = (struct pool_job){
            .run = write_answer, .done = answer_written, .reply = r->worker->queue};
        pool_submit(r->worker->server->store->cpu, &show->job);
    }
}

static void look_up_next(struct pool_job *job)
{
    struct manifest_show *show = CONTAINER_OF(job, struct manifest_show, job);

    kv_read(show->r->worker->kv, look_up, show, looked_up);
}

/*
 * The bytes.
 */

static int parse(struct manifest_show *show)
{
    return manifest_view_parse(&show->r->arena, show->info.body, show->info.media_type,
                               &show->view);
}

static void read_file(struct pool_job *job)
{
    struct manifest_show *show = CONTAINER_OF(job, struct manifest_show, job);

    show->err = api_read_file(show->r->worker->server->store->files, &show->info.digest,
                              show->info.size, &show->r->arena, &show->info.body);
    if (show->err == 0)
        show->err = parse(show);
}

static void file_read(struct pool_job *job)
{
    struct manifest_show *show = CONTAINER_OF(job, struct manifest_show, job);

    if (show->err == ERR_NOT_FOUND) {
        log_error("manifest.missing",
                  "a manifest of the index has no file of its size; pushing it again heals it",
                  LOG_DIGEST("digest", &show->info.digest), LOG_STR("repo", show->info.repository));
        show->err = ERR_MANIFEST_UNKNOWN;
    }
    if (show->err != 0)
        finish(show, show->err);
    else
        look_up_next(job);
}

static void row_read(void *arg, int err)
{
    struct manifest_show *show = CONTAINER_OF(arg, struct manifest_show, info);
    struct request *r = show->r;

    if (err == 0 && show->info.body.p == NULL) {
        show->job =
            (struct pool_job){.run = read_file, .done = file_read, .reply = r->worker->queue};
        pool_submit(r->worker->server->store->io, &show->job);
        return;
    }
    if (err == 0)
        err = parse(show);
    if (err != 0)
        finish(show, err);
    else
        look_up_next(&show->job);
}

void api_manifest_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct manifest_show *show = arena_alloc(&r->arena, sizeof(*show));

    int err =
        show == NULL ? ERR_NO_MEMORY : reference_parse(r->argument, &show->info.reference, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    show->r = r;
    show->info.repository = r->repository;
    show->info.arena = &r->arena;
    request_hold(r);
    kv_read(r->worker->kv, manifest_info, &show->info, row_read);
}
