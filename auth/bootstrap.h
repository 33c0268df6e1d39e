/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in before there is an administrator: a secret in a file of the data directory, readable
 * by the owner only, for one login within an hour. A start without an administrator writes a new
 * one and forgets the old one. Blocking: at start, or where files may be touched.
 */
#ifndef AUTH_BOOTSTRAP_H
#define AUTH_BOOTSTRAP_H

#include "base/fault.h"
#include "storage/kv.h"

#define BOOTSTRAP_FILE    "bootstrap-token" /* in the data directory */
#define BOOTSTRAP_LIFE_MS ((int64_t)3600 * 1000)

/* `dir_fd` is the data directory. */
int bootstrap_offer(struct kv_store *kv, int dir_fd, struct fault *fault) MUST_CHECK;

/* There is an administrator: removes file and row, when they are there. */
int bootstrap_withdraw(struct kv_store *kv, int dir_fd, struct fault *fault) MUST_CHECK;

/* In a write function: removes the rows of bootstrap tokens. *removed may be NULL. */
int bootstrap_remove(struct kv_tx *tx, void *removed) MUST_CHECK;

#endif
