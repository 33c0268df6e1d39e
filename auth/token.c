/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: `token` is found by the id in the secret's text, `tokenof` by the account. The account's
 * row guards both: it is read and touched by whoever adds or removes one. An account has at most
 * TOKEN_ACCOUNT_MAX, so all of its rows fit into one function: they are counted, listed and removed
 * at once.
 */
#include "config.h"
#include "auth/token.h"

#include "auth/account.h"
#include "auth/token_secret.h"
#include "base/clock.h"
#include "storage/event.h"

#define SWEEP_SCAN_MAX   1000
#define SWEEP_CHANGE_MAX 50

static int read_row(struct kv_tx *tx, uint64_t id, struct row_token *row)
{
    struct key key = key_token(id);
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == ERR_NOT_FOUND)
        return ERR_TOKEN_UNKNOWN;
    return err != 0 ? err : row_token_decode(value, row);
}

static int write_row(struct kv_tx *tx, uint64_t id, const struct row_token *row)
{
    struct key key = key_token(id);
    struct buf value;
    int err;

    buf_init(&value, KV_VALUE_MAX);
    row_token_encode(&value, row);
    err = buf_error(&value, ERR_LIMIT);
    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    return err;
}

/* "personal 0sFp...: why": which secret of the subject, never anything of the secret itself. */
static int stage(struct kv_tx *tx, enum event_type type, uint64_t id, const struct row_token *row,
                 struct slice actor, struct slice reason)
{
    char text[TOKEN_ID_SIZE + 1];
    struct buf subject, why;
    int err;

    buf_init(&subject, 512);
    buf_init(&why, 1024);
    if (row->kind == TOKEN_ROBOT)
        buf_add(&subject, SLICE("robot:"));
    buf_add(&subject, row->kind == TOKEN_BOOTSTRAP ? SLICE("bootstrap") : row->account);
    buf_addf(&why, "%s %s", token_kind_name(row->kind), token_id_format(id, text).p);
    if (reason.n > 0)
        buf_addf(&why, ": " SLICE_FMT, SLICE_ARG(slice_sub(reason, 0, 256)));
    err = event_stage(tx, &(struct event){.type = type,
                                          .actor = actor,
                                          .subject = buf_slice(&subject),
                                          .reason = buf_slice(&why)});
    buf_fini(&subject);
    buf_fini(&why);
    return err;
}

static int remove_rows(struct kv_tx *tx, struct slice account, uint64_t id)
{
    struct key of = key_tokenof(account, id), key = key_token(id);
    int err = account.n > 0 ? kv_del(tx, key_slice(&of)) : 0;

    return err != 0 ? err : kv_del(tx, key_slice(&key));
}

static bool is_dead(const struct row_token *row, int64_t now_ms)
{
    return row->expires_ms != 0 && row->expires_ms <= now_ms;
}

/*
 * The secrets of one account.
 */

struct ids {
    unsigned n;
    uint64_t id[TOKEN_ACCOUNT_MAX];
};

static int read_ids(struct kv_tx *tx, struct slice account, struct ids *ids)
{
    struct key prefix = key_prefix_tokenof(account);
    struct key_fields fields;
    struct slice key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), TOKEN_ACCOUNT_MAX, &scan);

    ids->n = 0;
    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = key_decode(key, &fields);
        if (err != 0)
            break;
        ids->id[ids->n++] = fields.id[0];
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int token_remove_all(struct kv_tx *tx, struct slice account, unsigned *removed)
{
    struct ids ids;
    int err = read_ids(tx, account, &ids);

    *removed = 0;
    for (unsigned i = 0; i < ids.n && err == 0; i++) {
        err = remove_rows(tx, account, ids.id[i]);
        ++*removed;
    }
    return err;
}

int token_remove_refresh(struct kv_tx *tx, struct slice account)
{
    struct row_token row;
    struct ids ids;
    int err = read_ids(tx, account, &ids);

    for (unsigned i = 0; i < ids.n && err == 0; i++) {
        err = read_row(tx, ids.id[i], &row);
        if (err == 0 && row.kind == TOKEN_REFRESH)
            err = remove_rows(tx, account, ids.id[i]);
    }
    return err;
}

