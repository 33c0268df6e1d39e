/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/repos/<name>/-/manifests/<reference>/referrers: what refers to a manifest, and what
 * refers to that, as a tree.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/referrer_tree.h"
#include "server/api.h"
#include "server/handlers.h"

#define ARTIFACT_TYPE_MAX 255
#define NODE_BYTES        32 /* of punctuation around a descriptor */

struct referrers {
    struct request *r;
    struct referrer_tree tree;
    struct buf list;
};

static void send_tree(void *arg, int err)
{
    struct referrers *referrers = CONTAINER_OF(arg, struct referrers, tree);
    struct request *r = referrers->r;
    struct buf body;
    struct json_writer w;

    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        buf_init(&body, referrers->list.n + 512);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        api_digest(&w, "digest", &referrers->tree.digest);
        json_name(&w, SLICE("referrers"));
        json_raw(&w, buf_slice(&referrers->list));
        api_bool(&w, "truncated", referrers->tree.truncated);
        json_object_end(&w);
        api_send_json(r, &body);
    }
    buf_fini(&referrers->list);
    request_release(r);
}

static int parse_query(struct request *r, struct referrer_tree *tree, struct fault *fault)
{
    uint64_t depth;

    int err = reference_parse(r->argument, &tree->reference, fault);
    if (err == 0)
        err = api_query_u64(r, "depth", 1, 1, REFERRER_TREE_DEPTH_MAX, &depth, fault);
    if (err != 0)
        return err;
    tree->depth = (unsigned)depth;
    return api_query_text(r, "artifactType", ARTIFACT_TYPE_MAX, &tree->artifact_type, fault);
}

void api_referrers_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct referrers *referrers = arena_alloc(&r->arena, sizeof(*referrers));

    int err = referrers == NULL ? ERR_NO_MEMORY : parse_query(r, &referrers->tree, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    referrers->r = r;
    referrers->tree.repository = r->repository;
    referrers->tree.bytes_max = r->worker->settings->lists_max_page_bytes;
    referrers->tree.out = &referrers->list;
    buf_init(&referrers->list,
             referrers->tree.bytes_max + (REFERRER_TREE_NODES_MAX + 1) * NODE_BYTES);
    request_hold(r);
    kv_read(r->worker->kv, referrer_tree, &referrers->tree, send_tree);
}
