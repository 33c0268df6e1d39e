/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/repos/<name>/-/tags and .../tags/<tag>: tags with what they name.
 *
 * DESIGN: the rows are read in one transaction. What stands in files (large manifests, configs of
 * single images, for their platform) is read by one job of the io pool for the whole page; the
 * arena of the request is the job's meanwhile.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/reference.h"
#include "registry/tag_view.h"
#include "server/api.h"
#include "server/handlers.h"

#define FILES_MAX   100 /* read for one page, which ends early for it */
#define SCRATCH_MAX ((size_t)128 << 20)
#define ANSWER_MAX  ((size_t)32 << 20)

struct tags_list {
    struct pool_job job;
    struct request *r;
    struct tag_view_page page;
    int err;
};

static void write_tag(struct json_writer *w, const struct tag_view *view)
{
    json_object_begin(w);
    api_text(w, "tag", view->tag);
    api_digest(w, "digest", &view->digest);
    api_text(w, "mediaType", view->media_type);
    api_text(w, "kind", slice_from_cstr(manifest_view_kind_name(view->kind)));
    api_text(w, "artifactType", view->artifact_type);
    api_u64(w, "size", view->size);
    api_u64(w, "totalSize", view->total_size);
    json_name(w, SLICE("platforms"));
    json_array_begin(w);
    for (unsigned i = 0; i < view->platforms_n; i++)
        json_string(w, view->platforms[i]);
    json_array_end(w);
    api_time(w, "boundAt", view->bound_ms);
    api_text(w, "actor", view->actor);
    api_u64(w, "event", view->event);
    json_object_end(w);
}

static void write_page(struct json_writer *w, const struct tags_list *list)
{
    const struct tag_view_page *page = &list->page;

    json_object_begin(w);
    api_text(w, "name", list->r->repository);
    json_name(w, SLICE("tags"));
    json_array_begin(w);
    for (unsigned i = 0; i < page->n; i++)
        write_tag(w, &page->tags[i]);
    json_array_end(w);
    if (page->more)
        api_text(w, "next", page->tags[page->n - 1].tag);
    json_object_end(w);
}

static void send_list(struct tags_list *list, int err)
{
    struct buf body;
    struct json_writer w;

    if (err != 0) {
        response_send_error(list->r, err, NULL, SLICE(""));
    } else {
        buf_init(&body, ANSWER_MAX);
        json_writer_init(&w, &body);
        if (list->page.tag.n > 0)
            write_tag(&w, &list->page.tags[0]);
        else
            write_page(&w, list);
        api_send_json(list->r, &body);
    }
    request_release(list->r);
}

/* A file that is missing or damaged leaves its entry without the details. */
static int read_file(struct tags_list *list, struct tag_view *view, struct arena *scratch)
{
    struct blob_files *files = list->r->worker->server->store->files;
    struct slice bytes;
    int err = 0;

    if (view->needs_manifest) {
        err = api_read_file(files, &view->digest, view->size, scratch, &bytes);
        if (err == 0)
            err = tag_view_add_manifest(view, bytes, list->page.arena, scratch);
    }
    if (err == 0 && view->needs_config) {
        err = api_read_file(files, &view->config, view->config_size, scratch, &bytes);
        if (err == 0)
            err = tag_view_add_config(view, bytes, list->page.arena, scratch);
    }
    arena_reset(scratch);
    return err == ERR_NOT_FOUND || err == ERR_CORRUPT ? 0 : err;
}

static void read_files(struct pool_job *job)
{
    struct tags_list *list = CONTAINER_OF(job, struct tags_list, job);
    struct arena scratch;

    list->err = 0;
    arena_init(&scratch, SCRATCH_MAX);
    for (unsigned i = 0; i < list->page.n && list->err == 0; i++)
        list->err = read_file(list, &list->page.tags[i], &scratch);
    arena_fini(&scratch);
}

static void files_read(struct pool_job *job)
{
    struct tags_list *list = CONTAINER_OF(job, struct tags_list, job);

    send_list(list, list->err);
}

static void rows_read(void *arg, int err)
{
    struct tags_list *list = CONTAINER_OF(arg, struct tags_list, page);
    struct request *r = list->r;
    bool files = false;

    for (unsigned i = 0; err == 0 && i < list->page.n; i++)
        files = files || list->page.tags[i].needs_manifest || list->page.tags[i].needs_config;
    if (!files) {
        send_list(list, err);
        return;
    }
    list->job = (struct pool_job){.run = read_files, .done = files_read, .reply = r->worker->queue};
    pool_submit(r->worker->server->store->io, &list->job);
}

static void read_rows(struct request *r, struct tags_list *list)
{
    list->r = r;
    list->page.repository = r->repository;
    list->page.files_max = FILES_MAX;
    list->page.bytes_max = r->worker->settings->lists_max_page_bytes;
    list->page.arena = &r->arena;
    request_hold(r);
    kv_read(r->worker->kv, tag_view_list, &list->page, rows_read);
}

void api_tags_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct tags_list *list = arena_alloc(&r->arena, sizeof(*list));
    struct api_page page = {0};

    int err = list == NULL ? ERR_NO_MEMORY : api_page_parse(r, TAG_MAX, &page, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    list->page.after = page.after;
    list->page.limit = page.n;
    read_rows(r, list);
}

void api_tag_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct tags_list *list = arena_alloc(&r->arena, sizeof(*list));

    int err = list == NULL ? ERR_NO_MEMORY : tag_check(r->argument, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    list->page.tag = r->argument;
    read_rows(r, list);
}
