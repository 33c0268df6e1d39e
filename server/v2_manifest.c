/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET, HEAD and DELETE /v2/<name>/manifests/<reference> (distribution-spec, "Pulling manifests",
 * "Deleting Manifests"). PUT is in v2_manifest_put.c.
 *
 * Accept is never a reason to refuse or convert: what was pushed is what comes back.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/manifest_store.h"
#include "registry/tag.h"
#include "server/handlers.h"
#include "server/v2.h"

struct manifest_read {
    struct request *r;
    struct manifest_get get;
};

static void send_file(void *arg, int err, struct blob_file *file)
{
    struct manifest_read *read = arg;
    struct request *r = read->r;

    err = v2_file_check(r, err, file, &read->get.digest, read->get.size);
    if (err == ERR_NOT_FOUND)
        err = ERR_MANIFEST_UNKNOWN;
    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        v2_digest_field(r, &read->get.digest);
        response_send_file_take(r, file, read->get.media_type, v2_etag(r, &read->get.digest));
    }
    request_release(r);
}

static void send_manifest(void *arg, int err)
{
    struct manifest_read *read = CONTAINER_OF(arg, struct manifest_read, get);
    struct request *r = read->r;

    if (err == 0 && read->get.body.p == NULL) {
        /* The media type is borrowed from the snapshot, which may be gone when the file is open. */
        read->get.media_type = arena_dup(&r->arena, read->get.media_type);
        blob_file_open(r->worker->server->store->files, &read->get.digest, r->worker->queue,
                       send_file, read);
        return;
    }
    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        v2_digest_field(r, &read->get.digest);
        response_send_content(r, read->get.media_type, v2_etag(r, &read->get.digest),
                              read->get.body);
    }
    request_release(r);
}

void v2_manifest_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct manifest_read *read = v2_alloc(r, sizeof(*read));

    if (read == NULL)
        return;
    read->r = r;
    read->get.repository = r->repository;
    int err = reference_parse(r->argument, &read->get.reference, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    request_hold(r);
    kv_read(r->worker->kv, manifest_get, &read->get, send_manifest);
}

struct tag_removal {
    struct request *r;
    struct tag_delete del;
};

static void send_tag_deleted(void *arg, int err)
{
    struct tag_removal *removal = CONTAINER_OF(arg, struct tag_removal, del);
    struct request *r = removal->r;

    if (err == ERR_HTTP_PRECONDITION) {
        if (removal->del.current.algorithm != 0)
            response_field(r, "ETag", v2_etag(r, &removal->del.current));
        response_send_error(r, err, NULL, v2_digest_detail(r, "current", &removal->del.current));
    } else if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        response_send_empty(r, 202);
    }
    request_release(r);
}

static void delete_tag(struct request *r, struct slice tag)
{
    struct fault fault = FAULT_INIT;
    struct tag_removal *removal = v2_alloc(r, sizeof(*removal));

    if (removal == NULL)
        return;
    removal->r = r;
    removal->del.repository = r->repository;
    removal->del.actor = r->actor;
    removal->del.tag = tag;
    int err = v2_if_match(r, &removal->del.digest, &fault);
    if (err != 0 && err != ERR_NOT_FOUND) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    removal->del.must_match = err == 0;
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, tag_delete, &removal->del, send_tag_deleted);
}

struct manifest_removal {
    struct request *r;
    struct manifest_delete del;
};

static void send_manifest_deleted(void *arg, int err)
{
    struct manifest_removal *removal = CONTAINER_OF(arg, struct manifest_removal, del);
    struct request *r = removal->r;
    struct fault fault = FAULT_INIT;

    if (err == 0 && removal->del.again) {
        kv_write(r->worker->kv, KV_FRONT, manifest_delete, &removal->del, send_manifest_deleted);
        return;
    }
    if (err == ERR_MANIFEST_IN_USE) {
        fault_set(&fault, err, "this manifest is held by %s%s; remove what holds it first",
                  removal->del.holders.n > 0 ? removal->del.holders.text[0] : "another",
                  removal->del.holders.n > 1 ? " and others" : "");
        response_send_error(r, err, &fault, v2_holders_detail(r, &removal->del.holders));
    } else if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        response_send_empty(r, 202);
    }
    request_release(r);
}

static void delete_manifest(struct request *r, const struct digest *digest)
{
    struct manifest_removal *removal = v2_alloc(r, sizeof(*removal));

    if (removal == NULL)
        return;
    removal->r = r;
    removal->del.repository = r->repository;
    removal->del.actor = r->actor;
    removal->del.digest = *digest;
    removal->del.grace_ms = (int64_t)r->worker->settings->trash_grace_ms;
    r->log_digest = *digest;
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, manifest_delete, &removal->del, send_manifest_deleted);
}

void v2_manifest_delete(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct reference reference;

    int err = reference_parse(r->argument, &reference, &fault);
    if (err != 0)
        response_send_error(r, err, &fault, SLICE(""));
    else if (reference.is_digest)
        delete_manifest(r, &reference.digest);
    else
        delete_tag(r, reference.tag);
}
