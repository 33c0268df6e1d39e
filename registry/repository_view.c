/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: nothing is kept about a repository's size: counters would be rows that every push writes.
 * So it is counted when somebody asks, in steps that each touch a bounded number of rows. The steps
 * see different snapshots: the sums are of rows that were there when they were counted.
 */
#include "config.h"
#include "registry/repository_view.h"

#include "registry/reference.h"
#include "registry/repository.h"
#include "storage/object.h"

#include <assert.h>

_Static_assert(TAG_MAX <= sizeof(((struct usage *)0)->after_tag), "a tag fits");

struct walk {
    struct kv_tx *tx;
    struct repository_view_page *page;
    unsigned rows, names;
};

static int count_tags(struct walk *walk, uint64_t repo, struct repository_view *view)
{
    struct key prefix = key_prefix_u64(KV_TAG, repo);
    struct slice key, value;
    struct row_tag row;
    struct kv_scan scan;
    int err =
        kv_scan_begin(walk->tx, key_slice(&prefix), SLICE(""), REPOSITORY_VIEW_TAGS_MAX + 1, &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        walk->rows++;
        if (view->tags == REPOSITORY_VIEW_TAGS_MAX) {
            view->tags_more = true;
            view->last_push_ms = 0;
            break;
        }
        err = row_tag_decode(value, &row);
        if (err != 0)
            break;
        view->tags++;
        if (row.time_ms > view->last_push_ms)
            view->last_push_ms = row.time_ms;
    }
    kv_scan_end(&scan);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int add_repository(struct slice name, uint64_t repo, void *arg)
{
    struct walk *walk = arg;
    struct repository_view_page *page = walk->page;

    if (page->shows != NULL) {
        bool is_last = ++walk->names == page->names_max;
        if (is_last)
            page->seen = arena_dup(page->arena, name);
        if (is_last && page->seen.p == NULL)
            return ERR_NO_MEMORY;
        if (!page->shows(name, page->shows_arg))
            return 0;
    }
    if (page->n == page->limit || walk->rows > page->rows_max) {
        page->more = true;
        page->seen = slice_make(NULL, 0);
        return 1;
    }
    struct repository_view *view = &page->repositories[page->n++];
    *view = (struct repository_view){.name = arena_dup(page->arena, name)};
    return view->name.p != NULL ? count_tags(walk, repo, view) : ERR_NO_MEMORY;
}

int repository_view_list(struct kv_tx *tx, void *repository_view_page)
{
    struct repository_view_page *page = repository_view_page;
    struct walk walk = {.tx = tx, .page = page};

    page->n = page->kept;
    page->more = false;
    page->seen = slice_make(NULL, 0);
    if (page->kept == 0)
        page->repositories = arena_alloc(page->arena, page->limit * sizeof(*page->repositories));
    if (page->repositories == NULL)
        return ERR_NO_MEMORY;
    int err =
        repository_list(tx, page->after, page->shows != NULL ? page->names_max : page->limit + 1,
                        add_repository, &walk);
    return err < 0 ? err : 0;
}

/*
 * Usage.
 */

static int count_link(struct kv_tx *tx, struct slice key, struct slice value, struct usage *usage)
{
    struct key_fields fields;
    struct object object;
    struct row_link row;
    int err = key_decode(key, &fields);

    if (err == 0)
        err = row_link_decode(value, &row);
    if (err != 0)
        return err;
    usage->after_obj = fields.id[1];
    if (row.due_ms != 0)
        return 0;
    err = object_get(tx, fields.id[1], &object);
    if (err != 0)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (object.row.kind == OBJECT_MANIFEST)
        usage->manifests++;
    else
        usage->blobs++;
    usage->bytes += object.row.size;
    return 0;
}

static int count_tag(struct slice key, struct usage *usage)
{
    struct key_fields fields;
    int err = key_decode(key, &fields);

    if (err == 0 && fields.text.n > sizeof(usage->after_tag))
        err = ERR_CORRUPT;
    if (err != 0)
        return err;
    usage->after_tag_n = fields.text.n;
    memcpy(usage->after_tag, fields.text.p, fields.text.n);
    usage->tags++;
    return 0;
}

/* Links, or tags when those are done. *done: there are no more of them. */
static int count(struct kv_tx *tx, uint64_t repo, bool links, unsigned limit, struct usage *usage,
                 bool *done)
{
    struct slice tag = slice_make(usage->after_tag, usage->after_tag_n);
    struct key prefix = key_prefix_u64(links ? KV_LINK : KV_TAG, repo);
    struct key start = links ? key_link(repo, usage->after_obj) : key_tag(repo, tag);
    bool is_first = links ? usage->after_obj == 0 : tag.n == 0;
    struct slice key, value;
    struct kv_scan scan;
    unsigned seen = 0;
    int err = kv_scan_begin(tx, key_slice(&prefix), is_first ? SLICE("") : key_slice(&start), limit,
                            &scan);

    if (err != 0)
        return err;
    while ((err = kv_scan_next(&scan, &key, &value)) == 0) {
        seen++;
        err = links ? count_link(tx, key, value, usage) : count_tag(key, usage);
        if (err != 0)
            break;
    }
    kv_scan_end(&scan);
    usage->rows += seen;
    *done = seen < limit;
    return err == ERR_NOT_FOUND ? 0 : err;
}

int usage_step(struct kv_tx *tx, void *usage_step)
{
    struct usage_step *step = usage_step;
    uint64_t repo;

    step->to = step->from;
    int err = repository_find(tx, step->repository, &repo);
    if (err != 0)
        return err;
    if (!step->from.links_done)
        return count(tx, repo, true, step->limit, &step->to, &step->to.links_done);
    return count(tx, repo, false, step->limit, &step->to, &step->to.done);
}
