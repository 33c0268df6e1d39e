/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a manifest says: its kind, its descriptors, its subject. Parsing only; the bytes themselves
 * are stored and served unchanged (image-spec manifest.md, image-index.md; Docker schema 2).
 * Any thread.
 */
#ifndef REGISTRY_MANIFEST_H
#define REGISTRY_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/fault.h"

enum manifest_kind {
    MANIFEST_OCI_IMAGE,
    MANIFEST_OCI_INDEX,
    MANIFEST_OCI_ARTIFACT, /* application/vnd.oci.artifact.manifest.v1+json, image-spec 1.1-rc */
    MANIFEST_DOCKER_IMAGE,
    MANIFEST_DOCKER_LIST,
};

/* The registered media type of a kind; static. */
const char *manifest_kind_media_type(enum manifest_kind kind);

struct descriptor {
    struct slice media_type;
    struct digest digest;
    uint64_t size;
    const char *field;   /* "config", "layers", "manifests", "blobs", "subject" */
    unsigned index;      /* within the field */
    bool is_manifest;    /* names a manifest, else a blob; in `manifests`, with a type that is no
                            manifest's (build caches do that), false: it may be either */
    bool may_be_missing; /* has urls or a non-distributable type */
};

struct manifest {
    enum manifest_kind kind;
    struct slice media_type;    /* of the manifest */
    struct slice artifact_type; /* artifactType, else the config's type for an image; or empty */
    struct slice annotations;   /* the JSON object as written; empty when absent */
    struct descriptor *descriptors; /* config, layers, blobs, manifests; no subject */
    unsigned descriptors_n;
    bool has_subject;
    struct descriptor subject;
};

struct manifest_limits {
    unsigned max_bytes; /* of the body; checked by the caller before reading it */
    unsigned max_descriptors;
    unsigned max_depth; /* of JSON nesting */
    unsigned
        max_annotation_bytes; /* of a manifest with a subject: they stand in referrers answers */
};

/* `content_type` is the request's, parameters allowed; empty = the body's mediaType decides.
 * Refuses with ERR_MANIFEST_INVALID and the place in the document in `fault`: bad JSON, duplicate
 * names, wrong types, unknown or disagreeing media types, layers together with manifests, digest
 * syntax, negative or fractional sizes, too many descriptors, two descriptors of one digest that
 * disagree on size. Everything is borrowed from `body` or lives in `arena`. */
int manifest_parse(struct arena *arena, struct slice body, struct slice content_type,
                   const struct manifest_limits *limits, struct manifest **manifest,
                   struct fault *fault) MUST_CHECK;

#endif
