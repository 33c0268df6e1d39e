/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: an account names its groups, a group does not name its accounts: logging in reads one
 * row. Who puts an account into a group reads and touches the row of the group, so that it cannot
 * vanish meanwhile on an engine with several writers.
 */
#include "config.h"
#include "auth/account.h"

#include "auth/group.h"
#include "auth/token.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "storage/event.h"

#define LIST_SCAN_MAX 10000 /* rows looked at for one page */

/*
 * Names.
 */

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name_char(char c, enum account_kind kind)
{
    if (is_lower_or_digit(c) || c == '.' || c == '_' || c == '-')
        return true;
    return kind == ACCOUNT_USER && ((c >= 'A' && c <= 'Z') || c == '@' || c == '+');
}

static bool is_reserved(struct slice name)
{
    static const char *const reserved[] = {"anonymous", "authenticated", "bootstrap", "system"};

    for (size_t i = 0; i < ARRAY_LENGTH(reserved); i++)
        if (slice_eq_nocase(name, slice_from_cstr(reserved[i])))
            return true;
    return false;
}

int account_name_check(struct slice name, enum account_kind kind, struct fault *fault)
{
    const size_t max = kind == ACCOUNT_USER ? ACCOUNT_NAME_MAX : ACCOUNT_ROBOT_NAME_MAX;

    if (name.n == 0)
        return fault_set(fault, ERR_ACCOUNT_INVALID, "the name is empty");
    if (name.n > max)
        return fault_set(fault, ERR_ACCOUNT_INVALID, "the name has %zu bytes; at most %zu", name.n,
                         max);
    for (size_t i = 0; i < name.n; i++)
        if (!is_name_char(name.p[i], kind))
            return fault_set(fault, ERR_ACCOUNT_INVALID,
                             kind == ACCOUNT_USER
                                 ? "byte %zu of the name: letters, digits and . _ @ + - are taken"
                                 : "byte %zu of the name: a robot's has lower case letters, digits "
                                   "and . _ -",
                             i + 1);
    if (!is_lower_or_digit(name.p[0]) && !(name.p[0] >= 'A' && name.p[0] <= 'Z'))
        return fault_set(fault, ERR_ACCOUNT_INVALID,
                         "the name begins with \"%c\"; the first is a letter or a digit",
                         name.p[0]);
    if (is_reserved(name))
        return fault_set(fault, ERR_ACCOUNT_INVALID,
                         "\"" SLICE_FMT "\" means something else; take another name",
                         SLICE_ARG(name));
    return 0;
}

int account_description_check(struct slice description, struct fault *fault)
{
    if (description.n > ACCOUNT_DESCRIPTION_MAX)
        return fault_set(fault, ERR_INVALID, "the description has %zu bytes; at most %d",
                         description.n, ACCOUNT_DESCRIPTION_MAX);
    if (utf8_valid_prefix(description) != description.n || slice_has_control(description))
        return fault_set(fault, ERR_INVALID,
                         "the description is not UTF-8, or has control characters");
    return 0;
}

/*
 * Rows.
 */

static int read_row(struct kv_tx *tx, struct slice name, struct row_account *row)
{
    struct key key = key_account(name);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == ERR_NOT_FOUND)
        return ERR_ACCOUNT_UNKNOWN;
    return err != 0 ? err : row_account_decode(value, row);
}

static int write_row(struct kv_tx *tx, struct slice name, const struct row_account *row)
{
    struct key key = key_account(name);
    struct buf value;
    int err;

    buf_init(&value, KV_VALUE_MAX);
    row_account_encode(&value, row);
    err = buf_error(&value, ERR_LIMIT);
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    return err;
}

/* "robot:ci" or "alice": how actors and events name it. */
static struct slice shown_name(enum account_kind kind, struct slice name, struct buf *out)
{
    if (kind == ACCOUNT_USER)
        return name;
    buf_reset(out);
    buf_add(out, SLICE("robot:"));
    buf_add(out, name);
    return buf_slice(out);
}

static int stage(struct kv_tx *tx, enum event_type type, enum account_kind kind, struct slice name,
                 struct slice actor, struct slice reason)
{
    struct buf text;
    int err;

