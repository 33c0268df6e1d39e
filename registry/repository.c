/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/repository.h"

#include "storage/event.h"
#include "storage/rows.h"

int repository_find(struct kv_tx *tx, struct slice name, uint64_t *repo)
{
    struct key key = key_name(name);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == ERR_NOT_FOUND)
        return ERR_NAME_UNKNOWN;
    return err != 0 ? err : row_id_decode(value, repo);
}

int repository_ensure(struct kv_tx *tx, struct slice name, struct slice actor, uint64_t *repo)
{
    struct key key = key_name(name);
    struct buf value;
    int err = repository_find(tx, name, repo);

    if (err != ERR_NAME_UNKNOWN)
        return err;
    err = kv_next_id(tx, KV_SEQ_REPO, repo);
    if (err != 0)
        return err;
    buf_init(&value, 64);
    row_id_encode(&value, *repo);
    err = buf_error(&value, ERR_INTERNAL);
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    if (err != 0)
        return err;
    return event_stage(
        tx, &(struct event){.type = EVENT_REPO_CREATED, .actor = actor, .repository = name});
}

int repository_list(struct kv_tx *tx, struct slice after, unsigned limit,
                    int (*each)(struct slice name, uint64_t repo, void *arg), void *arg)
{
    struct key prefix = key_prefix(KV_NAME);
    struct key start = key_name(after);
    struct key_fields fields;
    struct kv_scan scan;
    struct slice key, value;
    uint64_t repo;
    int err = kv_scan_begin(tx, key_slice(&prefix), after.n > 0 ? key_slice(&start) : SLICE(""),
                            limit, &scan);

    if (err != 0)
        return err;
    for (;;) {
        err = kv_scan_next(&scan, &key, &value);
        if (err == ERR_NOT_FOUND) {
            err = 0;
            break;
        }
        if (err == 0)
            err = key_decode(key, &fields);
        if (err == 0)
            err = row_id_decode(value, &repo);
        if (err == 0)
            err = each(fields.text, repo, arg);
        if (err != 0)
            break;
    }
    kv_scan_end(&scan);
    return err;
}
