/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and values of every family: the one place that encodes and decodes them.
 *
 * Keys are the family byte, then fixed-size big-endian fields, then at most one run of bytes at
 * the end, so that they sort by field and a scan over the leading fields is a prefix scan. Values
 * begin with a format version byte. Decoders take outside bytes: they refuse (ERR_CORRUPT) and
 * never read past the end; slices they return borrow from the value. Any thread.
 */
#ifndef STORAGE_ROWS_H
#define STORAGE_ROWS_H

#include "base/buf.h"
#include "base/digest.h"
#include "storage/kv.h"

struct key {
    size_t n;
    uint8_t bytes[KV_KEY_MAX];
};

static inline struct slice key_slice(const struct key *key)
{
    return slice_make(key->bytes, key->n);
}

enum object_kind { OBJECT_BLOB = 1, OBJECT_MANIFEST = 2 };
/* ABSENT: named (as a subject, or by a sparse manifest) but never stored. */
enum object_state { OBJECT_ABSENT = 1, OBJECT_LIVE = 2, OBJECT_TRASH = 3, OBJECT_DAMAGED = 4 };
enum use_why { USE_BLOB = 1, USE_CHILD = 2, USE_SUBJECT = 3 };
enum account_kind { ACCOUNT_USER = 1, ACCOUNT_ROBOT = 2 };
enum token_kind { TOKEN_PERSONAL = 1, TOKEN_ROBOT = 2, TOKEN_REFRESH = 3, TOKEN_BOOTSTRAP = 4 };
enum due_kind { DUE_OBJECT = 1, DUE_LINK = 2 };

/* Keys. Names and tags were validated before; one that is too long is our bug. */
struct key key_meta(struct slice name);
struct key key_name(struct slice repository);
struct key key_digest(const struct digest *digest, enum object_kind kind);
struct key key_obj(uint64_t obj);
struct key key_body(uint64_t obj);
struct key key_link(uint64_t repo, uint64_t obj);
struct key key_use(uint64_t child, uint64_t repo, uint64_t parent, enum use_why why);
struct key key_tag(uint64_t repo, struct slice tag);
struct key key_tagof(uint64_t repo, uint64_t obj, struct slice tag);
struct key key_tomb(uint64_t repo, struct slice version_key);
struct key key_referrer(uint64_t repo, uint64_t subject, uint64_t obj);
struct key key_hold(uint64_t repo, uint64_t obj, uint8_t reason, struct slice owner);
struct key key_managed(uint64_t repo, struct slice tag);
struct key key_due(int64_t time_ms, enum due_kind kind, uint64_t a, uint64_t b);
struct key key_cursor(struct slice reader);
struct key key_draft(uint64_t repo, struct slice tag, struct slice actor,
                     const struct digest *path);
struct key key_account(struct slice name);
struct key key_group(struct slice name);
struct key key_token(uint64_t id);
struct key key_tokenof(struct slice account, uint64_t id);
/* Version 0: the row that says which version is in force (row_id_encode). */
struct key key_policy(uint64_t version);
struct key key_event(uint64_t number);

/* Prefixes for scans. */
struct key key_prefix(enum kv_family family);
struct key key_prefix_u64(enum kv_family family, uint64_t first);
struct key key_prefix_u64_u64(enum kv_family family, uint64_t first, uint64_t second);
/* Rows of a name (repository or tag) that begin with `start`. */
struct key key_prefix_name(struct slice start);
/* The draft of a tag by one identity. */
struct key key_prefix_draft(uint64_t repo, struct slice tag, struct slice actor);
/* The secrets of an account. */
struct key key_prefix_tokenof(struct slice account);

/* The fields of a key, as its family has them. */
struct key_fields {
    enum kv_family family;
    uint64_t id[3];       /* the fixed fields in order; due: time, a, b */
    uint8_t byte;         /* use: why; hold: reason; due, digest: kind */
    struct digest digest; /* digest; draft: sha256 of the path */
    struct slice text;    /* the run of bytes at the end; draft: the tag; tokenof: the account;
                             borrows from the key */
    struct slice actor;   /* draft */
};
int key_decode(struct slice key, struct key_fields *fields) MUST_CHECK;

/* Values. Encoders append to `out` (its maximum should be KV_VALUE_MAX; check out->overflow). */
struct row_obj {
    enum object_kind kind;
    enum object_state state;
    uint8_t store;  /* where the bytes are: see enum object_store */
    uint64_t size;  /* bytes */
    uint64_t links; /* link rows that are not trashed */
    int64_t due_ms; /* state TRASH: when it may be reaped */
    struct digest digest;
    struct slice media_type; /* of a manifest; empty for blobs */
};
enum object_store { OBJECT_IN_INDEX = 1, OBJECT_IN_FILE = 2 };

