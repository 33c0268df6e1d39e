/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The people and robots that Tidemark keeps. Functions over a transaction (storage/kv.h), each with
 * one argument struct whose results are assigned anew in every run; strings in it must outlive the
 * call. Each change writes its event. Names were checked before with account_name_check.
 *
 * After a change was committed, call login_changed (auth/login.h), so that no cache goes on with
 * what was true before.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include "base/arena.h"
#include "storage/rows.h"

#define ACCOUNT_NAME_MAX        128 /* bytes of a user's name */
#define ACCOUNT_ROBOT_NAME_MAX  63
#define ACCOUNT_DESCRIPTION_MAX 1024

/* ERR_ACCOUNT_INVALID. Users: letters, digits and . _ @ + -, first a letter or digit, and none of
 * the names that mean something else (anonymous, authenticated, bootstrap, system). Robots: lower
 * case letters, digits and . _ -, so that the name needs no quotes in a shell. */
int account_name_check(struct slice name, enum account_kind kind, struct fault *fault) MUST_CHECK;

/* At most ACCOUNT_DESCRIPTION_MAX bytes of UTF-8 without control characters. ERR_INVALID. */
int account_description_check(struct slice description, struct fault *fault) MUST_CHECK;

struct account_create {
    struct slice name;
    enum account_kind kind;
    bool external;       /* a user of the htpasswd file, known here for groups and tokens */
    struct slice bcrypt; /* as password_hash wrote it; empty: no password */
    const struct slice *groups;
    unsigned groups_n; /* at most ACCOUNT_GROUPS_MAX */
    struct slice description;
    struct slice actor;
    /* out */
    struct slice unknown_group; /* one of `groups`, with ERR_GROUP_UNKNOWN */
};
/* ERR_EXISTS, also when a robot has the name of a user; ERR_GROUP_UNKNOWN; ERR_LIMIT. */
int account_create(struct kv_tx *tx, void *account_create) MUST_CHECK;

struct account_change {
    struct slice name;
    /* What is NULL stays as it is. */
    const bool *disabled;
    const struct slice *bcrypt;
    const struct slice *description;
    const struct slice *groups; /* all of them, in place of the old ones */
    unsigned groups_n;
    struct slice actor;
    /* out */
    struct slice unknown_group;
};
/* ERR_ACCOUNT_UNKNOWN, ERR_GROUP_UNKNOWN; ERR_INVALID for a password of a robot or of a user whose
 * password is in the htpasswd file. Writes nothing, and no event, when nothing changes. */
int account_change(struct kv_tx *tx, void *account_change) MUST_CHECK;

struct account_delete {
    struct slice name;
    enum account_kind kind; /* ERR_ACCOUNT_UNKNOWN for one of the other kind */
    struct slice actor;
    /* out */
    unsigned tokens; /* secrets that went with it */
};
int account_delete(struct kv_tx *tx, void *account_delete) MUST_CHECK;

/* Strings are in the arena of the call. */
struct account {
    struct slice name;
    struct row_account row;
};

struct account_get {
    struct slice name;
    struct arena *arena;
    /* out */
    struct account account;
};
/* ERR_ACCOUNT_UNKNOWN. */
int account_get(struct kv_tx *tx, void *account_get) MUST_CHECK;

struct account_list {
    enum account_kind kind;
    struct slice group; /* not empty: only its members */
    struct slice after; /* a name; empty: from the beginning */
    unsigned limit;     /* accounts in the answer, at least 1 */
    struct arena *arena;
    /* out */
    struct account *accounts; /* by name */
    unsigned accounts_n;
    struct slice next; /* what to give as `after` for more; empty: these were the last */
};
int account_list(struct kv_tx *tx, void *account_list) MUST_CHECK;

#endif
