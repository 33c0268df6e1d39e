/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a key is built field by field into a fixed array; a value is read by a cursor that
 * remembers that it ran past the end, so that a decoder checks once, at its end. Bytes that a
 * decoder does not expect are refused, so that decode and encode are each other's inverse.
 */
#include "config.h"
#include "storage/rows.h"

#include <assert.h>

#define ROW_VERSION 1

/* Times sort as signed numbers: the sign bit turned, they do so bytewise. */
#define SIGN_BIT (UINT64_C(1) << 63)

static void to_be64(uint64_t value, uint8_t out[8])
{
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

/*
 * Keys. A request makes several; setting the 500 bytes of each to zero first, as the hardening
 * flags would, costs more than filling in the few that count.
 */

#if defined __has_attribute && __has_attribute(uninitialized)
#define UNSET_KEY(name) struct key name __attribute__((uninitialized))
#else
#define UNSET_KEY(name) struct key name
#endif

static void begin(struct key *key, enum kv_family family)
{
    key->bytes[0] = (uint8_t)family;
    key->n = 1;
}

static void add(struct key *key, struct slice bytes)
{
    assert(bytes.n <= sizeof(key->bytes) - key->n);
    if (bytes.n != 0)
        memcpy(key->bytes + key->n, bytes.p, bytes.n);
    key->n += bytes.n;
}

static void add_byte(struct key *key, uint8_t byte)
{
    add(key, slice_make(&byte, 1));
}

static void add_u64(struct key *key, uint64_t value)
{
    uint8_t bytes[8];

    to_be64(value, bytes);
    add(key, slice_make(bytes, sizeof(bytes)));
}

/* Family and one run of bytes. */
static void set_text(struct key *key, enum kv_family family, struct slice text)
{
    begin(key, family);
    add(key, text);
}

static void set_u64(struct key *key, enum kv_family family, uint64_t first)
{
    begin(key, family);
    add_u64(key, first);
}

static void set_u64_u64(struct key *key, enum kv_family family, uint64_t first, uint64_t second)
{
    set_u64(key, family, first);
    add_u64(key, second);
}

struct key key_prefix(enum kv_family family)
{
    UNSET_KEY(key);

    begin(&key, family);
    return key;
}

struct key key_prefix_u64(enum kv_family family, uint64_t first)
{
    UNSET_KEY(key);

    set_u64(&key, family, first);
    return key;
}

struct key key_prefix_u64_u64(enum kv_family family, uint64_t first, uint64_t second)
{
    UNSET_KEY(key);

    set_u64_u64(&key, family, first, second);
    return key;
}

struct key key_prefix_name(struct slice start)
{
    UNSET_KEY(key);

    set_text(&key, KV_NAME, start);
    return key;
}

struct key key_meta(struct slice name)
{
    UNSET_KEY(key);

    set_text(&key, KV_META, name);
    return key;
}

struct key key_name(struct slice repository)
{
    UNSET_KEY(key);

    set_text(&key, KV_NAME, repository);
    return key;
}

struct key key_digest(const struct digest *digest, enum object_kind kind)
{
    UNSET_KEY(key);

    begin(&key, KV_DIGEST);
    add_byte(&key, digest->algorithm);
    add(&key, slice_make(digest->raw, digest_size(digest->algorithm)));
    add_byte(&key, (uint8_t)kind);
    return key;
}

struct key key_obj(uint64_t obj)
{
    UNSET_KEY(key);

    set_u64(&key, KV_OBJ, obj);
    return key;
}

struct key key_body(uint64_t obj)
{
    UNSET_KEY(key);

    set_u64(&key, KV_BODY, obj);
    return key;
}

struct key key_link(uint64_t repo, uint64_t obj)
{
    UNSET_KEY(key);

    set_u64_u64(&key, KV_LINK, repo, obj);
    return key;
}

struct key key_use(uint64_t child, uint64_t repo, uint64_t parent, enum use_why why)
{
    UNSET_KEY(key);

    set_u64_u64(&key, KV_USE, child, repo);
    add_u64(&key, parent);
    add_byte(&key, (uint8_t)why);
    return key;
}

struct key key_tag(uint64_t repo, struct slice tag)
{
    UNSET_KEY(key);

    set_u64(&key, KV_TAG, repo);
    add(&key, tag);
    return key;
}

struct key key_tagof(uint64_t repo, uint64_t obj, struct slice tag)
{
    UNSET_KEY(key);

    set_u64_u64(&key, KV_TAGOF, repo, obj);
    add(&key, tag);
    return key;
}

struct key key_tomb(uint64_t repo, struct slice version_key)
{
    UNSET_KEY(key);

    set_u64(&key, KV_TOMB, repo);
    add(&key, version_key);
    return key;
}

struct key key_referrer(uint64_t repo, uint64_t subject, uint64_t obj)
{
    UNSET_KEY(key);

    set_u64_u64(&key, KV_REFERRER, repo, subject);
    add_u64(&key, obj);
    return key;
}

struct key key_hold(uint64_t repo, uint64_t obj, uint8_t reason, struct slice owner)
{
    UNSET_KEY(key);

    set_u64_u64(&key, KV_HOLD, repo, obj);
    add_byte(&key, reason);
    add(&key, owner);
    return key;
}

struct key key_managed(uint64_t repo, struct slice tag)
{
    UNSET_KEY(key);

    set_u64(&key, KV_MANAGED, repo);
    add(&key, tag);
    return key;
}

struct key key_due(int64_t time_ms, enum due_kind kind, uint64_t a, uint64_t b)
{
    UNSET_KEY(key);

    set_u64(&key, KV_DUE, (uint64_t)time_ms ^ SIGN_BIT);
    add_byte(&key, (uint8_t)kind);
    add_u64(&key, a);
    add_u64(&key, b);
    return key;
}

struct key key_cursor(struct slice reader)
{
    UNSET_KEY(key);

    set_text(&key, KV_CURSOR, reader);
    return key;
}

struct key key_policy(uint64_t version)
{
    UNSET_KEY(key);

    set_u64(&key, KV_POLICY, version);
    return key;
}

struct key key_event(uint64_t number)
{
    UNSET_KEY(key);

    set_u64(&key, KV_EVENT, number);
    return key;
}

/* Neither a tag nor an identity has a NUL, so that it ends them; a path may be longer than a key.
 */
static void set_draft(struct key *key, uint64_t repo, struct slice tag, struct slice actor)
{
    set_u64(key, KV_DRAFT, repo);
    add(key, tag);
    add_byte(key, 0);
    add(key, actor);
    add_byte(key, 0);
}

struct key key_prefix_draft(uint64_t repo, struct slice tag, struct slice actor)
{
    UNSET_KEY(key);

    set_draft(&key, repo, tag, actor);
    return key;
}

struct key key_draft(uint64_t repo, struct slice tag, struct slice actor, const struct digest *path)
{
    UNSET_KEY(key);

    set_draft(&key, repo, tag, actor);
    add(&key, slice_make(path->raw, digest_size(DIGEST_SHA256)));
    return key;
}

struct key key_account(struct slice name)
{
    UNSET_KEY(key);

    set_text(&key, KV_ACCOUNT, name);
    return key;
}

struct key key_group(struct slice name)
{
    UNSET_KEY(key);

    set_text(&key, KV_GROUP, name);
    return key;
}

struct key key_token(uint64_t id)
{
    UNSET_KEY(key);

    set_u64(&key, KV_TOKEN, id);
    return key;
}

/* A NUL, which no name has, ends the account: what begins with "ab" is not of "a". */
static void set_tokenof(struct key *key, struct slice account)
{
    set_text(key, KV_TOKENOF, account);
    add_byte(key, 0);
}

struct key key_prefix_tokenof(struct slice account)
{
    UNSET_KEY(key);

    set_tokenof(&key, account);
    return key;
}

struct key key_tokenof(struct slice account, uint64_t id)
{
    UNSET_KEY(key);

    set_tokenof(&key, account);
    add_u64(&key, id);
    return key;
}

/*
 * Reading bytes.
 */

struct reader {
    const uint8_t *p;
    size_t n; /* left */
    bool failed;
};

static struct reader reader_of(struct slice bytes)
{
    return (struct reader){(const uint8_t *)bytes.p, bytes.n, false};
}

static struct slice read_bytes(struct reader *r, size_t n)
{
    struct slice bytes = slice_make(r->p, n);

    if (n > r->n) {
        r->failed = true;
        r->n = 0;
        return slice_make(NULL, 0);
    }
    if (n != 0)
        r->p += n;
    r->n -= n;
    return bytes;
}

static uint64_t read_number(struct reader *r, size_t size)
{
    struct slice bytes = read_bytes(r, size);
    uint64_t value = 0;

    for (size_t i = 0; i < bytes.n; i++)
        value = value << 8 | (uint8_t)bytes.p[i];
    return value;
}

static uint8_t read_byte(struct reader *r)
{
    return (uint8_t)read_number(r, 1);
}

static uint64_t read_u64(struct reader *r)
{
    return read_number(r, 8);
}

static int64_t read_i64(struct reader *r)
{
    return (int64_t)read_u64(r);
}

static struct slice read_rest(struct reader *r)
{
    return read_bytes(r, r->n);
}

/* A byte that names one of first..last. */
static uint8_t read_enum(struct reader *r, uint8_t first, uint8_t last)
{
    uint8_t value = read_byte(r);

    if (value < first || value > last)
        r->failed = true;
    return value;
}

static void read_raw_digest(struct reader *r, uint8_t algorithm, struct digest *digest)
{
    struct slice raw = read_bytes(r, digest_size(algorithm));

    memset(digest, 0, sizeof(*digest));
    digest->algorithm = algorithm;
    if (raw.n != 0)
        memcpy(digest->raw, raw.p, raw.n);
}

static void read_digest(struct reader *r, struct digest *digest)
{
    uint8_t algorithm = read_enum(r, DIGEST_SHA256, DIGEST_SHA512);

    memset(digest, 0, sizeof(*digest));
    if (!r->failed)
        read_raw_digest(r, algorithm, digest);
}

/* A run of bytes that must not be empty. */
static struct slice read_text(struct reader *r)
{
    struct slice text = read_rest(r);

    if (text.n == 0)
        r->failed = true;
    return text;
}

/* A run of bytes, not empty, up to a NUL, which is taken too. */
static struct slice read_until_nul(struct reader *r)
{
    size_t n = slice_find_char(slice_make(r->p, r->n), '\0');
    struct slice text = read_bytes(r, n);

    if (read_bytes(r, 1).n != 1 || text.n == 0)
        r->failed = true;
    return text;
}

/* Everything was there and nothing is left. */
static int read_end(const struct reader *r)
{
    return r->failed || r->n != 0 ? ERR_CORRUPT : 0;
}

static void read_ids(struct reader *r, struct key_fields *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fields->id[i] = read_u64(r);
}

static void read_fields(struct reader *r, struct key_fields *fields)
{
    switch (fields->family) {
    case KV_META:
    case KV_NAME:
    case KV_CURSOR:
    case KV_ACCOUNT:
    case KV_GROUP:
        fields->text = read_text(r);
        break;
    case KV_DIGEST:
        read_digest(r, &fields->digest);
        fields->byte = read_enum(r, OBJECT_BLOB, OBJECT_MANIFEST);
        break;
    case KV_OBJ:
    case KV_BODY:
    case KV_EVENT:
    case KV_POLICY:
    case KV_TOKEN:
        read_ids(r, fields, 1);
        break;
    case KV_TOKENOF:
        fields->text = read_until_nul(r);
        read_ids(r, fields, 1);
        break;
    case KV_LINK:
        read_ids(r, fields, 2);
        break;
    case KV_USE:
        read_ids(r, fields, 3);
        fields->byte = read_enum(r, USE_BLOB, USE_SUBJECT);
        break;
    case KV_TAG:
    case KV_TOMB:
    case KV_MANAGED:
        read_ids(r, fields, 1);
        fields->text = read_text(r);
        break;
    case KV_TAGOF:
    case KV_LABEL:
        read_ids(r, fields, 2);
        fields->text = read_text(r);
        break;
    case KV_REFERRER:
        read_ids(r, fields, 3);
        break;
    case KV_HOLD:
        read_ids(r, fields, 2);
        fields->byte = read_byte(r);
        fields->text = read_rest(r);
        break;
    case KV_DRAFT:
        read_ids(r, fields, 1);
        fields->text = read_until_nul(r);
        fields->actor = read_until_nul(r);
        read_raw_digest(r, DIGEST_SHA256, &fields->digest);
        break;
    case KV_DUE:
        read_ids(r, fields, 1);
        fields->id[0] ^= SIGN_BIT;
        fields->byte = read_enum(r, DUE_OBJECT, DUE_LINK);
        fields->id[1] = read_u64(r);
        fields->id[2] = read_u64(r);
        break;
    default:
        r->failed = true;
    }
}

int key_decode(struct slice key, struct key_fields *fields)
{
    struct reader r = reader_of(key);

    memset(fields, 0, sizeof(*fields));
    if (key.n > KV_KEY_MAX)
        return ERR_CORRUPT;
    fields->family = (enum kv_family)read_byte(&r);
    if (!r.failed)
        read_fields(&r, fields);
    return read_end(&r);
}

/*
 * Values.
 */

static void put_byte(struct buf *out, uint8_t byte)
{
    buf_add(out, slice_make(&byte, 1));
}

static void put_u64(struct buf *out, uint64_t value)
{
    uint8_t bytes[8];

    to_be64(value, bytes);
    buf_add(out, slice_make(bytes, sizeof(bytes)));
}

/* With its length before it. A client may have sent more than a value could hold. */
static void put_sized(struct buf *out, struct slice bytes)
{
    if (bytes.n > UINT16_MAX) {
        out->overflow = true;
        return;
    }
    put_byte(out, (uint8_t)(bytes.n >> 8));
    put_byte(out, (uint8_t)bytes.n);
    buf_add(out, bytes);
}

static struct slice read_sized(struct reader *r)
{
    return read_bytes(r, (size_t)read_number(r, 2));
}

static struct reader reader_of_row(struct slice value)
{
    struct reader r = reader_of(value);

    if (read_byte(&r) != ROW_VERSION)
        r.failed = true;
    return r;
}

void row_obj_encode(struct buf *out, const struct row_obj *row)
{
    put_byte(out, ROW_VERSION);
    put_byte(out, (uint8_t)row->kind);
    put_byte(out, (uint8_t)row->state);
    put_byte(out, row->store);
    put_u64(out, row->size);
    put_u64(out, row->links);
    put_u64(out, (uint64_t)row->due_ms);
    put_byte(out, row->digest.algorithm);
    buf_add(out, slice_make(row->digest.raw, digest_size(row->digest.algorithm)));
    buf_add(out, row->media_type);
}

int row_obj_decode(struct slice value, struct row_obj *row)
{
    struct reader r = reader_of_row(value);

    row->kind = (enum object_kind)read_enum(&r, OBJECT_BLOB, OBJECT_MANIFEST);
    row->state = (enum object_state)read_enum(&r, OBJECT_ABSENT, OBJECT_DAMAGED);
    row->store = read_enum(&r, 0, OBJECT_IN_FILE); /* 0: an absent object is nowhere */
    row->size = read_u64(&r);
    row->links = read_u64(&r);
    row->due_ms = read_i64(&r);
    read_digest(&r, &row->digest);
    row->media_type = read_rest(&r);
    return read_end(&r);
}

void row_link_encode(struct buf *out, const struct row_link *row)
{
    put_byte(out, ROW_VERSION);
    put_u64(out, (uint64_t)row->since_ms);
    put_u64(out, row->seq);
    put_u64(out, (uint64_t)row->due_ms);
}

int row_link_decode(struct slice value, struct row_link *row)
{
    struct reader r = reader_of_row(value);

    row->since_ms = read_i64(&r);
    row->seq = read_u64(&r);
    row->due_ms = read_i64(&r);
    return read_end(&r);
}

void row_tag_encode(struct buf *out, const struct row_tag *row)
{
    put_byte(out, ROW_VERSION);
    put_u64(out, row->obj);
    put_u64(out, row->seq);
    put_u64(out, (uint64_t)row->time_ms);
    buf_add(out, row->actor);
}

int row_tag_decode(struct slice value, struct row_tag *row)
{
    struct reader r = reader_of_row(value);

    row->obj = read_u64(&r);
    row->seq = read_u64(&r);
    row->time_ms = read_i64(&r);
    row->actor = read_rest(&r);
    return read_end(&r);
}

void row_tomb_encode(struct buf *out, const struct row_tomb *row)
{
    put_byte(out, ROW_VERSION);
    put_u64(out, row->obj);
    put_u64(out, row->seq);
}

int row_tomb_decode(struct slice value, struct row_tomb *row)
{
    struct reader r = reader_of_row(value);

    row->obj = read_u64(&r);
    row->seq = read_u64(&r);
    return read_end(&r);
}

void row_managed_encode(struct buf *out, const struct row_managed *row)
{
    put_byte(out, ROW_VERSION);
    put_sized(out, row->owner);
    buf_add(out, row->hint);
}

int row_managed_decode(struct slice value, struct row_managed *row)
{
    struct reader r = reader_of_row(value);

    row->owner = read_sized(&r);
    row->hint = read_rest(&r);
    return read_end(&r);
}

void row_referrer_encode(struct buf *out, const struct row_referrer *row)
{
    put_byte(out, ROW_VERSION);
    put_sized(out, row->artifact_type);
    buf_add(out, row->descriptor);
}

int row_referrer_decode(struct slice value, struct row_referrer *row)
{
    struct reader r = reader_of_row(value);

    row->artifact_type = read_sized(&r);
    row->descriptor = read_rest(&r);
    return read_end(&r);
}

void row_draft_encode(struct buf *out, const struct row_draft *row)
{
    put_byte(out, ROW_VERSION);
    put_u64(out, (uint64_t)row->begun_ms);
    put_u64(out, row->size);
    put_byte(out, row->digest.algorithm);
    buf_add(out, slice_make(row->digest.raw, digest_size(row->digest.algorithm)));
    put_sized(out, row->media_type);
    buf_add(out, row->path);
}

int row_draft_decode(struct slice value, struct row_draft *row)
{
    struct reader r = reader_of_row(value);

    row->begun_ms = read_i64(&r);
    row->size = read_u64(&r);
    read_digest(&r, &row->digest);
    row->media_type = read_sized(&r);
    row->path = read_text(&r);
    return read_end(&r);
}

/* A byte of flags, of which only those in `known` may be set. */
static uint8_t read_flags(struct reader *r, uint8_t known)
{
    uint8_t flags = read_byte(r);

    if ((flags & ~known) != 0)
        r->failed = true;
    return flags;
}

static void put_list(struct buf *out, const struct slice *list, unsigned n)
{
    put_byte(out, (uint8_t)n);
    for (unsigned i = 0; i < n; i++)
        put_sized(out, list[i]);
}

static unsigned read_list(struct reader *r, struct slice *list, unsigned max)
{
    unsigned n = read_byte(r);

    if (n > max)
        r->failed = true;
    for (unsigned i = 0; i < n && !r->failed; i++) {
        list[i] = read_sized(r);
        if (list[i].n == 0)
            r->failed = true;
    }
    return r->failed ? 0 : n;
}

#define ACCOUNT_DISABLED 1u
#define ACCOUNT_EXTERNAL 2u

void row_account_encode(struct buf *out, const struct row_account *row)
{
    put_byte(out, ROW_VERSION);
    put_byte(out, (uint8_t)row->kind);
    put_byte(out, (uint8_t)((row->disabled ? ACCOUNT_DISABLED : 0) |
                            (row->external ? ACCOUNT_EXTERNAL : 0)));
    put_u64(out, (uint64_t)row->created_ms);
    put_sized(out, row->bcrypt);
    put_list(out, row->groups, row->groups_n);
    buf_add(out, row->description);
}

int row_account_decode(struct slice value, struct row_account *row)
{
    struct reader r = reader_of_row(value);
    uint8_t flags;

    row->kind = (enum account_kind)read_enum(&r, ACCOUNT_USER, ACCOUNT_ROBOT);
    flags = read_flags(&r, ACCOUNT_DISABLED | ACCOUNT_EXTERNAL);
    row->disabled = (flags & ACCOUNT_DISABLED) != 0;
    row->external = (flags & ACCOUNT_EXTERNAL) != 0;
    row->created_ms = read_i64(&r);
    row->bcrypt = read_sized(&r);
    row->groups_n = read_list(&r, row->groups, ACCOUNT_GROUPS_MAX);
    row->description = read_rest(&r);
    return read_end(&r);
}

void row_group_encode(struct buf *out, const struct row_group *row)
{
    put_byte(out, ROW_VERSION);
    put_u64(out, (uint64_t)row->created_ms);
    buf_add(out, row->description);
}

int row_group_decode(struct slice value, struct row_group *row)
{
    struct reader r = reader_of_row(value);

    row->created_ms = read_i64(&r);
    row->description = read_rest(&r);
    return read_end(&r);
}

#define TOKEN_MAY_APPROVE 1u
#define TOKEN_WARNED      2u

void row_token_encode(struct buf *out, const struct row_token *row)
{
    put_byte(out, ROW_VERSION);
    put_byte(out, (uint8_t)row->kind);
    put_byte(out, (uint8_t)((row->may_approve ? TOKEN_MAY_APPROVE : 0) |
                            (row->warned ? TOKEN_WARNED : 0)));
    buf_add(out, slice_make(row->sha256, sizeof(row->sha256)));
    put_u64(out, (uint64_t)row->created_ms);
    put_u64(out, (uint64_t)row->expires_ms);
    put_u64(out, (uint64_t)row->last_used_ms);
    put_u64(out, row->verbs);
    put_sized(out, row->account);
    put_list(out, row->globs, row->globs_n);
    buf_add(out, row->description);
}

int row_token_decode(struct slice value, struct row_token *row)
{
    struct reader r = reader_of_row(value);
    struct slice hash;
    uint64_t verbs;
    uint8_t flags;

    row->kind = (enum token_kind)read_enum(&r, TOKEN_PERSONAL, TOKEN_BOOTSTRAP);
    flags = read_flags(&r, TOKEN_MAY_APPROVE | TOKEN_WARNED);
    row->may_approve = (flags & TOKEN_MAY_APPROVE) != 0;
    row->warned = (flags & TOKEN_WARNED) != 0;
    hash = read_bytes(&r, sizeof(row->sha256));
    memset(row->sha256, 0, sizeof(row->sha256));
    if (hash.n != 0)
        memcpy(row->sha256, hash.p, hash.n);
    row->created_ms = read_i64(&r);
    row->expires_ms = read_i64(&r);
    row->last_used_ms = read_i64(&r);
    verbs = read_u64(&r);
    if (verbs > UINT32_MAX)
        r.failed = true;
    row->verbs = (uint32_t)verbs;
    row->account = read_sized(&r);
    row->globs_n = read_list(&r, row->globs, TOKEN_GLOBS_MAX);
    row->description = read_rest(&r);
    return read_end(&r);
}

void row_policy_encode(struct buf *out, const struct row_policy *row)
{
    put_byte(out, ROW_VERSION);
    put_u64(out, row->seq);
    put_u64(out, (uint64_t)row->time_ms);
    put_sized(out, row->actor);
    buf_add(out, row->document);
}

int row_policy_decode(struct slice value, struct row_policy *row)
{
    struct reader r = reader_of_row(value);

    row->seq = read_u64(&r);
    row->time_ms = read_i64(&r);
    row->actor = read_sized(&r);
    row->document = read_text(&r);
    return read_end(&r);
}

void row_id_encode(struct buf *out, uint64_t id)
{
    put_byte(out, ROW_VERSION);
    put_u64(out, id);
}

int row_id_decode(struct slice value, uint64_t *id)
{
    struct reader r = reader_of_row(value);

    *id = read_u64(&r);
    return read_end(&r);
}
