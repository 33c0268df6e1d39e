/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one pass over the JSON tree, whose values are borrowed. The bytes were checked by
 * manifest_parse when they were pushed, so a part of the wrong shape only happens in a manifest of
 * an older version of ours: it is skipped, not refused, because a page that shows nothing helps
 * nobody.
 */
#include "config.h"
#include "registry/manifest_view.h"

#include "registry/link.h"
#include "registry/manifest.h"

#define DEPTH_MAX  512
#define VALUES_MAX 1000000

#define TITLE      SLICE("org.opencontainers.image.title")

static const struct slice config_types[] = {
    {"application/vnd.oci.image.config.v1+json", 40},
    {"application/vnd.docker.container.image.v1+json", 46},
};

const char *manifest_view_kind_name(enum manifest_view_kind kind)
{
    static const char *const names[] = {
        [VIEW_IMAGE] = "image",
        [VIEW_INDEX] = "index",
        [VIEW_ARTIFACT] = "artifact",
        [VIEW_DOCKER_IMAGE] = "docker-image",
        [VIEW_DOCKER_INDEX] = "docker-index",
    };

    return names[kind];
}

static struct slice text_of(const struct json *object, struct slice name)
{
    const struct json *value = json_member(object, name);

    return value != NULL && value->type == JSON_STRING ? value->text : SLICE("");
}

static const struct json *object_of(const struct json *object, struct slice name)
{
    const struct json *value = json_member(object, name);

    return value != NULL && value->type == JSON_OBJECT ? value : NULL;
}

static bool is_config_type(struct slice type)
{
    return slice_eq(type, config_types[0]) || slice_eq(type, config_types[1]);
}

/* "os/architecture/variant" of an object that has those members. */
static struct slice platform_of(struct arena *arena, const struct json *object)
{
    struct slice os = text_of(object, SLICE("os"));
    struct slice architecture = text_of(object, SLICE("architecture"));
    struct slice variant = text_of(object, SLICE("variant"));

    if (os.n == 0 || architecture.n == 0)
        return SLICE("");
    return arena_printf(arena, SLICE_FMT "/" SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(os),
                        SLICE_ARG(architecture), variant.n > 0 ? "/" : "", SLICE_ARG(variant));
}

static bool read_descriptor(struct arena *arena, const struct json *value,
                            struct view_descriptor *d)
{
    const struct json *size = json_member(value, SLICE("size"));

    *d = (struct view_descriptor){0};
    if (value == NULL || value->type != JSON_OBJECT ||
        digest_parse(text_of(value, SLICE("digest")), &d->digest, NULL) != 0)
        return false;
    if (size != NULL && size->type == JSON_INTEGER && size->integer >= 0)
        d->size = (uint64_t)size->integer;
    d->media_type = text_of(value, SLICE("mediaType"));
    d->artifact_type = text_of(value, SLICE("artifactType"));
    d->annotations = object_of(value, SLICE("annotations"));
    d->title = text_of(d->annotations, TITLE);
    d->platform = platform_of(arena, object_of(value, SLICE("platform")));
    return true;
}

/* Sizes are what clients wrote: their sum stays at its end instead of beginning anew. */
static void add_size(struct manifest_view *view, uint64_t size)
{
    uint64_t max = INT64_MAX;

    view->total_size = size < max - view->total_size ? view->total_size + size : max;
}

static int read_one(struct arena *arena, const struct json *root, struct slice name,
                    const struct view_descriptor **out)
{
    const struct json *value = object_of(root, name);
    struct view_descriptor *d;

    if (value == NULL)
        return 0;
    d = arena_alloc(arena, sizeof(*d));
    if (d == NULL)
        return ERR_NO_MEMORY;
    if (read_descriptor(arena, value, d))
        *out = d;
    return 0;
}

static int read_list(struct arena *arena, const struct json *root, struct slice name,
                     struct manifest_view *view, struct view_descriptor **list, unsigned *n)
{
    const struct json *values = json_member(root, name);

    if (values == NULL || values->type != JSON_ARRAY || values->count == 0)
        return 0;
    *list = arena_alloc(arena, values->count * sizeof(**list));
    if (*list == NULL)
        return ERR_NO_MEMORY;
    for (const struct json *value = values->first; value != NULL; value = value->next) {
        struct view_descriptor *d = &(*list)[*n];
        if (!read_descriptor(arena, value, d))
            continue;
        add_size(view, d->size);
        ++*n;
    }
    return 0;
}

