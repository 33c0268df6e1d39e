/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v2/<name>/tags/list (distribution-spec, "Listing Tags"): one range scan, in byte order.
 */
#include "config.h"

#include "base/json.h"
#include "registry/reference.h"
#include "registry/repository.h"
#include "registry/tag.h"
#include "server/handlers.h"
#include "server/v2.h"

struct tags_list {
    struct request *r;
    struct v2_page page;
    /* assigned by each run of the read */
    struct buf body;
    struct json_writer json;
    unsigned given;
    bool more;
    char last[TAG_MAX + 1];
};

static int add_tag(struct slice tag, void *arg)
{
    struct tags_list *list = arg;

    if (list->given == list->page.n) {
        list->more = true;
        return 1;
    }
    json_string(&list->json, tag);
    list->given++;
    memcpy(list->last, tag.p, tag.n);
    list->last[tag.n] = '\0';
    return 0;
}

static int read_tags(struct kv_tx *tx, void *arg)
{
    struct tags_list *list = arg;
    uint64_t repo;

    int err = repository_find(tx, list->r->repository, &repo);
    if (err != 0)
        return err;
    buf_reset(&list->body);
    list->given = 0;
    list->more = false;
    json_writer_init(&list->json, &list->body);
    json_object_begin(&list->json);
    json_name(&list->json, SLICE("name"));
    json_string(&list->json, list->r->repository);
    json_name(&list->json, SLICE("tags"));
    json_array_begin(&list->json);
    err = tag_list(tx, repo, list->page.last, list->page.n + 1, add_tag, list);
    if (err < 0)
        return err;
    json_array_end(&list->json);
    json_object_end(&list->json);
    return 0;
}

static void send_tags(void *arg, int err)
{
    struct tags_list *list = arg;
    struct request *r = list->r;

    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        if (list->more && list->page.n > 0)
            response_fieldf(r, "Link", "</v2/" SLICE_FMT "/tags/list?n=%u&last=%s>; rel=\"next\"",
                            SLICE_ARG(r->repository), list->page.n, list->last);
        response_send_bytes(r, 200, "application/json", buf_slice(&list->body));
    }
    buf_fini(&list->body);
    request_release(r);
}

void v2_tags_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct tags_list *list = arena_alloc(&r->arena, sizeof(*list));

    if (list == NULL) {
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
        return;
    }
    list->r = r;
    int err = v2_page_parse(r, &list->page, &fault);
    if (err == 0 && list->page.last.n > TAG_MAX)
        err = fault_set(&fault, ERR_TAG_INVALID, "last must be a tag, at most %d characters",
                        TAG_MAX);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    buf_init(&list->body, (size_t)(list->page.n + 8) * (TAG_MAX + 4) + 1024);
    request_hold(r);
    kv_read(r->worker->kv, read_tags, list, send_tags);
}
