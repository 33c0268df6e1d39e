/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a record is version, type, time, then fields in the order of their tags: a tag byte, a
 * two-byte length, bytes. Empty fields are left out and none comes twice, so that a meaning has one
 * form. A reader skips tags it does not know and hands on types it does not know: the log of a
 * newer minor version stays readable.
 */
#include "config.h"
#include "storage/event.h"
#include "storage/rows.h"

#include "base/mem.h"

#include <inttypes.h>

#define RECORD_VERSION 1
#define RECORD_HEAD    10 /* version, type, time */
#define RECORD_MAX     (KV_VALUE_MAX - EVENT_HASH_SIZE)

/* Stored: append only. */
enum field_tag {
    FIELD_ACTOR = 1,
    FIELD_REPOSITORY = 2,
    FIELD_TAG = 3,
    FIELD_DIGEST = 4,
    FIELD_PREVIOUS = 5,
    FIELD_MEDIA_TYPE = 6,
    FIELD_SIZE = 7,
    FIELD_FROM = 8,
    FIELD_SUBJECT = 9,
    FIELD_REASON = 10,
    FIELD_KEY = 11,
    FIELD_SIGNATURE = 12,
};

static const char *const type_names[] = {
    [EVENT_REPO_CREATED] = "repo.created",
    [EVENT_BLOB_PUSHED] = "blob.pushed",
    [EVENT_BLOB_MOUNTED] = "blob.mounted",
    [EVENT_BLOB_DELETED] = "blob.deleted",
    [EVENT_MANIFEST_PUSHED] = "manifest.pushed",
    [EVENT_MANIFEST_DELETED] = "manifest.deleted",
    [EVENT_TAG_BOUND] = "tag.bound",
    [EVENT_TAG_MOVED] = "tag.moved",
    [EVENT_TAG_DELETED] = "tag.deleted",
    [EVENT_CLOCK_STEPPED] = "clock.stepped",
    [EVENT_FSCK_RUN] = "fsck.run",
    [EVENT_LOGIN_FAILED] = "login.failed",
    [EVENT_LOGIN_LOCKED] = "login.locked",
    [EVENT_ACCOUNT_CREATED] = "account.created",
    [EVENT_ACCOUNT_CHANGED] = "account.changed",
    [EVENT_ACCOUNT_DELETED] = "account.deleted",
    [EVENT_GROUP_CHANGED] = "group.changed",
    [EVENT_TOKEN_CREATED] = "token.created",
    [EVENT_TOKEN_REVOKED] = "token.revoked",
    [EVENT_TOKEN_EXPIRING] = "token.expiring",
    [EVENT_POLICY_CHANGED] = "policy.changed",
    [EVENT_KEY_ROTATED] = "key.rotated",
    [EVENT_LOG_SIGNED] = "log.signed",
    [EVENT_ACCESS_REFUSED] = "access.refused",
};

const char *event_type_name(int type)
{
    return type >= 0 && (size_t)type < ARRAY_LENGTH(type_names) ? type_names[type] : NULL;
}

