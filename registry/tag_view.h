/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags with what they name, for lists that people read. Functions over a transaction; what is in a
 * file (a large manifest, the config of a single image) is left open and named, for the caller to
 * read where reading may block and to complete with tag_view_complete.
 */
#ifndef REGISTRY_TAG_VIEW_H
#define REGISTRY_TAG_VIEW_H

#include "registry/manifest_view.h"

#define TAG_VIEW_PLATFORMS_MAX 64

struct tag_view {
    struct slice tag, media_type, artifact_type, actor;
    struct digest digest;
    enum manifest_view_kind kind;
    uint64_t size, total_size;
    struct slice *platforms;
    unsigned platforms_n;
    int64_t bound_ms;
    uint64_t event;
    /* What has to be read from a file: the manifest, then perhaps the config. */
    bool needs_manifest, needs_config;
    struct digest config;
    uint64_t config_size;
};

struct tag_view_page {
    struct slice repository;
    struct slice tag;    /* this one only; or, when empty, ... */
    struct slice after;  /* ... those after it */
    unsigned limit;      /* tags */
    unsigned files_max;  /* the page ends early when more would have to be read */
    uint64_t bytes_max;  /* of manifests; the page ends early, after one at least */
    struct arena *arena; /* of the results */
    /* out */
    struct tag_view *tags;
    unsigned n;
    bool more;
};
/* ERR_NAME_UNKNOWN, ERR_TAG_UNKNOWN (of one). */
int tag_view_list(struct kv_tx *tx, void *tag_view_page) MUST_CHECK;

/* The manifest of an entry that needs it. `scratch` may be emptied afterwards. */
int tag_view_add_manifest(struct tag_view *view, struct slice body, struct arena *arena,
                          struct arena *scratch) MUST_CHECK;
/* Its config, when it needs that (then). */
int tag_view_add_config(struct tag_view *view, struct slice config, struct arena *arena,
                        struct arena *scratch) MUST_CHECK;

#endif
