/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: depth first, with the number of rows looked at and the bytes shown bounded for the whole
 * tree. A cycle cannot be pushed (a subject is named by its digest, so one of the two would have to
 * be known before it exists), and the depth ends one that is there all the same.
 */
#include "config.h"
#include "registry/referrer_tree.h"

#include "registry/link.h"
#include "registry/repository.h"
#include "registry/tag.h"

struct walk {
    struct kv_tx *tx;
    uint64_t repo;
    struct referrer_tree *tree;
    struct json_writer json;
    unsigned nodes; /* rows looked at */
    size_t bytes;   /* of descriptors shown */
    bool any;       /* a referrer is here, whatever its type */
};

static int show_level(struct walk *walk, uint64_t subject, unsigned level);

/* The descriptor is a JSON object as text; its referrers go before its closing brace. */
static int show_node(struct walk *walk, uint64_t obj, struct slice descriptor, unsigned level)
{
    struct buf *out = walk->tree->out;

    if (descriptor.n < 2 || descriptor.p[descriptor.n - 1] != '}')
        return ERR_CORRUPT;
    json_raw(&walk->json, slice_sub(descriptor, 0, descriptor.n - 1));
    buf_add(out, SLICE(",\"referrers\":"));
    walk->json.need_comma = false;
    int err = show_level(walk, obj, level + 1);
    buf_add_char(out, '}');
    return err;
}

static int show_row(struct walk *walk, struct slice key, struct slice value, unsigned level)
{
    struct referrer_tree *tree = walk->tree;
    struct key_fields fields;
    struct row_referrer row;
    bool live = false;
    int err = key_decode(key, &fields);

    if (err == 0)
        err = row_referrer_decode(value, &row);
    if (err != 0)
        return err;
    err = link_is_live(walk->tx, walk->repo, fields.id[2], &live);
    if (err != 0 || !live)
        return err;
    walk->any = true;
    if (level == 0 && tree->artifact_type.n > 0 &&
        !slice_eq(tree->artifact_type, row.artifact_type))
        return 0;
    if (level >= tree->depth || walk->bytes + row.descriptor.n > tree->bytes_max) {
        tree->truncated = true;
        return ERR_NOT_FOUND; /* no more of this level */
    }
    walk->bytes += row.descriptor.n;
    return show_node(walk, fields.id[2], row.descriptor, level);
}

/* Also the level below the last wanted, of which nothing is shown: is there one? */
static int show_level(struct walk *walk, uint64_t subject, unsigned level)
{
    struct key prefix = key_prefix_u64_u64(KV_REFERRER, walk->repo, subject);
    struct slice key, value;
    struct kv_scan scan;
    int err =
        kv_scan_begin(walk->tx, key_slice(&prefix), SLICE(""), REFERRER_TREE_NODES_MAX + 1, &scan);

    if (err != 0)
        return err;
    json_array_begin(&walk->json);
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        if (walk->nodes == REFERRER_TREE_NODES_MAX) {
            walk->tree->truncated = true;
            break;
        }
        walk->nodes++;
        err = show_row(walk, key, value, level);
        if (err != 0)
            break;
    }
    json_array_end(&walk->json);
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* The object of the root. A digest that others name as their subject has one before it is pushed.
 */
static int find_root(struct kv_tx *tx, struct referrer_tree *tree, uint64_t repo, uint64_t *obj,
                     bool *live)
{
    struct object object;
    struct row_tag row;
    int err;

    if (tree->reference.is_digest) {
        err = object_find(tx, &tree->reference.digest, OBJECT_MANIFEST, &object);
        if (err == ERR_NOT_FOUND)
            return ERR_MANIFEST_UNKNOWN;
    } else {
        err = tag_find(tx, repo, tree->reference.tag, &row);
        if (err == 0)
            err = object_get(tx, row.obj, &object);
        if (err == ERR_NOT_FOUND)
            return ERR_CORRUPT;
    }
    if (err != 0)
        return err;
    *obj = object.id;
    tree->digest = object.row.digest;
    return link_is_live(tx, repo, object.id, live);
}

int referrer_tree(struct kv_tx *tx, void *referrer_tree)
{
    struct referrer_tree *tree = referrer_tree;
    struct walk walk = {.tx = tx, .tree = tree};
    bool live = false;
    uint64_t obj;

    buf_reset(tree->out);
    json_writer_init(&walk.json, tree->out);
    tree->truncated = false;
    int err = repository_find(tx, tree->repository, &walk.repo);
    if (err == 0)
        err = find_root(tx, tree, walk.repo, &obj, &live);
    if (err == 0)
        err = show_level(&walk, obj, 0);
    if (err != 0)
        return err;
    /* Another repository's manifest, with nothing about it here. */
    if (!live && !walk.any)
        return ERR_MANIFEST_UNKNOWN;
    return tree->out->overflow ? ERR_NO_MEMORY : 0;
}
