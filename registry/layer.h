/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files in a layer: a tar archive, as it is or through gzip, from bytes that come piece by
 * piece. What is in it is hostile: entries and unpacked bytes are limited, and so is the work of
 * one call. One thread at a time.
 */
#ifndef REGISTRY_LAYER_H
#define REGISTRY_LAYER_H

#include "registry/tar.h"

enum layer_format { LAYER_UNKNOWN, LAYER_TAR, LAYER_TAR_GZIP, LAYER_ZSTD, LAYER_OTHER };

struct layer_limits {
    unsigned max_entries;
    uint64_t max_unpacked_bytes;
};

struct layer_reader;

/* `each` gets the entries, as tar_init says. ERR_NO_MEMORY. */
int layer_create(const struct layer_limits *limits,
                 int (*each)(const struct tar_entry *entry, void *arg), void *arg,
                 struct layer_reader **layer) MUST_CHECK;
void layer_destroy(struct layer_reader *layer);

/* The next bytes: takes some off the front of *bytes; to be called again with the rest. Unpacks at
 * most LAYER_TURN_BYTES. 0; ERR_NOT_FOUND: the archive is complete; ERR_HTTP_MEDIA_TYPE: no such
 * archive; ERR_LIMIT: there is more than the limits allow; ERR_SYNTAX: damaged in the middle; or
 * what `each` returned. Not to be called again after any of them. */
#define LAYER_TURN_BYTES (1u << 20)
int layer_feed(struct layer_reader *layer, struct slice *bytes) MUST_CHECK;

/* Call again, also without new bytes: some are unpacked already. */
bool layer_has_more(const struct layer_reader *layer);

/* There are no more bytes: ERR_NOT_FOUND, ERR_HTTP_MEDIA_TYPE or ERR_SYNTAX. */
int layer_finish(struct layer_reader *layer) MUST_CHECK;

/* Known once a few bytes were fed. */
enum layer_format layer_format(const struct layer_reader *layer);

#endif
