/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/store_fixture.h"

#include "storage/event.h"

#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kv_store *fixture_kv;

static char directory[256];

void fixture_make_dir(char path[256])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(path, 256, "%s/tidemark-test-XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(path));
}

void fixture_remove_dir(const char *path)
{
    char copy[256];
    char *paths[] = {copy, NULL};
    FTS *tree;

    snprintf(copy, sizeof(copy), "%s", path);
    tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
        if (entry->fts_info == FTS_DP)
            rmdir(entry->fts_accpath);
        else if (entry->fts_info != FTS_D)
            unlink(entry->fts_accpath);
    }
    fts_close(tree);
}

static void open_engine(const struct kv_engine *engine, const char *path)
{
    const struct kv_options options = {
        .map_size_bytes = 64u << 20,
        .readers_max = 8,
        .queue_max = 1024,
        .conflict_percent = 25,
    };
    struct fault fault = FAULT_INIT;
    int err = kv_open(engine, path, &options, &fixture_kv, &fault);

    if (err != 0)
        printf("# %s\n", fault_text(&fault, err));
    CU_ASSERT_EQUAL_FATAL(err, 0);
}

void fixture_open_mem(void)
{
    open_engine(&kv_engine_mem, "");
}

void fixture_open_lmdb(void)
{
    fixture_make_dir(directory);
    open_engine(&kv_engine_lmdb, directory);
}

void fixture_close(void)
{
    kv_close(fixture_kv);
    fixture_kv = NULL;
    if (directory[0] != '\0')
        fixture_remove_dir(directory);
    directory[0] = '\0';
}

static void add_suite(const char *name, const char *engine, CU_SetUpFunc set_up,
                      const CU_TestInfo *tests)
{
    char text[128];
    CU_pSuite suite;

    snprintf(text, sizeof(text), "%s, %s", name, engine);
    suite = CU_add_suite_with_setup_and_teardown(text, NULL, NULL, set_up, fixture_close);
    for (; tests->pName != NULL; tests++)
        CU_add_test(suite, tests->pName, tests->pTestFunc);
}

void fixture_add_suites(const char *name, const CU_TestInfo *tests)
{
    add_suite(name, "memory", fixture_open_mem, tests);
    add_suite(name, "LMDB", fixture_open_lmdb, tests);
}

int fixture_write(kv_fn fn, void *arg)
{
    return kv_write_sync(fixture_kv, fn, arg);
}

int fixture_read(kv_fn fn, void *arg)
{
    return kv_read_sync(fixture_kv, fn, arg);
}

struct digest fixture_digest(const char *text)
{
    struct digest digest;

    digest_compute(DIGEST_SHA256, slice_from_cstr(text), &digest);
    return digest;
}

/*
 * Events.
 */

struct event_list {
    uint64_t after;
    char text[4096];
};

static int add_event(const struct event *event, void *arg)
{
    struct event_list *list = arg;
    size_t n = strlen(list->text);
    const char *name = event_type_name((int)event->type);

    snprintf(list->text + n, sizeof(list->text) - n, "%s%s", n > 0 ? " " : "", name ? name : "?");
    return 0;
}

static int list_events(struct kv_tx *tx, void *arg)
{
    struct event_list *list = arg;

    list->text[0] = '\0';
    return event_scan(tx, list->after, 10000, add_event, list);
}

const char *fixture_events(uint64_t after)
{
    static struct event_list list;

    list.after = after;
    CU_ASSERT_EQUAL_FATAL(fixture_read(list_events, &list), 0);
    return list.text;
}

uint64_t fixture_event_last(void)
{
    return kv_event_last(fixture_kv);
}

/*
 * Rows.
 */

struct fixture_rows fixture_rows_now(void)
{
    struct fixture_rows rows;

    memset(&rows, 0, sizeof(rows));
    kv_row_counts(fixture_kv, rows.puts, rows.dels);
    for (int i = 0; i < 256; i++)
        rows.total += rows.puts[i] + rows.dels[i];
    return rows;
}

struct fixture_rows fixture_rows_since(const struct fixture_rows *before)
{
    struct fixture_rows rows = fixture_rows_now();

    for (int i = 0; i < 256; i++) {
        rows.puts[i] -= before->puts[i];
        rows.dels[i] -= before->dels[i];
    }
    rows.total -= before->total;
    return rows;
}

struct raw_row {
    struct key key;
    struct slice value;
    struct buf *copy;
    unsigned count;
};

static int put_raw(struct kv_tx *tx, void *arg)
{
    struct raw_row *row = arg;

    if (row->value.p == NULL)
        return kv_del(tx, key_slice(&row->key));
    return kv_put(tx, key_slice(&row->key), row->value);
}

int fixture_put_row(struct key key, struct slice value)
{
    struct raw_row row = {.key = key, .value = value};

    return fixture_write(put_raw, &row);
}

static int get_raw(struct kv_tx *tx, void *arg)
{
    struct raw_row *row = arg;
    struct slice value;
    int err = kv_get(tx, key_slice(&row->key), &value);

    buf_reset(row->copy);
    if (err == 0)
        buf_add(row->copy, value);
    return err;
}

int fixture_get_row(struct key key, struct buf *value)
{
    struct raw_row row = {.key = key, .copy = value};

    return fixture_read(get_raw, &row);
}

static int count_raw(struct kv_tx *tx, void *arg)
{
    struct raw_row *row = arg;
    struct slice key, value;
    struct kv_scan scan;
    int err = kv_scan_begin(tx, key_slice(&row->key), SLICE(""), UINT_MAX, &scan);

    row->count = 0;
    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0)
        row->count++;
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

unsigned fixture_count_rows(struct key prefix)
{
    struct raw_row row = {.key = prefix};

    CU_ASSERT_EQUAL_FATAL(fixture_read(count_raw, &row), 0);
    return row.count;
}
