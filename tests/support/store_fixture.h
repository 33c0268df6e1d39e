/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key-value store for the tests of what is above it: in memory (with conflicts injected) or LMDB
 * in a temporary directory. A test program has one at a time. Failures are CUnit's fatal ones.
 */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include "base/buf.h"
#include "base/digest.h"
#include "storage/rows.h"

#include <CUnit/CUnit.h>

/* Between open and close. */
extern struct kv_store *fixture_kv;

void fixture_open_mem(void);
void fixture_open_lmdb(void);
void fixture_close(void);

/* Adds the tests twice, as suite "<name>, memory" and "<name>, LMDB", each test with a store of its
 * own. `tests` ends with a NULL name. */
void fixture_add_suites(const char *name, const CU_TestInfo *tests);

/* A temporary directory and its removal with everything in it. */
void fixture_make_dir(char path[256]);
void fixture_remove_dir(const char *path);

/* Run a function and give back its result. */
int fixture_write(kv_fn fn, void *arg);
int fixture_read(kv_fn fn, void *arg);

/* sha256 of a text. */
struct digest fixture_digest(const char *text);

/* "repo.created blob.pushed ...": the events after number `after`; static. */
const char *fixture_events(uint64_t after);
uint64_t fixture_event_last(void);

/* Rows written since the last call, of a family and of all. */
struct fixture_rows {
    uint64_t puts[256], dels[256], total;
};
struct fixture_rows fixture_rows_since(const struct fixture_rows *before);
struct fixture_rows fixture_rows_now(void);

/* Raw rows, for damage: value p == NULL deletes. */
int fixture_put_row(struct key key, struct slice value);
/* ERR_NOT_FOUND; the value is copied to `value` (initialised by the caller). */
int fixture_get_row(struct key key, struct buf *value);
/* Rows with this prefix. */
unsigned fixture_count_rows(struct key prefix);

#endif
