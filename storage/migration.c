/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/migration.h"

#include "base/log.h"

static int read_format(struct kv_tx *tx, void *arg)
{
    return kv_format_get(tx, arg);
}

struct run {
    const struct migration *migration;
    struct migration_at at;
};

/* Re-runnable: `after` is read, `next` and `is_done` are assigned. */
static int run_slice(struct kv_tx *tx, void *arg)
{
    struct run *run = arg;

    run->at.next = run->at.after;
    run->at.is_done = false;
    int err = run->migration->slice(tx, &run->at);
    if (err == 0 && run->at.is_done)
        err = kv_format_put(tx, run->migration->from + 1);
    return err;
}

static int run_migration(struct kv_store *store, const struct migration *migration,
                         struct fault *fault)
{
    struct run run = {.migration = migration};

    log_info("index.migrate", "bringing the index to the next format",
             LOG_U64("from", migration->from), LOG_CSTR("what", migration->what));
    do {
        int err = kv_write_sync(store, run_slice, &run);
        if (err != 0)
            return fault_set(fault, err,
                             "the index could not be brought from format %u to %u (%s); nothing "
                             "is lost, the next start tries it again",
                             migration->from, migration->from + 1, err_text(err));
        run.at.after = run.at.next;
    } while (!run.at.is_done);
    return 0;
}

static const struct migration *find(const struct migration *table, size_t n, unsigned from)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].from == from)
            return &table[i];
    return NULL;
}

int migration_run_table(struct kv_store *store, const struct migration *table, size_t n,
                        unsigned to, struct fault *fault)
{
    unsigned format;
    int err = kv_read_sync(store, read_format, &format);

    if (err != 0)
        return fault_set(fault, err, "the format of the index cannot be read: %s", err_text(err));
    for (; format < to; format++) {
        const struct migration *migration = find(table, n, format);

        if (migration == NULL)
            return fault_set(fault, ERR_CONFIG,
                             "the index has format %u, and this version only knows the way to "
                             "format %u from newer ones: start a version in between first",
                             format, to);
        err = run_migration(store, migration, fault);
        if (err != 0)
            return err;
    }
    return 0;
}

int migration_run(struct kv_store *store, struct fault *fault)
{
    /* Format 1 is the first one, so there is nothing to come from. */
    return migration_run_table(store, NULL, 0, KV_FORMAT, fault);
}
