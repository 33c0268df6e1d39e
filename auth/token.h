/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of secrets: personal access tokens, secrets of robots, refresh tokens, and the bootstrap
 * token. Functions over a transaction, as in auth/account.h; call login_changed after a commit that
 * revoked one. The text of a secret is auth/token_secret.h's.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include "base/arena.h"
#include "storage/rows.h"

#define TOKEN_ROBOT_MAX      2   /* live secrets of a robot: the one in use and the next one */
#define TOKEN_PERSONAL_MAX   50  /* live personal tokens of a user */
#define TOKEN_REFRESH_MAX    30  /* refresh tokens of an account; the oldest makes room */
#define TOKEN_ACCOUNT_MAX    100 /* rows of one account, dead ones with it */
#define TOKEN_APPROVE_MAX_MS ((int64_t)12 * 3600 * 1000) /* life of one that may approve */
#define TOKEN_USED_EVERY_MS  ((int64_t)3600 * 1000)      /* how often `last used` is written */

struct token_create {
    enum token_kind kind;
    uint64_t id; /* this and sha256 from token_secret_make */
    uint8_t sha256[TOKEN_HASH_SIZE];
    struct slice account; /* empty for bootstrap */
    bool external;     /* of the htpasswd file (login_has_external): its row is made if missing */
    int64_t life_ms;   /* 0: for ever */
    int64_t latest_ms; /* it ends then at the latest; 0: no such limit */
    uint32_t verbs;    /* verb_bits it can be used for at most */
    const struct slice *globs;
    unsigned globs_n; /* at most TOKEN_GLOBS_MAX; 0: every repository */
    bool may_approve; /* personal only, life_ms at most TOKEN_APPROVE_MAX_MS: else ERR_INVALID */
    struct slice description;
    struct slice actor;
    /* out */
    int64_t created_ms, expires_ms;
};
/* ERR_ACCOUNT_UNKNOWN; ERR_INVALID when the kinds of token and account do not go together;
 * ERR_TOKEN_LIMIT when the account has as many live ones as it may. Dead ones of the account are
 * removed to make room. ERR_EXISTS: the id is taken; make another secret. */
int token_create(struct kv_tx *tx, void *token_create) MUST_CHECK;

struct token_revoke {
    uint64_t id;
    struct slice account; /* not empty: ERR_TOKEN_UNKNOWN when it is another's */
    struct slice actor;
    struct slice reason; /* for the event; may be empty */
};
int token_revoke(struct kv_tx *tx, void *token_revoke) MUST_CHECK;

/* Strings are in the arena of the call. */
struct token {
    uint64_t id;
    struct row_token row;
};

struct token_get {
    uint64_t id;
    struct arena *arena;
    /* out */
    struct token token;
};
/* ERR_TOKEN_UNKNOWN. */
int token_get(struct kv_tx *tx, void *token_get) MUST_CHECK;

struct token_list {
    struct slice account;
    struct arena *arena;
    /* out: at most TOKEN_ACCOUNT_MAX, by id */
    struct token *tokens;
    unsigned tokens_n;
};
int token_list(struct kv_tx *tx, void *token_list) MUST_CHECK;

/* In a write function: ends the refresh tokens of an account whose password is another from now on:
 * who logged in with the old one must know the new one. */
int token_remove_refresh(struct kv_tx *tx, struct slice account) MUST_CHECK;

/* Removes every secret of the account, without events of their own; for account_delete. */
int token_remove_all(struct kv_tx *tx, struct slice account, unsigned *removed) MUST_CHECK;

struct token_use {
    uint64_t id;
};
/* Writes `last used` when that is TOKEN_USED_EVERY_MS old. One that is gone is no error. */
int token_use(struct kv_tx *tx, void *token_use) MUST_CHECK;

/* One slice of the walk over all secrets: says of robots' and personal ones that they expire soon,
 * once each, and removes what has been dead for some time. */
struct token_sweep {
    int64_t warn_ms;   /* before it expires; 0: never */
    int64_t keep_ms;   /* after it expired */
    uint64_t after_id; /* where the last slice ended; 0: from the beginning */
    /* out */
    uint64_t next_id; /* 0: that was the last slice */
    unsigned warned, removed;
};
int token_sweep(struct kv_tx *tx, void *token_sweep) MUST_CHECK;

#endif