/* What counts when one more is wanted. */
struct census {
    struct ids dead;
    unsigned live;   /* of the same kind */
    uint64_t oldest; /* id of the one of them that was made first; 0: none */
    int64_t oldest_ms;
};

static int take_census(struct kv_tx *tx, const struct token_create *create, struct census *census)
{
    struct row_token row;
    struct ids ids;
    int err = read_ids(tx, create->account, &ids);

    *census = (struct census){.live = 0};
    for (unsigned i = 0; i < ids.n && err == 0; i++) {
        err = read_row(tx, ids.id[i], &row);
        if (err == ERR_TOKEN_UNKNOWN)
            err = ERR_CORRUPT;
        if (err != 0)
            break;
        if (is_dead(&row, kv_now(tx))) {
            census->dead.id[census->dead.n++] = ids.id[i];
        } else if (row.kind == create->kind) {
            census->live++;
            if (census->oldest == 0 || row.created_ms < census->oldest_ms) {
                census->oldest = ids.id[i];
                census->oldest_ms = row.created_ms;
            }
        }
    }
    return err;
}

static unsigned live_max(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_ROBOT:
        return TOKEN_ROBOT_MAX;
    case TOKEN_PERSONAL:
        return TOKEN_PERSONAL_MAX;
    case TOKEN_REFRESH:
        return TOKEN_REFRESH_MAX;
    case TOKEN_BOOTSTRAP:
        break;
    }
    return 1;
}

_Static_assert(TOKEN_PERSONAL_MAX + TOKEN_REFRESH_MAX + TOKEN_ROBOT_MAX <= TOKEN_ACCOUNT_MAX,
               "all that may live have room");

/* Dead ones go; the oldest refresh token as well when there are enough: each `docker login` makes
 * one, and nobody revokes them. */
static int make_room(struct kv_tx *tx, const struct token_create *create)
{
    struct census census;
    int err = take_census(tx, create, &census);

    for (unsigned i = 0; i < census.dead.n && err == 0; i++)
        err = remove_rows(tx, create->account, census.dead.id[i]);
    if (err != 0 || census.live < live_max(create->kind))
        return err;
    if (create->kind != TOKEN_REFRESH)
        return ERR_TOKEN_LIMIT;
    return remove_rows(tx, create->account, census.oldest);
}

/* So that its secrets have an account to hang on. */
static int make_external(struct kv_tx *tx, const struct token_create *create)
{
    struct account_create account = {
        .name = create->account,
        .kind = ACCOUNT_USER,
        .external = true,
        .actor = create->actor,
    };

    return create->kind == TOKEN_ROBOT ? ERR_INVALID : account_create(tx, &account);
}

/* The account is there and of the right kind; touched, since it guards what hangs on it. */
static int hold_account(struct kv_tx *tx, const struct token_create *create)
{
    struct key key = key_account(create->account);
    struct row_account row;
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == ERR_NOT_FOUND)
        return create->external ? make_external(tx, create) : ERR_ACCOUNT_UNKNOWN;
    if (err == 0)
        err = row_account_decode(value, &row);
    if (err != 0)
        return err;
    if ((create->kind == TOKEN_ROBOT) != (row.kind == ACCOUNT_ROBOT) &&
        create->kind != TOKEN_REFRESH)
        return ERR_INVALID;
    return kv_touch(tx, key_slice(&key));
}

static int check_create(const struct token_create *create)
{
    if (create->globs_n > TOKEN_GLOBS_MAX || create->life_ms < 0 || create->id == 0 ||
        (create->kind == TOKEN_BOOTSTRAP) != (create->account.n == 0))
        return ERR_INVALID;
    if (create->may_approve && (create->kind != TOKEN_PERSONAL || create->life_ms == 0 ||
                                create->life_ms > TOKEN_APPROVE_MAX_MS))
        return ERR_INVALID;
    return 0;
}

