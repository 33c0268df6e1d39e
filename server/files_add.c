/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: what decides is the condition that manifest_put checks in its transaction: the tag still
 * names what was read. The gate in front of it only keeps requests of this process from losing to
 * each other: additions to one tag go through it one by one, in the order they came, so that
 * however many there are each is tried once. Only who pushes past it (on /v2) makes a try fail, and
 * after TRIES_MAX of those the client is told.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/push.h"
#include "server/authorise.h"
#include "server/files.h"

#include <stdlib.h>

#define TRIES_MAX        32
#define BUILD_INLINE_MAX (64u * 1024) /* bytes of a manifest */
#define BYTES_PER_FILE   512          /* of a manifest, roughly */

struct files_adding {
    struct files_add *add;
    struct digest_gate_pass pass;
    struct pool_job job; /* building */
    struct arena arena;  /* of one try */
    struct files_load load;
    struct blob_get config; /* whether the repository has the empty config */
    struct blob_put config_put;
    struct buf body;
    struct manifest *manifest;
    struct manifest_put put;
    unsigned tries;
    int err;
    struct fault fault;
};

#define ARENA_MAX ((size_t)128 << 20) /* as a request's: two trees of the largest manifest */

static void end(struct files_adding *a, int err, const struct fault *fault)
{
    struct files_add *add = a->add;
    struct fault copy = FAULT_INIT;

    if (fault != NULL)
        copy = *fault;
    digest_gate_leave(&a->pass);
    add->current = a->put.current;
    arena_fini(&a->arena);
    buf_fini(&a->body);
    free(a);
    add->done(add->arg, err, copy.code != 0 ? &copy : NULL);
}

static void start_try(struct files_adding *a);

static void try_again(struct files_adding *a)
{
    struct fault fault = FAULT_INIT;

    if (++a->tries < TRIES_MAX) {
        start_try(a);
        return;
    }
    end(a,
        fault_set(&fault, ERR_CONFLICT,
                  "the tag was moved %u times while the file was being added; it is stored, so put "
                  "it again in a moment",
                  a->tries),
        &fault);
}

/*
 * 4. The push.
 */

static void explain_missing(struct files_adding *a, struct fault *fault)
{
    const struct descriptor *missing = &a->manifest->descriptors[a->put.missing[0]];
    char digest[DIGEST_TEXT_MAX];

    fault_set(fault, ERR_MANIFEST_BLOB_UNKNOWN,
              "%s %s of the manifest is not in the repository any more; put it again",
              strcmp(missing->field, "config") == 0 ? "config" : "file",
              digest_format(&missing->digest, digest).p);
}

static void pushed(void *arg, int err, const struct fault *fault)
{
    struct files_adding *a = arg;
    struct fault missing = FAULT_INIT;

    if (err == ERR_HTTP_PRECONDITION) {
        try_again(a);
        return;
    }
    if (err == ERR_MANIFEST_BLOB_UNKNOWN && a->put.missing_n > 0) {
        explain_missing(a, &missing);
        fault = &missing;
    }
    if (err == ERR_DENIED) {
        authorise_explain(a->add->r, VERB_MOVE_TAG, &missing);
        fault = &missing;
    }
    if (err == 0) {
        a->add->manifest = a->put.digest;
        a->add->total = a->manifest->descriptors_n - 1;
    }
    end(a, err, fault);
}

static void push(struct files_adding *a)
{
    struct request *r = a->add->r;

    if (a->err != 0)
        end(a, a->err, &a->fault);
    else
        push_manifest(r->worker->server->store, r->worker->kv, buf_slice(&a->body), &a->put, pushed,
                      a);
}

/*
 * 3. The new manifest. On a pool thread when it is large: it touches nothing but `a`.
 */

static int build(struct files_adding *a)
{
    const struct files_add *add = a->add;
    const struct settings *settings = add->r->worker->settings;
    const struct artifact_limits limits = files_limits(add->r);
    const struct manifest_limits rules = {
        .max_bytes = (unsigned)settings->manifests_max_bytes,
        .max_descriptors = (unsigned)settings->manifests_max_descriptors,
        .max_depth = (unsigned)settings->manifests_max_depth,
        .max_annotation_bytes = (unsigned)settings->manifests_max_annotation_bytes,
    };
    int err = artifact_add(&a->arena, a->load.artifact, add->files, add->files_n, &limits, &a->body,
                           &a->fault);

    if (err == 0)
        err = manifest_parse(&a->arena, buf_slice(&a->body),
                             slice_from_cstr(manifest_kind_media_type(MANIFEST_OCI_IMAGE)), &rules,
                             &a->manifest, &a->fault);
    if (err != 0)
        return err;
    digest_compute(DIGEST_SHA256, buf_slice(&a->body), &a->put.digest);
    a->put.manifest = a->manifest;
    a->put.size = a->body.n;
    return 0;
}

