/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers of /files (files_*.c) share: names in the path, the manifest behind a
 * reference, adding files to a tag. Worker thread only.
 */
#ifndef SERVER_FILES_H
#define SERVER_FILES_H

#include "registry/artifact.h"
#include "registry/draft.h"
#include "registry/manifest_store.h"
#include "server/request.h"

/* ":<tag>" or "@<digest>" of the path. */
int files_reference(const struct request *r, struct reference *reference,
                    struct fault *fault) MUST_CHECK;

/* The same for requests that write: it must be a tag. */
int files_tag(const struct request *r, struct slice *tag, struct fault *fault) MUST_CHECK;

/* The file's name, decoded and checked. */
int files_path(struct request *r, struct slice *path, struct fault *fault) MUST_CHECK;

struct artifact_limits files_limits(const struct request *r);

/* Location: /files/<name>@<manifest>/<path>; without a path the list. */
void files_location(struct request *r, const struct digest *manifest, struct slice path);

/*
 * The manifest of a reference, parsed: where it is small at once, else read on the io pool and
 * parsed on the cpu pool.
 */
struct files_load {
    struct request *r;
    struct reference reference;
    struct arena *arena; /* of the artifact */
    void (*done)(void *arg, int err, const struct fault *fault);
    void *arg;
    /* out */
    struct digest digest;
    struct artifact *artifact;
    /* its own */
    struct pool_job job;
    struct manifest_get get;
    struct blob_file *file;
    char *bytes;
    int err;
    struct fault fault;
};

/* ERR_NAME_UNKNOWN, ERR_MANIFEST_UNKNOWN, ERR_BUSY when memory for bodies is used up. `done` may
 * run before it returns. */
void files_load(struct files_load *load);

/*
 * Bind a tag to a manifest that has files besides those it has: read, add, compare and swap, again
 * when somebody else was faster.
 */
struct files_add {
    struct request *r;
    struct slice tag;
    const struct artifact_file *files; /* blobs of the repository */
    unsigned files_n;
    struct tag_condition condition; /* what the client asks of the tag */
    struct draft_take *draft;       /* where they come from; NULL: nowhere */
    void (*done)(void *arg, int err, const struct fault *fault);
    void *arg;
    /* out */
    struct digest manifest;
    struct digest current; /* with ERR_HTTP_PRECONDITION: what the tag names */
    unsigned total;        /* files of the manifest */
    /* its own */
    struct files_adding *adding;
};

/* ERR_NOT_FILES, ERR_HTTP_PRECONDITION, ERR_CONFLICT (the tag moves too fast), ERR_AGAIN (the draft
 * changed), those of manifest_put. */
void files_add(struct files_add *add);

#endif
