/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links: which objects a repository may read, and their trash. A link with a due time was deleted
 * here: it answers 404, can be restored until then, and is cleared by pushing again.
 * `use` rows (who needs the object in this repository) and holds hang on the object.
 * Functions over a transaction; those that write touch the obj row.
 */
#ifndef REGISTRY_LINK_H
#define REGISTRY_LINK_H

#include "storage/object.h"

/* The live object of a digest as this repository sees it; ERR_NOT_FOUND when there is no link, it
 * is trashed, or the object is not LIVE. */
int link_find(struct kv_tx *tx, uint64_t repo, const struct digest *digest, enum object_kind kind,
              struct object *object) MUST_CHECK;

/* The same for deleting: the object may be damaged, which must not make it stay for ever. */
int link_find_stored(struct kv_tx *tx, uint64_t repo, const struct digest *digest,
                     enum object_kind kind, struct object *object) MUST_CHECK;

/* True when the repository has a link that is not trashed. */
int link_is_live(struct kv_tx *tx, uint64_t repo, uint64_t obj, bool *live) MUST_CHECK;

/* Make the link live. *added: it was not before. The row cites the last staged event. */
int link_put(struct kv_tx *tx, uint64_t repo, struct object *object, bool *added) MUST_CHECK;

/* Trash the link: due at kv_now + grace_ms. */
int link_trash(struct kv_tx *tx, uint64_t repo, struct object *object, int64_t grace_ms) MUST_CHECK;

#define HOLDERS_MAX 20

/* Who needs an object; text like "manifest sha256:... (child)", "hold environment staging". */
struct holders {
    unsigned n;
    bool more; /* there were more than HOLDERS_MAX */
    char text[HOLDERS_MAX][200];
};

/* Live users of the object in this repository: manifests not trashed here that name it as child or
 * blob, and holds. Subjects do not count. */
int link_holders(struct kv_tx *tx, uint64_t repo, uint64_t obj, struct holders *holders) MUST_CHECK;

#endif
