/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drafts: files collected for a tag before it names them, each identity's own. They end by being
 * published, thrown away, or after some time, counted from their first file. Functions over a
 * transaction, each with one argument struct whose results are assigned anew in every run; strings
 * in it must outlive the call.
 */
#ifndef REGISTRY_DRAFT_H
#define REGISTRY_DRAFT_H

#include "registry/artifact.h"
#include "storage/rows.h"

/* Whose draft for what. `expire_ms` is its age from which on it is not seen any more. */
struct draft {
    struct slice repository, tag, actor;
    int64_t expire_ms;
};

struct draft_put {
    struct draft draft;
    struct artifact_file file; /* a blob of the repository, its path checked */
    unsigned max_files;
    /* out */
    unsigned files; /* in the draft now */
    int64_t expires_ms;
};
/* Takes the place of a file of the same name. ERR_NAME_UNKNOWN, ERR_BLOB_UNKNOWN, ERR_LIMIT. */
int draft_put(struct kv_tx *tx, void *draft_put) MUST_CHECK;

struct draft_read {
    struct draft draft;
    unsigned max_files;
    struct arena *arena; /* of the results */
    /* out */
    struct artifact_file *files;
    unsigned files_n;
};
/* ERR_DRAFT_UNKNOWN when it has no file; ERR_LIMIT with more than max_files. */
int draft_read(struct kv_tx *tx, void *draft_read) MUST_CHECK;

struct draft_take {
    struct draft draft;
    const struct artifact_file *files; /* as read before */
    unsigned files_n;
};
/* Removes them, in the transaction that publishes them (see struct manifest_put, `also`). ERR_AGAIN
 * when one is no longer what was read. */
int draft_take(struct kv_tx *tx, void *draft_take) MUST_CHECK;

struct draft_discard {
    struct draft draft;
    /* out */
    unsigned removed;
    bool again; /* there may be more: run another time */
};
int draft_discard(struct kv_tx *tx, void *draft_discard) MUST_CHECK;

/* One slice of the sweep over all drafts. */
struct draft_sweep {
    int64_t expire_ms;
    struct key after; /* where the last slice ended; n == 0: from the beginning */
    /* out */
    struct key next; /* n == 0: that was the last slice */
    unsigned removed;
};
int draft_sweep(struct kv_tx *tx, void *draft_sweep) MUST_CHECK;

#endif
