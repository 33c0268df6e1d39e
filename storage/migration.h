/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From older formats of the index to today's, before anything is served. One migration leads from
 * format n to n + 1; it is a sequence of slices, each a transaction of its own, so that a large
 * index needs no large transaction. The format row moves in the transaction of the last slice:
 * after a crash in between, the migration begins again, so a slice must do no harm the second time.
 */
#ifndef STORAGE_MIGRATION_H
#define STORAGE_MIGRATION_H

#include "storage/rows.h"

/* How far a migration is. What a slice leaves here is assigned anew by each run of it. */
struct migration_at {
    struct key after; /* the last key done; n == 0 at the begin */
    struct key next;  /* set by the slice: `after` of the next one */
    bool is_done;     /* set by the slice: nothing is left */
};

struct migration {
    unsigned from;
    const char *what; /* for the log: "tags get their class" */
    int (*slice)(struct kv_tx *tx, struct migration_at *at);
};

/* Bring the index to KV_FORMAT; nothing when it has it. ERR_CONFIG when no migration begins at its
 * format, with words. Blocking; before the store is used. */
int migration_run(struct kv_store *store, struct fault *fault) MUST_CHECK;

/* The same by another table and to another format (tests). */
int migration_run_table(struct kv_store *store, const struct migration *table, size_t n,
                        unsigned to, struct fault *fault) MUST_CHECK;

#endif
