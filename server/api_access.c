/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET and PUT /api/v1/access: the policy, as one document with its version as entity tag.
 * GET /api/v1/access/explain: which of its lines decides about somebody.
 *
 * They work without authentication too, so that a policy can be there before it is turned on.
 */
#include "config.h"

#include "auth/account.h"
#include "auth/policy_store.h"
#include "auth/policy_summary.h"
#include "base/mem.h"
#include "registry/reference.h"
#include "server/api.h"
#include "server/gate.h"
#include "server/handlers.h"

#include <stdio.h>

#define ANSWER_MAX  (POLICY_DOCUMENT_MAX + 4096)
#define VERSION_MAX 24
#define SUBJECT_MAX 255
#define VERB_MAX    255

static void format_version(uint64_t version, char out[VERSION_MAX])
{
    snprintf(out, VERSION_MAX, "\"%llu\"", (unsigned long long)version);
}

/*
 * GET
 */

struct access_read {
    struct request *r;
    struct policy_get get;
};

static const char no_policy[] = "there is no policy yet: PUT one, or name a file in auth.policy";

static void send_policy(void *arg, int err)
{
    struct access_read *read = CONTAINER_OF(arg, struct access_read, get);
    struct request *r = read->r;
    char etag[VERSION_MAX];
    struct buf body;

    if (err == ERR_NOT_FOUND) {
        response_send_errorf(r, err, "%s",
                             read->get.version != 0 ? "there is no such version of the policy"
                                                    : no_policy);
    } else if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        buf_init(&body, ANSWER_MAX);
        buf_add(&body, read->get.document);
        format_version(read->get.found, etag);
        api_send_json_tagged(r, &body, slice_from_cstr(etag));
    }
    request_release(r);
}

void api_access_get(struct request *r)
{
    struct access_read *read = arena_alloc(&r->arena, sizeof(*read));
    struct fault fault = FAULT_INIT;
    uint64_t version = 0;

    int err = read == NULL ? ERR_NO_MEMORY
                           : api_query_u64(r, "version", 0, 1, UINT64_MAX, &version, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    read->r = r;
    read->get = (struct policy_get){.version = version, .arena = &r->arena};
    request_hold(r);
    kv_read(r->worker->kv, policy_store_get, &read->get, send_policy);
}

/*
 * PUT
 */

struct access_write {
    struct request *r;
    struct policy *policy;
    struct policy_put put;
};

static void finish(struct access_write *write)
{
    policy_unref(write->policy);
    request_release(write->r);
}

static void send_version(struct access_write *write, int status)
{
    struct request *r = write->r;
    char etag[VERSION_MAX];
    struct json_writer w;
    struct buf body;

    format_version(write->put.version, etag);
    buf_init(&body, 1024);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    api_u64(&w, "version", write->put.version);
    api_bool(&w, "changed", write->put.changed);
    json_object_end(&w);
    response_field(r, "ETag", slice_from_cstr(etag));
    response_send_buf(r, status, "application/json", &body);
}

static void policy_stored(void *arg, int err)
{
    struct access_write *write = CONTAINER_OF(arg, struct access_write, put);
    struct request *r = write->r;
    struct gate *gate = r->worker->server->gate;
    char etag[VERSION_MAX];

    if (err == ERR_HTTP_PRECONDITION) {
        format_version(write->put.version, etag);
        if (write->put.version != 0)
            response_field(r, "ETag", slice_from_cstr(etag));
        response_send_errorf(r, err,
                             "the policy has version %llu now; read it again and decide anew",
                             (unsigned long long)write->put.version);
    } else if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        if (gate != NULL && write->put.changed)
            gate_set_policy_take(gate, policy_ref(write->policy), write->put.version);
        send_version(write, 200);
    }
    finish(write);
}

/* Who takes away the last way in would need a file on the server to come back. */
static int check_policy(const struct policy *policy, struct fault *fault)
{
    return policy_has_admin(policy)
               ? 0
               : fault_set(
                     fault, ERR_INVALID,
                     "under this policy nobody would have the verb admin, so that it could not "
                     "be changed any more: bind a role with admin to somebody, with "
                     "repositories [\"**\"]");
}

