/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON that comes with a request of /api/v1: read whole, an object, whose members must be known and
 * of their types. Worker thread only.
 */
#ifndef SERVER_API_BODY_H
#define SERVER_API_BODY_H

#include "base/json.h"
#include "server/request.h"

#define API_BODY_MAX 65536u

/* `root` is an object in the arena of the request. Once, and only when there is one: what is no
 * JSON is answered here. The request must not be held for it. */
typedef void (*api_body_fn)(void *arg, const struct json *root);
void api_body_read(struct request *r, api_body_fn done, void *arg);

/* One member that an object may have. */
struct api_member {
    const char *name;
    enum json_type type;
    const struct json **value; /* NULL when it is missing */
    bool is_required;
};
/* ERR_INVALID names the member: unknown, missing, of another type. */
int api_body_members(const struct json *root, const struct api_member *members, unsigned n,
                     struct fault *fault) MUST_CHECK;

/* The texts of an array, in the arena; *n 0 and *texts NULL when it is empty or NULL. ERR_INVALID:
 * more than `max`, or something else than texts. */
int api_body_texts(struct request *r, const char *name, const struct json *array, unsigned max,
                   const struct slice **texts, unsigned *n, struct fault *fault) MUST_CHECK;

/* A number of the body; ERR_INVALID outside of min..max. */
int api_body_number(const char *name, const struct json *value, int64_t min, int64_t max,
                    int64_t *number, struct fault *fault) MUST_CHECK;

#endif
