/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: rows are taken in pages out of short reads, so that `each` may take as long as it likes
 * and do what a function over a transaction must not.
 */
#include "config.h"
#include "storage/object_walk.h"

#include "base/mem.h"

#include <stdlib.h>

#define PAGE_ROWS 512

struct page {
    uint64_t after; /* obj_id */
    unsigned n;     /* rows scanned */
    unsigned rows_n;
    struct row_obj rows[PAGE_ROWS];
    uint64_t last;
};

static int read_row(struct page *page, struct slice key, struct slice value)
{
    struct row_obj *row = &page->rows[page->rows_n];
    struct key_fields fields;
    int err = key_decode(key, &fields);

    if (err == 0)
        err = row_obj_decode(value, row);
    if (err != 0)
        return err;
    row->media_type = SLICE("");
    page->last = fields.id[0];
    page->n++;
    if (row->state != OBJECT_ABSENT)
        page->rows_n++;
    return 0;
}

static int read_page(struct kv_tx *tx, void *arg)
{
    struct page *page = arg;
    struct key prefix = key_prefix(KV_OBJ), start = key_obj(page->after);
    struct slice key, value;
    struct kv_scan scan;

    page->n = page->rows_n = 0;
    int err = kv_scan_begin(tx, key_slice(&prefix), key_slice(&start), PAGE_ROWS, &scan);
    if (err != 0)
        return err;
    while (err == 0 && (err = kv_scan_next(&scan, &key, &value)) == 0)
        err = read_row(page, key, value);
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int object_walk(struct kv_store *store, int (*each)(const struct row_obj *row, void *arg),
                void *arg)
{
    struct page *page = xcalloc(1, sizeof(*page));
    int err;

    do {
        err = kv_read_sync(store, read_page, page);
        for (unsigned i = 0; err == 0 && i < page->rows_n; i++)
            err = each(&page->rows[i], arg);
        page->after = page->last;
    } while (err == 0 && page->n == PAGE_ROWS);
    free(page);
    return err;
}