static void to_be64(uint64_t value, uint8_t out[8])
{
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t from_be(const uint8_t *p, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

/*
 * Writing.
 */

static void add_field(struct buf *out, enum field_tag tag, struct slice bytes)
{
    uint8_t head[3] = {(uint8_t)tag, (uint8_t)(bytes.n >> 8), (uint8_t)bytes.n};

    if (bytes.n == 0)
        return;
    if (bytes.n > UINT16_MAX) {
        out->overflow = true;
        return;
    }
    buf_add(out, slice_make(head, sizeof(head)));
    buf_add(out, bytes);
}

static void add_digest(struct buf *out, enum field_tag tag, const struct digest *digest)
{
    uint8_t bytes[1 + DIGEST_RAW_MAX] = {digest->algorithm};

    if (digest->algorithm == 0)
        return;
    memcpy(bytes + 1, digest->raw, digest_size(digest->algorithm));
    add_field(out, tag, slice_make(bytes, 1 + digest_size(digest->algorithm)));
}

static void add_u64(struct buf *out, enum field_tag tag, uint64_t value)
{
    uint8_t bytes[8];

    if (value == 0)
        return;
    to_be64(value, bytes);
    add_field(out, tag, slice_make(bytes, sizeof(bytes)));
}

void event_encode(struct buf *out, const struct event *event)
{
    uint8_t head[RECORD_HEAD] = {RECORD_VERSION, (uint8_t)event->type};

    to_be64((uint64_t)event->time_ms, head + 2);
    buf_add(out, slice_make(head, sizeof(head)));
    add_field(out, FIELD_ACTOR, event->actor);
    add_field(out, FIELD_REPOSITORY, event->repository);
    add_field(out, FIELD_TAG, event->tag);
    add_digest(out, FIELD_DIGEST, &event->digest);
    add_digest(out, FIELD_PREVIOUS, &event->previous);
    add_field(out, FIELD_MEDIA_TYPE, event->media_type);
    add_u64(out, FIELD_SIZE, event->size);
    add_field(out, FIELD_FROM, event->from);
    add_field(out, FIELD_SUBJECT, event->subject);
    add_field(out, FIELD_REASON, event->reason);
    add_field(out, FIELD_KEY, event->key);
    add_field(out, FIELD_SIGNATURE, event->signature);
}

/*
 * Reading.
 */

static int read_digest(struct slice bytes, struct digest *digest)
{
    uint8_t algorithm = (uint8_t)bytes.p[0];

    if ((algorithm != DIGEST_SHA256 && algorithm != DIGEST_SHA512) ||
        bytes.n != 1 + digest_size(algorithm))
        return ERR_CORRUPT;
    digest->algorithm = algorithm;
    memcpy(digest->raw, bytes.p + 1, bytes.n - 1);
    return 0;
}

static int read_size(struct slice bytes, uint64_t *size)
{
    if (bytes.n != 8)
        return ERR_CORRUPT;
    *size = from_be((const uint8_t *)bytes.p, 8);
    return *size != 0 ? 0 : ERR_CORRUPT; /* zero is left out */
}

/* `bytes` is not empty. */
static int read_field(uint8_t tag, struct slice bytes, struct event *event)
{
    switch (tag) {
    case FIELD_ACTOR:
        event->actor = bytes;
        return 0;
    case FIELD_REPOSITORY:
        event->repository = bytes;
        return 0;
    case FIELD_TAG:
        event->tag = bytes;
        return 0;
    case FIELD_DIGEST:
        return read_digest(bytes, &event->digest);
    case FIELD_PREVIOUS:
        return read_digest(bytes, &event->previous);
    case FIELD_MEDIA_TYPE:
        event->media_type = bytes;
        return 0;
    case FIELD_SIZE:
        return read_size(bytes, &event->size);
    case FIELD_FROM:
        event->from = bytes;
        return 0;
    case FIELD_SUBJECT:
        event->subject = bytes;
        return 0;
    case FIELD_REASON:
        event->reason = bytes;
        return 0;
    case FIELD_KEY:
        event->key = bytes;
        return 0;
    case FIELD_SIGNATURE:
        event->signature = bytes;
        return 0;
    default:
        return 0;
    }
}

int event_decode(struct slice record, struct event *event)
{
    const uint8_t *p = (const uint8_t *)record.p;
    uint8_t last_tag = 0;

    memset(event, 0, sizeof(*event));
    if (record.n < RECORD_HEAD || record.n > RECORD_MAX || p[0] != RECORD_VERSION || p[1] == 0)
        return ERR_CORRUPT;
    event->type = (enum event_type)p[1];
    event->time_ms = (int64_t)from_be(p + 2, 8);
    for (size_t at = RECORD_HEAD; at < record.n;) {
        uint8_t tag = p[at];
        size_t left = record.n - at - 1;
        size_t n = left < 2 ? 0 : (size_t)from_be(p + at + 1, 2);

        if (n == 0 || n > left - 2 || tag <= last_tag)
            return ERR_CORRUPT;
        last_tag = tag;
        if (read_field(tag, slice_make(p + at + 3, n), event) != 0)
            return ERR_CORRUPT;
        at += 3 + n;
    }
    return 0;
}

int event_stage(struct kv_tx *tx, const struct event *event)
{
    struct event stamped = *event;
    struct buf record;
    int err;

    stamped.time_ms = kv_now(tx);
    buf_init(&record, RECORD_MAX);
    event_encode(&record, &stamped);
    err = buf_error(&record, ERR_LIMIT);
    if (err == 0)
        err = kv_event(tx, buf_slice(&record));
    buf_fini(&record);
    return err;
}

int event_stage_stepped(struct kv_tx *tx)
{
    return event_stage(tx, &(struct event){.type = EVENT_CLOCK_STEPPED, .actor = SLICE("system")});
}

/*
 * The chain and the log.
 */

int event_row_split(struct slice value, struct slice *record, const uint8_t **hash)
{
    if (value.n < EVENT_HASH_SIZE + RECORD_HEAD || value.n > KV_VALUE_MAX)
        return ERR_CORRUPT;
    *record = slice_make(value.p, value.n - EVENT_HASH_SIZE);
    *hash = (const uint8_t *)value.p + record->n;
    return 0;
}

void event_chain_next(const uint8_t previous[EVENT_HASH_SIZE], struct slice record,
                      uint8_t out[EVENT_HASH_SIZE])
{
    struct hasher *hasher = hasher_create(DIGEST_SHA256);
    struct digest digest;

    hasher_update(hasher, previous, EVENT_HASH_SIZE);
    hasher_update(hasher, record.p, record.n);
    hasher_final(hasher, &digest);
    hasher_destroy(hasher);
    memcpy(out, digest.raw, EVENT_HASH_SIZE);
}

static int number_of(struct slice key, uint64_t *number)
{
    struct key_fields fields;
    int err = key_decode(key, &fields);

    *number = fields.id[0];
    return err;
}

static int scan_begin(struct kv_tx *tx, uint64_t after, unsigned limit, struct kv_scan *scan)
{
    struct key prefix = key_prefix(KV_EVENT), start = key_event(after);

    return kv_scan_begin(tx, key_slice(&prefix), key_slice(&start), limit, scan);
}

int event_scan(struct kv_tx *tx, uint64_t after, unsigned limit,
               int (*each)(const struct event *event, void *arg), void *arg)
{
    struct slice key, value, record;
    const uint8_t *hash;
    struct event event;
    struct kv_scan scan;
    int err = scan_begin(tx, after, limit, &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        uint64_t number;

        err = event_row_split(value, &record, &hash);
        if (err == 0)
            err = event_decode(record, &event);
        if (err == 0)
            err = number_of(key, &number);
        if (err == 0) {
            event.number = number;
            err = each(&event, arg);
        }
        if (err != 0)
            goto out;
    }
    if (err == ERR_NOT_FOUND)
        err = 0;
out:
    kv_scan_end(&scan);
    return err;
}

static int check_row(struct slice key, struct slice value, uint64_t expected,
                     uint8_t hash[EVENT_HASH_SIZE], struct fault *fault)
{
    uint8_t computed[EVENT_HASH_SIZE];
    struct slice record;
    const uint8_t *stored;
    uint64_t number;

    if (number_of(key, &number) != 0 || number != expected)
        return fault_set(fault, ERR_CORRUPT, "event %" PRIu64 " is missing from the log", expected);
    if (event_row_split(value, &record, &stored) != 0)
        return fault_set(fault, ERR_CORRUPT, "event %" PRIu64 " is damaged", expected);
    event_chain_next(hash, record, computed);
    if (memcmp(computed, stored, EVENT_HASH_SIZE) != 0)
        return fault_set(fault, ERR_CORRUPT,
                         "event %" PRIu64
                         " does not continue the hash chain: it, or one before it, "
                         "was changed",
                         expected);
    memcpy(hash, computed, EVENT_HASH_SIZE);
    return 0;
}

int event_chain_check(struct kv_tx *tx, uint64_t *number, uint8_t hash[EVENT_HASH_SIZE],
                      unsigned limit, struct fault *fault)
{
    struct slice key, value;
    struct kv_scan scan;
    int err = scan_begin(tx, *number, limit, &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = check_row(key, value, *number + 1, hash, fault);
        if (err != 0)
            goto out;
        ++*number;
    }
    if (err == ERR_NOT_FOUND)
        err = 0;
out:
    kv_scan_end(&scan);
    return err;
}
