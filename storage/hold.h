/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds: reasons why an object of a repository must stay, put by upper layers (an environment runs
 * it, an open promotion needs it). Functions over a transaction; each touches the obj row.
 */
#ifndef STORAGE_HOLD_H
#define STORAGE_HOLD_H

#include "storage/rows.h"

/* Numbers are stored: append only. */
enum hold_reason { HOLD_PIN = 1, HOLD_ENVIRONMENT = 2, HOLD_PROMOTION = 3, HOLD_EVIDENCE = 4 };

const char *hold_reason_name(enum hold_reason reason);

int hold_put(struct kv_tx *tx, uint64_t repo, uint64_t obj, enum hold_reason reason,
             struct slice owner) MUST_CHECK;
int hold_del(struct kv_tx *tx, uint64_t repo, uint64_t obj, enum hold_reason reason,
             struct slice owner) MUST_CHECK;

/* Calls each(reason, owner) for at most `limit` holds; *count is how many there were. */
int hold_list(struct kv_tx *tx, uint64_t repo, uint64_t obj, unsigned limit,
              void (*each)(enum hold_reason reason, struct slice owner, void *arg), void *arg,
              unsigned *count) MUST_CHECK;

#endif