static struct row_token row_of(const struct token_create *create)
{
    struct row_token row = {
        .kind = create->kind,
        .may_approve = create->may_approve,
        .created_ms = create->created_ms,
        .expires_ms = create->expires_ms,
        .verbs = create->verbs,
        .account = create->account,
        .globs_n = create->globs_n,
        .description = create->description,
    };

    memcpy(row.sha256, create->sha256, sizeof(row.sha256));
    for (unsigned i = 0; i < create->globs_n; i++)
        row.globs[i] = create->globs[i];
    return row;
}

int token_create(struct kv_tx *tx, void *token_create)
{
    struct token_create *create = token_create;
    struct key key = key_token(create->id), of = key_tokenof(create->account, create->id);
    struct row_token row;
    int err = check_create(create);

    create->created_ms = kv_now(tx);
    create->expires_ms = create->life_ms == 0 ? 0 : create->created_ms + create->life_ms;
    if (create->latest_ms != 0 &&
        (create->expires_ms == 0 || create->expires_ms > create->latest_ms))
        create->expires_ms = create->latest_ms;
    if (err == 0 && kv_has(tx, key_slice(&key), &err))
        return ERR_EXISTS;
    if (err == 0 && create->account.n > 0)
        err = hold_account(tx, create);
    if (err == 0 && create->account.n > 0)
        err = make_room(tx, create);
    if (err != 0)
        return err;
    row = row_of(create);
    err = stage(tx, EVENT_TOKEN_CREATED, create->id, &row, create->actor,
                row.may_approve ? SLICE("may approve") : SLICE(""));
    if (err == 0)
        err = write_row(tx, create->id, &row);
    if (err == 0 && create->account.n > 0)
        err = kv_put(tx, key_slice(&of), SLICE(""));
    return err;
}

int token_revoke(struct kv_tx *tx, void *token_revoke)
{
    const struct token_revoke *revoke = token_revoke;
    struct row_token row;
    struct key guard;
    int err = read_row(tx, revoke->id, &row);

    if (err == 0 && revoke->account.n > 0 && !slice_eq(revoke->account, row.account))
        return ERR_TOKEN_UNKNOWN;
    if (err == 0)
        err = stage(tx, EVENT_TOKEN_REVOKED, revoke->id, &row, revoke->actor, revoke->reason);
    if (err != 0)
        return err;
    if (row.account.n > 0) {
        guard = key_account(row.account);
        err = kv_touch(tx, key_slice(&guard));
    }
    return err != 0 ? err : remove_rows(tx, row.account, revoke->id);
}

int token_use(struct kv_tx *tx, void *token_use)
{
    const struct token_use *use = token_use;
    struct row_token row;
    int err = read_row(tx, use->id, &row);

    if (err == ERR_TOKEN_UNKNOWN ||
        (err == 0 && row.last_used_ms != 0 && kv_now(tx) - row.last_used_ms < TOKEN_USED_EVERY_MS))
        return 0;
    if (err != 0)
        return err;
    row.last_used_ms = kv_now(tx);
    return write_row(tx, use->id, &row);
}

/*
 * Reading.
 */

static int copy(struct arena *arena, struct slice from, struct slice *to)
{
    *to = arena_dup(arena, from);
    return to->p != NULL ? 0 : ERR_NO_MEMORY;
}

static int copy_token(struct arena *arena, uint64_t id, const struct row_token *row,
                      struct token *out)
{
    int err;

    out->id = id;
    out->row = *row;
    err = copy(arena, row->account, &out->row.account);
    if (err == 0)
        err = copy(arena, row->description, &out->row.description);
    for (unsigned i = 0; i < row->globs_n && err == 0; i++)
        err = copy(arena, row->globs[i], &out->row.globs[i]);
    return err;
}

int token_get(struct kv_tx *tx, void *token_get)
{
    struct token_get *get = token_get;
    struct row_token row;
    int err = read_row(tx, get->id, &row);

    return err != 0 ? err : copy_token(get->arena, get->id, &row, &get->token);
}

