/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The versions of the policy in the index. Functions over a transaction, each with one argument
 * struct whose results are assigned anew in every run; strings in it must outlive the call. What is
 * in force in this process is auth/policy_cell.h's: who has put a version sets it there when the
 * commit is done.
 */
#ifndef AUTH_POLICY_STORE_H
#define AUTH_POLICY_STORE_H

#include "auth/policy_cell.h"
#include "base/arena.h"
#include "storage/kv.h"

#define POLICY_VERSIONS_MAX 1000 /* as many are kept */

struct policy_get {
    uint64_t version;    /* 0: the one in force */
    struct arena *arena; /* of the results */
    /* out */
    uint64_t found; /* its version; its ETag is this number */
    uint64_t seq;   /* the event of the change */
    int64_t time_ms;
    struct slice actor, document;
};
/* ERR_NOT_FOUND: there is no policy, or no such version (any more). */
int policy_store_get(struct kv_tx *tx, void *policy_get) MUST_CHECK;

struct policy_put {
    struct slice document; /* policy_parse has taken it */
    struct slice actor;
    bool must_match;     /* refuse when another version than `if_version` is in force */
    uint64_t if_version; /* 0: none */
    /* out */
    uint64_t version; /* in force now; with ERR_HTTP_PRECONDITION: instead of `if_version` */
    bool changed;     /* false: the document is the one that was in force */
};
/* Stages policy.changed. ERR_HTTP_PRECONDITION. */
int policy_store_put(struct kv_tx *tx, void *policy_put) MUST_CHECK;

/* At start, before any request: the policy in force, from the index into the cell, which stays
 * empty when there is none. Blocks. ERR_CORRUPT with the reason when it cannot be read: nobody can
 * say then what is allowed. */
int policy_store_load(struct kv_store *kv, struct policy_cell *cell,
                      struct fault *fault) MUST_CHECK;

#endif