/* A repository's link to an object. due_ms != 0: deleted here, restorable until then, not served.
 */
struct row_link {
    int64_t since_ms;
    uint64_t seq; /* event that made it; cited */
    int64_t due_ms;
};
#define ROW_LINK_SEQ_OFFSET 9

struct row_tag {
    uint64_t obj;
    uint64_t seq; /* event of the binding; cited */
    int64_t time_ms;
    struct slice actor;
};
#define ROW_TAG_SEQ_OFFSET 9

struct row_tomb {
    uint64_t obj;
    uint64_t seq;
};

struct row_managed {
    struct slice owner, hint;
};

/* What the referrers answer needs of a manifest with a subject. `artifact_type` first for filters;
 * `descriptor` is the JSON object as it stands in the answer. */
struct row_referrer {
    struct slice artifact_type;
    struct slice descriptor;
};

#define DRAFT_ACTOR_MAX 255 /* bytes of an identity that a draft's key has room for */

/* A file on its way into a tag. All files of a draft have the time it was begun. */
struct row_draft {
    int64_t begun_ms;
    uint64_t size;
    struct digest digest;
    struct slice media_type, path;
};

#define ACCOUNT_GROUPS_MAX 64 /* groups of one account */

/* Somebody who may log in. `external`: the password is a line of the htpasswd file, and without
 * that line the account is dead. */
struct row_account {
    enum account_kind kind;
    bool disabled, external;
    int64_t created_ms;
    struct slice bcrypt; /* empty: no password opens it */
    struct slice groups[ACCOUNT_GROUPS_MAX];
    unsigned groups_n;
    struct slice description;
};

struct row_group {
    int64_t created_ms;
    struct slice description;
};

#define TOKEN_HASH_SIZE 32 /* SHA-256 of the text of a secret */
#define TOKEN_GLOBS_MAX 16 /* globs of one token */

struct row_token {
    enum token_kind kind;
    bool may_approve;
    bool warned; /* its token.expiring is written */
    uint8_t sha256[TOKEN_HASH_SIZE];
    int64_t created_ms;
    int64_t expires_ms;   /* 0: never */
    int64_t last_used_ms; /* to the hour or so; 0: never */
    uint32_t verbs;       /* at most these: auth/verb.h */
    struct slice account; /* empty: bootstrap */
    struct slice globs[TOKEN_GLOBS_MAX];
    unsigned globs_n; /* 0: every repository */
    struct slice description;
};

/* A version of the policy. */
struct row_policy {
    uint64_t seq; /* event of the change; cited */
    int64_t time_ms;
    struct slice actor, document;
};
#define ROW_POLICY_SEQ_OFFSET 1

void row_obj_encode(struct buf *out, const struct row_obj *row);
int row_obj_decode(struct slice value, struct row_obj *row) MUST_CHECK;
void row_link_encode(struct buf *out, const struct row_link *row);
int row_link_decode(struct slice value, struct row_link *row) MUST_CHECK;
void row_tag_encode(struct buf *out, const struct row_tag *row);
int row_tag_decode(struct slice value, struct row_tag *row) MUST_CHECK;
void row_tomb_encode(struct buf *out, const struct row_tomb *row);
int row_tomb_decode(struct slice value, struct row_tomb *row) MUST_CHECK;
void row_managed_encode(struct buf *out, const struct row_managed *row);
int row_managed_decode(struct slice value, struct row_managed *row) MUST_CHECK;
void row_referrer_encode(struct buf *out, const struct row_referrer *row);
int row_referrer_decode(struct slice value, struct row_referrer *row) MUST_CHECK;
void row_draft_encode(struct buf *out, const struct row_draft *row);
int row_draft_decode(struct slice value, struct row_draft *row) MUST_CHECK;
void row_account_encode(struct buf *out, const struct row_account *row);
int row_account_decode(struct slice value, struct row_account *row) MUST_CHECK;
void row_group_encode(struct buf *out, const struct row_group *row);
int row_group_decode(struct slice value, struct row_group *row) MUST_CHECK;
void row_token_encode(struct buf *out, const struct row_token *row);
int row_token_decode(struct slice value, struct row_token *row) MUST_CHECK;
void row_policy_encode(struct buf *out, const struct row_policy *row);
int row_policy_decode(struct slice value, struct row_policy *row) MUST_CHECK;
/* name, digest, cursor, policy 0: one number. */
void row_id_encode(struct buf *out, uint64_t id);
int row_id_decode(struct slice value, uint64_t *id) MUST_CHECK;

#endif
