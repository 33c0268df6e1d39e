/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT /v2/<name>/manifests/<reference> (distribution-spec, "Pushing Manifests").
 *
 * DESIGN. Names, tags and conditions are checked before the body is asked for, so that a refusal
 * costs no upload. Small bodies are hashed and parsed where they arrive; larger ones on the cpu
 * pool, where nothing else of the request runs meanwhile. push_manifest does the rest, and its
 * commit is durable before the 201.
 */
#include "config.h"

#include "base/json.h"
#include "base/mem.h"
#include "registry/push.h"
#include "server/authorise.h"
#include "server/handlers.h"
#include "server/v2.h"

#define PARSE_INLINE_MAX (64u * 1024)

struct manifest_write {
    struct pool_job job; /* parsing of a large body */
    struct request *r;
    struct reference reference;
    struct slice body;
    struct manifest_limits limits;
    struct manifest_put put;
    struct slice *tags;
    int err; /* of parsing */
    struct fault fault;
};

static void finish(struct manifest_write *write)
{
    request_release(write->r);
}

static struct slice missing_detail(struct manifest_write *write)
{
    struct buf out;
    struct json_writer w;
    char text[DIGEST_TEXT_MAX];
    unsigned n =
        write->put.missing_n < MANIFEST_MISSING_MAX ? write->put.missing_n : MANIFEST_MISSING_MAX;

    buf_init(&out, 64u * 1024);
    json_writer_init(&w, &out);
    json_array_begin(&w);
    for (unsigned i = 0; i < n; i++) {
        const struct descriptor *d = &write->put.manifest->descriptors[write->put.missing[i]];
        json_object_begin(&w);
        json_name(&w, SLICE("field"));
        json_string(&w, slice_from_cstr(d->field));
        json_name(&w, SLICE("index"));
        json_u64(&w, d->index);
        json_name(&w, SLICE("digest"));
        json_string(&w, digest_format(&d->digest, text));
        json_object_end(&w);
    }
    json_array_end(&w);
    struct slice detail = out.overflow ? SLICE("") : arena_dup(&write->r->arena, buf_slice(&out));
    buf_fini(&out);
    return detail;
}

static void send_missing(struct manifest_write *write)
{
    struct fault fault = FAULT_INIT;
    char text[DIGEST_TEXT_MAX];
    const struct descriptor *first = &write->put.manifest->descriptors[write->put.missing[0]];

    fault_set(&fault, ERR_MANIFEST_BLOB_UNKNOWN,
              "%u of the manifest's descriptors are not in repository " SLICE_FMT
              ", the first in %s: " SLICE_FMT "; push or mount them first",
              write->put.missing_n, SLICE_ARG(write->r->repository), first->field,
              SLICE_ARG(digest_format(&first->digest, text)));
    response_send_error(write->r, ERR_MANIFEST_BLOB_UNKNOWN, &fault, missing_detail(write));
}

static void send_created(struct manifest_write *write)
{
    struct request *r = write->r;
    char text[DIGEST_TEXT_MAX];

    v2_location(r, "manifests", &write->put.digest);
    v2_digest_field(r, &write->put.digest);
    response_field(r, "ETag", v2_etag(r, &write->put.digest));
    if (write->put.manifest->has_subject)
        response_field(r, "OCI-Subject", digest_format(&write->put.manifest->subject.digest, text));
    if (write->reference.is_digest)
        for (unsigned i = 0; i < write->put.tags_n; i++)
            response_field(r, "OCI-Tag", write->put.tags[i]);
    response_send_empty(r, 201);
}

static void answer(void *arg, int err, const struct fault *fault)
{
    struct manifest_write *write = arg;
    struct fault denied = FAULT_INIT;

    if (err == ERR_DENIED) {
        authorise_explain(write->r, VERB_MOVE_TAG, &denied);
        fault = &denied;
    }
    if (err == ERR_MANIFEST_BLOB_UNKNOWN && write->put.missing_n > 0)
        send_missing(write);
    else if (err == ERR_HTTP_PRECONDITION)
        v2_send_precondition(write->r, &write->put.current);
    else if (err != 0)
        response_send_error(write->r, err, fault, SLICE(""));
    else
        send_created(write);
    finish(write);
}

/* Hash and parse; on a pool thread for large bodies, so it touches nothing but `write` and the
 * arena. */
static void parse(struct manifest_write *write)
{
    struct request *r = write->r;
    struct manifest *manifest;
    struct digest digest;
    char want[DIGEST_TEXT_MAX], got[DIGEST_TEXT_MAX];
    enum digest_algorithm algorithm =
        write->reference.is_digest ? write->reference.digest.algorithm : DIGEST_SHA256;

    digest_compute(algorithm, write->body, &digest);
    if (write->reference.is_digest && !digest_eq(&digest, &write->reference.digest)) {
        digest_format(&write->reference.digest, want);
        digest_format(&digest, got);
        write->err = fault_set(&write->fault, ERR_DIGEST_MISMATCH,
                               "the path says %s, the body is %s", want, got);
        return;
    }
    write->err = manifest_parse(&r->arena, write->body, request_field(r, SLICE("content-type")),
                                &write->limits, &manifest, &write->fault);
    if (write->err != 0)
        return;
    write->put.manifest = manifest;
    write->put.digest = digest;
    write->put.size = write->body.n;
}

