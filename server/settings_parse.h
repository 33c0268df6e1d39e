/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside server/settings: where values come from. Each function changes the values it finds and
 * leaves the others; strings are copied into `arena`. ERR_CONFIG says where, what and what to do.
 * Any thread.
 */
#ifndef SERVER_SETTINGS_PARSE_H
#define SERVER_SETTINGS_PARSE_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"
#include "server/settings.h"

#define SETTINGS_FILE_MAX_BYTES ((size_t)1 << 20)

/* A YAML document; `name` stands in messages ("name:line:column: ..."). */
int settings_apply_text(struct slice text, const char *name, struct arena *arena,
                        struct settings *values, struct fault *fault) MUST_CHECK;

/* "NAME=value" strings, NULL at the end: TIDEMARK_<SECTION>_<KEY>. Others are ignored, but not one
 * with a section of ours and a key that does not exist. */
int settings_apply_environment(char *const *environment, struct arena *arena,
                               struct settings *values, struct fault *fault) MUST_CHECK;

/* Defaults and the text, nothing else (tests, fuzzing). The caller gets one reference. */
int settings_load_text(struct slice text, const char *name, const struct settings **settings,
                       struct fault *fault) MUST_CHECK;

#endif
