/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repositories: a name interned to a number that is never reused. Functions over a transaction.
 */
#ifndef REGISTRY_REPOSITORY_H
#define REGISTRY_REPOSITORY_H

#include "storage/kv.h"

/* ERR_NAME_UNKNOWN. */
int repository_find(struct kv_tx *tx, struct slice name, uint64_t *repo) MUST_CHECK;

/* Find or create; creation stages repo.created. */
int repository_ensure(struct kv_tx *tx, struct slice name, struct slice actor,
                      uint64_t *repo) MUST_CHECK;

/* Names in byte order after `after`, at most `limit`. Returns what `each` returned when non-zero.
 */
int repository_list(struct kv_tx *tx, struct slice after, unsigned limit,
                    int (*each)(struct slice name, uint64_t repo, void *arg), void *arg) MUST_CHECK;

#endif
