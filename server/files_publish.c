/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /files/<name>:<tag>/?publish: all files of the draft become the tag's, at once.
 * DELETE /files/<name>:<tag>/?draft: the draft is thrown away.
 *
 * DESIGN: the draft is read, its manifest is made, and one transaction stores the manifest, binds
 * the tag and removes the rows that were read, each still as it was. When one is not, somebody was
 * still putting files: then all begins again.
 */
#include "config.h"

#include "base/json.h"
#include "base/mem.h"
#include "server/files.h"
#include "server/handlers.h"
#include "server/v2.h"

#include <stdlib.h>

#define TRIES_MAX 16

struct publishing {
    struct request *r;
    struct slice tag;
    struct tag_condition condition;
    struct arena arena; /* of one try: the files */
    struct draft_read read;
    struct draft_take take;
    struct files_add add;
    unsigned tries;
};

static struct draft draft_of(const struct request *r, struct slice tag)
{
    return (struct draft){r->repository, tag, r->actor,
                          (int64_t)r->worker->settings->files_draft_expire_ms};
}

static const char no_draft[] =
    "you have no draft for this tag: PUT /files/<name>:<tag>/<path>?draft begins one";

/*
 * Publish.
 */

static void finish(struct publishing *p)
{
    struct request *r = p->r;

    arena_fini(&p->arena);
    request_release(r);
}

static void refuse(struct publishing *p, int err, const struct fault *fault)
{
    response_send_error(p->r, err, fault, SLICE(""));
    finish(p);
}

static void send_published(struct publishing *p)
{
    struct request *r = p->r;
    char digest[DIGEST_TEXT_MAX];
    struct json_writer w;
    struct buf out;

    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, SLICE("manifest"));
    json_string(&w, digest_format(&p->add.manifest, digest));
    json_name(&w, SLICE("tag"));
    json_string(&w, p->tag);
    json_name(&w, SLICE("files"));
    json_u64(&w, p->add.total);
    json_object_end(&w);
    buf_add_char(&out, '\n');
    files_location(r, &p->add.manifest, SLICE(""));
    r->log_digest = p->add.manifest;
    response_send_buf(r, 201, "application/json", &out);
    finish(p);
}

static void start_try(struct publishing *p);

static void added(void *arg, int err, const struct fault *fault)
{
    struct publishing *p = arg;
    struct fault busy = FAULT_INIT;

    if (err == ERR_AGAIN && ++p->tries < TRIES_MAX) {
        start_try(p);
        return;
    }
    if (err == ERR_HTTP_PRECONDITION) {
        v2_send_precondition(p->r, &p->add.current);
        finish(p);
        return;
    }
    if (err == ERR_AGAIN) {
        err = fault_set(&busy, ERR_CONFLICT,
                        "files are still being put into the draft; publish it when all are there");
        fault = &busy;
    }
    if (err != 0)
        refuse(p, err, fault);
    else
        send_published(p);
}

static void draft_was_read(void *arg, int err)
{
    struct publishing *p = CONTAINER_OF(arg, struct publishing, read);
    struct fault fault = FAULT_INIT;

    if (err == ERR_DRAFT_UNKNOWN)
        fault_set(&fault, err, "%s", no_draft);
    if (err == ERR_LIMIT)
        fault_set(&fault, err,
                  "the draft has more files than manifests.max_descriptors allows now, %u",
                  p->read.max_files);
    if (err != 0) {
        refuse(p, err, &fault);
        return;
    }
    p->take = (struct draft_take){
        .draft = p->read.draft, .files = p->read.files, .files_n = p->read.files_n};
    p->add = (struct files_add){
        .r = p->r,
        .tag = p->tag,
        .files = p->read.files,
        .files_n = p->read.files_n,
        .condition = p->condition,
        .draft = &p->take,
        .done = added,
        .arg = p,
    };
    files_add(&p->add);
}

static void start_try(struct publishing *p)
{
    struct request *r = p->r;

    arena_fini(&p->arena);
    arena_init(&p->arena, (size_t)128 << 20);
    p->read = (struct draft_read){
        .draft = draft_of(r, p->tag),
        .max_files = (unsigned)r->worker->settings->manifests_max_descriptors - 1,
        .arena = &p->arena,
    };
    kv_read(r->worker->kv, draft_read, &p->read, draft_was_read);
}

/* POST and DELETE mean one thing only, which must be said. */
static int wants(struct request *r, struct slice what, const char *else_words, struct fault *fault)
{
    struct slice value;
    int err = request_query(r, what, 0, &value);

    return err == ERR_NOT_FOUND ? fault_set(fault, ERR_HTTP_BAD_REQUEST, "%s", else_words) : err;
}

void files_publish(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct publishing *p = v2_alloc(r, sizeof(*p));

    if (p == NULL)
        return;
    p->r = r;
    int err = wants(r, SLICE("publish"), "POST publishes a draft: add ?publish to the URL", &fault);
    if (err == 0)
        err = files_tag(r, &p->tag, &fault);
    if (err == 0)
        err = v2_condition(r, &p->condition, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    request_hold(r);
    start_try(p);
}

/*
 * Discard.
 */

struct discarding {
    struct request *r;
    struct draft_discard discard;
    unsigned removed;
};

static void discarded(void *arg, int err)
{
    struct discarding *d = CONTAINER_OF(arg, struct discarding, discard);
    struct request *r = d->r;

    d->removed += d->discard.removed;
    if (err == 0 && d->discard.again) {
        kv_write(r->worker->kv, KV_FRONT, draft_discard, &d->discard, discarded);
        return;
    }
    if (err != 0)
        response_send_error(r, err, NULL, SLICE(""));
    else if (d->removed == 0)
        response_send_errorf(r, ERR_DRAFT_UNKNOWN, "%s", no_draft);
    else
        response_send_empty(r, 204);
    request_release(r);
}

void files_discard(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct discarding *d = v2_alloc(r, sizeof(*d));
    struct slice tag;

    if (d == NULL)
        return;
    d->r = r;
    int err = wants(r, SLICE("draft"),
                    "DELETE throws a draft away: add ?draft to the URL. A tag is deleted by DELETE "
                    "/v2/<name>/manifests/<tag>",
                    &fault);
    if (err == 0)
        err = files_tag(r, &tag, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    d->discard.draft = draft_of(r, tag);
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, draft_discard, &d->discard, discarded);
}
