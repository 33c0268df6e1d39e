/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the hops of both kinds of field are collected into one small array, in the order in which
 * they stand; several fields of one name count as one that was joined by commas (RFC 9110, 5.3).
 * Only the last FORWARDED_MAX are kept, since it is read from the right.
 */
#include "config.h"

#include "server/forwarded.h"

#include "server/networks.h"

#include <string.h>

/* A hop, as the proxy behind it described it. */
struct hop {
    struct slice node, scheme, host; /* without quotes; p == NULL: not said */
};

struct hops {
    struct hop each[FORWARDED_MAX]; /* a ring */
    unsigned n;                     /* all that were seen */
};

static struct hop *add_hop(struct hops *hops)
{
    struct hop *hop = &hops->each[hops->n++ % FORWARDED_MAX];

    *hop = (struct hop){0};
    return hop;
}

/* `back`: 0 is the last. NULL when there are not as many, or it was not kept. */
static const struct hop *hop_from_end(const struct hops *hops, unsigned back)
{
    if (back >= hops->n || back >= FORWARDED_MAX)
        return NULL;
    return &hops->each[(hops->n - 1 - back) % FORWARDED_MAX];
}

/*
 * Forwarded: for=192.0.2.60;proto=http;host="a.example", for="[2001:db8::1]:4711"
 */

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_space(struct slice *rest)
{
    while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = slice_sub(*rest, 1, SIZE_MAX);
}

static struct slice take_token(struct slice *rest)
{
    size_t n = 0;

    while (n < rest->n && is_token_char(rest->p[n]))
        n++;
    struct slice token = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n, SIZE_MAX);
    return token;
}

/* A token, or a quoted string: none of the values that are used needs an escape, so that one with
 * an escape is refused instead of copied. Unquoted colons and brackets, which the grammar forbids
 * and proxies send, are taken. */
static bool take_value(struct slice *rest, struct slice *value)
{
    size_t n = 0;

    if (rest->n > 0 && rest->p[0] == '"') {
        n = 1;
        while (n < rest->n && rest->p[n] != '"' && rest->p[n] != '\\')
            n++;
        if (n == rest->n || rest->p[n] == '\\')
            return false;
        *value = slice_sub(*rest, 1, n - 1);
        *rest = slice_sub(*rest, n + 1, SIZE_MAX);
        return true;
    }
    while (n < rest->n && (is_token_char(rest->p[n]) || rest->p[n] == ':' || rest->p[n] == '[' ||
                           rest->p[n] == ']'))
        n++;
    *value = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n, SIZE_MAX);
    return n > 0;
}

static bool set_once(struct slice *member, struct slice value)
{
    if (member->p != NULL)
        return false;
    *member = value;
    return true;
}

static bool take_pair(struct slice *rest, struct hop *hop)
{
    struct slice value, name = take_token(rest);

    if (name.n == 0 || rest->n == 0 || rest->p[0] != '=')
        return false;
    *rest = slice_sub(*rest, 1, SIZE_MAX);
    if (!take_value(rest, &value))
        return false;
    if (slice_eq_nocase(name, SLICE("for")))
        return set_once(&hop->node, value);
    if (slice_eq_nocase(name, SLICE("proto")))
        return set_once(&hop->scheme, value);
    if (slice_eq_nocase(name, SLICE("host")))
        return set_once(&hop->host, value);
    return true; /* "by", and what others may add */
}

static bool read_forwarded(struct slice rest, struct hops *hops)
{
    struct hop *hop = add_hop(hops);

    for (;;) {
        skip_space(&rest);
        if (!take_pair(&rest, hop))
            return false;
        skip_space(&rest);
        if (rest.n == 0)
            return true;
        if (rest.p[0] == ',')
            hop = add_hop(hops);
        else if (rest.p[0] != ';')
            return false;
        rest = slice_sub(rest, 1, SIZE_MAX);
    }
}

/*
 * X-Forwarded-*: lists of bare values.
 */

static void read_list(struct slice list, struct hops *hops)
{
    struct slice part;

    while (slice_split(&list, ',', &part))
        add_hop(hops)->node = slice_trim(part);
}

/* Of a list, what the nearest proxy wrote. */
static struct slice last_of(struct slice list)
{
    struct slice part = slice_make(NULL, 0);

    while (slice_split(&list, ',', &part))
        continue;
    return slice_trim(part);
}

/*
 * Who is the client.
 */

