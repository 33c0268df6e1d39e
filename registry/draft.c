/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one row for each file. A row has the time its draft was begun, which it takes from the
 * rows that are there already, so that the files of a draft expire together: otherwise a draft
 * published late could lack its first files without anybody noticing. Rows past their time are not
 * there for any of these functions but the sweep, so it does not matter when that comes by.
 *
 * A draft row does not hold its blob: what is deleted meanwhile is missed when the draft is
 * published, which checks every descriptor.
 */
#include "config.h"
#include "registry/draft.h"

#include "registry/link.h"
#include "registry/repository.h"

#define REMOVE_MAX     100 /* rows that one function removes */
#define SWEEP_SCAN_MAX 1000

static struct key row_key(uint64_t repo, const struct draft *draft, struct slice path)
{
    struct digest digest;

    digest_compute(DIGEST_SHA256, path, &digest);
    return key_draft(repo, draft->tag, draft->actor, &digest);
}

static bool is_expired(const struct kv_tx *tx, const struct row_draft *row, int64_t expire_ms)
{
    return kv_now(tx) - row->begun_ms >= expire_ms;
}

/* Rows of a draft that are in time. */
static int each_row(struct kv_tx *tx, uint64_t repo, const struct draft *draft, unsigned limit,
                    int (*each)(const struct row_draft *row, void *arg), void *arg)
{
    struct key prefix = key_prefix_draft(repo, draft->tag, draft->actor);
    struct row_draft row;
    struct slice key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), limit, &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        err = row_draft_decode(value, &row);
        if (err == 0 && !is_expired(tx, &row, draft->expire_ms))
            err = each(&row, arg);
        if (err != 0)
            break;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/*
 * Put.
 */

struct counting {
    const struct draft_put *put;
    unsigned others; /* files of another name */
    bool has_begun;
    int64_t begun_ms;
};

static int count_row(const struct row_draft *row, void *arg)
{
    struct counting *counting = arg;

    counting->others += !slice_eq(row->path, counting->put->file.path);
    if (!counting->has_begun || row->begun_ms < counting->begun_ms)
        counting->begun_ms = row->begun_ms;
    counting->has_begun = true;
    return 0;
}

static int put_row(struct kv_tx *tx, uint64_t repo, const struct draft_put *put, int64_t begun_ms)
{
    const struct row_draft row = {
        .begun_ms = begun_ms,
        .size = put->file.size,
        .digest = put->file.digest,
        .media_type = put->file.media_type,
        .path = put->file.path,
    };
    struct key key = row_key(repo, &put->draft, put->file.path);
    struct buf value;

    buf_init(&value, KV_VALUE_MAX);
    row_draft_encode(&value, &row);
    int err = buf_error(&value, ERR_LIMIT);

    if (err == 0)
        err = kv_put(tx, key_slice(&key), buf_slice(&value));
    buf_fini(&value);
    return err;
}

int draft_put(struct kv_tx *tx, void *draft_put)
{
    struct draft_put *put = draft_put;
    struct counting counting = {.put = put, .begun_ms = kv_now(tx)};
    struct object object;
    uint64_t repo;

    put->files = 0;
    put->expires_ms = 0;
    if (put->draft.actor.n > DRAFT_ACTOR_MAX)
        return ERR_LIMIT;
    int err = repository_find(tx, put->draft.repository, &repo);
    if (err == 0)
        err = link_find(tx, repo, &put->file.digest, OBJECT_BLOB, &object);
    if (err == ERR_NOT_FOUND)
        return ERR_BLOB_UNKNOWN;
    if (err == 0)
        err = each_row(tx, repo, &put->draft, UINT32_MAX, count_row, &counting);
    if (err == 0 && counting.others >= put->max_files)
        return ERR_LIMIT;
    if (err == 0)
        err = put_row(tx, repo, put, counting.begun_ms);
    put->files = counting.others + 1;
    put->expires_ms = counting.begun_ms + put->draft.expire_ms;
    return err;
}

/*
 * Read, and take what was read.
 */

static int collect_row(const struct row_draft *row, void *arg)
{
    struct draft_read *read = arg;
    struct artifact_file *file = &read->files[read->files_n];

    if (read->files_n == read->max_files)
        return ERR_LIMIT;
    *file = (struct artifact_file){
        .path = arena_dup(read->arena, row->path),
        .media_type = arena_dup(read->arena, row->media_type),
        .digest = row->digest,
        .size = row->size,
    };
    read->files_n++;
    return file->path.p != NULL && file->media_type.p != NULL ? 0 : ERR_NO_MEMORY;
}

