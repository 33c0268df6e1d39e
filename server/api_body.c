/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/api_body.h"

#include "server/api.h"

#define DEPTH_MAX  8
#define VALUES_MAX 4096

struct body_call {
    struct request *r;
    api_body_fn done;
    void *arg;
};

/* A page of another site can make a browser send forms and text, but not this type without asking
 * first. */
static bool is_json(struct slice type)
{
    struct slice name = slice_trim(slice_sub(type, 0, slice_find_char(type, ';')));

    return slice_eq_nocase(name, SLICE("application/json"));
}

static void refuse(struct request *r, int err, const struct fault *fault)
{
    response_send_error(r, err, fault, SLICE(""));
}

static void complete(void *arg, int err, struct slice body)
{
    static const struct json_limits limits = {.max_depth = DEPTH_MAX, .max_values = VALUES_MAX};
    struct body_call *call = arg;
    struct request *r = call->r;
    struct fault fault = FAULT_INIT;
    struct json *root = NULL;

    if (err == ERR_HTTP_TOO_LARGE)
        fault_set(&fault, err, "the body may have %u bytes", API_BODY_MAX);
    if (err == 0)
        err = json_parse(&r->arena, body, &limits, &root, &fault);
    if (err == 0 && root->type != JSON_OBJECT)
        err = fault_set(&fault, ERR_SYNTAX, "the body must be a JSON object");
    if (err == 0)
        call->done(call->arg, root);
    else if (err != ERR_CANCELLED)
        refuse(r, err, &fault);
    request_release(r);
}

void api_body_read(struct request *r, api_body_fn done, void *arg)
{
    struct body_call *call = arena_alloc(&r->arena, sizeof(*call));
    struct fault fault = FAULT_INIT;

    if (call == NULL) {
        refuse(r, ERR_NO_MEMORY, NULL);
        return;
    }
    if (!r->has_body || !is_json(request_field(r, SLICE("content-type")))) {
        fault_set(&fault, ERR_HTTP_MEDIA_TYPE,
                  "send a JSON object, with Content-Type: application/json");
        refuse(r, ERR_HTTP_MEDIA_TYPE, &fault);
        return;
    }
    *call = (struct body_call){r, done, arg};
    request_hold(r);
    request_read_body(r, API_BODY_MAX, complete, call);
}

/*
 * Members.
 */

static const char *type_words(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "true or false";
    case JSON_INTEGER:
    case JSON_NUMBER:
        return "a whole number";
    case JSON_STRING:
        return "a text";
    case JSON_ARRAY:
        return "a list";
    case JSON_OBJECT:
        return "an object";
    }
    return "something else";
}

static const struct api_member *find(const struct api_member *members, unsigned n,
                                     struct slice name)
{
    for (unsigned i = 0; i < n; i++)
        if (slice_eq(slice_from_cstr(members[i].name), name))
            return &members[i];
    return NULL;
}

static int say_unknown(struct slice name, const struct api_member *members, unsigned n,
                       struct fault *fault)
{
    struct buf known;

    buf_init(&known, 200);
    for (unsigned i = 0; i < n; i++)
        buf_addf(&known, "%s%s", i > 0 ? ", " : "", members[i].name);
    fault_set(fault, ERR_INVALID,
              "there is no member \"" SLICE_FMT "\" here; known are: " SLICE_FMT,
              SLICE_ARG(slice_sub(name, 0, 64)), SLICE_ARG(buf_slice(&known)));
    buf_fini(&known);
    return ERR_INVALID;
}

int api_body_members(const struct json *root, const struct api_member *members, unsigned n,
                     struct fault *fault)
{
    for (unsigned i = 0; i < n; i++)
        *members[i].value = NULL;
    for (const struct json *value = root->first; value != NULL; value = value->next) {
        const struct api_member *member = find(members, n, value->name);
        if (member == NULL)
            return say_unknown(value->name, members, n, fault);
        if (value->type != member->type)
            return fault_set(fault, ERR_INVALID, "%s must be %s", member->name,
                             type_words(member->type));
        *member->value = value;
    }
    for (unsigned i = 0; i < n; i++)
        if (members[i].is_required && *members[i].value == NULL)
            return fault_set(fault, ERR_INVALID, "the member \"%s\" is missing", members[i].name);
    return 0;
}

int api_body_texts(struct request *r, const char *name, const struct json *array, unsigned max,
                   const struct slice **texts, unsigned *n, struct fault *fault)
{
    struct slice *list;

    *texts = NULL;
    *n = 0;
    if (array == NULL || array->count == 0)
        return 0;
    if (array->count > max)
        return fault_set(fault, ERR_INVALID, "%s may have %u entries", name, max);
    list = arena_alloc(&r->arena, array->count * sizeof(*list));
    if (list == NULL)
        return ERR_NO_MEMORY;
    for (const struct json *value = array->first; value != NULL; value = value->next) {
        if (value->type != JSON_STRING)
            return fault_set(fault, ERR_INVALID, "%s[%u] must be a text", name, *n);
        list[(*n)++] = value->text;
    }
    *texts = list;
    return 0;
}

int api_body_number(const char *name, const struct json *value, int64_t min, int64_t max,
                    int64_t *number, struct fault *fault)
{
    if (value->integer < min || value->integer > max)
        return fault_set(fault, ERR_INVALID, "%s must be a number from %lld to %lld", name,
                         (long long)min, (long long)max);
    *number = value->integer;
    return 0;
}
