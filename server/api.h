/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers of /api/v1 (api_*.c) share: JSON answers with an entity tag, arguments, paging,
 * reading of blob files. Worker thread only, unless a function says otherwise.
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "base/buf.h"
#include "base/json.h"
#include "server/request.h"

#define API_PAGE_DEFAULT 100

/* `n` and `after` of a list. */
struct api_page {
    unsigned n;         /* 1 .. lists.max_page */
    struct slice after; /* empty: from the start */
};
/* `after` is at most `after_max` bytes. ERR_PAGINATION_INVALID, ERR_HTTP_BAD_REQUEST. */
int api_page_parse(struct request *r, size_t after_max, struct api_page *page,
                   struct fault *fault) MUST_CHECK;

/* A number in the query, or `otherwise`. ERR_INVALID outside of min..max. */
int api_query_u64(struct request *r, const char *name, uint64_t otherwise, uint64_t min,
                  uint64_t max, uint64_t *value, struct fault *fault) MUST_CHECK;
/* A text of printable ASCII in the query; empty, p == NULL, when absent. ERR_INVALID, also when
 * longer than `max`. */
int api_query_text(struct request *r, const char *name, size_t max, struct slice *value,
                   struct fault *fault) MUST_CHECK;

/* A quoted entity tag of these bytes. Any thread. */
#define API_ETAG_SIZE 40
void api_etag(struct slice bytes, char out[API_ETAG_SIZE]);

/* Answer 200 with the document, or 304 when If-None-Match names it; ERR_NO_MEMORY when it did not
 * fit its buffer. The buffer is emptied. */
void api_send_json(struct request *r, struct buf *body);
/* The same under a given entity tag (quotes included), as long as it says all that is in it. */
void api_send_json_tagged(struct request *r, struct buf *body, struct slice etag);
/* 304, and true, when If-None-Match names `etag`. */
bool api_is_unchanged(struct request *r, struct slice etag);

/* Members of an answer; those with empty values are left out. */
void api_text(struct json_writer *w, const char *name, struct slice text);
void api_u64(struct json_writer *w, const char *name, uint64_t value);
void api_bool(struct json_writer *w, const char *name, bool value);
void api_digest(struct json_writer *w, const char *name, const struct digest *digest);
void api_time(struct json_writer *w, const char *name, int64_t ms);

/* Go on in a later turn of the loop; `job` is the caller's until `done` is called. */
void api_next_turn(struct request *r, struct pool_job *job, void (*done)(struct pool_job *job));

/* A blob file of exactly `size` bytes in memory of the arena. Blocks: io pool only. ERR_NOT_FOUND
 * also for another size; ERR_NO_MEMORY. */
int api_read_file(struct blob_files *files, const struct digest *digest, uint64_t size,
                  struct arena *arena, struct slice *bytes) MUST_CHECK;

#endif
