/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest of named files: an OCI image manifest of the type below, whose layers are the files
 * and whose title annotations are their names. The same files make the same bytes, whoever writes
 * them, /files of the registry included: sorted by name, no times. Main thread only.
 */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/slice.h"

#define FILES_ARTIFACT_TYPE "application/vnd.tidemark.files.v1"
#define FILES_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define FILES_EMPTY_TYPE    "application/vnd.oci.empty.v1+json"
#define FILES_MEDIA_TYPE    "application/octet-stream"
#define FILES_EMPTY_DIGEST  "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define FILES_MANIFEST_MAX  (4 * 1024 * 1024)

struct file {
    struct slice title;
    struct slice media_type;
    struct digest digest;
    uint64_t size;
    bool is_packed;  /* a folder that oras packed */
    bool is_present; /* of the verb's own use */
    const char *path;
};

struct files {
    struct file *list;
    size_t n;
    size_t unnamed; /* layers without a name, when read */
};

/* By title. ERR_EXISTS when two have the same one. */
int files_sort(struct files *files, struct fault *fault) MUST_CHECK;

/* Appends the manifest; they are sorted. */
void files_write(const struct files *files, struct buf *out);

/* Reads any image manifest; strings live in the arena. ERR_SYNTAX when it is none, ERR_NOT_FOUND
 * when nothing in it has a name. Titles are as they came: check them. */
int files_read(struct arena *arena, struct slice manifest, struct files *files,
               struct fault *fault) MUST_CHECK;

/* The array that `--output json` tells of them: each with its name, digest and size, and, under the
 * name `moved`, whether its bytes went over the wire. */
void files_write_json(const struct files *files, const char *moved, struct json_writer *w);

#endif
