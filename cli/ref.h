/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people write to name something in a registry: [http://host:port/]repository[:tag|@digest].
 * The grammar is that of the registry, which has the last word; here it is checked so that a
 * mistake is told before anything is sent, and so that a name can stand in a URL as it is.
 * Values; any thread.
 */
#ifndef CLI_REF_H
#define CLI_REF_H

#include "base/digest.h"
#include "base/fault.h"
#include "base/slice.h"

/* All borrowed from the text, empty when not written. */
struct ref {
    struct slice server;     /* "http://host:port" */
    struct slice repository; /* "team/app" */
    struct slice tag;
    struct slice digest; /* "sha256:..." */
};

/* What may or must be written. */
enum ref_want {
    REF_TAG = 1,         /* repository:tag */
    REF_DIGEST = 2,      /* repository@digest */
    REF_REPOSITORY = 4,  /* repository alone */
    REF_SERVER_ONLY = 8, /* http://host:port alone */
};

/* `want` is a set of enum ref_want. ERR_INVALID, and the fault says what to write instead. */
int ref_parse(struct slice text, unsigned want, struct ref *ref, struct fault *fault) MUST_CHECK;

/* "http://host:port", with or without a slash at its end, which *server is without. */
int ref_parse_server(struct slice text, struct slice *server, struct fault *fault) MUST_CHECK;

/* The tag or the digest: what stands behind /manifests/. */
static inline struct slice ref_version(const struct ref *ref)
{
    return ref->tag.n > 0 ? ref->tag : ref->digest;
}

#endif
