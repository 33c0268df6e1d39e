/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT /files/<name>:<tag>/<path>: the body is a file; with ?draft it waits for the others.
 *
 * DESIGN: an upload like any other, whose digest nobody knows before its last byte. What can be
 * refused is refused before the body is asked for. Then: upload, blob (durable), manifest and tag
 * (durable), 201. A body that ends early leaves nothing, because nobody was told the upload's id.
 */
#include "config.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/push.h"
#include "server/files.h"
#include "server/handlers.h"
#include "server/response.h"
#include "server/upload_body.h"
#include "server/v2.h"

#define ANSWER_MAX 16384

struct files_put {
    struct request *r;
    struct slice tag;
    struct artifact_file file;
    bool is_draft;
    struct tag_condition condition;
    struct files_load load; /* what the tag names before the body is read */
    struct upload *upload;  /* claimed; NULL before and after */
    struct upload_body body;
    struct blob_put blob;
    struct draft_put draft;
    struct files_add add;
};

static void dropped(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    (void)err;
    (void)upload;
    (void)fault;
    request_release(((struct files_put *)arg)->r);
}

static void finish(struct files_put *put)
{
    struct upload *upload = put->upload;

    put->upload = NULL;
    if (upload != NULL)
        upload_cancel(upload, dropped, put);
    else
        request_release(put->r);
}

static void refuse(struct files_put *put, int err, const struct fault *fault)
{
    struct fault copy = FAULT_INIT; /* the upload's own may go with it */

    if (fault != NULL)
        copy = *fault;
    response_send_error(put->r, err, &copy, SLICE(""));
    finish(put);
}

/*
 * The answer.
 */

static void begin_answer(const struct files_put *put, struct buf *out, struct json_writer *w)
{
    char digest[DIGEST_TEXT_MAX];

    buf_init(out, ANSWER_MAX);
    json_writer_init(w, out);
    json_object_begin(w);
    json_name(w, SLICE("file"));
    json_string(w, put->file.path);
    json_name(w, SLICE("digest"));
    json_string(w, digest_format(&put->file.digest, digest));
    json_name(w, SLICE("size"));
    json_u64(w, put->file.size);
}

static void send_answer(struct files_put *put, int status, struct buf *out, struct json_writer *w)
{
    json_object_end(w);
    buf_add_char(out, '\n'); /* people read it on a terminal */
    put->r->log_digest = put->file.digest;
    response_send_buf(put->r, status, "application/json", out);
    finish(put);
}

static void added(void *arg, int err, const struct fault *fault)
{
    struct files_put *put = arg;
    char digest[DIGEST_TEXT_MAX];
    struct json_writer w;
    struct buf out;

    if (err == ERR_HTTP_PRECONDITION) {
        v2_send_precondition(put->r, &put->add.current);
        finish(put);
        return;
    }
    if (err != 0) {
        refuse(put, err, fault);
        return;
    }
    begin_answer(put, &out, &w);
    json_name(&w, SLICE("manifest"));
    json_string(&w, digest_format(&put->add.manifest, digest));
    json_name(&w, SLICE("tag"));
    json_string(&w, put->tag);
    files_location(put->r, &put->add.manifest, put->file.path);
    send_answer(put, 201, &out, &w);
}

static void drafted(void *arg, int err)
{
    struct files_put *put = CONTAINER_OF(arg, struct files_put, draft);
    char time[CLOCK_RFC3339_MAX];
    struct fault fault = FAULT_INIT;
    struct json_writer w;
    struct buf out;

    if (err == ERR_LIMIT)
        fault_set(&fault, err,
                  "the draft has %u files, as many as manifests.max_descriptors allows; publish it "
                  "or throw it away",
                  put->draft.max_files);
    if (err != 0) {
        refuse(put, err, &fault);
        return;
    }
    begin_answer(put, &out, &w);
    json_name(&w, SLICE("draft"));
    json_bool(&w, true);
    json_name(&w, SLICE("files"));
    json_u64(&w, put->draft.files);
    clock_format_rfc3339(put->draft.expires_ms, time);
    json_name(&w, SLICE("expiresAt"));
    json_string(&w, slice_from_cstr(time));
    send_answer(put, 202, &out, &w);
}

/*
 * The bytes are a blob; now it gets its name.
 */

static void name_file(struct files_put *put)
{
    struct request *r = put->r;
    const struct settings *settings = r->worker->settings;

    put->file.digest = put->blob.digest;
    put->file.size = put->blob.size;
    if (put->is_draft) {
        put->draft = (struct draft_put){
            .draft = {r->repository, put->tag, r->actor, (int64_t)settings->files_draft_expire_ms},
            .file = put->file,
            .max_files = (unsigned)settings->manifests_max_descriptors - 1,
        };
        kv_write(r->worker->kv, KV_SURE, draft_put, &put->draft, drafted);
        return;
    }
    put->add = (struct files_add){
        .r = r,
        .tag = put->tag,
        .files = &put->file,
        .files_n = 1,
        .condition = put->condition,
        .done = added,
        .arg = put,
    };
    files_add(&put->add);
}

