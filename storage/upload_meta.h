/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar of an upload, as bytes: text lines, names by length, a checksum over all before it,
 * so that a torn or foreign file is told from a whole one.
 *
 *   tidemark upload 1
 *   algorithm sha256
 *   repository 11 library/web
 *   identity 9 anonymous
 *   check <64 hex: SHA-256 of the lines above>
 *
 * The offset is not in it: it is the size of the data file. Codec: any thread.
 */
#ifndef STORAGE_UPLOAD_META_H
#define STORAGE_UPLOAD_META_H

#include "base/buf.h"
#include "base/digest.h"

#define UPLOAD_META_NAME_MAX 1024 /* bytes of a repository or identity */
#define UPLOAD_META_MAX      4096 /* bytes of a sidecar */

struct upload_meta {
    enum digest_algorithm algorithm;
    struct slice repository, identity;
};

/* `out` must have room for UPLOAD_META_MAX; names must keep their limit. */
void upload_meta_encode(struct buf *out, const struct upload_meta *meta);

/* Takes exactly what encode writes; ERR_CORRUPT for all else. Names are borrowed from `bytes`. */
int upload_meta_parse(struct slice bytes, struct upload_meta *meta) MUST_CHECK;

#endif
