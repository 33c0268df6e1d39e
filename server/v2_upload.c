/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blob uploads (distribution-spec, "Pushing blobs"): POST begins one (or mounts, or pushes at
 * once), PATCH adds bytes, PUT adds the last ones and finishes, GET asks for the offset, DELETE
 * cancels.
 *
 * DESIGN. Every request on an upload is one struct upload_request: it claims (or creates) the
 * upload, streams its body into it with the upload's own back pressure, and ends in flush or
 * finish. The request is held from start to answer; whoever answers calls finish() once. A client
 * that leaves in the middle of a body loses nothing it sent: the claim is released and the bytes
 * count.
 */
#include "config.h"

#include "base/mem.h"
#include "registry/blob.h"
#include "registry/push.h"
#include "registry/reference.h"
#include "server/authorise.h"
#include "server/challenge.h"
#include "server/credential.h"
#include "server/handlers.h"
#include "server/upload_body.h"
#include "server/v2.h"

struct upload_request {
    struct request *r;
    struct upload *upload; /* claimed; NULL before and after */
    struct upload_body body;
    bool has_range;
    uint64_t range_first, range_bytes; /* of Content-Range */
    bool finishes;                     /* PUT and single POST: `put.digest` is wanted */
    bool is_unnamed;                   /* single POST */
    struct blob_put put;
    struct blob_mount mount;
    struct blob_source source;
};

static struct uploads *request_uploads(const struct request *r)
{
    return r->worker->server->store->uploads;
}

static struct upload_request *begin(struct request *r)
{
    struct upload_request *u = v2_alloc(r, sizeof(*u));

    if (u == NULL)
        return NULL;
    u->r = r;
    u->put.repository = r->repository;
    u->put.actor = r->actor;
    request_hold(r);
    return u;
}

static void dropped(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    (void)err;
    (void)upload;
    (void)fault;
    request_release(((struct upload_request *)arg)->r);
}

/* An upload of a single POST that failed is removed: nobody was told its id. */
static void finish(struct upload_request *u)
{
    struct upload *upload = u->upload;

    u->upload = NULL;
    if (upload != NULL && u->is_unnamed) {
        upload_cancel(upload, dropped, u);
        return;
    }
    if (upload != NULL)
        upload_release(upload);
    request_release(u->r);
}

static void refuse(struct upload_request *u, int err, const struct fault *fault)
{
    struct fault copy = FAULT_INIT; /* the upload's own may go with it */

    if (fault != NULL)
        copy = *fault;
    if (u->upload != NULL && !u->is_unnamed) {
        upload_release(u->upload);
        u->upload = NULL;
    }
    response_send_error(u->r, err, &copy, SLICE(""));
    finish(u);
}

/* Where to go on, and how far it is: Location, Range, Docker-Upload-UUID. */
static void add_fields(struct request *r, struct slice id, uint64_t offset)
{
    response_fieldf(r, "Location", "/v2/" SLICE_FMT "/blobs/uploads/" SLICE_FMT,
                    SLICE_ARG(r->repository), SLICE_ARG(id));
    response_fieldf(r, "Range", "0-%llu", (unsigned long long)(offset > 0 ? offset - 1 : 0));
    response_field(r, "Docker-Upload-UUID", id);
}

static void add_upload_fields(struct upload_request *u)
{
    add_fields(u->r, upload_id(u->upload), upload_offset(u->upload));
}

/* Where the upload is now. Released first: the client may go on with it as soon as it has read the
 * answer, on another connection. */
static void send_state(struct upload_request *u, int status)
{
    add_upload_fields(u);
    upload_release(u->upload);
    u->upload = NULL;
    response_send_empty(u->r, status);
    finish(u);
}

static void send_created(struct upload_request *u, const struct digest *digest)
{
    v2_location(u->r, "blobs", digest);
    v2_digest_field(u->r, digest);
    response_send_empty(u->r, 201);
}

