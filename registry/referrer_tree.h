/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Referrers of referrers: a signature of an SBOM of an image. A function over a transaction.
 */
#ifndef REGISTRY_REFERRER_TREE_H
#define REGISTRY_REFERRER_TREE_H

#include "base/json.h"
#include "registry/reference.h"
#include "storage/kv.h"

#define REFERRER_TREE_DEPTH_MAX 8
#define REFERRER_TREE_NODES_MAX 1000

struct referrer_tree {
    struct slice repository;
    struct reference reference; /* of the root; a digest may be one that is not here (yet) */
    struct slice artifact_type; /* of the first level only; empty: all */
    unsigned depth;             /* 1 .. REFERRER_TREE_DEPTH_MAX */
    size_t bytes_max;           /* of descriptors shown */
    struct buf *out;            /* "[{descriptor..., "referrers":[...]}, ...]", written anew */
    /* out */
    struct digest digest; /* of the root */
    bool truncated;       /* there are more, deeper or further */
};
/* ERR_NAME_UNKNOWN, ERR_TAG_UNKNOWN; ERR_MANIFEST_UNKNOWN when the digest is neither here nor
 * anybody's subject. */
int referrer_tree(struct kv_tx *tx, void *referrer_tree) MUST_CHECK;

#endif
