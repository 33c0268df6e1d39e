/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/v2.h"

#include "base/json.h"
#include "base/log.h"

void *v2_alloc(struct request *r, size_t size_bytes)
{
    void *p = arena_alloc(&r->arena, size_bytes);

    if (p == NULL)
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
    return p;
}

int v2_digest_argument(const struct request *r, struct digest *digest, struct fault *fault)
{
    return digest_parse(r->argument, digest, fault);
}

void v2_digest_field(struct request *r, const struct digest *digest)
{
    char text[DIGEST_TEXT_MAX];

    response_field(r, "Docker-Content-Digest", digest_format(digest, text));
    r->log_digest = *digest;
}

int v2_admit(const struct request *r, uint64_t bytes, struct fault *fault)
{
    struct store *store = r->worker->server->store;

    if (!kv_is_writable(store->kv))
        return fault_set(fault, ERR_UNAVAILABLE,
                         "writes are stopped, because a commit of the index failed; they go on "
                         "when the server has been started again");
    return uploads_admit(store->uploads, bytes, fault);
}

struct slice v2_etag(struct request *r, const struct digest *digest)
{
    char *text = arena_alloc(&r->arena, DIGEST_TEXT_MAX + 2);

    if (text == NULL)
        return slice_make(NULL, 0);
    size_t n = digest_format(digest, text + 1).n;
    text[0] = text[n + 1] = '"';
    return slice_make(text, n + 2);
}

void v2_location(struct request *r, const char *kind, const struct digest *digest)
{
    char text[DIGEST_TEXT_MAX];

    response_fieldf(r, "Location", "/v2/" SLICE_FMT "/%s/" SLICE_FMT, SLICE_ARG(r->repository),
                    kind, SLICE_ARG(digest_format(digest, text)));
}

int v2_page_parse(struct request *r, struct v2_page *page, struct fault *fault)
{
    struct slice text;
    uint64_t max = r->worker->settings->lists_max_page;
    uint64_t n = max;

    *page = (struct v2_page){0};
    int err = request_query(r, SLICE("n"), 0, &text);
    if (err == 0 && !slice_parse_u64(text, &n))
        return fault_set(fault, ERR_PAGINATION_INVALID,
                         "n must be a number of entries, digits only");
    if (err != 0 && err != ERR_NOT_FOUND)
        return fault_set(fault, err, "the query of this request is malformed");
    page->n = (unsigned)(n < max ? n : max);
    err = request_query(r, SLICE("last"), 0, &page->last);
    if (err != 0 && err != ERR_NOT_FOUND)
        return fault_set(fault, err, "the query of this request is malformed");
    return 0;
}

static struct slice detail_finish(struct request *r, struct buf *out)
{
    struct slice detail = arena_dup(&r->arena, buf_slice(out));

    buf_fini(out);
    return detail;
}

struct slice v2_holders_detail(struct request *r, const struct holders *holders)
{
    struct buf out;
    struct json_writer w;

    buf_init(&out, 16384);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, SLICE("holders"));
    json_array_begin(&w);
    for (unsigned i = 0; i < holders->n; i++)
        json_string(&w, slice_from_cstr(holders->text[i]));
    json_array_end(&w);
    json_name(&w, SLICE("more"));
    json_bool(&w, holders->more);
    json_object_end(&w);
    return detail_finish(r, &out);
}

struct slice v2_digest_detail(struct request *r, const char *name, const struct digest *digest)
{
    struct buf out;
    struct json_writer w;
    char text[DIGEST_TEXT_MAX];

    buf_init(&out, 1024);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, slice_from_cstr(name));
    if (digest->algorithm != 0)
        json_string(&w, digest_format(digest, text));
    else
        json_null(&w);
    json_object_end(&w);
    return detail_finish(r, &out);
}

int v2_if_match(const struct request *r, struct digest *digest, struct fault *fault)
{
    struct slice text = slice_trim(request_field(r, SLICE("if-match")));

    if (text.p == NULL)
        return ERR_NOT_FOUND;
    if (text.n < 2 || text.p[0] != '"' || text.p[text.n - 1] != '"' ||
        digest_parse(slice_sub(text, 1, text.n - 2), digest, NULL) != 0)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "If-Match must be one digest in double quotes, as the ETag of a GET");
    return 0;
}

int v2_condition(const struct request *r, struct tag_condition *condition, struct fault *fault)
{
    struct slice none = slice_trim(request_field(r, SLICE("if-none-match")));

    *condition = (struct tag_condition){.must_not_exist = none.p != NULL};
    if (none.p != NULL && !slice_eq(none, SLICE("*")))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "on PUT only If-None-Match: * has a meaning");
    int err = v2_if_match(r, &condition->digest, fault);
    condition->must_match = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

void v2_send_precondition(struct request *r, const struct digest *current)
{
    struct fault fault = FAULT_INIT;

    fault_set(&fault, ERR_HTTP_PRECONDITION, "the tag names %s now; read it again and decide anew",
              current->algorithm != 0 ? "another manifest" : "nothing");
    if (current->algorithm != 0)
        response_field(r, "ETag", v2_etag(r, current));
    response_send_error(r, ERR_HTTP_PRECONDITION, &fault, v2_digest_detail(r, "current", current));
}

int v2_file_check(const struct request *r, int err, struct blob_file *file,
                  const struct digest *digest, uint64_t size)
{
    if (err == 0 && file->size != size) {
        blob_file_unref(file);
        err = ERR_NOT_FOUND;
    }
    /* The row says it is there: the answer that makes a client push it again heals it. */
    if (err == ERR_NOT_FOUND)
        log_error(
            "blob.missing",
            "the index names a file that is not there with its size; pushing it again heals it",
            LOG_DIGEST("digest", digest), LOG_STR("repo", r->repository));
    return err;
}
