/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /files/<name>:<tag>/<path>, also by @<digest>: one file. It is never active on our origin:
 * always an attachment, of a type no browser acts upon.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/blob.h"
#include "server/files.h"
#include "server/files_accept.h"
#include "server/handlers.h"
#include "server/v2.h"

#define DISPOSITION_MAX 20480

struct files_get {
    struct request *r;
    struct slice path;
    struct files_load load;
    const struct artifact_file *file;
    struct blob_get blob;
};

static void refuse(struct files_get *get, int err, const struct fault *fault)
{
    response_send_error(get->r, err, fault, SLICE(""));
    request_release(get->r);
}

static void add_fields(struct files_get *get)
{
    struct request *r = get->r;
    struct buf disposition;

    buf_init(&disposition, DISPOSITION_MAX);
    file_disposition(&disposition, get->file->path);
    response_field(r, "Content-Disposition", buf_slice(&disposition));
    if (disposition.no_memory)
        response_field_lost(r);
    buf_fini(&disposition);
    if (get->load.reference.is_digest)
        response_field(r, "Cache-Control", SLICE("max-age=31536000, immutable"));
    else
        response_field(r, "Cache-Control", SLICE("no-cache"));
    r->log_digest = get->file->digest;
}

static void opened(void *arg, int err, struct blob_file *file)
{
    struct files_get *get = arg;
    struct request *r = get->r;

    err = v2_file_check(r, err, file, &get->blob.digest, get->blob.size);
    if (err == ERR_NOT_FOUND)
        err = ERR_FILE_UNKNOWN;
    if (err != 0) {
        refuse(get, err, NULL);
        return;
    }
    add_fields(get);
    response_send_file_take(r, file, file_served_type(get->file->media_type),
                            v2_etag(r, &get->blob.digest));
    request_release(r);
}

static void found(void *arg, int err)
{
    struct files_get *get = CONTAINER_OF(arg, struct files_get, blob);
    struct request *r = get->r;
    struct fault fault = FAULT_INIT;

    if (err == ERR_BLOB_UNKNOWN)
        err = fault_set(&fault, ERR_FILE_UNKNOWN,
                        "the manifest names this file, but its bytes are not in the repository");
    if (err != 0)
        refuse(get, err, &fault);
    else
        blob_file_open(r->worker->server->store->files, &get->blob.digest, r->worker->queue, opened,
                       get);
}

static void loaded(void *arg, int err, const struct fault *fault)
{
    struct files_get *get = arg;
    struct request *r = get->r;
    struct fault unknown = FAULT_INIT;

    if (err != 0) {
        refuse(get, err, fault);
        return;
    }
    get->file = artifact_find(get->load.artifact, get->path);
    if (get->file == NULL) {
        fault_set(&unknown, ERR_FILE_UNKNOWN,
                  get->load.artifact->is_index
                      ? "this is an index; the files are in the manifests it names"
                      : "there is no file of this name; GET /files/<name>:<tag>/ lists them");
        refuse(get, ERR_FILE_UNKNOWN, &unknown);
        return;
    }
    get->blob = (struct blob_get){.repository = r->repository, .digest = get->file->digest};
    kv_read(r->worker->kv, blob_get, &get->blob, found);
}

void files_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct files_get *get = v2_alloc(r, sizeof(*get));

    if (get == NULL)
        return;
    get->r = r;
    get->load = (struct files_load){.r = r, .arena = &r->arena, .done = loaded, .arg = get};
    int err = files_reference(r, &get->load.reference, &fault);
    if (err == 0)
        err = files_path(r, &get->path, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    request_hold(r);
    files_load(&get->load);
}
