/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v2/<name>/tags/list (distribution-spec, "Listing Tags"): one range scan, in byte order.
 */
#include "config.h"

#include "registry/reference.h"
#include "registry/repository.h"
#include "registry/tag.h"
#include "server/handlers.h"
#include "server/v2_list.h"

static int add_tag(struct slice tag, void *arg)
{
    return v2_list_add(arg, tag);
}

static int read_tags(struct kv_tx *tx, void *arg)
{
    struct v2_list *list = arg;
    uint64_t repo;

    int err = repository_find(tx, list->r->repository, &repo);
    if (err != 0)
        return err;
    v2_list_open(list);
    json_name(&list->json, SLICE("name"));
    json_string(&list->json, list->r->repository);
    v2_list_begin(list, SLICE("tags"));
    err = tag_list(tx, repo, list->page.last, list->page.n + 1, add_tag, list);
    v2_list_end(list);
    return err < 0 ? err : 0;
}

static void send_tags(void *arg, int err)
{
    struct v2_list *list = arg;

    v2_list_send(list, err, list->r->path);
}

void v2_tags_get(struct request *r)
{
    struct v2_list *list = v2_list_create(r, TAG_MAX, ERR_TAG_INVALID);

    if (list != NULL)
        kv_read(r->worker->kv, read_tags, list, send_tags);
}
