/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET, HEAD and DELETE /v2/<name>/blobs/<digest> (distribution-spec, "Pulling blobs", "Deleting
 * Blobs").
 */
#include "config.h"

#include "base/mem.h"
#include "registry/blob.h"
#include "server/handlers.h"
#include "server/v2.h"

struct blob_read {
    struct request *r;
    struct blob_get get;
};

static void send_file(void *arg, int err, struct blob_file *file)
{
    struct blob_read *read = arg;
    struct request *r = read->r;

    err = v2_file_check(r, err, file, &read->get.digest, read->get.size);
    if (err == ERR_NOT_FOUND)
        err = ERR_BLOB_UNKNOWN;
    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        v2_digest_field(r, &read->get.digest);
        response_field(r, "Cache-Control", SLICE("max-age=31536000, immutable"));
        response_send_file_take(r, file, SLICE("application/octet-stream"),
                                v2_etag(r, &read->get.digest));
    }
    request_release(r);
}

static void open_file(void *arg, int err)
{
    struct blob_read *read = CONTAINER_OF(arg, struct blob_read, get);
    struct request *r = read->r;

    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
        request_release(r);
        return;
    }
    blob_file_open(r->worker->server->store->files, &read->get.digest, r->worker->queue, send_file,
                   read);
}

void v2_blob_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct blob_read *read = v2_alloc(r, sizeof(*read));

    if (read == NULL)
        return;
    read->r = r;
    read->get.repository = r->repository;
    int err = v2_digest_argument(r, &read->get.digest, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    request_hold(r);
    kv_read(r->worker->kv, blob_get, &read->get, open_file);
}

struct blob_removal {
    struct request *r;
    struct blob_delete del;
};

static void send_deleted(void *arg, int err)
{
    struct blob_removal *removal = CONTAINER_OF(arg, struct blob_removal, del);
    struct request *r = removal->r;
    struct fault fault = FAULT_INIT;

    if (err == ERR_BLOB_IN_USE) {
        fault_set(&fault, err,
                  "this blob is used by %u manifest%s of the repository%s; delete those first",
                  removal->del.holders.n, removal->del.holders.n == 1 ? "" : "s",
                  removal->del.holders.more ? " and more" : "");
        response_send_error(r, err, &fault, v2_holders_detail(r, &removal->del.holders));
    } else if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        response_send_empty(r, 202);
    }
    request_release(r);
}

void v2_blob_delete(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct blob_removal *removal = v2_alloc(r, sizeof(*removal));

    if (removal == NULL)
        return;
    removal->r = r;
    removal->del.repository = r->repository;
    removal->del.actor = r->actor;
    removal->del.grace_ms = (int64_t)r->worker->settings->trash_grace_ms;
    int err = v2_digest_argument(r, &removal->del.digest, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    r->log_digest = removal->del.digest;
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, blob_delete, &removal->del, send_deleted);
}
