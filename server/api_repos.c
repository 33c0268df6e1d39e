/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/repos: repositories in byte order, with their tags counted.
 * GET /api/v1/repos/<name>: what is in one, counted step by step, a turn of the loop each.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/reference.h"
#include "registry/repository_view.h"
#include "server/api.h"
#include "server/authorise.h"
#include "server/handlers.h"

#define LIST_ROWS_MAX   20000   /* tags counted for one page */
#define STEP_NAMES      1000    /* of which some may be shown */
#define USAGE_STEP_ROWS 1000    /* looked at in one turn */
#define USAGE_ROWS_MAX  1000000 /* and in all: past that the sums say "at least" */
#define ENTRY_BYTES     (REPOSITORY_NAME_MAX + 128)

struct repos_list {
    struct request *r;
    struct pool_job turn;
    struct repository_view_page page;
};

static void write_repository(struct json_writer *w, const struct repository_view *view)
{
    json_object_begin(w);
    api_text(w, "name", view->name);
    api_u64(w, "tags", view->tags);
    if (view->tags_more)
        api_bool(w, "tagsMore", true);
    if (view->last_push_ms != 0)
        api_time(w, "lastPush", view->last_push_ms);
    json_object_end(w);
}

static bool shows(struct slice name, void *request)
{
    return authorise_lists(request, name);
}

static void send_list(void *arg, int err);

static void read_on(struct pool_job *turn)
{
    struct repos_list *list = CONTAINER_OF(turn, struct repos_list, turn);

    kv_read(list->r->worker->kv, repository_view_list, &list->page, send_list);
}

/* Names that the one who asks may not read are looked at in turns of their own, like the catalog's
 * (v2_catalog.c). */
static bool goes_on(struct repos_list *list)
{
    struct repository_view_page *page = &list->page;

    if (page->seen.p == NULL)
        return false;
    page->after = page->seen;
    page->kept = page->n;
    api_next_turn(list->r, &list->turn, read_on);
    return true;
}

static void send_list(void *arg, int err)
{
    struct repos_list *list = CONTAINER_OF(arg, struct repos_list, page);
    const struct repository_view_page *page = &list->page;
    struct buf body;
    struct json_writer w;

    if (err == 0 && list->r->gone)
        err = ERR_CANCELLED;
    if (err == 0 && goes_on(list))
        return;
    if (err != 0) {
        response_send_error(list->r, err, NULL, SLICE(""));
        request_release(list->r);
        return;
    }
    buf_init(&body, (size_t)(page->n + 2) * ENTRY_BYTES);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_name(&w, SLICE("repositories"));
    json_array_begin(&w);
    for (unsigned i = 0; i < page->n; i++)
        write_repository(&w, &page->repositories[i]);
    json_array_end(&w);
    if (page->more)
        api_text(&w, "next", page->repositories[page->n - 1].name);
    json_object_end(&w);
    api_send_json(list->r, &body);
    request_release(list->r);
}

void api_repos_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct repos_list *list = arena_alloc(&r->arena, sizeof(*list));
    struct api_page page = {0};

    int err = list == NULL ? ERR_NO_MEMORY : api_page_parse(r, REPOSITORY_NAME_MAX, &page, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    list->r = r;
    list->page = (struct repository_view_page){
        .after = page.after, .limit = page.n, .rows_max = LIST_ROWS_MAX, .arena = &r->arena};
    if (!authorise_sees_all(r)) {
        list->page.shows = shows;
        list->page.shows_arg = r;
        list->page.names_max = STEP_NAMES;
    }
    request_hold(r);
    kv_read(r->worker->kv, repository_view_list, &list->page, send_list);
}

struct usage_count {
    struct pool_job turn;
    struct request *r;
    struct usage_step step;
};

static void send_usage(struct usage_count *count)
{
    const struct usage *usage = &count->step.to;
    struct buf body;
    struct json_writer w;

    buf_init(&body, ENTRY_BYTES + 512);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    api_text(&w, "name", count->r->repository);
    api_u64(&w, "tags", usage->tags);
    api_u64(&w, "manifests", usage->manifests);
    api_u64(&w, "blobs", usage->blobs);
    api_u64(&w, "bytes", usage->bytes);
    api_bool(&w, "complete", usage->done);
    json_object_end(&w);
    api_send_json(count->r, &body);
    request_release(count->r);
}

static void count_on(struct pool_job *turn);

static void counted(void *arg, int err)
{
    struct usage_count *count = CONTAINER_OF(arg, struct usage_count, step);
    struct request *r = count->r;

    if (err == 0 && r->gone)
        err = ERR_CANCELLED;
    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
        request_release(r);
    } else if (count->step.to.done || count->step.to.rows >= USAGE_ROWS_MAX) {
        send_usage(count);
    } else {
        count->step.from = count->step.to;
        api_next_turn(r, &count->turn, count_on);
    }
}

static void count_on(struct pool_job *turn)
{
    struct usage_count *count = CONTAINER_OF(turn, struct usage_count, turn);

    kv_read(count->r->worker->kv, usage_step, &count->step, counted);
}

void api_repo_get(struct request *r)
{
    struct usage_count *count = arena_alloc(&r->arena, sizeof(*count));

    if (count == NULL) {
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
        return;
    }
    count->r = r;
    count->step.repository = r->repository;
    count->step.limit = USAGE_STEP_ROWS;
    request_hold(r);
    kv_read(r->worker->kv, usage_step, &count->step, counted);
}