/*
 * The end of a body.
 */

static void pushed(void *arg, int err, const struct fault *fault)
{
    struct upload_request *u = arg;

    if (err != 0) {
        refuse(u, err, fault);
        return;
    }
    send_created(u, &u->put.digest);
    finish(u);
}

static void flushed(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct upload_request *u = arg;

    (void)upload;
    if (err != 0) {
        refuse(u, err, fault);
        return;
    }
    send_state(u, 202);
}

static void complete(struct upload_request *u)
{
    if (u->finishes)
        push_blob(u->r->worker->server->store, u->r->worker->kv, &u->upload, &u->put, pushed, u);
    else
        upload_flush(u->upload, flushed, u);
}

static void received(void *arg, int err, const struct fault *fault)
{
    struct upload_request *u = arg;
    struct fault wrong = FAULT_INIT;

    if (err == ERR_CANCELLED) {
        finish(u);
        return;
    }
    if (err == 0 && u->has_range && u->body.received != u->range_bytes) {
        err = fault_set(&wrong, ERR_SIZE_INVALID,
                        "the body has %llu bytes, its Content-Range says %llu",
                        (unsigned long long)u->body.received, (unsigned long long)u->range_bytes);
        fault = &wrong;
    }
    if (err != 0)
        refuse(u, err, fault);
    else
        complete(u);
}

static void receive(struct upload_request *u)
{
    u->body = (struct upload_body){
        .r = u->r,
        .upload = u->upload,
        .max = u->has_range ? u->range_bytes : UINT64_MAX,
        .done = received,
        .arg = u,
    };
    upload_body_receive(&u->body);
}

/* What can be refused before a byte of the body is read. */
static int check_before_body(struct upload_request *u, struct fault *fault)
{
    const struct request *r = u->r;
    uint64_t offset = upload_offset(u->upload);
    uint64_t max = r->worker->settings->blobs_max_bytes;

    if (u->has_range && u->range_first != offset)
        return fault_set(fault, ERR_UPLOAD_RANGE,
                         "the chunk begins at %llu, but the upload is at %llu; go on from there",
                         (unsigned long long)u->range_first, (unsigned long long)offset);
    if (u->has_range && !r->is_chunked && r->content_length != u->range_bytes)
        return fault_set(fault, ERR_SIZE_INVALID,
                         "Content-Range covers %llu bytes, Content-Length says %llu",
                         (unsigned long long)u->range_bytes, (unsigned long long)r->content_length);
    if (r->content_length > max || offset > max - r->content_length)
        return fault_set(fault, ERR_BLOB_TOO_LARGE,
                         "the blob would be larger than blobs.max_size, %llu bytes",
                         (unsigned long long)max);
    return v2_admit(r, r->content_length, fault);
}

/*
 * POST
 */

static void created(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct upload_request *u = arg;
    struct fault refused = FAULT_INIT;

    if (err != 0) {
        refuse(u, err, fault);
        return;
    }
    u->upload = upload;
    if (!u->finishes) {
        send_state(u, 202);
        return;
    }
    err = check_before_body(u, &refused);
    if (u->r->gone)
        finish(u);
    else if (err != 0)
        refuse(u, err, &refused);
    else
        receive(u);
}

static void create(struct upload_request *u, enum digest_algorithm algorithm)
{
    struct request *r = u->r;
    struct fault fault = FAULT_INIT;
    int err = v2_admit(r, u->finishes ? r->content_length : 0, &fault);

    if (err != 0) {
        refuse(u, err, &fault);
        return;
    }
    upload_create(request_uploads(r), r->repository, r->actor, request_client(r), algorithm,
                  r->worker->queue, created, u);
}