static void body_complete(void *arg, int err, struct slice body)
{
    struct access_write *write = arg;
    struct fault fault = FAULT_INIT;

    if (err == ERR_HTTP_TOO_LARGE)
        fault_set(&fault, err, "a policy is at most %u bytes", POLICY_DOCUMENT_MAX);
    if (err == 0)
        err = policy_parse(body, &write->policy, &fault);
    if (err == 0)
        err = check_policy(write->policy, &fault);
    if (err != 0) {
        response_send_error(write->r, err, &fault, SLICE(""));
        finish(write);
        return;
    }
    write->put.document = policy_document(write->policy);
    kv_write(write->r->worker->kv, KV_FRONT, policy_store_put, &write->put, policy_stored);
}

/* If-Match: "<version>", If-None-Match: *. */
static int read_condition(const struct request *r, struct policy_put *put, struct fault *fault)
{
    struct slice match = slice_trim(request_field(r, SLICE("if-match")));
    struct slice none = slice_trim(request_field(r, SLICE("if-none-match")));

    put->must_match = match.p != NULL || none.p != NULL;
    if (none.p != NULL && !slice_eq(none, SLICE("*")))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "on PUT only If-None-Match: * has a meaning");
    if (match.p != NULL && (match.n < 3 || match.p[0] != '"' || match.p[match.n - 1] != '"' ||
                            !slice_parse_u64(slice_sub(match, 1, match.n - 2), &put->if_version)))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "If-Match must be the ETag that GET gave, a version in double quotes");
    return 0;
}

static bool is_json(const struct request *r)
{
    struct slice type = request_field(r, SLICE("content-type"));

    type = slice_trim(slice_sub(type, 0, slice_find_char(type, ';')));
    return slice_eq_nocase(type, SLICE("application/json"));
}

void api_access_put(struct request *r)
{
    struct access_write *write = arena_alloc(&r->arena, sizeof(*write));
    struct fault fault = FAULT_INIT;

    int err = write != NULL ? read_condition(r, &write->put, &fault) : ERR_NO_MEMORY;
    if (err == 0 && !is_json(r))
        err = fault_set(&fault, ERR_HTTP_MEDIA_TYPE, "a policy is sent as application/json");
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    write->r = r;
    write->put.actor = r->actor;
    request_hold(r);
    request_read_body(r, POLICY_DOCUMENT_MAX, body_complete, write);
}

/*
 * Explain
 */

struct explaining {
    struct request *r;
    struct identity subject;
    struct slice account; /* whose groups count; empty: nobody's */
    struct slice repository;
    enum verb verb;
    struct slice environment;
    struct account_get account_get;
    struct policy_get policy_get;
    bool has_policy;
};

static int read_for_explain(struct kv_tx *tx, void *explaining)
{
    struct explaining *e = explaining;

    e->subject.groups_n = e->account.n > 0 ? 0 : e->subject.groups_n;
    e->has_policy = false;
    int err = 0;
    if (e->account.n > 0) {
        err = account_get(tx, &e->account_get);
        if (err == 0) {
            e->subject.groups = e->account_get.account.row.groups;
            e->subject.groups_n = e->account_get.account.row.groups_n;
        }
        /* A user of the htpasswd file has no account, and no groups. */
        if (err == ERR_ACCOUNT_UNKNOWN)
            err = 0;
    }
    if (err == 0) {
        err = policy_store_get(tx, &e->policy_get);
        e->has_policy = err == 0;
        if (err == ERR_NOT_FOUND)
            err = 0;
    }
    return err;
}

static void send_explanation(struct explaining *e, const struct policy *policy)
{
    struct request *r = e->r;
    struct policy_explanation why;
    struct json_writer w;
    struct buf body;

    policy_explain(policy, &e->subject, e->repository, e->verb, e->environment, &why);
    buf_init(&body, 8192);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    api_bool(&w, "allowed", why.allowed);
    api_text(&w, "explanation", slice_from_cstr(why.text));
    if (why.allowed && why.role.n > 0) {
        api_u64(&w, "binding", why.binding);
        api_text(&w, "role", why.role);
        api_text(&w, "subject", why.subject);
        api_text(&w, "glob", why.glob);
    }
    json_object_end(&w);
    api_send_json(r, &body);
}