int token_list(struct kv_tx *tx, void *token_list)
{
    struct token_list *list = token_list;
    struct row_token row;
    struct ids ids;
    int err = read_ids(tx, list->account, &ids);

    list->tokens_n = 0;
    if (err != 0)
        return err;
    list->tokens = arena_alloc(list->arena, (ids.n + 1) * sizeof(*list->tokens));
    if (list->tokens == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < ids.n && err == 0; i++) {
        err = read_row(tx, ids.id[i], &row);
        if (err == 0)
            err = copy_token(list->arena, ids.id[i], &row, &list->tokens[list->tokens_n]);
        if (err == 0)
            list->tokens_n++;
    }
    return err;
}

/*
 * The sweep.
 */

/* Rows to look at once the scan is over: nothing is put during one. */
static int find_due(struct kv_tx *tx, struct token_sweep *sweep, struct ids *due)
{
    struct key prefix = key_prefix(KV_TOKEN), after = key_token(sweep->after_id);
    const int64_t now_ms = kv_now(tx);
    struct key_fields fields;
    struct slice key, value;
    struct row_token row;
    struct kv_scan scan;
    unsigned seen = 0;
    int err =
        kv_scan_begin(tx, key_slice(&prefix), sweep->after_id != 0 ? key_slice(&after) : SLICE(""),
                      SWEEP_SCAN_MAX, &scan);

    due->n = 0;
    if (err != 0)
        return err;
    while (due->n < SWEEP_CHANGE_MAX && (err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = key_decode(key, &fields);
        if (err != 0)
            break;
        seen++;
        sweep->next_id = fields.id[0];
        /* One that does not decode stays: fsck is to see it. */
        if (row_token_decode(value, &row) == 0 && row.expires_ms != 0 &&
            (row.expires_ms - sweep->warn_ms <= now_ms ||
             row.expires_ms + sweep->keep_ms <= now_ms))
            due->id[due->n++] = fields.id[0];
    }
    kv_scan_end(&scan);
    if (err == ERR_NOT_FOUND && seen < SWEEP_SCAN_MAX)
        sweep->next_id = 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static bool is_worth_warning(const struct row_token *row, const struct token_sweep *sweep,
                             int64_t now_ms)
{
    return sweep->warn_ms != 0 && !row->warned && !is_dead(row, now_ms) &&
           row->expires_ms - sweep->warn_ms <= now_ms &&
           (row->kind == TOKEN_ROBOT || row->kind == TOKEN_PERSONAL) &&
           /* One that lives no longer than the warning comes before its end needs none. */
           row->expires_ms - row->created_ms > sweep->warn_ms;
}

static int sweep_one(struct kv_tx *tx, struct token_sweep *sweep, uint64_t id)
{
    char when[CLOCK_RFC3339_MAX];
    struct row_token row;
    int err = read_row(tx, id, &row);

    if (err != 0)
        return err;
    if (row.expires_ms + sweep->keep_ms <= kv_now(tx)) {
        sweep->removed++;
        return remove_rows(tx, row.account, id);
    }
    if (!is_worth_warning(&row, sweep, kv_now(tx)))
        return 0;
    sweep->warned++;
    clock_format_rfc3339(row.expires_ms, when);
    err = stage(tx, EVENT_TOKEN_EXPIRING, id, &row, SLICE("system"), slice_from_cstr(when));
    row.warned = true;
    return err != 0 ? err : write_row(tx, id, &row);
}

int token_sweep(struct kv_tx *tx, void *token_sweep)
{
    struct token_sweep *sweep = token_sweep;
    struct ids due;
    int err;

    sweep->next_id = 0;
    sweep->warned = sweep->removed = 0;
    err = find_due(tx, sweep, &due);
    for (unsigned i = 0; i < due.n && err == 0; i++)
        err = sweep_one(tx, sweep, due.id[i]);
    return err;
}
