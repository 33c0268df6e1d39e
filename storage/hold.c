/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/hold.h"

#include "storage/object.h"

const char *hold_reason_name(enum hold_reason reason)
{
    switch (reason) {
    case HOLD_PIN:
        return "pin";
    case HOLD_ENVIRONMENT:
        return "environment";
    case HOLD_PROMOTION:
        return "promotion";
    case HOLD_EVIDENCE:
        return "evidence";
    }
    return NULL;
}

int hold_put(struct kv_tx *tx, uint64_t repo, uint64_t obj, enum hold_reason reason,
             struct slice owner)
{
    struct key key = key_hold(repo, obj, (uint8_t)reason, owner);
    struct object object;
    int err = object_get(tx, obj, &object);

    return err != 0 ? err : kv_put(tx, key_slice(&key), SLICE(""));
}

int hold_del(struct kv_tx *tx, uint64_t repo, uint64_t obj, enum hold_reason reason,
             struct slice owner)
{
    struct key key = key_hold(repo, obj, (uint8_t)reason, owner);
    struct object object;
    int err = object_get(tx, obj, &object);

    return err != 0 ? err : kv_del(tx, key_slice(&key));
}

int hold_list(struct kv_tx *tx, uint64_t repo, uint64_t obj, unsigned limit,
              void (*each)(enum hold_reason reason, struct slice owner, void *arg), void *arg,
              unsigned *count)
{
    struct key prefix = key_prefix_u64_u64(KV_HOLD, repo, obj);
    struct key_fields fields;
    struct kv_scan scan;
    struct slice key, value;

    *count = 0;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), limit, &scan);
    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = key_decode(key, &fields);
        if (err != 0)
            break;
        each((enum hold_reason)fields.byte, fields.text, arg);
        (*count)++;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}
