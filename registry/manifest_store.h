/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests of a repository: get, put, delete (distribution-spec, "Pulling manifests", "Pushing
 * Manifests", "Deleting Manifests"). Functions over a transaction, each with one argument struct
 * whose results are assigned anew in every run; strings in it must outlive the call.
 */
#ifndef REGISTRY_MANIFEST_STORE_H
#define REGISTRY_MANIFEST_STORE_H

#include "auth/verb.h"
#include "registry/link.h"
#include "registry/manifest.h"
#include "registry/reference.h"

struct manifest_get {
    struct slice repository;
    struct reference reference;
    /* out */
    struct digest digest;
    struct slice media_type; /* borrowed from the transaction */
    uint64_t size;
    struct slice body; /* borrowed from the transaction; p == NULL: the bytes are a blob file */
};
/* ERR_NAME_UNKNOWN, ERR_MANIFEST_UNKNOWN. */
int manifest_get(struct kv_tx *tx, void *manifest_get) MUST_CHECK;

#define MANIFEST_MISSING_MAX 100

/* What a PUT or DELETE by tag asks of the current binding (RFC 9110 section 13.1). */
struct tag_condition {
    bool must_match;     /* If-Match with `digest` */
    bool must_not_exist; /* If-None-Match: * */
    struct digest digest;
};

struct manifest_put {
    struct slice repository, actor;
    const struct manifest *manifest;
    struct slice body; /* p == NULL: too large for the index, the blob file is in place */
    struct digest digest;
    uint64_t size;
    const struct slice *tags; /* to bind, all or nothing; checked names */
    unsigned tags_n;
    struct tag_condition condition;
    verb_bits verbs; /* what the caller may do in the repository; for the tags */
    bool allow_sparse;
    enum kv_lane lane;                        /* for push_manifest: of the commit */
    int (*also)(struct kv_tx *tx, void *arg); /* last, in the same transaction; NULL: nothing */
    void *also_arg;
    /* out */
    unsigned missing[MANIFEST_MISSING_MAX]; /* with ERR_MANIFEST_BLOB_UNKNOWN: descriptor indexes */
    unsigned missing_n;                     /* may be larger than the array */
    struct digest
        current; /* with ERR_HTTP_PRECONDITION: what the tag names; algorithm 0 = nothing */
    struct digest
        size_conflict_digest;      /* with ERR_MANIFEST_INVALID: a descriptor that disagrees ... */
    uint64_t size_conflict_stored; /* ... with the stored size */
};
/* Checks descriptors against this repository (present, sizes agree), publishes the object, links
 * it, writes use and referrer rows, binds the tags; stages manifest.pushed and tag.bound or
 * tag.moved. The same digest and tags again change nothing and stage nothing. ERR_DENIED: a tag may
 * not be bound or moved, see tag_bind. */
int manifest_put(struct kv_tx *tx, void *manifest_put) MUST_CHECK;

struct manifest_delete {
    struct slice repository, actor;
    struct digest digest;
    int64_t grace_ms;
    /* out */
    bool again;             /* some of its tags are gone, more are left: run another time */
    struct holders holders; /* with ERR_MANIFEST_IN_USE */
};
/* By digest: removes its tags (at most 1,000 a run, see `again`), its use and referrer rows keep
 * standing while it is in the trash. ERR_MANIFEST_UNKNOWN, ERR_MANIFEST_IN_USE. */
int manifest_delete(struct kv_tx *tx, void *manifest_delete) MUST_CHECK;

#endif