static void decide_kind(struct manifest_view *view, struct slice media_type,
                        const struct json *root)
{
    struct slice config = view->config != NULL ? view->config->media_type : SLICE("");

    view->artifact_type = text_of(root, SLICE("artifactType"));
    if (slice_eq_nocase(media_type,
                        slice_from_cstr(manifest_kind_media_type(MANIFEST_DOCKER_IMAGE)))) {
        view->kind = VIEW_DOCKER_IMAGE;
    } else if (slice_eq_nocase(media_type,
                               slice_from_cstr(manifest_kind_media_type(MANIFEST_DOCKER_LIST)))) {
        view->kind = VIEW_DOCKER_INDEX;
    } else if (slice_eq_nocase(media_type,
                               slice_from_cstr(manifest_kind_media_type(MANIFEST_OCI_INDEX)))) {
        view->kind = VIEW_INDEX;
    } else if (slice_eq_nocase(media_type,
                               slice_from_cstr(manifest_kind_media_type(MANIFEST_OCI_ARTIFACT))) ||
               view->artifact_type.n > 0 || !is_config_type(config)) {
        view->kind = VIEW_ARTIFACT;
        if (view->artifact_type.n == 0)
            view->artifact_type = config;
    } else {
        view->kind = VIEW_IMAGE;
    }
}

int manifest_view_parse(struct arena *arena, struct slice body, struct slice media_type,
                        struct manifest_view **out)
{
    static const struct json_limits limits = {.max_depth = DEPTH_MAX, .max_values = VALUES_MAX};
    struct manifest_view *view = arena_alloc(arena, sizeof(*view));
    struct json *root;

    if (view == NULL)
        return ERR_NO_MEMORY;
    int err = json_parse(arena, body, &limits, &root, NULL);
    if (err != 0)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    if (root->type != JSON_OBJECT)
        return ERR_CORRUPT;
    add_size(view, body.n);
    view->annotations = object_of(root, SLICE("annotations"));
    err = read_one(arena, root, SLICE("subject"), &view->subject);
    if (err == 0)
        err = read_one(arena, root, SLICE("config"), &view->config);
    if (err == 0 && view->config != NULL)
        add_size(view, view->config->size);
    if (err == 0)
        err = read_list(arena, root, SLICE("layers"), view, &view->layers, &view->layers_n);
    /* Artifact manifests, which have no layers, call them blobs. */
    if (err == 0 && view->layers == NULL)
        err = read_list(arena, root, SLICE("blobs"), view, &view->layers, &view->layers_n);
    if (err == 0)
        err =
            read_list(arena, root, SLICE("manifests"), view, &view->manifests, &view->manifests_n);
    if (err != 0)
        return err;
    decide_kind(view, media_type, root);
    *out = view;
    return 0;
}

/* An entry of an index may be a layer: build caches do that. */
static int look_up(struct kv_tx *tx, uint64_t repo, struct view_descriptor *d, bool is_manifest)
{
    struct object object;
    int err = link_find(tx, repo, &d->digest, is_manifest ? OBJECT_MANIFEST : OBJECT_BLOB, &object);

    if (err == ERR_NOT_FOUND && is_manifest)
        err = link_find(tx, repo, &d->digest, OBJECT_BLOB, &object);
    d->present = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

int manifest_view_look_up(struct kv_tx *tx, uint64_t repo, struct manifest_view *view,
                          unsigned begin, unsigned limit)
{
    unsigned all = view->layers_n + view->manifests_n;
    int err = 0;

    for (unsigned i = begin; i < all && i - begin < limit && err == 0; i++) {
        bool is_manifest = i >= view->layers_n;
        err =
            look_up(tx, repo, is_manifest ? &view->manifests[i - view->layers_n] : &view->layers[i],
                    is_manifest);
    }
    return err;
}

bool manifest_view_has_platform_in_config(const struct manifest_view *view)
{
    return (view->kind == VIEW_IMAGE || view->kind == VIEW_DOCKER_IMAGE) && view->config != NULL &&
           is_config_type(view->config->media_type) && view->config->size <= VIEW_CONFIG_MAX;
}

struct slice manifest_view_config_platform(struct arena *arena, struct slice config)
{
    static const struct json_limits limits = {.max_depth = DEPTH_MAX, .max_values = VALUES_MAX};
    struct json *root;

    if (json_parse(arena, config, &limits, &root, NULL) != 0)
        return SLICE("");
    return platform_of(arena, root);
}