static void mounted(void *arg, int err)
{
    struct upload_request *u = CONTAINER_OF(arg, struct upload_request, mount);

    if (err == ERR_BLOB_UNKNOWN || err == ERR_NAME_UNKNOWN) {
        /* It cannot be mounted: the client goes on with an upload. */
        create(u, u->mount.digest.algorithm);
        return;
    }
    if (err != 0) {
        refuse(u, err, NULL);
        return;
    }
    send_created(u, &u->mount.digest);
    finish(u);
}

static void mount(struct upload_request *u)
{
    kv_write(u->r->worker->kv, KV_FRONT, blob_mount, &u->mount, mounted);
}

static void source_found(void *arg, int err)
{
    struct upload_request *u = CONTAINER_OF(arg, struct upload_request, source);

    u->mount.from = u->source.found;
    if (err == 0)
        mount(u);
    else
        mounted(&u->mount, err);
}

/* By the policy alone: where no source is named there is no scope that a client could ask for. */
static bool may_pull(struct slice repository, void *request)
{
    return authorise_lists(request, repository);
}

/* Its owner may read the source, but the token was made out for the target alone, because nothing
 * else was asked for until now: the client gets one for both, as it knows it from other
 * registries. */
static bool needs_wider_token(const struct request *r, struct slice source)
{
    return r->credential != NULL && r->credential->is_scoped && authorise_lists(r, source);
}

static void ask_for_wider_token(struct upload_request *u)
{
    struct fault fault = FAULT_INIT;

    fault_set(&fault, ERR_UNAUTHORIZED,
              "the access token was not made out for pull in the repository to mount from; ask for "
              "another one");
    challenge_send(u->r, &fault);
    finish(u);
}

/* From where the one who asks may pull, and nowhere else: what may not be read is as if it were not
 * there. */
static void start_mount(struct upload_request *u)
{
    struct request *r = u->r;

    if (u->mount.from.n > 0 && !authorise_can(r, VERB_PULL, u->mount.from)) {
        if (needs_wider_token(r, u->mount.from))
            ask_for_wider_token(u);
        else
            mounted(&u->mount, ERR_BLOB_UNKNOWN);
    } else if (u->mount.from.n > 0 || authorise_sees_all(r)) {
        mount(u);
    } else {
        u->source = (struct blob_source){
            .repository = r->repository,
            .digest = u->mount.digest,
            .may_pull = may_pull,
            .arg = r,
            .arena = &r->arena,
        };
        kv_read(r->worker->kv, blob_find_source, &u->source, source_found);
    }
}

/* ?mount=<digest>[&from=<name>]; ERR_NOT_FOUND when the request does not ask for it. */
static int parse_mount(struct upload_request *u, struct fault *fault)
{
    struct request *r = u->r;
    struct slice text;

    int err = request_query(r, SLICE("mount"), 0, &text);
    if (err != 0)
        return err;
    err = digest_parse(text, &u->mount.digest, fault);
    if (err != 0)
        return err;
    err = request_query(r, SLICE("from"), 0, &u->mount.from);
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    u->mount.repository = r->repository;
    u->mount.actor = r->actor;
    return u->mount.from.n > 0 ? repository_name_check(u->mount.from, fault) : 0;
}

/* ?digest=<digest> (push at once) or ?digest-algorithm=<name>. */
static int parse_post(struct upload_request *u, enum digest_algorithm *algorithm,
                      struct fault *fault)
{
    struct slice text;

