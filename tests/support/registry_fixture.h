/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushes and pulls over the store of store_fixture.h in one call each, for tests. Contents are
 * texts; a blob or manifest is named by the sha256 of its text.
 */
#ifndef TESTS_SUPPORT_REGISTRY_FIXTURE_H
#define TESTS_SUPPORT_REGISTRY_FIXTURE_H

#include "registry/blob.h"
#include "registry/manifest_store.h"
#include "registry/tag.h"
#include "tests/support/store_fixture.h"

#define FIXTURE_GRACE_MS ((int64_t)7 * 24 * 3600 * 1000)

#define OCI_IMAGE        "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX        "application/vnd.oci.image.index.v1+json"
#define OCI_CONFIG       "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER        "application/vnd.oci.image.layer.v1.tar+gzip"

int fixture_blob_put(const char *repo, const char *content);
/* 0 when it can be read. */
int fixture_blob_get(const char *repo, const char *content);
int fixture_blob_mount(const char *repo, const char *from, const char *content);
/* *holders may be NULL. */
int fixture_blob_delete(const char *repo, const char *content, struct holders *holders);

/* JSON of a descriptor of a text; static: the hundredth call after it overwrites it. */
const char *fixture_descriptor(const char *media_type, const char *content);
/* The text of an image over a config and one layer (NULL: none); `more` is put before the last
 * brace (",\"a\":1"). Static. */
const char *fixture_image(const char *config, const char *layer, const char *more);
/* An index over descriptors written out. */
const char *fixture_index(const char *descriptors, const char *more);

/* What fixture_manifest_put asks besides the usual; zero is the usual. */
struct fixture_put {
    struct tag_condition condition;
    const char *const *tags; /* ends with NULL; instead of the one tag */
    verb_bits without_verbs; /* that the caller has not */
    bool allow_sparse;
    bool as_file;             /* the bytes are a blob file */
    const char *content_type; /* NULL: none */
    int (*also)(struct kv_tx *tx, void *arg);
    void *also_arg;
    struct manifest_put result; /* out; its manifest is gone */
};

/* `tag` NULL: none; `how` NULL: the usual. */
int fixture_manifest_put(const char *repo, const char *tag, const char *text,
                         struct fixture_put *how);
/* By tag, or by the digest of `text` when tag is NULL; `text` is compared with what comes. */
int fixture_manifest_get(const char *repo, const char *tag, const char *text);
/* Repeats while told so; *again counts the repetitions (both may be NULL). */
int fixture_manifest_delete(const char *repo, const char *text, struct holders *holders,
                            unsigned *again);
int fixture_tag_delete(const char *repo, const char *tag);

/* The repository's number, the object's row by content; fatal when absent. */
uint64_t fixture_repo(const char *repo);
struct object fixture_object(const char *content, enum object_kind kind);

#endif
