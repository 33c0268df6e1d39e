/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: names that the policy can bind rights to. Who is in one stands in the rows of the
 * accounts. Functions over a transaction, as in auth/account.h; call login_changed after a commit.
 */
#ifndef AUTH_GROUP_H
#define AUTH_GROUP_H

#include "base/arena.h"
#include "storage/rows.h"

#define GROUP_NAME_MAX 63

/* Letters, digits and . _ -, first a letter or digit. ERR_GROUP_INVALID. */
int group_name_check(struct slice name, struct fault *fault) MUST_CHECK;

struct group_put {
    struct slice name, description, actor;
    /* out */
    bool created;
};
/* Makes it or gives it another description. */
int group_put(struct kv_tx *tx, void *group_put) MUST_CHECK;

struct group_delete {
    struct slice name, actor;
};
/* ERR_GROUP_UNKNOWN; ERR_GROUP_IN_USE while an account is in it. */
int group_delete(struct kv_tx *tx, void *group_delete) MUST_CHECK;

/* Strings are in the arena of the call. */
struct group {
    struct slice name;
    struct row_group row;
};

struct group_get {
    struct slice name;
    struct arena *arena;
    /* out */
    struct group group;
};
/* ERR_GROUP_UNKNOWN. */
int group_get(struct kv_tx *tx, void *group_get) MUST_CHECK;

struct group_list {
    struct slice after; /* a name; empty: from the beginning */
    unsigned limit;     /* groups in the answer, at least 1 */
    struct arena *arena;
    /* out */
    struct group *groups; /* by name */
    unsigned groups_n;
    struct slice next; /* what to give as `after` for more; empty: these were the last */
};
int group_list(struct kv_tx *tx, void *group_list) MUST_CHECK;

#endif
