/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/tag_view.h"

#include "registry/link.h"
#include "registry/repository.h"
#include "registry/tag.h"

#define SCRATCH_MAX ((size_t)32 << 20) /* the tree of a manifest that stands in the index */

/* BuildKit lists its attestations under this one. */
#define NO_PLATFORM SLICE("unknown/unknown")

struct walk {
    struct kv_tx *tx;
    uint64_t repo;
    struct tag_view_page *page;
    struct arena scratch;
    uint64_t bytes;
    unsigned files;
};

static int copy(struct arena *arena, struct slice text, struct slice *out)
{
    *out = arena_dup(arena, text);
    return out->p != NULL ? 0 : ERR_NO_MEMORY;
}

static bool has_platform(const struct tag_view *view, struct slice platform)
{
    for (unsigned i = 0; i < view->platforms_n; i++)
        if (slice_eq(view->platforms[i], platform))
            return true;
    return false;
}

static int add_platform(struct tag_view *view, struct slice platform, struct arena *arena)
{
    if (platform.n == 0 || slice_eq(platform, NO_PLATFORM) || has_platform(view, platform) ||
        view->platforms_n == TAG_VIEW_PLATFORMS_MAX)
        return 0;
    return copy(arena, platform, &view->platforms[view->platforms_n++]);
}

int tag_view_add_manifest(struct tag_view *view, struct slice body, struct arena *arena,
                          struct arena *scratch)
{
    struct manifest_view *manifest;
    unsigned room;

    view->needs_manifest = false;
    int err = manifest_view_parse(scratch, body, view->media_type, &manifest);
    if (err != 0)
        return err;
    view->kind = manifest->kind;
    view->total_size = manifest->total_size;
    err = copy(arena, manifest->artifact_type, &view->artifact_type);
    room = manifest->manifests_n < TAG_VIEW_PLATFORMS_MAX ? manifest->manifests_n + 1
                                                          : TAG_VIEW_PLATFORMS_MAX;
    view->platforms_n = 0;
    view->platforms = arena_alloc(arena, room * sizeof(*view->platforms));
    if (view->platforms == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < manifest->manifests_n && err == 0; i++)
        err = add_platform(view, manifest->manifests[i].platform, arena);
    view->needs_config = manifest_view_has_platform_in_config(manifest);
    if (view->needs_config) {
        view->config = manifest->config->digest;
        view->config_size = manifest->config->size;
    }
    return err;
}

int tag_view_add_config(struct tag_view *view, struct slice config, struct arena *arena,
                        struct arena *scratch)
{
    view->needs_config = false;
    return add_platform(view, manifest_view_config_platform(scratch, config), arena);
}

/* A config blob that is not here, or that another repository's client pushed and this one only
 * names, is not read. */
static int check_config(struct walk *walk, struct tag_view *view)
{
    struct object object;

    if (!view->needs_config)
        return 0;
    int err = link_find(walk->tx, walk->repo, &view->config, OBJECT_BLOB, &object);
    if (err == ERR_NOT_FOUND || (err == 0 && object.row.size != view->config_size)) {
        view->needs_config = false;
        return 0;
    }
    return err;
}

static int read_manifest(struct walk *walk, struct tag_view *view, const struct object *object)
{
    struct slice body;

    if (object->row.store != OBJECT_IN_INDEX) {
        view->needs_manifest = true;
        return 0;
    }
    int err = object_body(walk->tx, object->id, &body);
    if (err != 0)
        return err;
    err = tag_view_add_manifest(view, body, walk->page->arena, &walk->scratch);
    arena_reset(&walk->scratch);
    return err != 0 ? err : check_config(walk, view);
}

static int fill(struct walk *walk, struct slice tag, struct tag_view *view)
{
    struct arena *arena = walk->page->arena;
    struct object object;
    struct row_tag row;

    *view = (struct tag_view){0};
    int err = tag_find(walk->tx, walk->repo, tag, &row);
    if (err == 0)
        err = object_get(walk->tx, row.obj, &object);
    if (err == ERR_NOT_FOUND)
        return ERR_CORRUPT;
    if (err != 0)
        return err;
    view->digest = object.row.digest;
    view->size = view->total_size = object.row.size;
    view->bound_ms = row.time_ms;
    view->event = row.seq;
    err = copy(arena, tag, &view->tag);
    if (err == 0)
        err = copy(arena, row.actor, &view->actor);
    if (err == 0)
        err = copy(arena, object.row.media_type, &view->media_type);
    return err != 0 ? err : read_manifest(walk, view, &object);
}

static int add_tag(struct slice tag, void *arg)
{
    struct walk *walk = arg;
    struct tag_view_page *page = walk->page;

    if (page->n == page->limit || walk->bytes > page->bytes_max || walk->files >= page->files_max) {
        page->more = true;
        return 1;
    }
    struct tag_view *view = &page->tags[page->n];
    int err = fill(walk, tag, view);
    if (err != 0)
        return err;
    page->n++;
    walk->bytes += view->size;
    walk->files += view->needs_manifest || view->needs_config;
    return 0;
}

int tag_view_list(struct kv_tx *tx, void *tag_view_page)
{
    struct tag_view_page *page = tag_view_page;
    struct walk walk = {.tx = tx, .page = page};

    page->n = 0;
    page->more = false;
    int err = repository_find(tx, page->repository, &walk.repo);
    if (err != 0)
        return err;
    if (page->tag.n > 0)
        page->limit = 1;
    page->tags = arena_alloc(page->arena, page->limit * sizeof(*page->tags));
    if (page->tags == NULL)
        return ERR_NO_MEMORY;
    arena_init(&walk.scratch, SCRATCH_MAX);
    err = page->tag.n > 0 ? add_tag(page->tag, &walk)
                          : tag_list(tx, walk.repo, page->after, page->limit + 1, add_tag, &walk);
    arena_fini(&walk.scratch);
    return err < 0 ? err : 0;
}