    buf_init(&text, ACCOUNT_NAME_MAX + 16);
    err = event_stage(tx, &(struct event){.type = type,
                                          .actor = actor,
                                          .subject = shown_name(kind, name, &text),
                                          .reason = reason});
    buf_fini(&text);
    return err;
}

/* All exist, and stay until this commits. */
static int hold_groups(struct kv_tx *tx, const struct slice *groups, unsigned groups_n,
                       struct slice *unknown)
{
    int err = 0;

    *unknown = (struct slice){0};
    if (groups_n > ACCOUNT_GROUPS_MAX)
        return ERR_LIMIT;
    for (unsigned i = 0; i < groups_n && err == 0; i++) {
        struct key key = key_group(groups[i]);

        if (group_name_check(groups[i], NULL) != 0 || !kv_has(tx, key_slice(&key), &err)) {
            *unknown = groups[i];
            return err != 0 ? err : ERR_GROUP_UNKNOWN;
        }
        err = kv_touch(tx, key_slice(&key));
    }
    return err;
}

static void set_groups(struct row_account *row, const struct slice *groups, unsigned groups_n)
{
    row->groups_n = 0;
    for (unsigned i = 0; i < groups_n; i++) {
        bool is_there = false;

        for (unsigned j = 0; j < row->groups_n; j++)
            is_there |= slice_eq(row->groups[j], groups[i]);
        if (!is_there)
            row->groups[row->groups_n++] = groups[i];
    }
}

/*
 * Changes.
 */

int account_create(struct kv_tx *tx, void *account_create)
{
    struct account_create *create = account_create;
    struct row_account row = {
        .kind = create->kind,
        .external = create->external,
        .created_ms = kv_now(tx),
        .bcrypt = create->bcrypt,
        .description = create->description,
    };
    struct key key = key_account(create->name);
    int err;

    if (create->bcrypt.n > 0 && (create->external || create->kind == ACCOUNT_ROBOT))
        return ERR_INVALID;
    if (create->external && create->kind == ACCOUNT_ROBOT)
        return ERR_INVALID;
    if (kv_has(tx, key_slice(&key), &err))
        return ERR_EXISTS;
    if (err == 0)
        err = hold_groups(tx, create->groups, create->groups_n, &create->unknown_group);
    if (err != 0)
        return err;
    set_groups(&row, create->groups, create->groups_n);
    err = stage(tx, EVENT_ACCOUNT_CREATED, create->kind, create->name, create->actor, SLICE(""));
    return err != 0 ? err : write_row(tx, create->name, &row);
}

static bool has_same_groups(const struct row_account *a, const struct row_account *b)
{
    if (a->groups_n != b->groups_n)
        return false;
    for (unsigned i = 0; i < a->groups_n; i++)
        if (!slice_eq(a->groups[i], b->groups[i]))
            return false;
    return true;
}

/* What an event says of the difference: never a hash. */
static void describe(const struct row_account *before, const struct row_account *after,
                     struct buf *out)
{
    if (before->disabled != after->disabled)
        buf_add(out, after->disabled ? SLICE("disabled ") : SLICE("enabled "));
    if (!slice_eq(before->bcrypt, after->bcrypt))
        buf_add(out, SLICE("password "));
    if (!has_same_groups(before, after))
        buf_add(out, SLICE("groups "));
    if (!slice_eq(before->description, after->description))
        buf_add(out, SLICE("description "));
}

static int apply(struct kv_tx *tx, struct account_change *change, struct row_account *row)
{
    int err = 0;

    if (change->bcrypt != NULL && (row->kind == ACCOUNT_ROBOT || row->external))
        return ERR_INVALID;
    if (change->disabled != NULL)
        row->disabled = *change->disabled;
    if (change->bcrypt != NULL)
        row->bcrypt = *change->bcrypt;
    if (change->description != NULL)
        row->description = *change->description;
    if (change->groups != NULL) {
        err = hold_groups(tx, change->groups, change->groups_n, &change->unknown_group);
        if (err == 0)
            set_groups(row, change->groups, change->groups_n);
    }
    return err;
}

