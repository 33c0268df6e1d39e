/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stored manifest shows to people: its kind in one word, its parts with sizes, titles and
 * platforms. Lenient where manifest_parse is strict: what was taken once is shown as well as it can
 * be, and an entry that cannot be read is left out. Parsing only; any thread.
 */
#ifndef REGISTRY_MANIFEST_VIEW_H
#define REGISTRY_MANIFEST_VIEW_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/json.h"
#include "storage/kv.h"

enum manifest_view_kind {
    VIEW_IMAGE,
    VIEW_INDEX,
    VIEW_ARTIFACT,
    VIEW_DOCKER_IMAGE,
    VIEW_DOCKER_INDEX
};

/* "image", "docker-index", ... */
const char *manifest_view_kind_name(enum manifest_view_kind kind);

struct view_descriptor {
    struct slice media_type, artifact_type;
    struct digest digest;
    uint64_t size;
    const struct json *annotations; /* an object, or NULL */
    struct slice title;             /* of a file; empty when it has none */
    struct slice platform;          /* "linux/arm/v7"; empty when it names none */
    bool present;                   /* set by manifest_view_look_up */
};

struct manifest_view {
    enum manifest_view_kind kind;
    struct slice artifact_type;
    const struct json *annotations;                 /* an object, or NULL */
    const struct view_descriptor *subject, *config; /* NULL when there is none */
    struct view_descriptor *layers, *manifests;
    unsigned layers_n, manifests_n;
    uint64_t total_size; /* the manifest and all its descriptors name */
};

/* `media_type` is the stored one. Everything borrows from the arena. ERR_CORRUPT when the bytes are
 * no JSON object, ERR_NO_MEMORY. */
int manifest_view_parse(struct arena *arena, struct slice body, struct slice media_type,
                        struct manifest_view **view) MUST_CHECK;

/* Set `present` of the layers, then of the manifests, from number `begin` on, at most `limit` of
 * them; `repo` as of now. */
int manifest_view_look_up(struct kv_tx *tx, uint64_t repo, struct manifest_view *view,
                          unsigned begin, unsigned limit) MUST_CHECK;

/* Whether a single image's platform stands in its config blob, and that is small enough to look. */
bool manifest_view_has_platform_in_config(const struct manifest_view *view);
#define VIEW_CONFIG_MAX ((size_t)1 << 20)

/* The platform an image config names, in the arena; empty when it names none. */
struct slice manifest_view_config_platform(struct arena *arena, struct slice config);

#endif
