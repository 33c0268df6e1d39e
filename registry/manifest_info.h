/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest with what this repository knows about it. A function over a transaction.
 */
#ifndef REGISTRY_MANIFEST_INFO_H
#define REGISTRY_MANIFEST_INFO_H

#include "base/arena.h"
#include "registry/reference.h"
#include "storage/kv.h"

#define MANIFEST_INFO_TAGS_MAX 100

struct manifest_info {
    struct slice repository;
    struct reference reference;
    struct arena *arena; /* of the results */
    /* out */
    uint64_t repo;
    struct digest digest;
    struct slice media_type;
    uint64_t size;
    struct slice body; /* p == NULL: the bytes are a blob file */
    struct slice tags[MANIFEST_INFO_TAGS_MAX];
    unsigned tags_n;
    int64_t pushed_ms; /* to this repository, last */
    uint64_t event;    /* of that push */
};
/* ERR_NAME_UNKNOWN, ERR_TAG_UNKNOWN, ERR_MANIFEST_UNKNOWN. */
int manifest_info(struct kv_tx *tx, void *manifest_info) MUST_CHECK;

#endif
