/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one row for each version, and one, of version 0, with the number of the version in force.
 * All changes go through that row, so two at once cannot both find the version they expect.
 */
#include "config.h"

#include "auth/policy_store.h"

#include "storage/event.h"
#include "storage/rows.h"

#include <stdio.h>

#define DOCUMENT_ARENA_MAX (POLICY_DOCUMENT_MAX + 4096)

/* 0 when there is none. */
static int get_in_force(struct kv_tx *tx, uint64_t *version)
{
    struct key key = key_policy(0);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    *version = 0;
    if (err == ERR_NOT_FOUND)
        return 0;
    return err != 0 ? err : row_id_decode(value, version);
}

static int get_row(struct kv_tx *tx, uint64_t version, struct row_policy *row)
{
    struct key key = key_policy(version);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    return err != 0 ? err : row_policy_decode(value, row);
}

int policy_store_get(struct kv_tx *tx, void *policy_get)
{
    struct policy_get *get = policy_get;
    struct row_policy row;
    int err = 0;

    get->found = get->version;
    if (get->version == 0)
        err = get_in_force(tx, &get->found);
    if (err == 0 && get->found == 0)
        err = ERR_NOT_FOUND;
    if (err == 0) {
        err = get_row(tx, get->found, &row);
        if (err == ERR_NOT_FOUND && get->version == 0)
            err = ERR_CORRUPT;
    }
    if (err != 0)
        return err;
    get->seq = row.seq;
    get->time_ms = row.time_ms;
    get->actor = arena_dup(get->arena, row.actor);
    get->document = arena_dup(get->arena, row.document);
    return get->actor.p != NULL && get->document.p != NULL ? 0 : ERR_NO_MEMORY;
}

/* The change by the hashes of both documents, so that a version that is no longer kept can still be
 * recognised. */
static int stage(struct kv_tx *tx, const struct policy_put *put, const struct row_policy *before,
                 struct slice version)
{
    struct event event = {.type = EVENT_POLICY_CHANGED, .actor = put->actor, .subject = version};

    digest_compute(DIGEST_SHA256, put->document, &event.digest);
    if (before->document.n > 0)
        digest_compute(DIGEST_SHA256, before->document, &event.previous);
    return event_stage(tx, &event);
}

static int put_version(struct kv_tx *tx, const struct policy_put *put)
{
    const struct row_policy row = {
        .time_ms = kv_now(tx), .actor = put->actor, .document = put->document};
    struct key key = key_policy(put->version);
    struct buf value;

    buf_init(&value, KV_VALUE_MAX);
    row_policy_encode(&value, &row);
    int err = buf_error(&value, ERR_LIMIT);
    if (err == 0)
        err = kv_put_cited(tx, key_slice(&key), buf_slice(&value), ROW_POLICY_SEQ_OFFSET);
    buf_reset(&value);
    row_id_encode(&value, put->version);
    key = key_policy(0);
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    return err;
}

static int forget_oldest(struct kv_tx *tx, uint64_t newest)
{
    struct key key = key_policy(newest - POLICY_VERSIONS_MAX);

    if (newest <= POLICY_VERSIONS_MAX)
        return 0;
    int err = kv_del(tx, key_slice(&key));
    return err == ERR_NOT_FOUND ? 0 : err;
}

int policy_store_put(struct kv_tx *tx, void *policy_put)
{
    struct policy_put *put = policy_put;
    struct row_policy before = {0};
    char text[32];

    put->changed = false;
    int err = get_in_force(tx, &put->version);
    if (err != 0)
        return err;
    if (put->must_match && put->if_version != put->version)
        return ERR_HTTP_PRECONDITION;
    if (put->version > 0)
        err = get_row(tx, put->version, &before);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (put->version > 0 && slice_eq(before.document, put->document))
        return 0;
    put->changed = true;
    put->version++;
    int n = snprintf(text, sizeof(text), "version %llu", (unsigned long long)put->version);
    err = stage(tx, put, &before, slice_make(text, (size_t)n));
    if (err == 0)
        err = put_version(tx, put);
    return err != 0 ? err : forget_oldest(tx, put->version);
}

int policy_store_load(struct kv_store *kv, struct policy_cell *cell, struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct policy *policy = NULL;
    struct policy_get get = {0};
    struct arena arena;

    arena_init(&arena, DOCUMENT_ARENA_MAX);
    get.arena = &arena;
    int err = kv_read_sync(kv, policy_store_get, &get);
    if (err == 0 && policy_parse(get.document, &policy, &why) != 0)
        err = fault_set(fault, ERR_CORRUPT,
                        "version %llu of the policy is in force, but cannot be read: %s",
                        (unsigned long long)get.found, why.text);
    else if (err == 0)
        policy_cell_set_take(cell, policy, get.found);
    else if (err != ERR_NOT_FOUND)
        err = fault_set(fault, err, "the policy cannot be read from the index");
    arena_fini(&arena);
    return err == ERR_NOT_FOUND ? 0 : err;
}