int account_change(struct kv_tx *tx, void *account_change)
{
    struct account_change *change = account_change;
    struct row_account before, after;
    struct buf what;
    int err;

    change->unknown_group = (struct slice){0};
    err = read_row(tx, change->name, &before);
    if (err != 0)
        return err;
    after = before;
    err = apply(tx, change, &after);
    if (err != 0)
        return err;
    buf_init(&what, 128);
    describe(&before, &after, &what);
    /* The old row is borrowed until the first put, and staging is none. */
    if (what.n > 0)
        err = stage(tx, EVENT_ACCOUNT_CHANGED, after.kind, change->name, change->actor,
                    slice_trim(buf_slice(&what)));
    if (err == 0 && what.n > 0)
        err = write_row(tx, change->name, &after);
    if (err == 0 && change->bcrypt != NULL)
        err = token_remove_refresh(tx, change->name);
    buf_fini(&what);
    return err;
}

int account_delete(struct kv_tx *tx, void *account_delete)
{
    struct account_delete *del = account_delete;
    struct key key = key_account(del->name);
    struct row_account row;
    int err = read_row(tx, del->name, &row);

    del->tokens = 0;
    if (err == 0 && row.kind != del->kind)
        return ERR_ACCOUNT_UNKNOWN;
    if (err == 0)
        err = token_remove_all(tx, del->name, &del->tokens);
    if (err == 0)
        err = stage(tx, EVENT_ACCOUNT_DELETED, del->kind, del->name, del->actor, SLICE(""));
    return err != 0 ? err : kv_del(tx, key_slice(&key));
}

/*
 * Reading.
 */

static int copy(struct arena *arena, struct slice from, struct slice *to)
{
    *to = arena_dup(arena, from);
    return to->p != NULL ? 0 : ERR_NO_MEMORY;
}

static int copy_account(struct arena *arena, struct slice name, const struct row_account *row,
                        struct account *out)
{
    int err = copy(arena, name, &out->name);

    out->row = *row;
    if (err == 0)
        err = copy(arena, row->bcrypt, &out->row.bcrypt);
    if (err == 0)
        err = copy(arena, row->description, &out->row.description);
    for (unsigned i = 0; i < row->groups_n && err == 0; i++)
        err = copy(arena, row->groups[i], &out->row.groups[i]);
    return err;
}

int account_get(struct kv_tx *tx, void *account_get)
{
    struct account_get *get = account_get;
    struct row_account row;
    int err = read_row(tx, get->name, &row);

    return err != 0 ? err : copy_account(get->arena, get->name, &row, &get->account);
}

static bool is_member(const struct row_account *row, struct slice group)
{
    for (unsigned i = 0; i < row->groups_n; i++)
        if (slice_eq(row->groups[i], group))
            return true;
    return false;
}

/* 1 when the page is full and this one does not fit. */
static int add_account(struct account_list *list, struct slice name, struct slice value)
{
    struct row_account row;
    int err = row_account_decode(value, &row);

    if (err != 0 || row.kind != list->kind || (list->group.n > 0 && !is_member(&row, list->group)))
        return err;
    if (list->accounts_n == list->limit)
        return 1;
    err = copy_account(list->arena, name, &row, &list->accounts[list->accounts_n]);
    if (err == 0)
        list->accounts_n++;
    return err;
}

int account_list(struct kv_tx *tx, void *account_list)
{
    struct account_list *list = account_list;
    struct key prefix = key_prefix(KV_ACCOUNT), after = key_account(list->after);
    struct slice key, value, last = {0};
    struct key_fields fields;
    struct kv_scan scan;
    unsigned seen = 0;
    int err;

    list->accounts_n = 0;
    list->next = (struct slice){0};
    list->accounts = arena_alloc(list->arena, list->limit * sizeof(*list->accounts));
    if (list->accounts == NULL)
        return ERR_NO_MEMORY;
    err = kv_scan_begin(tx, key_slice(&prefix), list->after.n > 0 ? key_slice(&after) : SLICE(""),
                        LIST_SCAN_MAX, &scan);
    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = key_decode(key, &fields);
        if (err == 0)
            err = add_account(list, fields.text, value);
        if (err != 0)
            break;
        if (++seen == LIST_SCAN_MAX)
            err = copy(list->arena, fields.text, &last);
        if (err != 0)
            break;
    }
    kv_scan_end(&scan);
    if (err == 1)
        list->next = list->accounts[list->accounts_n - 1].name;
    else if (err == ERR_NOT_FOUND)
        list->next = last;
    return err == 1 || err == ERR_NOT_FOUND ? 0 : err;
}
