/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the descriptor stands in the row ready to be sent, so that a listing is one range scan.
 * Rows of trashed referrers stay (a re-push brings the link back, and with it the entry), so each
 * row is shown only when its link is live.
 */
#include "config.h"
#include "registry/referrer.h"

#include "base/json.h"
#include "registry/link.h"
#include "registry/repository.h"

static void write_descriptor(struct buf *out, const struct object *object,
                             const struct manifest *manifest)
{
    char digest[DIGEST_TEXT_MAX];
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, SLICE("mediaType"));
    json_string(&w, manifest->media_type);
    json_name(&w, SLICE("digest"));
    json_string(&w, digest_format(&object->row.digest, digest));
    json_name(&w, SLICE("size"));
    json_u64(&w, object->row.size);
    if (manifest->artifact_type.n > 0) {
        json_name(&w, SLICE("artifactType"));
        json_string(&w, manifest->artifact_type);
    }
    if (manifest->annotations.n > 0) {
        json_name(&w, SLICE("annotations"));
        json_raw(&w, manifest->annotations);
    }
    json_object_end(&w);
}

int referrer_put(struct kv_tx *tx, uint64_t repo, uint64_t subject, const struct object *object,
                 const struct manifest *manifest)
{
    struct key key = key_referrer(repo, subject, object->id);
    struct row_referrer row = {.artifact_type = manifest->artifact_type};
    struct buf descriptor, value;
    int err;

    buf_init(&descriptor, KV_VALUE_MAX);
    buf_init(&value, KV_VALUE_MAX);
    write_descriptor(&descriptor, object, manifest);
    row.descriptor = buf_slice(&descriptor);
    err = buf_error(&descriptor, ERR_MANIFEST_INVALID);
    if (err == 0) {
        row_referrer_encode(&value, &row);
        err = buf_error(&value, ERR_MANIFEST_INVALID);
    }
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&descriptor);
    buf_fini(&value);
    return err;
}

/* One row: shown to the caller when it is live and of the type. */
static int show(struct kv_tx *tx, uint64_t repo, struct referrer_page *page, struct slice key,
                struct slice value, size_t *bytes)
{
    struct key_fields fields;
    struct row_referrer row;
    bool live = false;
    int err = key_decode(key, &fields);

    if (err == 0)
        err = row_referrer_decode(value, &row);
    if (err != 0)
        return err;
    page->last = fields.id[2];
    if (page->artifact_type.n > 0 && !slice_eq(page->artifact_type, row.artifact_type))
        return 0;
    err = link_is_live(tx, repo, fields.id[2], &live);
    if (err != 0 || !live)
        return err;
    *bytes += row.descriptor.n;
    return page->each(row.descriptor, page->arg);
}

static int walk(struct kv_tx *tx, uint64_t repo, uint64_t subject, struct referrer_page *page)
{
    struct key prefix = key_prefix_u64_u64(KV_REFERRER, repo, subject);
    struct key start = key_referrer(repo, subject, page->after);
    struct slice key, value;
    struct kv_scan scan;
    unsigned seen = 0;
    size_t bytes = 0;
    int err = kv_scan_begin(tx, key_slice(&prefix), key_slice(&start), page->limit + 1, &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        if (seen++ == page->limit || bytes > page->bytes_max) {
            page->more = true;
            break;
        }
        err = show(tx, repo, page, key, value, &bytes);
        if (err != 0)
            break;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int referrer_list(struct kv_tx *tx, struct referrer_page *page)
{
    struct object subject;
    uint64_t repo;

    page->last = page->after;
    page->more = false;
    int err = repository_find(tx, page->repository, &repo);
    if (err != 0)
        return err;
    err = object_find(tx, &page->subject, OBJECT_MANIFEST, &subject);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    return walk(tx, repo, subject.id, page);
}
