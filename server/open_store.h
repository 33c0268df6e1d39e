/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every process verb begins with: the configuration, and the store it describes.
 */
#ifndef SERVER_OPEN_STORE_H
#define SERVER_OPEN_STORE_H

#include "server/settings.h"
#include "storage/store.h"

/* `config`, or the installed tidemark.yaml where there is one and `config` is NULL, or NULL. */
const char *config_path(const char *config);

/* settings_load of config_path(config). */
int load_settings(const char *config, const struct settings_overrides *overrides,
                  const struct settings **settings, struct fault *fault) MUST_CHECK;

struct upload_options upload_options_of(const struct settings *settings);

/* Blob files that may stay open: blobs.open_files, or what the limit of open files allows. */
unsigned open_files_max(const struct settings *settings);

/* `on_fatal` (may be NULL) as in struct kv_options. */
int open_store(const struct settings *settings,
               void (*on_fatal)(void *arg, const struct fault *fault), struct store *store,
               struct fault *fault) MUST_CHECK;

/* The store of a restore that is not over yet. */
int open_store_restored(const struct settings *settings, struct store *store,
                        struct fault *fault) MUST_CHECK;

#endif
