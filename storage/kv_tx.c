/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: what a function can do inside its transaction. Reads go straight to the engine. Writes
 * pass the run's budget first; a run over it is a bug of ours, which debug builds stop at and
 * release builds answer with ERR_LIMIT, because a slow batch is no reason to end the process.
 *
 * Events and the rows that cite them are staged in one buffer, in order, and written when the
 * function is done (kv_run_finish): an engine with several writers knows an event's number only
 * then. Each record is staged with room for its hash behind it, so that the row is written from
 * where it lies.
 */
#include "config.h"
#include "storage/kv_internal.h"
#include "storage/rows.h"

#include "base/fault_point.h"

#include <assert.h>

/* Staged bytes are bounded by the budget; this only adds room for the entries' headers. */
#define STAGED_MAX ((size_t)4 * KV_WRITTEN_MAX)

enum staged_kind { STAGED_EVENT, STAGED_CITED };

struct staged {
    enum staged_kind kind;
    size_t key_n, value_n; /* the bytes follow: key, then value */
    size_t offset;         /* CITED: of the number in the value */
};

static void put_be64(uint8_t *out, uint64_t value)
{
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

void kv_run_reset(struct kv_run *run, const struct kv_head *head)
{
    struct buf staged = run->staged;

    *run = (struct kv_run){.head = *head, .rows_max = KV_ROWS_MAX, .staged = staged};
    if (run->staged.max == 0)
        buf_init(&run->staged, STAGED_MAX);
    buf_reset(&run->staged);
}

/* Our bug: stops a debug build. */
static int misuse(struct kv_run *run, int err)
{
#ifdef TIDEMARK_DEBUG
    assert(!"a write function broke the rules of storage/kv.h");
#endif
    if (run != NULL && run->err == 0)
        run->err = err;
    return err;
}

/* NOT_FOUND is an answer; any other engine error sticks to the run. */
static int note(struct kv_tx *tx, int err)
{
    if (err != 0 && err != ERR_NOT_FOUND && tx->run != NULL && tx->run->err == 0)
        tx->run->err = err;
    return err;
}

/* Account for one row of so many bytes before it is written. */
static int charge(struct kv_tx *tx, struct slice key, size_t value_n)
{
    struct kv_run *run = tx->run;

    if (run == NULL || key.n == 0 || key.n > KV_KEY_MAX || value_n > KV_VALUE_MAX)
        return misuse(run, ERR_INTERNAL);
    if (run->err != 0)
        return run->err;
    if (run->scans != 0)
        return misuse(run, ERR_INTERNAL);
    run->rows++;
    run->bytes += key.n + value_n;
    if (run->rows > run->rows_max || run->bytes > KV_WRITTEN_MAX)
        return misuse(run, ERR_LIMIT);
    return 0;
}

int kv_get(struct kv_tx *tx, struct slice key, struct slice *value)
{
    return note(tx, tx->engine->get(tx->handle, key, value));
}

bool kv_has(struct kv_tx *tx, struct slice key, int *err)
{
    struct slice value;

    *err = kv_get(tx, key, &value);
    if (*err == ERR_NOT_FOUND) {
        *err = 0;
        return false;
    }
    return *err == 0;
}

static int write_row(struct kv_tx *tx, struct slice key, struct slice value, bool append)
{
    int sys = FAULT_POINT("kv.put");
    int err =
        note(tx, sys != 0 ? err_from_errno(sys) : tx->engine->put(tx->handle, key, value, append));

    if (err == 0)
        tx->run->puts[(uint8_t)key.p[0]]++;
    return err;
}

int kv_put(struct kv_tx *tx, struct slice key, struct slice value)
{
    int err = charge(tx, key, value.n);

    return err != 0 ? err : write_row(tx, key, value, false);
}

int kv_del(struct kv_tx *tx, struct slice key)
{
    int err = charge(tx, key, 0);

    if (err != 0)
        return err;
    err = note(tx, tx->engine->del(tx->handle, key));
    if (err == 0)
        tx->run->dels[(uint8_t)key.p[0]]++;
    return err;
}

int kv_touch(struct kv_tx *tx, struct slice key)
{
    if (tx->run == NULL || tx->engine->touch == NULL)
        return 0;
    return note(tx, tx->engine->touch(tx->handle, key));
}

int kv_next_id(struct kv_tx *tx, enum kv_sequence sequence, uint64_t *id)
{
    /* The numbers of events are given when the function is done. */
    if (tx->run == NULL || sequence < KV_SEQ_REPO || sequence >= KV_SEQ_EVENT)
        return misuse(tx->run, ERR_INTERNAL);
    *id = ++tx->run->head.last[sequence];
    return 0;
}

int64_t kv_now(const struct kv_tx *tx)
{
    return tx->now_ms;
}

void kv_budget_add(struct kv_tx *tx, unsigned rows)
{
    if (tx->run != NULL)
        tx->run->rows_max += rows;
}

int kv_scan_begin(struct kv_tx *tx, struct slice prefix, struct slice start_after, unsigned limit,
                  struct kv_scan *scan)
{
    bool after = start_after.n != 0 && slice_cmp(start_after, prefix) >= 0;
    struct slice start = after ? start_after : prefix;
    int err;

    if (start.n > KV_KEY_MAX) /* no key is longer, so what follows is the same */
        start.n = KV_KEY_MAX;
    scan->tx = tx;
    scan->cursor = NULL;
    scan->prefix_n = prefix.n;
    scan->start_n = start.n;
    if (start.n != 0)
        memcpy(scan->start, start.p, start.n);
    scan->exclusive = after;
    scan->started = false;
    scan->left = slice_starts_with(start, prefix) ? limit : 0; /* else it is past the prefix */
    err = note(tx, tx->engine->scan_begin(tx->handle, scan));
    if (err != 0)
        scan->tx = NULL;
    else if (tx->run != NULL)
        tx->run->scans++;
    return err;
}

int kv_scan_next(struct kv_scan *scan, struct slice *key, struct slice *value)
{
    int err;

    if (scan->left == 0)
        return ERR_NOT_FOUND;
    err = note(scan->tx, scan->tx->engine->scan_next(scan->tx->handle, scan, key, value));
    if (err == 0 && (key->n < scan->prefix_n || memcmp(key->p, scan->start, scan->prefix_n) != 0))
        err = ERR_NOT_FOUND;
    scan->started = true;
    scan->left = err == 0 ? scan->left - 1 : 0;
    return err;
}

void kv_scan_end(struct kv_scan *scan)
{
    struct kv_tx *tx = scan->tx;

    if (tx == NULL)
        return;
    tx->engine->scan_end(tx->handle, scan);
    scan->tx = NULL;
    scan->left = 0;
    if (tx->run != NULL)
        tx->run->scans--;
}

static int stage(struct kv_tx *tx, const struct staged *entry, struct slice key, struct slice value)
{
    static const char hash[EVENT_HASH_SIZE];
    struct buf *staged = &tx->run->staged;

    buf_add(staged, slice_make(entry, sizeof(*entry)));
    buf_add(staged, key);
    buf_add(staged, value);
    if (entry->kind == STAGED_EVENT)
        buf_add(staged, slice_make(hash, sizeof(hash)));
    return staged->overflow ? note(tx, ERR_NO_MEMORY) : 0;
}

int kv_event(struct kv_tx *tx, struct slice record)
{
    struct staged entry = {.kind = STAGED_EVENT, .value_n = record.n + EVENT_HASH_SIZE};
    struct key key = key_event(0);
    int err = charge(tx, key_slice(&key), entry.value_n);

    if (err != 0)
        return err;
    tx->run->events++;
    return stage(tx, &entry, slice_make(NULL, 0), record);
}

int kv_put_cited(struct kv_tx *tx, struct slice key, struct slice value, size_t offset)
{
    struct staged entry = {
        .kind = STAGED_CITED, .key_n = key.n, .value_n = value.n, .offset = offset};
    int err = charge(tx, key, value.n);

    if (err != 0)
        return err;
    if (tx->run->events == 0 || value.n < 8 || offset > value.n - 8)
        return misuse(tx->run, ERR_INTERNAL);
    return stage(tx, &entry, key, value);
}

static int finish_event(struct kv_tx *tx, uint8_t *value, size_t value_n)
{
    struct kv_head *head = &tx->run->head;
    struct slice record = slice_make(value, value_n - EVENT_HASH_SIZE);
    struct key key = key_event(++head->last[KV_SEQ_EVENT]);

    event_chain_next(head->hash, record, head->hash);
    memcpy(value + record.n, head->hash, EVENT_HASH_SIZE);
    return write_row(tx, key_slice(&key), slice_make(value, value_n), true);
}

static int finish_cited(struct kv_tx *tx, const struct staged *entry, uint8_t *bytes)
{
    uint8_t *value = bytes + entry->key_n;

    put_be64(value + entry->offset, tx->run->head.last[KV_SEQ_EVENT]);
    return write_row(tx, slice_make(bytes, entry->key_n), slice_make(value, entry->value_n), false);
}

int kv_run_finish(struct kv_tx *tx)
{
    struct buf *staged = &tx->run->staged;
    struct staged entry;
    int err = tx->run->scans != 0 ? misuse(tx->run, ERR_INTERNAL) : 0;

    for (size_t at = 0; err == 0 && at < staged->n; at += entry.key_n + entry.value_n) {
        memcpy(&entry, staged->p + at, sizeof(entry));
        at += sizeof(entry);
        uint8_t *bytes = (uint8_t *)staged->p + at;
        if (entry.kind == STAGED_EVENT)
            err = finish_event(tx, bytes, entry.value_n);
        else
            err = finish_cited(tx, &entry, bytes);
    }
    return err;
}
