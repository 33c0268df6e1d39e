/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: whether a repository still needs an object is a question about a range (its use and hold
 * rows). Whoever adds to that range touches the obj row, and so does whoever asks here, so the
 * answer holds until the commit.
 *
 * Rows of trashed users stay until those are reaped, so a popular base layer may carry many that
 * count for nothing. Only SCAN_MAX of them are looked at in one function: past that the object
 * counts as needed, which is always the safe answer.
 */
#include "config.h"
#include "registry/link.h"

#include "storage/hold.h"

#include <stdio.h>

#define SCAN_MAX 4096

static int get_row(struct kv_tx *tx, uint64_t repo, uint64_t obj, struct row_link *row)
{
    struct key key = key_link(repo, obj);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    return err != 0 ? err : row_link_decode(value, row);
}

int link_find_stored(struct kv_tx *tx, uint64_t repo, const struct digest *digest,
                     enum object_kind kind, struct object *object)
{
    struct row_link row;
    int err = object_find(tx, digest, kind, object);

    if (err == 0)
        err = get_row(tx, repo, object->id, &row);
    if (err == 0 && row.due_ms != 0)
        return ERR_NOT_FOUND;
    return err;
}

int link_find(struct kv_tx *tx, uint64_t repo, const struct digest *digest, enum object_kind kind,
              struct object *object)
{
    int err = link_find_stored(tx, repo, digest, kind, object);

    return err == 0 && object->row.state != OBJECT_LIVE ? ERR_NOT_FOUND : err;
}

int link_is_live(struct kv_tx *tx, uint64_t repo, uint64_t obj, bool *live)
{
    struct row_link row;
    int err = get_row(tx, repo, obj, &row);

    *live = err == 0 && row.due_ms == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static struct key due_key(uint64_t repo, uint64_t obj, int64_t due_ms)
{
    return key_due(due_ms, DUE_LINK, repo, obj);
}

int link_put(struct kv_tx *tx, uint64_t repo, struct object *object, bool *added)
{
    struct key key = key_link(repo, object->id);
    struct row_link row;
    struct buf value;
    int err = get_row(tx, repo, object->id, &row);

    *added = false;
    if (err == 0 && row.due_ms == 0)
        return 0;
    if (err == 0) {
        struct key due = due_key(repo, object->id, row.due_ms);

        err = kv_del(tx, key_slice(&due));
    }
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    row = (struct row_link){.since_ms = kv_now(tx)};
    buf_init(&value, KV_VALUE_MAX);
    row_link_encode(&value, &row);
    err = buf_error(&value, ERR_INTERNAL);
    if (err == 0)
        err = kv_put_cited(tx, key_slice(&key), buf_slice(&value), ROW_LINK_SEQ_OFFSET);
    buf_fini(&value);
    if (err != 0)
        return err;
    *added = true;
    return object_link_add(tx, object);
}

int link_trash(struct kv_tx *tx, uint64_t repo, struct object *object, int64_t grace_ms)
{
    struct key key = key_link(repo, object->id);
    struct row_link row;
    struct buf value;
    int err = get_row(tx, repo, object->id, &row);

    if (err != 0 || row.due_ms != 0)
        return err != 0 ? err : ERR_NOT_FOUND;
    row.due_ms = kv_now(tx) + grace_ms;
    buf_init(&value, KV_VALUE_MAX);
    row_link_encode(&value, &row);
    err = buf_error(&value, ERR_INTERNAL);
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    if (err != 0)
        return err;
    key = due_key(repo, object->id, row.due_ms);
    err = kv_put(tx, key_slice(&key), SLICE(""));
    return err != 0 ? err : object_link_drop(tx, object, grace_ms);
}

/* A place for one more text, or NULL with `more` set. */
static char *next_text(struct holders *holders)
{
    if (holders->n == HOLDERS_MAX) {
        holders->more = true;
        return NULL;
    }
    return holders->text[holders->n++];
}

static int add_parent(struct kv_tx *tx, uint64_t parent, enum use_why why, struct holders *holders)
{
    char *text = next_text(holders);
    char digest[DIGEST_TEXT_MAX];
    struct object object;

    if (text == NULL)
        return 0;
    int err = object_get(tx, parent, &object);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    snprintf(text, sizeof(holders->text[0]), "manifest " SLICE_FMT " (%s)",
             SLICE_ARG(digest_format(&object.row.digest, digest)),
             why == USE_CHILD ? "child" : "blob");
    return 0;
}

static int check_use(struct kv_tx *tx, uint64_t repo, struct slice key, struct holders *holders)
{
    struct key_fields fields;
    bool live;
    int err = key_decode(key, &fields);

    if (err != 0 || fields.byte == USE_SUBJECT)
        return err;
    err = link_is_live(tx, repo, fields.id[2], &live);
    if (err != 0 || !live)
        return err;
    return add_parent(tx, fields.id[2], (enum use_why)fields.byte, holders);
}

static int add_parents(struct kv_tx *tx, uint64_t repo, uint64_t obj, struct holders *holders)
{
    struct key prefix = key_prefix_u64_u64(KV_USE, obj, repo);
    struct slice key, value;
    struct kv_scan scan;
    unsigned seen = 0;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), SCAN_MAX, &scan);

    if (err != 0)
        return err;
    while (err == 0 && !holders->more) {
        err = kv_scan_next(&scan, &key, &value);
        if (err == ERR_NOT_FOUND) {
            err = 0;
            break;
        }
        if (err == 0)
            err = check_use(tx, repo, key, holders);
        if (++seen == SCAN_MAX)
            holders->more = true;
    }
    kv_scan_end(&scan);
    return err;
}

static void add_hold(enum hold_reason reason, struct slice owner, void *arg)
{
    const char *name = hold_reason_name(reason);
    char *text = next_text(arg);

    if (text != NULL)
        snprintf(text, sizeof(((struct holders *)arg)->text[0]), "hold %s " SLICE_FMT,
                 name != NULL ? name : "of an unknown kind", SLICE_ARG(owner));
}

int link_holders(struct kv_tx *tx, uint64_t repo, uint64_t obj, struct holders *holders)
{
    unsigned count;

    holders->n = 0;
    holders->more = false;
    int err = add_parents(tx, repo, obj, holders);
    return err != 0 ? err : hold_list(tx, repo, obj, HOLDERS_MAX + 1, add_hold, holders, &count);
}