/* "unknown" and "_hidden" (RFC 7239, 6.2 and 6.3). */
static bool is_hidden(struct slice node)
{
    return slice_eq_nocase(node, SLICE("unknown")) || (node.n > 0 && node.p[0] == '_');
}

static int find_client(const struct hops *hops, struct slice trusted, const char *field,
                       const struct hop **found, struct client_address *client, struct fault *fault)
{
    const struct hop *hop;

    *found = NULL;
    *client = (struct client_address){{0}};
    for (unsigned back = 0; (hop = hop_from_end(hops, back)) != NULL; back++) {
        *found = hop;
        *client = (struct client_address){{0}};
        if (hop->node.p == NULL || is_hidden(hop->node))
            return 0;
        if (!client_address_parse(hop->node, true, client))
            return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                             "the proxy's field %s names '" SLICE_FMT "', which is no address",
                             field, SLICE_ARG(slice_sub(hop->node, 0, 60)));
        if (!networks_contain(trusted, client))
            return 0;
    }
    if (hops->n > FORWARDED_MAX)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "the field %s names more than %d proxies",
                         field, FORWARDED_MAX);
    return 0;
}

static int take_scheme(struct slice text, const char *field, struct slice *scheme,
                       struct fault *fault)
{
    if (text.p == NULL)
        return 0;
    if (slice_eq_nocase(text, SLICE("https")))
        *scheme = SLICE("https");
    else if (slice_eq_nocase(text, SLICE("http")))
        *scheme = SLICE("http");
    else
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "the proxy's field %s must say http or https, not '" SLICE_FMT "'", field,
                         SLICE_ARG(slice_sub(text, 0, 60)));
    return 0;
}

static int take_host(struct slice text, const char *field, struct slice *host, struct fault *fault)
{
    if (text.p == NULL)
        return 0;
    if (!http_host_is_valid(text))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "the proxy's field %s is not a host and port",
                         field);
    *host = text;
    return 0;
}

struct sources {
    struct hops forwarded, list;
    struct slice proto, host; /* X-Forwarded-Proto, -Host */
};

static int collect(const struct http_field *fields, unsigned n, struct sources *from,
                   struct fault *fault)
{
    for (unsigned i = 0; i < n; i++) {
        struct slice name = fields[i].name, value = fields[i].value;
        if (slice_eq(name, SLICE("forwarded"))) {
            if (!read_forwarded(value, &from->forwarded))
                return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                                 "the proxy's field Forwarded is malformed (RFC 7239)");
        } else if (slice_eq(name, SLICE("x-forwarded-for"))) {
            read_list(value, &from->list);
        } else if (slice_eq(name, SLICE("x-forwarded-proto"))) {
            from->proto = last_of(value);
        } else if (slice_eq(name, SLICE("x-forwarded-host"))) {
            from->host = last_of(value);
        }
    }
    return 0;
}

static int merge(const struct sources *from, struct slice trusted, struct forwarded *out,
                 struct fault *fault)
{
    const struct hop *hop, *listed;
    struct client_address client;

    int err = find_client(&from->forwarded, trusted, "Forwarded", &hop, &out->client, fault);
    if (err == 0)
        err = find_client(&from->list, trusted, "X-Forwarded-For", &listed, &client, fault);
    if (err != 0)
        return err;
    if (hop != NULL && listed != NULL && memcmp(&client, &out->client, sizeof(client)) != 0)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "Forwarded and X-Forwarded-For name different clients: let the proxy "
                         "remove the field it does not write itself");
    if (hop == NULL) {
        out->client = client;
        err = take_scheme(from->proto, "X-Forwarded-Proto", &out->scheme, fault);
        return err != 0 ? err : take_host(from->host, "X-Forwarded-Host", &out->host, fault);
    }
    err = take_scheme(hop->scheme, "Forwarded", &out->scheme, fault);
    return err != 0 ? err : take_host(hop->host, "Forwarded", &out->host, fault);
}

int forwarded_read(const struct http_field *fields, unsigned n, struct slice trusted,
                   struct forwarded *forwarded, struct fault *fault)
{
    struct sources from;

    *forwarded = (struct forwarded){0};
    for (unsigned i = 0; i < n && !forwarded->is_there; i++)
        forwarded->is_there = forwarded_is_field(fields[i].name);
    if (!forwarded->is_there)
        return 0;
    memset(&from, 0, sizeof(from));
    int err = collect(fields, n, &from, fault);
    return err == 0 ? merge(&from, trusted, forwarded, fault) : err;
}
