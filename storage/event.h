/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log: what happened, in commit order, each record chained to the one before
 * (hash_n = SHA-256(hash_{n-1} || record_n)). A state change stages its event in its own
 * transaction; readers (audit, webhooks, metrics) follow the log by number.
 *
 * Record: version, type, time, then tagged fields; unknown tags are skipped. Codec: any thread.
 */
#ifndef STORAGE_EVENT_H
#define STORAGE_EVENT_H

#include "base/buf.h"
#include "base/digest.h"
#include "storage/kv.h"

/* Numbers are stored: append only. */
enum event_type {
    EVENT_REPO_CREATED = 1,
    EVENT_BLOB_PUSHED = 2,
    EVENT_BLOB_MOUNTED = 3,
    EVENT_BLOB_DELETED = 4,
    EVENT_MANIFEST_PUSHED = 5,
    EVENT_MANIFEST_DELETED = 6,
    EVENT_TAG_BOUND = 7,
    EVENT_TAG_MOVED = 8,
    EVENT_TAG_DELETED = 9,
    EVENT_CLOCK_STEPPED = 10,
    EVENT_FSCK_RUN = 11,
    EVENT_LOGIN_FAILED = 12,
    EVENT_LOGIN_LOCKED = 13,
    EVENT_ACCOUNT_CREATED = 14,
    EVENT_ACCOUNT_CHANGED = 15,
    EVENT_ACCOUNT_DELETED = 16,
    EVENT_GROUP_CHANGED = 17,
    EVENT_TOKEN_CREATED = 18,
    EVENT_TOKEN_REVOKED = 19,
    EVENT_TOKEN_EXPIRING = 20,
    EVENT_POLICY_CHANGED = 21,
    EVENT_KEY_ROTATED = 22,
    EVENT_LOG_SIGNED = 23,
    EVENT_ACCESS_REFUSED = 24,
};
#define EVENT_TYPE_LAST EVENT_ACCESS_REFUSED

/* "tag.bound"; NULL for a number that is none. */
const char *event_type_name(int type);

struct event {
    uint64_t number; /* set by readers */
    enum event_type type;
    int64_t time_ms;
    struct slice actor;      /* who; "anonymous" without authentication */
    struct slice repository; /* empty when none */
    struct slice tag;
    struct digest digest;   /* algorithm 0 when none */
    struct digest previous; /* tag.moved: the digest before; algorithm 0 when none */
    struct slice media_type;
    uint64_t size;
    struct slice from;      /* blob.mounted: the repository it came from */
    struct slice subject;   /* the account, group, token or key that it is about */
    struct slice reason;    /* why, or what changed, in a word or a sentence */
    struct slice key;       /* log.signed, key.rotated: the public key, raw */
    struct slice signature; /* log.signed */
};

void event_encode(struct buf *out, const struct event *event);
int event_decode(struct slice record, struct event *event) MUST_CHECK;

/* Stage `event` (its time becomes kv_now). */
int event_stage(struct kv_tx *tx, const struct event *event) MUST_CHECK;

/* Stage clock.stepped, which is about nothing but its time. For who includes libevent, whose struct
 * event is another. */
int event_stage_stepped(struct kv_tx *tx) MUST_CHECK;

#define EVENT_HASH_SIZE 32

/* The stored row: record, then EVENT_HASH_SIZE bytes of chain hash. */
int event_row_split(struct slice value, struct slice *record, const uint8_t **hash) MUST_CHECK;
void event_chain_next(const uint8_t previous[EVENT_HASH_SIZE], struct slice record,
                      uint8_t out[EVENT_HASH_SIZE]);

/* Walk the events after `after`: at most `limit`. Stops early when `each` returns non-zero and
 * returns that. */
int event_scan(struct kv_tx *tx, uint64_t after, unsigned limit,
               int (*each)(const struct event *event, void *arg), void *arg) MUST_CHECK;

/* Recompute the chain from `after` (hash before it in `hash`, updated) over at most `limit` events;
 * ERR_CORRUPT names the first bad number in `fault`. *number is the last one checked. */
int event_chain_check(struct kv_tx *tx, uint64_t *number, uint8_t hash[EVENT_HASH_SIZE],
                      unsigned limit, struct fault *fault) MUST_CHECK;

#endif
