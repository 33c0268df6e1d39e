/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Referrers: manifests of a repository that name another as their subject (distribution-spec,
 * "Listing Referrers"). Functions over a transaction.
 */
#ifndef REGISTRY_REFERRER_H
#define REGISTRY_REFERRER_H

#include "registry/manifest.h"
#include "storage/object.h"

/* The row of a manifest with a subject. The descriptor in it is made here: mediaType, digest, size,
 * artifactType, annotations. ERR_MANIFEST_INVALID when it does not fit a row. */
int referrer_put(struct kv_tx *tx, uint64_t repo, uint64_t subject, const struct object *object,
                 const struct manifest *manifest) MUST_CHECK;

/* Referrers of `subject` in order of arrival after object `after` (0: from the start), only live
 * ones, only of `artifact_type` unless empty; looks at no more than `limit` rows. *last is the last
 * object looked at, *more whether rows are left. No referrers and an unknown subject are the same.
 */
struct referrer_page {
    struct slice repository, artifact_type;
    struct digest subject;
    uint64_t after;
    unsigned limit;
    size_t bytes_max; /* stop when the descriptors given exceed this */
    int (*each)(struct slice descriptor, void *arg);
    void *arg;
    /* out */
    uint64_t last;
    bool more;
};
/* ERR_NAME_UNKNOWN. */
int referrer_list(struct kv_tx *tx, struct referrer_page *page) MUST_CHECK;

#endif
