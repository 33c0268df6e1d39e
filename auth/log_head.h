/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing the head of the event log: an event log.signed says "event N has the hash H", signed by
 * the server's newest key. Who kept a key or a signature elsewhere can tell whether the log before
 * it was changed since; the hash chain alone can be computed again by who changes it.
 *
 * What is signed is text: "tidemark log head 1\n", N in decimal, "\n", H in hex, "\n". It cannot be
 * taken for a token, which has no space. read and stage: functions of a transaction.
 */
#ifndef AUTH_LOG_HEAD_H
#define AUTH_LOG_HEAD_H

#include "auth/server_key.h"
#include "storage/event.h"

struct log_head {
    uint64_t number; /* 0: there are no events */
    uint8_t hash[EVENT_HASH_SIZE];
    bool is_signed; /* the last event is a log.signed: nothing happened since */
};

struct log_signature {
    struct log_head head;
    char kid[SERVER_KEY_KID_SIZE + 1];
    uint8_t public_key[SERVER_KEY_PUBLIC_SIZE];
    uint8_t bytes[SERVER_KEY_SIGNATURE_SIZE];
};

int log_head_read(struct kv_tx *tx, struct log_head *head) MUST_CHECK;
int log_head_sign(const struct server_key *key, const struct log_head *head,
                  struct log_signature *signature, struct fault *fault) MUST_CHECK;
int log_head_stage(struct kv_tx *tx, const struct log_signature *signature) MUST_CHECK;

/* All three, for a thread that may wait. Nothing is done when nothing happened since the last.
 * *number is of the event that was signed, 0 when none was. */
int log_head_sign_now(struct kv_store *kv, struct server_keys *keys, uint64_t *number,
                      struct fault *fault) MUST_CHECK;

/* Stage key.rotated: `key` signs from now on. */
int log_head_stage_key(struct kv_tx *tx, const struct server_key *key) MUST_CHECK;

/* Does a log.signed event fit the log and carry a good signature? The hash of the event it is about
 * is read in `tx`. ERR_CORRUPT says what does not fit. Whose key it was is for the caller to know:
 * event->subject is its kid, which was checked to belong to the key in the event. */
int log_head_check(struct kv_tx *tx, const struct event *event, struct fault *fault) MUST_CHECK;

#endif
