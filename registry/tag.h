/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags: names of a repository bound to a manifest. One place decides about a binding (tag_bind), on
 * every path. Functions over a transaction.
 */
#ifndef REGISTRY_TAG_H
#define REGISTRY_TAG_H

#include "auth/verb.h"
#include "storage/object.h"

/* ERR_TAG_UNKNOWN. row->actor is borrowed. */
int tag_find(struct kv_tx *tx, uint64_t repo, struct slice tag, struct row_tag *row) MUST_CHECK;

struct tag_binding {
    uint64_t repo;
    struct slice repository, actor; /* for the event */
    struct slice tag;
    const struct object *object; /* the manifest */
    verb_bits verbs;             /* what the caller may do in this repository */
};
/* Stages tag.bound or tag.moved; the same binding again changes nothing. Only here is it known
 * which verb it takes: ERR_DENIED when a new name lacks VERB_PUSH, or one that is to move
 * VERB_MOVE_TAG. */
int tag_bind(struct kv_tx *tx, const struct tag_binding *binding) MUST_CHECK;

struct tag_delete {
    struct slice repository, actor, tag;
    bool must_match; /* If-Match with `digest` */
    struct digest digest;
    struct digest current; /* out: what it named; algorithm 0 = nothing */
};
/* ERR_NAME_UNKNOWN, ERR_TAG_UNKNOWN, ERR_HTTP_PRECONDITION. Stages tag.deleted. */
int tag_delete(struct kv_tx *tx, void *tag_delete) MUST_CHECK;

/* Remove one binding whose row was read in this transaction (manifest_delete). */
int tag_remove(struct kv_tx *tx, uint64_t repo, struct slice repository, struct slice actor,
               struct slice tag, const struct object *object) MUST_CHECK;

/* Tags in byte order after `after`, at most `limit`. Returns what `each` returned when non-zero. */
int tag_list(struct kv_tx *tx, uint64_t repo, struct slice after, unsigned limit,
             int (*each)(struct slice tag, void *arg), void *arg) MUST_CHECK;

#endif
