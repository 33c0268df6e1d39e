/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs of a repository (distribution-spec, "Pulling blobs", "Pushing blobs", "Mounting",
 * "Deleting Blobs"). Functions over a transaction, each with one argument struct whose results are
 * assigned anew in every run; strings in it must outlive the call.
 */
#ifndef REGISTRY_BLOB_H
#define REGISTRY_BLOB_H

#include "base/arena.h"
#include "registry/link.h"

struct blob_get {
    struct slice repository;
    struct digest digest;
    uint64_t size; /* out */
};
/* ERR_NAME_UNKNOWN, ERR_BLOB_UNKNOWN. A manifest's digest is no blob. */
int blob_get(struct kv_tx *tx, void *blob_get) MUST_CHECK;

struct blob_put {
    struct slice repository, actor;
    struct digest digest;
    uint64_t size;
};
/* Link a blob whose file is in place (the digest gate is held). Stages blob.pushed. */
int blob_put(struct kv_tx *tx, void *blob_put) MUST_CHECK;

#define BLOB_SOURCE_CANDIDATES 64  /* repositories that are asked for the blob */
#define BLOB_SOURCE_NAMES      512 /* and names looked at to find those */

/* A repository to mount a blob from, for who may not read all of them: one of at most
 * BLOB_SOURCE_CANDIDATES that `may_pull`, those of the target's namespace first. */
struct blob_source {
    struct slice repository; /* the target */
    struct digest digest;
    bool (*may_pull)(struct slice repository, void *arg);
    void *arg;
    struct arena *arena; /* of the result */
    struct slice found;  /* out */
};
/* ERR_BLOB_UNKNOWN: none of them has it. */
int blob_find_source(struct kv_tx *tx, void *blob_source) MUST_CHECK;

struct blob_mount {
    struct slice repository, actor;
    struct digest digest;
    struct slice from; /* repository; empty: any that has it */
    uint64_t size;     /* out */
};
/* ERR_BLOB_UNKNOWN when it cannot be mounted (the handler then begins an upload). */
int blob_mount(struct kv_tx *tx, void *blob_mount) MUST_CHECK;

struct blob_delete {
    struct slice repository, actor;
    struct digest digest;
    int64_t grace_ms;
    struct holders holders; /* out, with ERR_BLOB_IN_USE */
};
int blob_delete(struct kv_tx *tx, void *blob_delete) MUST_CHECK;

#endif
