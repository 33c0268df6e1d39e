/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/group.h"

#include "storage/event.h"

#include <limits.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int group_name_check(struct slice name, struct fault *fault)
{
    if (name.n == 0 || name.n > GROUP_NAME_MAX)
        return fault_set(fault, ERR_GROUP_INVALID, "the name has %zu bytes; 1 to %d are taken",
                         name.n, GROUP_NAME_MAX);
    for (size_t i = 0; i < name.n; i++)
        if (!is_letter_or_digit(name.p[i]) &&
            (i == 0 || (name.p[i] != '.' && name.p[i] != '_' && name.p[i] != '-')))
            return fault_set(fault, ERR_GROUP_INVALID,
                             "byte %zu of the name: letters, digits and . _ - are taken, first a "
                             "letter or a digit",
                             i + 1);
    return 0;
}

static int read_row(struct kv_tx *tx, struct slice name, struct row_group *row)
{
    struct key key = key_group(name);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == ERR_NOT_FOUND)
        return ERR_GROUP_UNKNOWN;
    return err != 0 ? err : row_group_decode(value, row);
}

static int write_row(struct kv_tx *tx, struct slice name, const struct row_group *row)
{
    struct key key = key_group(name);
    struct buf value;
    int err;

    buf_init(&value, KV_VALUE_MAX);
    row_group_encode(&value, row);
    err = buf_error(&value, ERR_LIMIT);
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    return err;
}

static int stage(struct kv_tx *tx, struct slice name, struct slice actor, struct slice reason)
{
    return event_stage(
        tx, &(struct event){
                .type = EVENT_GROUP_CHANGED, .actor = actor, .subject = name, .reason = reason});
}

int group_put(struct kv_tx *tx, void *group_put)
{
    struct group_put *put = group_put;
    struct row_group row;
    int err = read_row(tx, put->name, &row);

    put->created = err == ERR_GROUP_UNKNOWN;
    if (err != 0 && err != ERR_GROUP_UNKNOWN)
        return err;
    if (!put->created && slice_eq(row.description, put->description))
        return 0;
    if (put->created)
        row.created_ms = kv_now(tx);
    row.description = put->description;
    err = stage(tx, put->name, put->actor, put->created ? SLICE("created") : SLICE("description"));
    return err != 0 ? err : write_row(tx, put->name, &row);
}

/* The scan alone decides nothing: who puts an account into the group touches the row that is
 * deleted here. */
static int has_members(struct kv_tx *tx, struct slice group, bool *has)
{
    struct key prefix = key_prefix(KV_ACCOUNT);
    struct slice key, value;
    struct row_account row;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), UINT_MAX, &scan);

    *has = false;
    if (err != 0)
        return err;
    while (!*has && (err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = row_account_decode(value, &row);
        if (err != 0)
            break;
        for (unsigned i = 0; i < row.groups_n; i++)
            *has |= slice_eq(row.groups[i], group);
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int group_delete(struct kv_tx *tx, void *group_delete)
{
    const struct group_delete *del = group_delete;
    struct key key = key_group(del->name);
    struct row_group row;
    bool has;
    int err = read_row(tx, del->name, &row);

    if (err == 0)
        err = has_members(tx, del->name, &has);
    if (err != 0)
        return err;
    if (has)
        return ERR_GROUP_IN_USE;
    err = stage(tx, del->name, del->actor, SLICE("deleted"));
    return err != 0 ? err : kv_del(tx, key_slice(&key));
}

/*
 * Reading.
 */

static int copy_group(struct arena *arena, struct slice name, const struct row_group *row,
                      struct group *out)
{
    out->name = arena_dup(arena, name);
    out->row = *row;
    out->row.description = arena_dup(arena, row->description);
    return out->name.p != NULL && out->row.description.p != NULL ? 0 : ERR_NO_MEMORY;
}

int group_get(struct kv_tx *tx, void *group_get)
{
    struct group_get *get = group_get;
    struct row_group row;
    int err = read_row(tx, get->name, &row);

    return err != 0 ? err : copy_group(get->arena, get->name, &row, &get->group);
}

static int add_group(struct group_list *list, struct slice name, struct slice value)
{
    struct row_group row;
    int err = row_group_decode(value, &row);

    if (err == 0)
        err = copy_group(list->arena, name, &row, &list->groups[list->groups_n]);
    if (err == 0)
        list->groups_n++;
    return err;
}

int group_list(struct kv_tx *tx, void *group_list)
{
    struct group_list *list = group_list;
    struct key prefix = key_prefix(KV_GROUP), after = key_group(list->after);
    struct slice key, value;
    struct key_fields fields;
    struct kv_scan scan;
    int err;

    list->groups_n = 0;
    list->next = (struct slice){0};
    list->groups = arena_alloc(list->arena, list->limit * sizeof(*list->groups));
    if (list->groups == NULL)
        return ERR_NO_MEMORY;
    err = kv_scan_begin(tx, key_slice(&prefix), list->after.n > 0 ? key_slice(&after) : SLICE(""),
                        list->limit + 1, &scan);
    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        if (list->groups_n == list->limit) {
            list->next = list->groups[list->groups_n - 1].name;
            break;
        }
        err = key_decode(key, &fields);
        if (err == 0)
            err = add_group(list, fields.text, value);
        if (err != 0)
            break;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}
