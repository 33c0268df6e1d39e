/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v2/_catalog: repositories in byte order. Not in the OCI specification any more, but every
 * registry has it and tools count on it.
 */
#include "config.h"

#include "registry/reference.h"
#include "registry/repository.h"
#include "server/handlers.h"
#include "server/v2_list.h"

static int add_repository(struct slice name, uint64_t repo, void *arg)
{
    (void)repo;
    return v2_list_add(arg, name);
}

static int read_catalog(struct kv_tx *tx, void *arg)
{
    struct v2_list *list = arg;

    v2_list_open(list);
    v2_list_begin(list, SLICE("repositories"));
    int err = repository_list(tx, list->page.last, list->page.n + 1, add_repository, list);
    v2_list_end(list);
    return err < 0 ? err : 0;
}

static void send_catalog(void *arg, int err)
{
    v2_list_send(arg, err, SLICE("/v2/_catalog"));
}

void v2_catalog_get(struct request *r)
{
    struct v2_list *list = v2_list_create(r, REPOSITORY_NAME_MAX, ERR_NAME_INVALID);

    if (list != NULL)
        kv_read(r->worker->kv, read_catalog, list, send_catalog);
}