static void stored(void *arg, int err, const struct fault *fault)
{
    struct files_put *put = arg;

    if (err != 0)
        refuse(put, err, fault);
    else
        name_file(put);
}

static void flushed(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct files_put *put = arg;

    if (err != 0) {
        refuse(put, err, fault);
        return;
    }
    put->blob = (struct blob_put){.repository = put->r->repository, .actor = put->r->actor};
    upload_digest(upload, &put->blob.digest);
    push_blob(put->r->worker->server->store, put->r->worker->kv, &put->upload, &put->blob, stored,
              put);
}

static void received(void *arg, int err, const struct fault *fault)
{
    struct files_put *put = arg;

    if (err == ERR_CANCELLED)
        finish(put);
    else if (err != 0)
        refuse(put, err, fault);
    else
        upload_flush(put->upload, flushed, put);
}

static void created(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct files_put *put = arg;

    if (err != 0) {
        refuse(put, err, fault);
        return;
    }
    put->upload = upload;
    if (put->r->gone) {
        finish(put);
        return;
    }
    put->body = (struct upload_body){
        .r = put->r,
        .upload = upload,
        .max = UINT64_MAX,
        .done = received,
        .arg = put,
    };
    upload_body_receive(&put->body);
}

static void create(struct files_put *put)
{
    struct request *r = put->r;

    upload_create(r->worker->server->store->uploads, r->repository, r->actor, request_client(r),
                  DIGEST_SHA256, r->worker->queue, created, put);
}

/*
 * Before the body.
 */

/* Decided again, and for good, when the file is added. */
static void looked(void *arg, int err, const struct fault *fault)
{
    struct files_put *put = arg;
    const struct tag_condition *condition = &put->condition;
    bool exists = err == 0;
    struct fault closed = FAULT_INIT;

    if (err != 0 && err != ERR_NAME_UNKNOWN && err != ERR_MANIFEST_UNKNOWN) {
        refuse(put, err, fault);
        return;
    }
    if ((condition->must_not_exist && exists) ||
        (condition->must_match && (!exists || !digest_eq(&condition->digest, &put->load.digest)))) {
        v2_send_precondition(put->r, exists ? &put->load.digest : &(struct digest){0});
        finish(put);
        return;
    }
    err = exists ? artifact_check_open(put->load.artifact, &closed) : 0;
    if (err != 0)
        refuse(put, err, &closed);
    else
        create(put);
}

static int check_head(const struct request *r, struct fault *fault)
{
    uint64_t max = r->worker->settings->blobs_max_bytes;
    struct slice type = request_field(r, SLICE("content-type"));
    struct slice coding = slice_trim(request_field(r, SLICE("content-encoding")));

    if (request_field(r, SLICE("content-range")).p != NULL)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "a part of a file cannot be put; send all of it, without Content-Range");
    if (coding.n > 0 && !slice_eq_nocase(coding, SLICE("identity")))
        return fault_set(fault, ERR_HTTP_MEDIA_TYPE,
                         "the file is stored as it is sent; leave Content-Encoding out");
    if (slice_eq_nocase(slice_sub(type, 0, 10), SLICE("multipart/")))
        return fault_set(fault, ERR_HTTP_MEDIA_TYPE,
                         "the body must be the file itself and no form; use curl -T <file>");
    if (!r->has_length && !r->is_chunked)
        return fault_set(fault, ERR_HTTP_LENGTH_REQUIRED,
                         "send a Content-Length (0 for an empty file) or a chunked body");
    if (r->content_length > max)
        return fault_set(fault, ERR_BLOB_TOO_LARGE,
                         "the file would be larger than blobs.max_size, %llu bytes",
                         (unsigned long long)max);
    return v2_admit(r, r->content_length, fault);
}

static int prepare(struct files_put *put, struct fault *fault)
{
    struct request *r = put->r;
    struct slice value;

    int err = files_tag(r, &put->tag, fault);
    if (err == 0)
        err = files_path(r, &put->file.path, fault);
    if (err == 0)
        err = v2_condition(r, &put->condition, fault);
    if (err == 0)
        err = check_head(r, fault);
    if (err != 0)
        return err;
    put->file.media_type = file_media_type(&r->arena, request_field(r, SLICE("content-type")));
    if (put->file.media_type.n == 0)
        put->file.media_type = SLICE("application/octet-stream");
    err = request_query(r, SLICE("draft"), 0, &value);
    put->is_draft = err == 0;
    if (put->is_draft && (put->condition.must_match || put->condition.must_not_exist))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "a draft does not touch the tag; ask for the condition when publishing");
    return err == ERR_NOT_FOUND ? 0 : err;
}

void files_put(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct files_put *put = v2_alloc(r, sizeof(*put));

    if (put == NULL)
        return;
    put->r = r;
    int err = prepare(put, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    request_hold(r);
    put->load = (struct files_load){
        .r = r,
        .reference = {.tag = put->tag},
        .arena = &r->arena,
        .done = looked,
        .arg = put,
    };
    files_load(&put->load);
}
