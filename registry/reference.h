/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of names: repositories, tags, and what stands after /manifests/
 * (distribution-spec, "Pulling manifests"). Any thread.
 */
#ifndef REGISTRY_REFERENCE_H
#define REGISTRY_REFERENCE_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/slice.h"

#define REPOSITORY_NAME_MAX 255
#define TAG_MAX             128

/* ERR_NAME_INVALID; the fault says which component and what is allowed. */
int repository_name_check(struct slice name, struct fault *fault) MUST_CHECK;

/* ERR_TAG_INVALID. */
int tag_check(struct slice tag, struct fault *fault) MUST_CHECK;

struct reference {
    bool is_digest;
    struct slice tag; /* borrowed */
    struct digest digest;
};

/* A text with ':' is a digest (ERR_DIGEST_INVALID, ERR_DIGEST_UNSUPPORTED), else a tag. */
int reference_parse(struct slice text, struct reference *reference, struct fault *fault) MUST_CHECK;

#endif
