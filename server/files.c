/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/files.h"

#include "base/mem.h"
#include "server/v2.h"

#include <errno.h>
#include <unistd.h>

/*
 * Names.
 */

/* The character before the reference, which the route has taken as ':' or '@'. */
static bool is_digest_form(const struct request *r)
{
    return r->argument.p[-1] == '@';
}

int files_reference(const struct request *r, struct reference *reference, struct fault *fault)
{
    *reference = (struct reference){.is_digest = is_digest_form(r), .tag = r->argument};
    return reference->is_digest ? digest_parse(r->argument, &reference->digest, fault)
                                : tag_check(r->argument, fault);
}

int files_tag(const struct request *r, struct slice *tag, struct fault *fault)
{
    *tag = r->argument;
    if (is_digest_form(r))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "what a digest names never changes; write to a tag: " SLICE_FMT ":<tag>",
                         SLICE_ARG(r->repository));
    return tag_check(*tag, fault);
}

int files_path(struct request *r, struct slice *path, struct fault *fault)
{
    return file_path_decode(&r->arena, r->rest, r->worker->settings->files_max_path, path, fault);
}

struct artifact_limits files_limits(const struct request *r)
{
    const struct settings *settings = r->worker->settings;

    return (struct artifact_limits){
        .max_depth = (unsigned)settings->manifests_max_depth,
        .max_descriptors = (unsigned)settings->manifests_max_descriptors,
        .max_path = settings->files_max_path,
    };
}

void files_location(struct request *r, const struct digest *manifest, struct slice path)
{
    char digest[DIGEST_TEXT_MAX];
    struct buf url;

    buf_init(&url, 16384);
    buf_addf(&url, "/files/" SLICE_FMT "@" SLICE_FMT "/", SLICE_ARG(r->repository),
             SLICE_ARG(digest_format(manifest, digest)));
    file_path_encode(&url, path);
    if (!url.overflow)
        response_field(r, "Location", buf_slice(&url));
    else
        response_field_lost(r);
    buf_fini(&url);
}

/*
 * The manifest.
 */

static void parse(struct files_load *load, struct slice body)
{
    const struct artifact_limits limits = files_limits(load->r);

    load->err = artifact_read(load->arena, body, load->get.media_type, &limits, &load->artifact,
                              &load->fault);
}

static void end(struct files_load *load)
{
    load->done(load->arg, load->err, load->fault.code != 0 ? &load->fault : NULL);
}

/* On the cpu pool. */
static void parse_run(struct pool_job *job)
{
    struct files_load *load = CONTAINER_OF(job, struct files_load, job);

    parse(load, slice_make(load->bytes, load->get.size));
}

static void parse_done(struct pool_job *job)
{
    struct files_load *load = CONTAINER_OF(job, struct files_load, job);

    /* The parsed tree is many times the text. */
    if (load->err == 0)
        load->err = request_reserve(load->r, load->arena->used_bytes);
    end(load);
}

/* On the io pool. */
static void read_run(struct pool_job *job)
{
    struct files_load *load = CONTAINER_OF(job, struct files_load, job);
    size_t size = load->get.size, at = 0;

    while (at < size && load->err == 0) {
        ssize_t n = pread(load->file->fd, load->bytes + at, size - at, (off_t)at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0)
            load->err = fault_set(&load->fault, ERR_IO, "a manifest's file ends early");
        else if (errno != EINTR)
            load->err = fault_set_errno(&load->fault, errno, "cannot read a manifest");
    }
}

static void read_done(struct pool_job *job)
{
    struct files_load *load = CONTAINER_OF(job, struct files_load, job);

    blob_file_unref(load->file);
    if (load->err != 0) {
        end(load);
        return;
    }
    load->job.run = parse_run;
    load->job.done = parse_done;
    pool_submit(load->r->worker->server->store->cpu, &load->job);
}

static void opened(void *arg, int err, struct blob_file *file)
{
    struct files_load *load = arg;

    err = v2_file_check(load->r, err, file, &load->get.digest, load->get.size);
    if (err == ERR_NOT_FOUND)
        err = ERR_MANIFEST_UNKNOWN;
    if (err != 0) {
        load->err = err;
        end(load);
        return;
    }
    load->file = file;
    load->job =
        (struct pool_job){.run = read_run, .done = read_done, .reply = load->r->worker->queue};
    pool_submit(load->r->worker->server->store->io, &load->job);
}

/* The bytes are in a file: memory for them counts like that of a push. */
static int prepare_read(struct files_load *load)
{
    load->get.media_type = arena_dup(load->arena, load->get.media_type);
    load->bytes = arena_alloc(load->arena, load->get.size);
    if (load->get.media_type.p == NULL || load->bytes == NULL)
        return ERR_NO_MEMORY;
    return request_reserve(load->r, load->get.size);
}

static void open_file(struct files_load *load)
{
    load->err = prepare_read(load);
    if (load->err != 0)
        end(load);
    else
        blob_file_open(load->r->worker->server->store->files, &load->get.digest,
                       load->r->worker->queue, opened, load);
}

static void found(void *arg, int err)
{
    struct files_load *load = CONTAINER_OF(arg, struct files_load, get);

    load->err = err;
    load->digest = load->get.digest;
    if (err == 0 && load->get.body.p == NULL) {
        open_file(load);
        return;
    }
    if (err == 0)
        parse(load, load->get.body);
    end(load);
}

void files_load(struct files_load *load)
{
    load->err = 0;
    load->fault = (struct fault)FAULT_INIT;
    load->artifact = NULL;
    load->get =
        (struct manifest_get){.repository = load->r->repository, .reference = load->reference};
    kv_read(load->r->worker->kv, manifest_get, &load->get, found);
}