static void build_run(struct pool_job *job)
{
    struct files_adding *a = CONTAINER_OF(job, struct files_adding, job);

    a->err = build(a);
}

static void build_done(struct pool_job *job)
{
    push(CONTAINER_OF(job, struct files_adding, job));
}

static void start_build(struct files_adding *a)
{
    const struct files_add *add = a->add;
    struct worker *worker = add->r->worker;
    uint64_t size = (uint64_t)add->files_n * BYTES_PER_FILE;

    if (a->load.artifact != NULL)
        size += a->load.get.size;
    buf_init(&a->body, worker->settings->manifests_max_bytes);
    if (size <= BUILD_INLINE_MAX) {
        a->err = build(a);
        push(a);
        return;
    }
    a->job = (struct pool_job){.run = build_run, .done = build_done, .reply = worker->queue};
    pool_submit(worker->server->store->cpu, &a->job);
}

/*
 * 2. The config of a first manifest.
 */

static void config_pushed(void *arg, int err, const struct fault *fault)
{
    struct files_adding *a = arg;

    if (err != 0)
        end(a, err, fault);
    else
        start_build(a);
}

static void config_looked_up(void *arg, int err)
{
    struct files_adding *a = CONTAINER_OF(arg, struct files_adding, config);
    struct request *r = a->add->r;

    if (err == ERR_BLOB_UNKNOWN || err == ERR_NAME_UNKNOWN) {
        a->config_put = (struct blob_put){.repository = r->repository, .actor = r->actor};
        push_blob_bytes(r->worker->server->store, r->worker->kv, SLICE(ARTIFACT_EMPTY_CONFIG),
                        &a->config_put, config_pushed, a);
        return;
    }
    config_pushed(a, err, NULL);
}

static void look_for_config(struct files_adding *a)
{
    struct request *r = a->add->r;

    a->config.repository = r->repository;
    digest_compute(DIGEST_SHA256, SLICE(ARTIFACT_EMPTY_CONFIG), &a->config.digest);
    kv_read(r->worker->kv, blob_get, &a->config, config_looked_up);
}

/*
 * 1. What the tag names.
 */

static bool holds(const struct tag_condition *condition, const struct files_adding *a, bool exists)
{
    if (condition->must_not_exist && exists)
        return false;
    return !condition->must_match || (exists && digest_eq(&condition->digest, &a->load.digest));
}

static void loaded(void *arg, int err, const struct fault *fault)
{
    struct files_adding *a = arg;
    struct files_add *add = a->add;
    bool exists = err == 0;
    struct fault closed = FAULT_INIT;

    if (err != 0 && err != ERR_NAME_UNKNOWN && err != ERR_MANIFEST_UNKNOWN) {
        end(a, err, fault);
        return;
    }
    a->put = (struct manifest_put){
        .repository = add->r->repository,
        .actor = add->r->actor,
        .verbs = add->r->verbs,
        .tags = &add->tag,
        .tags_n = 1,
        .condition = {.must_match = exists, .must_not_exist = !exists},
        .lane = KV_SURE, /* the file is on the disk, and the gate bounds how many come */
        .also = add->draft != NULL ? draft_take : NULL,
        .also_arg = add->draft,
    };
    if (exists)
        a->put.condition.digest = a->put.current = a->load.digest;
    if (!holds(&add->condition, a, exists)) {
        end(a, ERR_HTTP_PRECONDITION, NULL);
        return;
    }
    err = exists ? artifact_check_open(a->load.artifact, &closed) : 0;
    if (err != 0)
        end(a, err, &closed);
    else if (exists)
        start_build(a);
    else
        look_for_config(a);
}

static void start_try(struct files_adding *a)
{
    struct files_add *add = a->add;

    arena_fini(&a->arena);
    buf_fini(&a->body);
    arena_init(&a->arena, ARENA_MAX);
    a->load = (struct files_load){
        .r = add->r,
        .reference = {.tag = add->tag},
        .arena = &a->arena,
        .done = loaded,
        .arg = a,
    };
    files_load(&a->load);
}

static void gate_opened(struct pool_job *job)
{
    start_try(CONTAINER_OF(job, struct files_adding, pass.job));
}

void files_add(struct files_add *add)
{
    struct request *r = add->r;
    struct files_adding *a = xcalloc(1, sizeof(*a));
    struct hasher *hasher = hasher_create(DIGEST_SHA256);
    struct digest name;

    a->add = add;
    a->pass.job.done = gate_opened;
    a->pass.job.reply = r->worker->queue;
    hasher_update(hasher, r->repository.p, r->repository.n);
    hasher_update(hasher, ":", 1);
    hasher_update(hasher, add->tag.p, add->tag.n);
    hasher_final(hasher, &name);
    hasher_destroy(hasher);
    if (digest_gate_enter(r->worker->server->tag_gate, &name, &a->pass))
        start_try(a);
}
