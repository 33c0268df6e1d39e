/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: row.media_type borrows from the value it was decoded from, and the next put in the
 * transaction may move that value. So a change of the row reads it afresh, alters it and writes it
 * back at once, and what the caller keeps has an empty media type afterwards.
 *
 * A touch of a read function is nothing (kv_touch), so find and get serve both.
 */
#include "config.h"
#include "storage/object.h"

int object_get(struct kv_tx *tx, uint64_t id, struct object *object)
{
    struct key key = key_obj(id);
    struct slice value;

    int err = kv_touch(tx, key_slice(&key));
    if (err == 0)
        err = kv_get(tx, key_slice(&key), &value);
    if (err == 0)
        err = row_obj_decode(value, &object->row);
    object->id = id;
    return err;
}

int object_find(struct kv_tx *tx, const struct digest *digest, enum object_kind kind,
                struct object *object)
{
    struct key key = key_digest(digest, kind);
    struct slice value;
    uint64_t id;

    int err = kv_get(tx, key_slice(&key), &value);
    if (err == 0)
        err = row_id_decode(value, &id);
    if (err != 0)
        return err;
    err = object_get(tx, id, object);
    /* A digest row without its obj row is damage, not an unknown digest. */
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static int put_row(struct kv_tx *tx, uint64_t id, const struct row_obj *row)
{
    struct key key = key_obj(id);
    struct buf value;

    buf_init(&value, KV_VALUE_MAX);
    row_obj_encode(&value, row);
    int err = buf_error(&value, ERR_INTERNAL);

    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    return err;
}

static int put_body(struct kv_tx *tx, uint64_t id, struct slice body)
{
    struct key key = key_body(id);
    struct slice have;

    int err = kv_get(tx, key_slice(&key), &have);
    if (err == 0 && slice_eq(have, body))
        return 0;
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    return kv_put(tx, key_slice(&key), body);
}

/* Of an object that is a file from now on. */
static int del_body(struct kv_tx *tx, uint64_t id)
{
    struct key key = key_body(id);
    int err = kv_del(tx, key_slice(&key));

    return err == ERR_NOT_FOUND ? 0 : err;
}

static int create(struct kv_tx *tx, struct object *object)
{
    struct key key = key_digest(&object->row.digest, object->row.kind);
    struct buf value;

    int err = kv_next_id(tx, KV_SEQ_OBJECT, &object->id);
    if (err != 0)
        return err;
    buf_init(&value, 64);
    row_id_encode(&value, object->id);
    err = buf_error(&value, ERR_INTERNAL);
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    return err != 0 ? err : put_row(tx, object->id, &object->row);
}

static int put_due(struct kv_tx *tx, uint64_t id, int64_t due_ms)
{
    struct key key = key_due(due_ms, DUE_OBJECT, id, 0);

    return kv_put(tx, key_slice(&key), SLICE(""));
}

static int del_due(struct kv_tx *tx, uint64_t id, int64_t due_ms)
{
    struct key key = key_due(due_ms, DUE_OBJECT, id, 0);
    int err = kv_del(tx, key_slice(&key));

    /* Its absence harms nothing: the reaper looks at the obj row before it acts. */
    return err == ERR_NOT_FOUND ? 0 : err;
}

int object_intern(struct kv_tx *tx, const struct digest *digest, enum object_kind kind,
                  struct object *object)
{
    int err = object_find(tx, digest, kind, object);

    if (err != ERR_NOT_FOUND)
        return err;
    object->row = (struct row_obj){.kind = kind, .state = OBJECT_ABSENT, .digest = *digest};
    return create(tx, object);
}

int object_publish(struct kv_tx *tx, const struct digest *digest, enum object_kind kind,
                   uint64_t size, struct slice media_type, struct slice body, struct object *object,
                   bool *created)
{
    const struct row_obj fresh = {
        .kind = kind,
        .state = OBJECT_LIVE,
        .store = body.p != NULL ? OBJECT_IN_INDEX : OBJECT_IN_FILE,
        .size = size,
        .digest = *digest,
        .media_type = media_type,
    };
    struct row_obj before;

    *created = false;
    int err = object_find(tx, digest, kind, object);
    if (err == ERR_NOT_FOUND) {
        *created = true;
        object->row = fresh;
        err = create(tx, object);
        return err == 0 && body.p != NULL ? put_body(tx, object->id, body) : err;
    }
    /* The bytes in hand were hashed: a row that disagrees about their size is what is wrong. */
    if (err != 0 || (object->row.state == OBJECT_LIVE && object->row.size == size))
        return err;
    before = object->row;
    *created = before.state != OBJECT_TRASH;
    object->row = fresh;
    object->row.links = before.links;
    err = put_row(tx, object->id, &object->row);
    if (err == 0 && before.state == OBJECT_TRASH)
        err = del_due(tx, object->id, before.due_ms);
    if (err == 0 && body.p != NULL)
        err = put_body(tx, object->id, body);
    else if (err == 0 && before.state != OBJECT_ABSENT && before.store == OBJECT_IN_INDEX)
        err = del_body(tx, object->id);
    return err;
}

int object_body(struct kv_tx *tx, uint64_t id, struct slice *body)
{
    struct key key = key_body(id);
    int err = kv_get(tx, key_slice(&key), body);

    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* Write the row as object_get left it, but for links, state and due time. */
static int put_change(struct kv_tx *tx, struct object *object)
{
    int err = put_row(tx, object->id, &object->row);

    object->row.media_type = SLICE("");
    return err;
}

int object_link_add(struct kv_tx *tx, struct object *object)
{
    int err = object_get(tx, object->id, object);

    if (err != 0)
        return err;
    bool was_trash = object->row.state == OBJECT_TRASH;
    int64_t due_ms = object->row.due_ms;
    if (object->row.state == OBJECT_ABSENT)
        return ERR_INTERNAL;
    object->row.links++;
    if (was_trash) {
        object->row.state = OBJECT_LIVE;
        object->row.due_ms = 0;
    }
    err = put_change(tx, object);
    return err == 0 && was_trash ? del_due(tx, object->id, due_ms) : err;
}

int object_link_drop(struct kv_tx *tx, struct object *object, int64_t grace_ms)
{
    int err = object_get(tx, object->id, object);

    if (err != 0)
        return err;
    if (object->row.links == 0)
        return ERR_CORRUPT;
    object->row.links--;
    if (object->row.links > 0)
        return put_change(tx, object);
    object->row.state = OBJECT_TRASH;
    object->row.due_ms = kv_now(tx) + grace_ms;
    err = put_change(tx, object);
    return err == 0 ? put_due(tx, object->id, object->row.due_ms) : err;
}
