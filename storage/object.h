/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: what a digest names, once for the whole registry, whichever repositories link to it.
 * Functions over a transaction (storage/kv.h); the rows digest, obj, body and due are theirs.
 *
 * The same digest may exist as a blob and as a manifest: two objects. An object without links is
 * TRASH with a due time; naming it again in time makes it LIVE. The obj row guards every row that
 * hangs on the object: object_get in a write function touches it.
 */
#ifndef STORAGE_OBJECT_H
#define STORAGE_OBJECT_H

#include "base/digest.h"
#include "storage/rows.h"

struct object {
    uint64_t id;
    struct row_obj row; /* media_type borrows as kv_get says; copy it before writing */
};

/* ERR_NOT_FOUND when the digest was never named as that kind (or was reaped). Objects of every
 * state are found: look at row.state. */
int object_find(struct kv_tx *tx, const struct digest *digest, enum object_kind kind,
                struct object *object) MUST_CHECK;
int object_get(struct kv_tx *tx, uint64_t id, struct object *object) MUST_CHECK;

/* The object of a digest that may never have been stored: found, or created as ABSENT. */
int object_intern(struct kv_tx *tx, const struct digest *digest, enum object_kind kind,
                  struct object *object) MUST_CHECK;

/* Make the digest exist as LIVE with `links` unchanged: creates it (or fills an ABSENT one),
 * revives it from TRASH (removes its due row), or heals DAMAGED. `body` has p != NULL for bytes
 * kept in the index. `object` is filled; *created says whether its bytes were not here before: new,
 * only named until now, or damaged. */
int object_publish(struct kv_tx *tx, const struct digest *digest, enum object_kind kind,
                   uint64_t size, struct slice media_type, struct slice body, struct object *object,
                   bool *created) MUST_CHECK;

/* The bytes of an OBJECT_IN_INDEX object, borrowed. */
int object_body(struct kv_tx *tx, uint64_t id, struct slice *body) MUST_CHECK;

/* One link more, or one less; at zero the object becomes TRASH, due at kv_now + grace_ms. */
int object_link_add(struct kv_tx *tx, struct object *object) MUST_CHECK;
int object_link_drop(struct kv_tx *tx, struct object *object, int64_t grace_ms) MUST_CHECK;

#endif
