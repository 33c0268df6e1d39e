/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers of the distribution API (v2_*.c) share: common fields of answers, arguments,
 * paging. Worker thread only.
 */
#ifndef SERVER_V2_H
#define SERVER_V2_H

#include "registry/manifest_store.h"
#include "server/request.h"

/* Memory of the request for a handler's state. NULL when there is none, which is answered then. */
void *v2_alloc(struct request *r, size_t size_bytes) MUST_CHECK;

/* The last part of the path as a digest; ERR_DIGEST_INVALID, ERR_DIGEST_UNSUPPORTED. */
int v2_digest_argument(const struct request *r, struct digest *digest,
                       struct fault *fault) MUST_CHECK;

/* Docker-Content-Digest, and the digest for the access line. */
void v2_digest_field(struct request *r, const struct digest *digest);

/* "<digest>" with the quotes, in the arena. */
struct slice v2_etag(struct request *r, const struct digest *digest);

/* Location of a blob, a manifest, an upload: a path, so that it holds behind any host name. */
void v2_location(struct request *r, const char *kind, const struct digest *digest);

/* `n` and `last` of a list. */
struct v2_page {
    unsigned n;        /* entries wanted, not above lists.max_page */
    struct slice last; /* empty: from the start */
};
/* ERR_PAGINATION_INVALID, ERR_HTTP_BAD_REQUEST. */
int v2_page_parse(struct request *r, struct v2_page *page, struct fault *fault) MUST_CHECK;

/* Whether a push of so many bytes has a prospect, asked before any is read: ERR_DISK_FULL,
 * ERR_UNAVAILABLE. */
int v2_admit(const struct request *r, uint64_t bytes, struct fault *fault) MUST_CHECK;

/* {"holders":[...],"more":bool} for MANIFEST_IN_USE and BLOB_IN_USE; in the arena. */
struct slice v2_holders_detail(struct request *r, const struct holders *holders);

/* {"<name>":"<digest>"} in the arena; null when algorithm is 0. */
struct slice v2_digest_detail(struct request *r, const char *name, const struct digest *digest);

/* If-Match: "<digest>". ERR_NOT_FOUND without the field, ERR_HTTP_BAD_REQUEST for another form. */
int v2_if_match(const struct request *r, struct digest *digest, struct fault *fault) MUST_CHECK;

/* What a PUT asks of the tag's binding: If-None-Match: *, If-Match. ERR_HTTP_BAD_REQUEST. */
int v2_condition(const struct request *r, struct tag_condition *condition,
                 struct fault *fault) MUST_CHECK;

/* A 412: what the tag names now (algorithm 0: nothing), in ETag and detail. */
void v2_send_precondition(struct request *r, const struct digest *current);

/* The outcome of opening the file of an object whose row says `size`: `err`, or ERR_NOT_FOUND with
 * the reference dropped when the file has another size. Damage is logged and answered like a
 * missing file, never served. */
int v2_file_check(const struct request *r, int err, struct blob_file *file,
                  const struct digest *digest, uint64_t size) MUST_CHECK;

#endif