static void explain_read(void *arg, int err)
{
    struct explaining *e = arg;
    struct request *r = e->r;
    struct policy *policy = NULL;
    struct fault fault = FAULT_INIT;

    if (err == 0 && e->has_policy)
        err = policy_parse(e->policy_get.document, &policy, &fault);
    if (err != 0)
        response_send_error(r, err, &fault, SLICE(""));
    else
        send_explanation(e, policy);
    policy_unref(policy);
    request_release(r);
}

/* "alice", "user:alice", "robot:ci", "group:team-a", "issuer:github", "anonymous". */
static int parse_subject(struct explaining *e, struct slice text, struct fault *fault)
{
    struct arena *arena = &e->r->arena;
    size_t colon = slice_find_char(text, ':');
    struct slice kind = colon < text.n ? slice_sub(text, 0, colon) : SLICE("user");
    struct slice name = colon < text.n ? slice_sub(text, colon + 1, SIZE_MAX) : text;

    e->subject = (struct identity){.kind = IDENTITY_USER, .name = name, .limit = VERB_BITS_ALL};
    if (slice_eq(text, SLICE("anonymous"))) {
        e->subject = identity_anonymous;
        return 0;
    }
    if (name.n == 0)
        return fault_set(fault, ERR_INVALID, "subject must be a name, or <kind>:<name>");
    if (slice_eq(kind, SLICE("user"))) {
        e->account = name;
        return 0;
    }
    if (slice_eq(kind, SLICE("robot"))) {
        e->account = name;
        e->subject.kind = IDENTITY_ROBOT;
        e->subject.name = text;
        return 0;
    }
    if (slice_eq(kind, SLICE("group"))) {
        struct slice *group = arena_alloc(arena, sizeof(*group));
        if (group == NULL)
            return ERR_NO_MEMORY;
        *group = name;
        e->subject.name = text;
        e->subject.groups = group;
        e->subject.groups_n = 1;
        return 0;
    }
    if (slice_eq(kind, SLICE("issuer"))) {
        e->subject.kind = IDENTITY_WORKLOAD;
        e->subject.name = text;
        e->subject.issuer = name;
        return 0;
    }
    return fault_set(fault, ERR_INVALID,
                     "subject must be user:<name>, robot:<name>, group:<name>, issuer:<name> or "
                     "anonymous");
}

static int parse_explain(struct explaining *e, struct fault *fault)
{
    struct request *r = e->r;
    struct slice subject = {0}, verb = {0};

    int err = api_query_text(r, "subject", SUBJECT_MAX, &subject, fault);
    if (err == 0)
        err = api_query_text(r, "verb", VERB_MAX, &verb, fault);
    if (err == 0)
        err = api_query_text(r, "repository", REPOSITORY_NAME_MAX, &e->repository, fault);
    if (err == 0 && (subject.n == 0 || verb.n == 0))
        err = fault_set(fault, ERR_INVALID,
                        "explain needs ?subject=<who>&verb=<verb>, and &repository=<name> for what "
                        "is not about the server itself");
    if (err == 0)
        err = verb_parse(verb, &e->verb, &e->environment, fault);
    if (err == 0 && e->repository.n > 0)
        err = repository_name_check(e->repository, fault);
    return err == 0 ? parse_subject(e, subject, fault) : err;
}

void api_explain_get(struct request *r)
{
    struct explaining *e = arena_alloc(&r->arena, sizeof(*e));
    struct fault fault = FAULT_INIT;
    int err = ERR_NO_MEMORY;

    if (e != NULL) {
        e->r = r;
        err = parse_explain(e, &fault);
    }
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    e->account_get = (struct account_get){.name = e->account, .arena = &r->arena};
    e->policy_get = (struct policy_get){.arena = &r->arena};
    request_hold(r);
    kv_read(r->worker->kv, read_for_explain, e, explain_read);
}
