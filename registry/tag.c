/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/tag.h"

#include "registry/repository.h"
#include "storage/event.h"

int tag_find(struct kv_tx *tx, uint64_t repo, struct slice tag, struct row_tag *row)
{
    struct key key = key_tag(repo, tag);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == ERR_NOT_FOUND)
        return ERR_TAG_UNKNOWN;
    return err != 0 ? err : row_tag_decode(value, row);
}

/* The manifest a tag row names. */
static int get_target(struct kv_tx *tx, const struct row_tag *row, struct object *object)
{
    int err = object_get(tx, row->obj, object);

    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static int put_row(struct kv_tx *tx, const struct tag_binding *binding)
{
    const struct row_tag row = {
        .obj = binding->object->id, .time_ms = kv_now(tx), .actor = binding->actor};
    struct key key = key_tag(binding->repo, binding->tag);
    struct buf value;

    buf_init(&value, KV_VALUE_MAX);
    row_tag_encode(&value, &row);
    int err = buf_error(&value, ERR_INTERNAL);
    if (err == 0)
        err = kv_put_cited(tx, key_slice(&key), buf_slice(&value), ROW_TAG_SEQ_OFFSET);
    buf_fini(&value);
    if (err != 0)
        return err;
    key = key_tagof(binding->repo, binding->object->id, binding->tag);
    return kv_put(tx, key_slice(&key), SLICE(""));
}

int tag_bind(struct kv_tx *tx, const struct tag_binding *binding)
{
    struct event event = {
        .type = EVENT_TAG_BOUND,
        .actor = binding->actor,
        .repository = binding->repository,
        .tag = binding->tag,
        .digest = binding->object->row.digest,
    };
    struct object previous;
    struct row_tag row;

    int err = tag_find(tx, binding->repo, binding->tag, &row);
    if (err == 0 && row.obj == binding->object->id)
        return 0;
    if (err != 0 && err != ERR_TAG_UNKNOWN)
        return err;
    if ((binding->verbs & VERB_BIT(err == 0 ? VERB_MOVE_TAG : VERB_PUSH)) == 0)
        return ERR_DENIED;
    if (err == 0) {
        err = get_target(tx, &row, &previous);
        if (err != 0)
            return err;
        event.type = EVENT_TAG_MOVED;
        event.previous = previous.row.digest;
        struct key key = key_tagof(binding->repo, row.obj, binding->tag);
        err = kv_del(tx, key_slice(&key));
        if (err != 0)
            return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    err = event_stage(tx, &event);
    return err != 0 ? err : put_row(tx, binding);
}

int tag_remove(struct kv_tx *tx, uint64_t repo, struct slice repository, struct slice actor,
               struct slice tag, const struct object *object)
{
    const struct event event = {
        .type = EVENT_TAG_DELETED,
        .actor = actor,
        .repository = repository,
        .tag = tag,
        .digest = object->row.digest,
    };
    struct key key = key_tag(repo, tag);

    int err = event_stage(tx, &event);
    if (err == 0)
        err = kv_del(tx, key_slice(&key));
    key = key_tagof(repo, object->id, tag);
    if (err == 0)
        err = kv_del(tx, key_slice(&key));
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

int tag_delete(struct kv_tx *tx, void *tag_delete)
{
    struct tag_delete *del = tag_delete;
    struct object object;
    struct row_tag row;
    uint64_t repo;

    del->current = (struct digest){0};
    int err = repository_find(tx, del->repository, &repo);
    if (err != 0)
        return err;
    err = tag_find(tx, repo, del->tag, &row);
    if (err == ERR_TAG_UNKNOWN && del->must_match)
        return ERR_HTTP_PRECONDITION;
    if (err == 0)
        err = get_target(tx, &row, &object);
    if (err != 0)
        return err;
    del->current = object.row.digest;
    if (del->must_match && !digest_eq(&del->current, &del->digest))
        return ERR_HTTP_PRECONDITION;
    return tag_remove(tx, repo, del->repository, del->actor, del->tag, &object);
}

int tag_list(struct kv_tx *tx, uint64_t repo, struct slice after, unsigned limit,
             int (*each)(struct slice tag, void *arg), void *arg)
{
    struct key prefix = key_prefix_u64(KV_TAG, repo);
    struct key start = key_tag(repo, after);
    struct key_fields fields;
    struct kv_scan scan;
    struct slice key, value;
    int err = kv_scan_begin(tx, key_slice(&prefix), after.n > 0 ? key_slice(&start) : SLICE(""),
                            limit, &scan);

    if (err != 0)
        return err;
    while (err == 0) {
        err = kv_scan_next(&scan, &key, &value);
        if (err == ERR_NOT_FOUND) {
            err = 0;
            break;
        }
        if (err == 0)
            err = key_decode(key, &fields);
        if (err == 0)
            err = each(fields.text, arg);
    }
    kv_scan_end(&scan);
    return err;
}