    *algorithm = DIGEST_SHA256;
    int err = request_query(u->r, SLICE("digest"), 0, &text);
    if (err == 0) {
        u->finishes = true;
        u->is_unnamed = true;
        err = digest_parse(text, &u->put.digest, fault);
        *algorithm = err == 0 ? u->put.digest.algorithm : DIGEST_SHA256;
        return err;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    err = request_query(u->r, SLICE("digest-algorithm"), 0, &text);
    if (err == 0 && digest_algorithm_parse(text, algorithm) != 0)
        return fault_set(fault, ERR_DIGEST_UNSUPPORTED,
                         "digest-algorithm must be sha256 or sha512");
    return err == ERR_NOT_FOUND ? 0 : err;
}

void v2_uploads_post(struct request *r)
{
    struct fault fault = FAULT_INIT;
    enum digest_algorithm algorithm = DIGEST_SHA256;
    struct upload_request *u = begin(r);

    if (u == NULL)
        return;
    int err = parse_mount(u, &fault);
    if (err == 0) {
        start_mount(u);
        return;
    }
    if (err == ERR_NOT_FOUND)
        err = parse_post(u, &algorithm, &fault);
    if (err != 0)
        refuse(u, err, &fault);
    else
        create(u, algorithm);
}

/*
 * PATCH and PUT
 */

/* "<first>-<last>", both inclusive. */
static int parse_content_range(struct upload_request *u, struct fault *fault)
{
    struct slice text = slice_trim(request_field(u->r, SLICE("content-range")));
    struct slice rest = text, first;
    uint64_t last;

    if (text.p == NULL)
        return 0;
    if (!slice_split(&rest, '-', &first) || !slice_parse_u64(first, &u->range_first) ||
        !slice_parse_u64(rest, &last) || last < u->range_first || last > INT64_MAX)
        return fault_set(fault, ERR_UPLOAD_INVALID,
                         "Content-Range of a chunk must be <first>-<last>, bytes counted from 0");
    u->has_range = true;
    u->range_bytes = last - u->range_first + 1;
    return 0;
}

static void claimed_for_bytes(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct upload_request *u = arg;
    struct fault refused = FAULT_INIT;

    if (err != 0) {
        refuse(u, err, fault);
        return;
    }
    u->upload = upload;
    if (u->r->gone) {
        finish(u);
        return;
    }
    err = check_before_body(u, &refused);
    if (err == 0) {
        receive(u);
        return;
    }
    if (err == ERR_UPLOAD_RANGE)
        add_upload_fields(u);
    refuse(u, err, &refused);
}

static void claim(struct upload_request *u, upload_done_fn done)
{
    struct request *r = u->r;

    upload_claim(request_uploads(r), r->argument, r->repository, r->actor, r->worker->queue, done,
                 u);
}

void v2_upload_patch(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct upload_request *u = begin(r);

    if (u == NULL)
        return;
    int err = parse_content_range(u, &fault);
    if (err != 0)
        refuse(u, err, &fault);
    else
        claim(u, claimed_for_bytes);
}

void v2_upload_put(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct slice text;
    struct upload_request *u = begin(r);

    if (u == NULL)
        return;
    u->finishes = true;
    int err = request_query(r, SLICE("digest"), 0, &text);
    if (err == ERR_NOT_FOUND)
        err = fault_set(&fault, ERR_DIGEST_INVALID,
                        "finishing an upload needs ?digest=<digest> of the whole blob");
    else if (err == 0)
        err = digest_parse(text, &u->put.digest, &fault);
    if (err == 0)
        err = parse_content_range(u, &fault);
    if (err != 0)
        refuse(u, err, &fault);
    else
        claim(u, claimed_for_bytes);
}

/*
 * GET and DELETE
 */

void v2_upload_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    uint64_t offset;

    int err =
        upload_peek(request_uploads(r), r->argument, r->repository, r->actor, &offset, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    add_fields(r, r->argument, offset);
    response_send_empty(r, 204);
}

static void cancelled(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct upload_request *u = arg;

    (void)upload;
    u->upload = NULL;
    if (err != 0) {
        refuse(u, err, fault);
        return;
    }
    response_send_empty(u->r, 204);
    finish(u);
}

static void claimed_for_cancel(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct upload_request *u = arg;

    if (err != 0) {
        refuse(u, err, fault);
        return;
    }
    u->upload = upload;
    upload_cancel(upload, cancelled, u);
}

void v2_upload_delete(struct request *r)
{
    struct upload_request *u = begin(r);

    if (u != NULL)
        claim(u, claimed_for_cancel);
}