static void push(struct manifest_write *write)
{
    struct request *r = write->r;

    if (write->err != 0) {
        response_send_error(r, write->err, &write->fault, SLICE(""));
        finish(write);
        return;
    }
    /* The parsed tree is many times the body, and stays until the commit. */
    if (request_reserve(r, r->arena.used_bytes) != 0) {
        response_send_errorf(r, ERR_BUSY, "too many manifests are being pushed; try again");
        finish(write);
        return;
    }
    push_manifest(r->worker->server->store, r->worker->kv, write->body, &write->put, answer, write);
}

static void parse_run(struct pool_job *job)
{
    parse(CONTAINER_OF(job, struct manifest_write, job));
}

static void parse_done(struct pool_job *job)
{
    push(CONTAINER_OF(job, struct manifest_write, job));
}

static void body_complete(void *arg, int err, struct slice body)
{
    struct manifest_write *write = arg;
    struct request *r = write->r;
    struct fault fault = FAULT_INIT;

    if (err == ERR_HTTP_TOO_LARGE) {
        fault_set(&fault, ERR_MANIFEST_TOO_LARGE,
                  "the manifest is larger than manifests.max_size, %u bytes",
                  write->limits.max_bytes);
        response_send_error(r, ERR_MANIFEST_TOO_LARGE, &fault, SLICE(""));
    } else if (err == ERR_BUSY) {
        fault_set(&fault, ERR_BUSY,
                  "other manifests on their way in take up all of http.body_memory: try again");
        response_send_error(r, ERR_BUSY, &fault, SLICE(""));
    } else if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    }
    if (err != 0) {
        finish(write);
        return;
    }
    write->body = body;
    if (body.n <= PARSE_INLINE_MAX) {
        parse(write);
        push(write);
        return;
    }
    write->job = (struct pool_job){.run = parse_run, .done = parse_done, .reply = r->worker->queue};
    pool_submit(r->worker->server->store->cpu, &write->job);
}

/* The tags to bind: the reference itself, or each ?tag= of a PUT by digest. */
static int collect_tags(struct manifest_write *write, struct fault *fault)
{
    struct request *r = write->r;
    unsigned max = (unsigned)r->worker->settings->manifests_max_tags_per_put;
    struct slice tag;
    int err;

    write->tags = arena_alloc(&r->arena, (max + 1) * sizeof(*write->tags));
    if (write->tags == NULL)
        return ERR_NO_MEMORY;
    write->put.tags = write->tags;
    if (!write->reference.is_digest) {
        write->tags[0] = write->reference.tag;
        write->put.tags_n = 1;
    }
    for (unsigned i = 0; (err = request_query(r, SLICE("tag"), i, &tag)) == 0; i++) {
        if (!write->reference.is_digest)
            return fault_set(fault, ERR_INVALID,
                             "tag parameters need a digest in the path, not a tag");
        if (i == max)
            return fault_set(fault, ERR_TAGS_TOO_MANY,
                             "more than manifests.max_tags_per_put, %u, tag parameters", max);
        err = tag_check(tag, fault);
        if (err != 0)
            return err;
        write->tags[write->put.tags_n++] = tag;
    }
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int read_condition(struct manifest_write *write, struct fault *fault)
{
    struct tag_condition *condition = &write->put.condition;

    int err = v2_condition(write->r, condition, fault);
    if (err != 0)
        return err;
    if ((condition->must_match || condition->must_not_exist) && write->put.tags_n != 1)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "a condition needs exactly one tag to hold for");
    return 0;
}

static int prepare(struct manifest_write *write, struct fault *fault)
{
    struct request *r = write->r;
    const struct settings *settings = r->worker->settings;

    write->limits = (struct manifest_limits){
        .max_bytes = (unsigned)settings->manifests_max_bytes,
        .max_descriptors = (unsigned)settings->manifests_max_descriptors,
        .max_depth = (unsigned)settings->manifests_max_depth,
        .max_annotation_bytes = (unsigned)settings->manifests_max_annotation_bytes,
    };
    write->put.repository = r->repository;
    write->put.actor = r->actor;
    write->put.verbs = r->verbs;
    write->put.allow_sparse = settings->manifests_allow_sparse;
    int err = reference_parse(r->argument, &write->reference, fault);
    if (err == 0)
        err = collect_tags(write, fault);
    if (err == 0)
        err = read_condition(write, fault);
    if (err == 0)
        err = v2_admit(r, r->content_length, fault);
    return err;
}

void v2_manifest_put(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct manifest_write *write = v2_alloc(r, sizeof(*write));

    if (write == NULL)
        return;
    write->r = r;
    int err = prepare(write, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    request_hold(r);
    request_read_body(r, write->limits.max_bytes, body_complete, write);
}
