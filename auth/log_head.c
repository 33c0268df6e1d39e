/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/log_head.h"

#include "storage/rows.h"

#include <inttypes.h>

#define MESSAGE_MAX 160

static const struct slice actor = {"system", 6};

static void write_message(struct buf *out, uint64_t number, struct slice hash)
{
    buf_init(out, MESSAGE_MAX);
    buf_add(out, SLICE("tidemark log head 1\n"));
    buf_add_u64(out, number);
    buf_add_char(out, '\n');
    buf_add_hex(out, hash);
    buf_add_char(out, '\n');
}

static int read_row(struct kv_tx *tx, uint64_t number, struct slice *record, const uint8_t **hash)
{
    struct key key = key_event(number);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    return err == 0 ? event_row_split(value, record, hash) : err;
}

int log_head_read(struct kv_tx *tx, struct log_head *head)
{
    uint64_t last[KV_SEQ_EVENT + 1];
    struct slice record;
    const uint8_t *hash;
    struct event event;
    int err = kv_last_given(tx, last);

    memset(head, 0, sizeof(*head));
    if (err != 0 || last[KV_SEQ_EVENT] == 0)
        return err;
    err = read_row(tx, last[KV_SEQ_EVENT], &record, &hash);
    if (err == 0)
        err = event_decode(record, &event);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    head->number = last[KV_SEQ_EVENT];
    memcpy(head->hash, hash, EVENT_HASH_SIZE);
    head->is_signed = event.type == EVENT_LOG_SIGNED;
    return 0;
}

int log_head_sign(const struct server_key *key, const struct log_head *head,
                  struct log_signature *signature, struct fault *fault)
{
    struct buf message;
    int err;

    memset(signature, 0, sizeof(*signature));
    signature->head = *head;
    memcpy(signature->kid, server_key_kid(key).p, SERVER_KEY_KID_SIZE);
    memcpy(signature->public_key, server_key_public(key).p, SERVER_KEY_PUBLIC_SIZE);
    write_message(&message, head->number, slice_make(head->hash, EVENT_HASH_SIZE));
    err = server_key_sign(key, buf_slice(&message), signature->bytes, fault);
    buf_fini(&message);
    return err;
}

int log_head_stage(struct kv_tx *tx, const struct log_signature *signature)
{
    struct event event = {
        .type = EVENT_LOG_SIGNED,
        .actor = actor,
        .digest = {.algorithm = DIGEST_SHA256},
        .size = signature->head.number,
        .subject = slice_make(signature->kid, SERVER_KEY_KID_SIZE),
        .key = slice_make(signature->public_key, SERVER_KEY_PUBLIC_SIZE),
        .signature = slice_make(signature->bytes, SERVER_KEY_SIGNATURE_SIZE),
    };

    memcpy(event.digest.raw, signature->head.hash, EVENT_HASH_SIZE);
    return event_stage(tx, &event);
}

static int read_head(struct kv_tx *tx, void *arg)
{
    return log_head_read(tx, arg);
}

static int stage(struct kv_tx *tx, void *arg)
{
    return log_head_stage(tx, arg);
}

int log_head_sign_now(struct kv_store *kv, struct server_keys *keys, uint64_t *number,
                      struct fault *fault)
{
    struct log_signature signature;
    struct server_key *key;
    struct log_head head;
    int err = kv_read_sync(kv, read_head, &head);

    *number = 0;
    if (err != 0)
        return fault_set(fault, err, "the head of the event log cannot be read");
    if (head.number == 0 || head.is_signed)
        return 0;
    key = server_keys_newest(keys);
    err = log_head_sign(key, &head, &signature, fault);
    server_key_unref(key);
    if (err != 0)
        return err;
    err = kv_write_sync(kv, stage, &signature);
    if (err != 0)
        return fault_set(fault, err, "the signature of the event log cannot be written");
    *number = head.number;
    return 0;
}

int log_head_stage_key(struct kv_tx *tx, const struct server_key *key)
{
    return event_stage(tx, &(struct event){.type = EVENT_KEY_ROTATED,
                                           .actor = actor,
                                           .subject = server_key_kid(key),
                                           .key = server_key_public(key)});
}

static int fail(struct fault *fault, uint64_t number, const char *why)
{
    return fault_set(fault, ERR_CORRUPT, "event %" PRIu64 " signs the log, but %s", number, why);
}

int log_head_check(struct kv_tx *tx, const struct event *event, struct fault *fault)
{
    char kid[SERVER_KEY_KID_SIZE + 1];
    struct buf message;
    struct slice record;
    const uint8_t *hash;
    int err;

    if (event->digest.algorithm != DIGEST_SHA256 || event->size == 0 ||
        event->size >= event->number || event->key.n != SERVER_KEY_PUBLIC_SIZE)
        return fail(fault, event->number, "its record is damaged");
    server_key_kid_of(event->key, kid);
    if (!slice_eq(event->subject, slice_from_cstr(kid)))
        return fail(fault, event->number, "the key in it is not the one that it names");
    err = read_row(tx, event->size, &record, &hash);
    if (err == ERR_NOT_FOUND || err == ERR_CORRUPT)
        return fail(fault, event->number, "the event that it is about is missing or damaged");
    if (err != 0)
        return err;
    if (memcmp(hash, event->digest.raw, EVENT_HASH_SIZE) != 0)
        return fail(fault, event->number, "the log before it was changed since");
    write_message(&message, event->size, slice_make(hash, EVENT_HASH_SIZE));
    err = server_key_verify_raw(event->key, buf_slice(&message), event->signature, NULL);
    buf_fini(&message);
    return err == 0 ? 0 : fail(fault, event->number, "its signature is wrong");
}
