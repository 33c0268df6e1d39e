/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v2/_catalog: repositories in byte order. Not in the OCI specification any more, but every
 * registry has it and tools count on it.
 */
#include "config.h"

#include "base/json.h"
#include "registry/reference.h"
#include "registry/repository.h"
#include "server/handlers.h"
#include "server/v2.h"

struct catalog {
    struct request *r;
    struct v2_page page;
    /* assigned by each run of the read */
    struct buf body;
    struct json_writer json;
    unsigned given;
    bool more;
    char last[REPOSITORY_NAME_MAX + 1];
};

static int add_repository(struct slice name, uint64_t repo, void *arg)
{
    struct catalog *catalog = arg;

    (void)repo;
    if (catalog->given == catalog->page.n) {
        catalog->more = true;
        return 1;
    }
    json_string(&catalog->json, name);
    catalog->given++;
    memcpy(catalog->last, name.p, name.n);
    catalog->last[name.n] = '\0';
    return 0;
}

static int read_catalog(struct kv_tx *tx, void *arg)
{
    struct catalog *catalog = arg;

    buf_reset(&catalog->body);
    catalog->given = 0;
    catalog->more = false;
    json_writer_init(&catalog->json, &catalog->body);
    json_object_begin(&catalog->json);
    json_name(&catalog->json, SLICE("repositories"));
    json_array_begin(&catalog->json);
    int err = repository_list(tx, catalog->page.last, catalog->page.n + 1, add_repository, catalog);
    if (err < 0)
        return err;
    json_array_end(&catalog->json);
    json_object_end(&catalog->json);
    return 0;
}

static void send_catalog(void *arg, int err)
{
    struct catalog *catalog = arg;
    struct request *r = catalog->r;

    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        if (catalog->more && catalog->page.n > 0)
            response_fieldf(r, "Link", "</v2/_catalog?n=%u&last=%s>; rel=\"next\"", catalog->page.n,
                            catalog->last);
        response_send_bytes(r, 200, "application/json", buf_slice(&catalog->body));
    }
    buf_fini(&catalog->body);
    request_release(r);
}

void v2_catalog_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct catalog *catalog = arena_alloc(&r->arena, sizeof(*catalog));

    if (catalog == NULL) {
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
        return;
    }
    catalog->r = r;
    int err = v2_page_parse(r, &catalog->page, &fault);
    if (err == 0 && catalog->page.last.n > REPOSITORY_NAME_MAX)
        err =
            fault_set(&fault, ERR_NAME_INVALID,
                      "last must be a repository name, at most %d characters", REPOSITORY_NAME_MAX);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    buf_init(&catalog->body, (size_t)(catalog->page.n + 8) * (REPOSITORY_NAME_MAX + 4) + 1024);
    request_hold(r);
    kv_read(r->worker->kv, read_catalog, catalog, send_catalog);
}
