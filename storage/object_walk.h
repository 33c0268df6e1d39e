/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every object of an index that nobody changes meanwhile: that of a backup. Blocking; one thread.
 */
#ifndef STORAGE_OBJECT_WALK_H
#define STORAGE_OBJECT_WALK_H

#include "storage/rows.h"

/* LIVE, TRASH or DAMAGED, in order of their numbers; `row` has no media type. Stops when `each`
 * returns non-zero, and returns that. */
int object_walk(struct kv_store *store, int (*each)(const struct row_obj *row, void *arg),
                void *arg) MUST_CHECK;

#endif
