/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named files in a manifest: each layer is a file, its title annotation the name
 * (image-spec annotations.md, "org.opencontainers.image.title"; what oras push and oras pull do).
 * Pure; any thread.
 */
#ifndef REGISTRY_ARTIFACT_H
#define REGISTRY_ARTIFACT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/fault.h"
#include "base/json.h"

#define ARTIFACT_TYPE_FILES "application/vnd.tidemark.files.v1"

/* The bytes of the config that says nothing: a blob every such artifact needs. */
#define ARTIFACT_EMPTY_CONFIG "{}"

/* Names are segments divided by '/', UTF-8, without control characters, no segment empty, "." or
 * "..". ERR_FILE_PATH_INVALID, with the rule that is broken. */
int file_path_check(struct slice path, size_t max_bytes, struct fault *fault) MUST_CHECK;

/* The path of a URL, percent-decoded into the arena and checked. */
int file_path_decode(struct arena *arena, struct slice text, size_t max_bytes, struct slice *path,
                     struct fault *fault) MUST_CHECK;

/* The path as a URL has it: all but letters, digits, "-._~" and '/' escaped. */
void file_path_encode(struct buf *out, struct slice path);

/* A media type that a layer may have: its lower-case form without parameters in the arena, empty
 * when `text` is no media type or one that means something else to clients (a manifest, a form). */
struct slice file_media_type(struct arena *arena, struct slice text);

struct artifact_file {
    struct slice path; /* the title, or "layer-<index>" where it has none that is allowed */
    struct slice media_type;
    struct digest digest;
    uint64_t size;
};

struct artifact {
    struct slice media_type;
    bool is_index;               /* has children and no files */
    struct artifact_file *files; /* in the order of the layers, names differ */
    unsigned files_n;
    const struct json *root;
};

struct artifact_limits {
    unsigned max_depth;       /* of JSON nesting */
    unsigned max_descriptors; /* of a manifest */
    size_t max_path;          /* bytes of a name */
};

/* The files of a stored manifest. All is copied to the arena. ERR_CORRUPT, ERR_NO_MEMORY. */
int artifact_read(struct arena *arena, struct slice body, struct slice media_type,
                  const struct artifact_limits *limits, struct artifact **artifact,
                  struct fault *fault) MUST_CHECK;

/* NULL when there is no such name. */
const struct artifact_file *artifact_find(const struct artifact *artifact, struct slice path);

/* Whether files can be added: 0, or ERR_NOT_FILES for indexes, container images and kinds other
 * than the OCI image manifest. */
int artifact_check_open(const struct artifact *artifact, struct fault *fault) MUST_CHECK;

/* Write the manifest that has `files` besides those of `base` (NULL: none), each in the place of
 * one of the same name. All else of `base` stays as it is. Without a base, or with one made here,
 * files are in the order of their names, so that equal files give equal bytes. ERR_NOT_FILES,
 * ERR_LIMIT for too many, ERR_MANIFEST_TOO_LARGE when `out` is too small. */
int artifact_add(struct arena *arena, const struct artifact *base,
                 const struct artifact_file *files, unsigned n,
                 const struct artifact_limits *limits, struct buf *out,
                 struct fault *fault) MUST_CHECK;

#endif
