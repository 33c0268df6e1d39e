/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v2/_catalog: repositories in byte order. Not in the OCI specification any more, but every
 * registry has it and tools count on it.
 *
 * DESIGN: only what the one who asks may pull is in it. The names are looked at in steps, a turn of
 * the loop each, until the page is full: all pages together look at every name once, however few of
 * them are shown, and no turn at more than STEP_NAMES. The next page begins after the last name
 * that was shown, so that none gets out that is not.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/reference.h"
#include "registry/repository.h"
#include "server/api.h"
#include "server/authorise.h"
#include "server/handlers.h"
#include "server/v2_list.h"

#define STEP_NAMES 1000

struct catalog {
    struct v2_list *list;
    struct pool_job turn;
    struct v2_list_mark mark; /* where the step began: each run of its read begins there */
    size_t after_n;           /* the last name looked at in earlier steps */
    char after[REPOSITORY_NAME_MAX];
    /* assigned by each run */
    unsigned seen;
    size_t last_n;
    char last[REPOSITORY_NAME_MAX];
};

static int add_repository(struct slice name, uint64_t repo, void *arg)
{
    struct catalog *catalog = arg;

    (void)repo;
    if (authorise_lists(catalog->list->r, name) && v2_list_add(catalog->list, name) != 0)
        return 1;
    catalog->seen++;
    memcpy(catalog->last, name.p, name.n);
    catalog->last_n = name.n;
    return 0;
}

static unsigned names_of_step(const struct catalog *catalog)
{
    return authorise_sees_all(catalog->list->r) ? catalog->list->page.n + 1 : STEP_NAMES;
}

static int read_catalog(struct kv_tx *tx, void *arg)
{
    struct catalog *catalog = arg;

    v2_list_rewind(catalog->list, &catalog->mark);
    catalog->seen = 0;
    catalog->last_n = 0;
    int err = repository_list(tx, slice_make(catalog->after, catalog->after_n),
                              names_of_step(catalog), add_repository, catalog);
    return err < 0 ? err : 0;
}

static void step(struct catalog *catalog);

static void next_step(struct pool_job *turn)
{
    step(CONTAINER_OF(turn, struct catalog, turn));
}

static void step_read(void *arg, int err)
{
    struct catalog *catalog = arg;
    struct v2_list *list = catalog->list;

    if (err == 0 && list->r->gone)
        err = ERR_CANCELLED;
    if (err == 0 && !list->more && catalog->seen == names_of_step(catalog)) {
        memcpy(catalog->after, catalog->last, catalog->last_n);
        catalog->after_n = catalog->last_n;
        api_next_turn(list->r, &catalog->turn, next_step);
        return;
    }
    if (err == 0)
        v2_list_end(list);
    v2_list_send(list, err, SLICE("/v2/_catalog"));
}

static void step(struct catalog *catalog)
{
    v2_list_keep(catalog->list, &catalog->mark);
    kv_read(catalog->list->r->worker->kv, read_catalog, catalog, step_read);
}

void v2_catalog_get(struct request *r)
{
    struct v2_list *list = v2_list_create(r, REPOSITORY_NAME_MAX, ERR_NAME_INVALID);
    struct catalog *catalog;

    if (list == NULL)
        return;
    catalog = arena_alloc(&r->arena, sizeof(*catalog));
    if (catalog == NULL) {
        v2_list_send(list, ERR_NO_MEMORY, SLICE(""));
        return;
    }
    catalog->list = list;
    catalog->after_n = list->page.last.n;
    if (list->page.last.n > 0)
        memcpy(catalog->after, list->page.last.p, list->page.last.n);
    v2_list_open(list);
    v2_list_begin(list, SLICE("repositories"));
    step(catalog);
}
