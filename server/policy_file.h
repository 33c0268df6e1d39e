/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy at start: what the index has, or the file of auth.policy where that says something
 * else. Blocking.
 */
#ifndef SERVER_POLICY_FILE_H
#define SERVER_POLICY_FILE_H

#include "auth/policy_cell.h"
#include "base/arena.h"
#include "storage/kv.h"

/* A document in YAML, or JSON when it begins with '{', as the JSON that is kept. In the arena.
 * ERR_SYNTAX with line and column. */
int policy_file_convert(struct arena *arena, struct slice text, struct slice *json,
                        struct fault *fault) MUST_CHECK;

/* Into the cell, which stays empty when there is no policy at all. `path` "": no file. ERR_CONFIG
 * names the file and what is wrong in it. */
int policy_file_apply(struct kv_store *kv, const char *path, struct policy_cell *cell,
                      struct fault *fault) MUST_CHECK;

#endif
