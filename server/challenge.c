/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/challenge.h"

#include "registry/reference.h"
#include "server/credential.h"
#include "server/route.h"

#define VALUE_MAX 2048

/* Hosts and names of repositories hold neither by their grammar. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *text);
    }
}

static void add_realm(const struct request *r, struct buf *out)
{
    const struct settings *settings = r->worker->settings;

    buf_add(out, SLICE("Bearer realm=\""));
    if (settings->auth_realm[0] != '\0')
        add_escaped(out, settings->auth_realm);
    else
        buf_addf(out, SLICE_FMT "://" SLICE_FMT "/token", SLICE_ARG(r->scheme),
                 SLICE_ARG(r->host.n > 0 ? r->host : SLICE("localhost")));
    buf_add(out, SLICE("\",service=\""));
    add_escaped(out, settings->auth_service);
    buf_add_char(out, '"');
}

/* The actions of the token service that a request of this route takes. */
static const char *actions_of(enum route_right right)
{
    switch (right) {
    case RIGHT_PULL:
        return "pull";
    case RIGHT_PUSH:
        return "pull,push";
    case RIGHT_DELETE:
        return "delete";
    case RIGHT_UNSET:
    case RIGHT_NONE:
    case RIGHT_ANY:
    case RIGHT_CREDENTIAL:
    case RIGHT_SELF:
    case RIGHT_METRICS:
    case RIGHT_ADMIN:
    case RIGHT_AUDIT:
        break;
    }
    return NULL;
}

static void add_scope(struct request *r, struct buf *out)
{
    enum route_right right = r->route != NULL ? route_right(r->route, r->method) : RIGHT_UNSET;
    const char *actions = actions_of(right);
    struct slice from;

    if (right == RIGHT_ANY)
        buf_add(out, SLICE(",scope=\"registry:catalog:*\""));
    if (actions == NULL || r->repository.n == 0)
        return;
    buf_addf(out, ",scope=\"repository:" SLICE_FMT ":%s", SLICE_ARG(r->repository), actions);
    /* A mount reads its source, too. */
    if (r->route->id == ROUTE_V2_UPLOADS && request_query(r, SLICE("from"), 0, &from) == 0 &&
        repository_name_check(from, NULL) == 0)
        buf_addf(out, " repository:" SLICE_FMT ":pull", SLICE_ARG(from));
    buf_add_char(out, '"');
}

/* RFC 6750 section 3.1. */
static void add_error(const struct request *r, struct buf *out)
{
    if (r->credential == NULL && request_field(r, SLICE("authorization")).p != NULL)
        buf_add(out, SLICE(",error=\"invalid_token\""));
    else if (r->credential != NULL && r->credential->is_scoped)
        buf_add(out, SLICE(",error=\"insufficient_scope\""));
}

void challenge_send(struct request *r, const struct fault *fault)
{
    struct buf value;

    buf_init(&value, VALUE_MAX);
    add_realm(r, &value);
    add_scope(r, &value);
    add_error(r, &value);
    /* Who is at /token already needs another credential, not a token. */
    bool is_token = r->route != NULL && r->route->id == ROUTE_TOKEN;
    bool wants_token = !is_token && r->worker->settings->auth_challenge != AUTH_CHALLENGE_BASIC;
    if (wants_token && !value.overflow)
        response_field(r, "WWW-Authenticate", buf_slice(&value));
    buf_fini(&value);
    if (!wants_token || r->worker->settings->auth_challenge != AUTH_CHALLENGE_TOKEN)
        response_field(r, "WWW-Authenticate", SLICE("Basic realm=\"tidemark\", charset=\"UTF-8\""));
    response_send_error(r, ERR_UNAUTHORIZED, fault, SLICE(""));
}
