/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v2/<name>/referrers/<digest> (distribution-spec, "Listing Referrers"): an image index of the
 * manifests whose subject is the digest. An unknown repository or subject has none; it is not 404,
 * because clients would take that for a registry without this API.
 */
#include "config.h"

#include "base/json.h"
#include "registry/referrer.h"
#include "server/handlers.h"
#include "server/v2.h"

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

struct referrers {
    struct request *r;
    unsigned n;
    struct referrer_page page;
    struct buf body;
    struct json_writer json;
};

static int add_descriptor(struct slice descriptor, void *arg)
{
    struct referrers *list = arg;

    json_raw(&list->json, descriptor);
    return 0;
}

static int read_referrers(struct kv_tx *tx, void *arg)
{
    struct referrers *list = arg;

    buf_reset(&list->body);
    list->page.more = false;
    json_writer_init(&list->json, &list->body);
    json_object_begin(&list->json);
    json_name(&list->json, SLICE("schemaVersion"));
    json_u64(&list->json, 2);
    json_name(&list->json, SLICE("mediaType"));
    json_string(&list->json, SLICE(INDEX_TYPE));
    json_name(&list->json, SLICE("manifests"));
    json_array_begin(&list->json);
    int err = referrer_list(tx, &list->page);
    if (err != 0 && err != ERR_NAME_UNKNOWN)
        return err;
    json_array_end(&list->json);
    json_object_end(&list->json);
    return list->body.overflow ? ERR_NO_MEMORY : 0;
}

/* The artifact type goes back into the link percent-encoded: it came from the client. */
static struct slice encode_query_value(struct request *r, struct slice text)
{
    struct buf out;

    buf_init(&out, text.n * 3 + 1);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~' || c == '/')
            buf_add_char(&out, (char)c);
        else
            buf_addf(&out, "%%%02X", c);
    }
    struct slice encoded = arena_dup(&r->arena, buf_slice(&out));
    if (out.overflow || encoded.p == NULL)
        response_field_lost(r);
    buf_fini(&out);
    return encoded;
}

static void add_link(struct referrers *list)
{
    struct request *r = list->r;
    char text[DIGEST_TEXT_MAX];
    struct slice digest = digest_format(&list->page.subject, text);
    struct slice type = encode_query_value(r, list->page.artifact_type);

    response_fieldf(
        r, "Link",
        "</v2/" SLICE_FMT "/referrers/" SLICE_FMT "?n=%u&next=%llu%s" SLICE_FMT ">; rel=\"next\"",
        SLICE_ARG(r->repository), SLICE_ARG(digest), list->n, (unsigned long long)list->page.last,
        type.n > 0 ? "&artifactType=" : "", SLICE_ARG(type));
}

static void send_referrers(void *arg, int err)
{
    struct referrers *list = arg;
    struct request *r = list->r;

    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        if (list->page.artifact_type.n > 0)
            response_field(r, "OCI-Filters-Applied", SLICE("artifactType"));
        if (list->page.more)
            add_link(list);
        response_send_buf(r, 200, INDEX_TYPE, &list->body);
    }
    buf_fini(&list->body);
    request_release(r);
}

static int parse_query(struct referrers *list, struct fault *fault)
{
    struct request *r = list->r;
    struct v2_page page;
    struct slice next;

    int err = v2_digest_argument(r, &list->page.subject, fault);
    if (err != 0)
        return err;
    err = v2_page_parse(r, &page, fault);
    if (err != 0)
        return err;
    list->n = page.n > 0 ? page.n : 1;
    err = request_query(r, SLICE("next"), 0, &next);
    if (err == 0 && !slice_parse_u64(next, &list->page.after))
        return fault_set(fault, ERR_PAGINATION_INVALID, "next must come from a Link of this list");
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    err = request_query(r, SLICE("artifactType"), 0, &list->page.artifact_type);
    if (err == 0 && list->page.artifact_type.n > 255)
        return fault_set(fault, ERR_INVALID, "artifactType is at most 255 characters");
    return err == ERR_NOT_FOUND ? 0 : err;
}

void v2_referrers_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct referrers *list = v2_alloc(r, sizeof(*list));

    if (list == NULL)
        return;
    list->r = r;
    int err = parse_query(list, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    list->page.repository = r->repository;
    list->page.limit = list->n;
    list->page.bytes_max = r->worker->settings->lists_max_page_bytes;
    list->page.each = add_descriptor;
    list->page.arg = list;
    /* One descriptor more than the limit may be in hand when it is noticed. */
    buf_init(&list->body, list->page.bytes_max + 2 * KV_VALUE_MAX);
    request_hold(r);
    kv_read(r->worker->kv, read_referrers, list, send_referrers);
}
