/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of a running server: an immutable snapshot, shared by reference count and
 * swapped whole on SIGHUP. (The name config.h belongs to autoconf.) Any thread.
 */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

struct settings {
#define STRING(section, key, field, def, reloadable, help)          const char *field;
#define BOOL(section, key, field, def, reloadable, help)            bool field;
#define COUNT(section, key, field, def, min, max, reloadable, help) uint64_t field;
#define SIZE(section, key, field, def, min, max, reloadable, help)  uint64_t field;
#define TIME(section, key, field, def, min, max, reloadable, help)  uint64_t field;
#define CHOICE(section, key, field, choices, def, reloadable, help) unsigned field;
#include "server/config.def"
#undef STRING
#undef BOOL
#undef COUNT
#undef SIZE
#undef TIME
#undef CHOICE
};

enum { AUTH_CHALLENGE_BOTH, AUTH_CHALLENGE_TOKEN, AUTH_CHALLENGE_BASIC }; /* auth_challenge */
enum { LOG_ACCESS_OFF, LOG_ACCESS_WRITES, LOG_ACCESS_ALL };               /* settings.log_access */

/* What the command line says; NULL when it does not. */
struct settings_overrides {
    const char *data, *listen;
};

/* Defaults, then the file (`path`, may be NULL), then TIDEMARK_* of the environment, then the
 * command line. ERR_CONFIG with "file:line:column: what and what to do" (did-you-mean for unknown
 * keys). The caller gets one reference. */
int settings_load(const char *path, const struct settings_overrides *overrides,
                  const struct settings **settings, struct fault *fault) MUST_CHECK;
const struct settings *settings_ref(const struct settings *settings);
void settings_unref(const struct settings *settings);

/* The first key that differs and cannot change while running ("server.workers"), or NULL. */
const char *settings_needs_restart(const struct settings *old, const struct settings *new);

/* As settings_load, for a running server: keys that cannot change keep the value of `running`, and
 * the first that was to change is named in *restart_key (NULL: none). */
int settings_reload(const char *path, const struct settings_overrides *overrides,
                    const struct settings *running, const struct settings **settings,
                    const char **restart_key, struct fault *fault) MUST_CHECK;

/* YAML of every key with its value; and the JSON Schema of the file. */
void settings_dump(const struct settings *settings, struct buf *out);
void settings_schema(struct buf *out);

#endif