int draft_read(struct kv_tx *tx, void *draft_read)
{
    struct draft_read *read = draft_read;
    uint64_t repo;

    read->files_n = 0;
    read->files = arena_alloc(read->arena, read->max_files * sizeof(*read->files));
    if (read->files == NULL)
        return ERR_NO_MEMORY;
    int err = repository_find(tx, read->draft.repository, &repo);
    if (err == 0)
        err = each_row(tx, repo, &read->draft, UINT32_MAX, collect_row, read);
    if (err == ERR_NAME_UNKNOWN || (err == 0 && read->files_n == 0))
        return ERR_DRAFT_UNKNOWN;
    return err;
}

static bool is_same(const struct row_draft *row, const struct artifact_file *file)
{
    return row->size == file->size && digest_eq(&row->digest, &file->digest) &&
           slice_eq(row->media_type, file->media_type) && slice_eq(row->path, file->path);
}

int draft_take(struct kv_tx *tx, void *draft_take)
{
    const struct draft_take *take = draft_take;
    struct row_draft row;
    struct slice value;
    uint64_t repo;

    kv_budget_add(tx, take->files_n);
    int err = repository_find(tx, take->draft.repository, &repo);
    for (unsigned i = 0; i < take->files_n && err == 0; i++) {
        struct key key = row_key(repo, &take->draft, take->files[i].path);

        err = kv_get(tx, key_slice(&key), &value);
        if (err == 0)
            err = row_draft_decode(value, &row);
        if (err == ERR_NOT_FOUND || (err == 0 && !is_same(&row, &take->files[i])))
            return ERR_AGAIN;
        if (err == 0)
            err = kv_del(tx, key_slice(&key));
    }
    return err;
}

/*
 * Remove.
 */

struct removal {
    unsigned n;
    struct key keys[REMOVE_MAX];
};

static void remember(struct removal *removal, struct slice key)
{
    struct key *copy = &removal->keys[removal->n++];

    copy->n = key.n;
    memcpy(copy->bytes, key.p, key.n);
}

static int remove_all(struct kv_tx *tx, const struct removal *removal)
{
    int err = 0;

    for (unsigned i = 0; i < removal->n && err == 0; i++)
        err = kv_del(tx, key_slice(&removal->keys[i]));
    return err;
}

int draft_discard(struct kv_tx *tx, void *draft_discard)
{
    struct draft_discard *discard = draft_discard;
    const struct draft *draft = &discard->draft;
    struct slice key, value;
    struct removal removal;
    struct kv_scan scan;
    uint64_t repo;

    removal.n = 0;
    discard->removed = 0;
    discard->again = false;
    int err = repository_find(tx, draft->repository, &repo);
    if (err == ERR_NAME_UNKNOWN)
        return 0;
    if (err != 0)
        return err;
    struct key prefix = key_prefix_draft(repo, draft->tag, draft->actor);
    err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), REMOVE_MAX, &scan);
    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0)
        remember(&removal, key);
    kv_scan_end(&scan);
    if (err == ERR_NOT_FOUND)
        err = remove_all(tx, &removal);
    discard->removed = removal.n;
    discard->again = removal.n == REMOVE_MAX;
    return err;
}

/* A row that does not decode stays: fsck is to see it. */
static bool is_due(struct kv_tx *tx, struct slice value, int64_t expire_ms)
{
    struct row_draft row;

    return row_draft_decode(value, &row) == 0 && is_expired(tx, &row, expire_ms);
}

int draft_sweep(struct kv_tx *tx, void *draft_sweep)
{
    struct draft_sweep *sweep = draft_sweep;
    struct key prefix = key_prefix(KV_DRAFT);
    struct slice key, value;
    struct removal removal;
    struct kv_scan scan;
    unsigned seen = 0;

    removal.n = 0;
    sweep->removed = 0;
    sweep->next.n = 0;
    int err =
        kv_scan_begin(tx, key_slice(&prefix), key_slice(&sweep->after), SWEEP_SCAN_MAX, &scan);
    if (err != 0)
        return err;
    while (removal.n < REMOVE_MAX && (err = kv_scan_next(&scan, &key, &value)) == 0) {
        sweep->next.n = key.n;
        memcpy(sweep->next.bytes, key.p, key.n);
        seen++;
        if (is_due(tx, value, sweep->expire_ms))
            remember(&removal, key);
    }
    kv_scan_end(&scan);
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    if (err == ERR_NOT_FOUND && seen < SWEEP_SCAN_MAX)
        sweep->next.n = 0;
    sweep->removed = removal.n;
    return remove_all(tx, &removal);
}
