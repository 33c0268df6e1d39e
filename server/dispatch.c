/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/dispatch.h"

#include "registry/reference.h"
#include "server/authenticate.h"
#include "server/authorise.h"
#include "server/challenge.h"
#include "server/conn.h"
#include "server/cross_site.h"
#include "server/forwarded.h"
#include "server/loopback.h"
#include "server/response.h"
#include "server/route.h"
#include "server/worker_private.h"

static enum method method_parse(struct slice text)
{
    for (int method = 0; method < METHOD_OTHER; method++) {
        if (slice_eq(text, slice_from_cstr(method_name((enum method)method))))
            return (enum method)method;
    }
    return METHOD_OTHER;
}

/* "http://host/path": the host counts, and what is left is the path. */
static struct slice take_origin(struct request *r, struct slice target)
{
    size_t scheme = 0;

    if (slice_eq_nocase(slice_sub(target, 0, 7), SLICE("http://")))
        scheme = 7;
    else if (slice_eq_nocase(slice_sub(target, 0, 8), SLICE("https://")))
        scheme = 8;
    else
        return target;
    target = slice_sub(target, scheme, SIZE_MAX);
    size_t slash = slice_find_char(target, '/');
    r->host = slice_sub(target, 0, slash);
    if (!http_host_is_valid(
            r->host)) /* with a user before it, or empty: no path, so it is refused */
        return slice_sub(target, target.n, 0);
    return slice_sub(target, slash, SIZE_MAX);
}

/* RFC 9112 section 3.2: origin form; the absolute form too, whose host then counts. */
static void split_target(struct request *r)
{
    struct slice rest = r->target;

    if (rest.n > 0 && rest.p[0] != '/')
        rest = take_origin(r, rest);
    size_t mark = slice_find_char(rest, '?');
    r->path = slice_sub(rest, 0, mark);
    r->query = slice_sub(rest, mark + 1, SIZE_MAX);
}

void dispatch_fill(struct request *r, const struct http_head *head)
{
    r->method = method_parse(head->method);
    r->target = head->target;
    r->host = head->host;
    r->is_http_10 = head->is_http_10;
    r->fields = head->fields;
    r->fields_n = head->fields_n;
    r->is_chunked = head->is_chunked;
    r->has_length = head->has_length;
    r->content_length = head->content_length;
    r->has_body = head->is_chunked || head->content_length > 0;
    split_target(r);
}

int dispatch_expect(const struct request *r, bool *expects_continue, struct fault *fault)
{
    struct slice expect = request_field(r, SLICE("expect"));

    *expects_continue = false;
    if (expect.p == NULL)
        return 0;
    if (!slice_eq_nocase(expect, SLICE("100-continue")))
        return fault_set(fault, ERR_HTTP_EXPECTATION,
                         "the only expectation this server can meet is 100-continue");
    *expects_continue = r->has_body && !r->is_http_10;
    return 0;
}

/* What a trusted proxy says of its client takes the place of what the socket says of the proxy. */
static int believe_proxy(struct request *r, struct fault *fault)
{
    struct forwarded forwarded;

    if (!r->conn->is_from_proxy)
        return 0;
    int err = forwarded_read(r->fields, r->fields_n,
                             slice_from_cstr(r->worker->settings->http_trusted_proxies), &forwarded,
                             fault);
    if (err != 0)
        return err;
    r->is_proxied = forwarded.is_there;
    if (client_address_is_known(&forwarded.client))
        r->client = forwarded.client;
    if (forwarded.scheme.p != NULL)
        r->scheme = forwarded.scheme;
    if (forwarded.host.p != NULL)
        r->host = forwarded.host;
    return 0;
}

/* Everything that can be refused before a handler sees the request. */
static int admit(struct request *r, struct fault *fault)
{
    struct route_parts parts;

    if (r->path.n == 0 || r->path.p[0] != '/')
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "the target is not a path");
    /* First, so that the shape of the answer is right whatever is refused. */
    r->route = route_find(r->path, &parts);
    r->argument = parts.argument;
    r->rest = parts.rest;
    int err = believe_proxy(r, fault);
    if (err == 0)
        err = r->worker->gate == NULL ? loopback_check(r, fault) : cross_site_check(r, fault);
    if (err != 0)
        return err;
    if (r->route == NULL)
        return fault_set(fault, ERR_HTTP_NOT_FOUND, "there is no endpoint " SLICE_FMT,
                         SLICE_ARG(slice_sub(r->path, 0, 200)));
    if (parts.name.p != NULL) {
        err = repository_name_check(parts.name, fault);
        if (err != 0)
            return err;
        r->repository = parts.name;
    }
    /* OpenAPI clients escape the ':' of a digest. The specification of /v2 knows no escapes. */
    if (!r->route->is_v2 && slice_find_char(r->argument, '%') < r->argument.n) {
        /* With the byte before it, which tells a tag from a digest. */
        struct slice marked = slice_make(r->argument.p - 1, r->argument.n + 1);
        err = request_decode(r, marked, &marked);
        if (err != 0)
            return fault_set(fault, err, "the path of this request is malformed");
        r->argument = slice_sub(marked, 1, SIZE_MAX);
    }
    if (route_handler(r->route, r->method) == NULL)
        return fault_set(fault, ERR_HTTP_METHOD, "%s is not allowed on %s", method_name(r->method),
                         r->route->pattern);
    return 0;
}

static void refuse(struct request *r, int err, const struct fault *fault)
{
    if (err == ERR_UNAUTHORIZED)
        challenge_send(r, fault);
    else
        response_send_error(r, err, fault, SLICE(""));
}

static void authenticated(struct request *r, int err, const struct fault *why)
{
    struct fault fault = FAULT_INIT;

    if (err == 0) {
        err = authorise(r, &fault);
        why = &fault;
    }
    if (err != 0)
        refuse(r, err, why);
    else
        route_handler(r->route, r->method)(r);
}

void dispatch(struct request *r)
{
    struct fault fault = FAULT_INIT;
    int err = admit(r, &fault);

    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
    } else if (r->worker->gate == NULL) {
        r->verbs = VERB_BITS_ALL;
        route_handler(r->route, r->method)(r);
    } else if (route_right(r->route, r->method) == RIGHT_NONE) {
        route_handler(r->route, r->method)(r);
    } else {
        authenticate(r, authenticated);
    }
}
