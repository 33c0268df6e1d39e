/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/manifest_info.h"

#include "registry/link.h"
#include "registry/repository.h"
#include "registry/tag.h"

static int find(struct kv_tx *tx, const struct manifest_info *info, struct object *object)
{
    struct row_tag row;
    int err;

    if (info->reference.is_digest) {
        err = link_find(tx, info->repo, &info->reference.digest, OBJECT_MANIFEST, object);
        return err == ERR_NOT_FOUND ? ERR_MANIFEST_UNKNOWN : err;
    }
    err = tag_find(tx, info->repo, info->reference.tag, &row);
    if (err == 0)
        err = object_get(tx, row.obj, object);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    return object->row.state == OBJECT_LIVE ? 0 : ERR_MANIFEST_UNKNOWN;
}

static int read_link(struct kv_tx *tx, struct manifest_info *info, uint64_t obj)
{
    struct key key = key_link(info->repo, obj);
    struct row_link row;
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == 0)
        err = row_link_decode(value, &row);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    info->pushed_ms = row.since_ms;
    info->event = row.seq;
    return 0;
}

static int read_tags(struct kv_tx *tx, struct manifest_info *info, uint64_t obj)
{
    struct key prefix = key_prefix_u64_u64(KV_TAGOF, info->repo, obj);
    struct key_fields fields;
    struct slice key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), MANIFEST_INFO_TAGS_MAX, &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = key_decode(key, &fields);
        if (err != 0)
            break;
        info->tags[info->tags_n] = arena_dup(info->arena, fields.text);
        if (info->tags[info->tags_n++].p == NULL) {
            err = ERR_NO_MEMORY;
            break;
        }
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int read_body(struct kv_tx *tx, struct manifest_info *info, const struct object *object)
{
    struct slice body;

    info->media_type = arena_dup(info->arena, object->row.media_type);
    if (info->media_type.p == NULL)
        return ERR_NO_MEMORY;
    if (object->row.store != OBJECT_IN_INDEX)
        return 0;
    int err = object_body(tx, object->id, &body);
    if (err != 0)
        return err;
    info->body = arena_dup(info->arena, body);
    return info->body.p != NULL ? 0 : ERR_NO_MEMORY;
}

int manifest_info(struct kv_tx *tx, void *manifest_info)
{
    struct manifest_info *info = manifest_info;
    struct object object;

    info->body = slice_make(NULL, 0);
    info->tags_n = 0;
    int err = repository_find(tx, info->repository, &info->repo);
    if (err == 0)
        err = find(tx, info, &object);
    if (err != 0)
        return err;
    info->digest = object.row.digest;
    info->size = object.row.size;
    err = read_body(tx, info, &object);
    if (err == 0)
        err = read_link(tx, info, object.id);
    return err != 0 ? err : read_tags(tx, info, object.id);
}
