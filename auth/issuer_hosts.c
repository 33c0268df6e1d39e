/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/issuer_hosts.h"

#include "base/url.h"

#define ARENA_MAX (16 * 1024)

/* "host", "host:port", "[address]", "[address]:port" */
static bool entry_names(struct slice entry, const struct url *url)
{
    size_t end = entry.n;
    uint64_t port;

    while (end > 0 && entry.p[end - 1] >= '0' && entry.p[end - 1] <= '9')
        end--;
    if (end > 0 && end < entry.n && entry.p[end - 1] == ':') {
        if (!slice_parse_u64(slice_sub(entry, end, entry.n), &port) || port != url->port)
            return false;
        entry.n = end - 1;
    }
    return entry.n > 0 && slice_eq_nocase(entry, url->host);
}

static bool list_names(struct slice list, const struct url *url)
{
    struct slice entry;

    while (slice_split(&list, ',', &entry))
        if (entry_names(slice_trim(entry), url))
            return true;
    return false;
}

static int check_scheme(const struct issuer_hosts *hosts, const struct url *url,
                        struct fault *fault)
{
    if (url->is_https || list_names(hosts->http_hosts, url))
        return 0;
    return fault_set(fault, ERR_HTTP_FORBIDDEN,
                     "keys come over https only, not from http://" SLICE_FMT
                     ":%u (auth.issuer_http_hosts lists exceptions)",
                     SLICE_ARG(url->host), url->port);
}

static int check_host(const struct issuer_hosts *hosts, const struct url *url, struct fault *fault)
{
    if (list_names(hosts->hosts, url))
        return 0;
    return fault_set(fault, ERR_HTTP_FORBIDDEN,
                     "this server may not ask the host " SLICE_FMT
                     " for keys: add it to auth.issuer_hosts",
                     SLICE_ARG(url->host));
}

static int parse(struct arena *arena, struct slice text, struct url *url, struct fault *fault)
{
    int err = url_parse(arena, text, url, fault);

    if (err == 0 && (url->has_user || url->has_fragment))
        err = fault_set(fault, ERR_SYNTAX,
                        "\"" SLICE_FMT "\": the URL may have no user and no fragment",
                        SLICE_ARG(text));
    return err;
}

int issuer_hosts_check(const struct issuer_hosts *hosts, struct slice text, struct fault *fault)
{
    struct arena arena;
    struct url url;

    arena_init(&arena, ARENA_MAX);
    int err = parse(&arena, text, &url, fault);
    if (err == 0 && url.has_query)
        err = fault_set(fault, ERR_SYNTAX, "\"" SLICE_FMT "\": an issuer's URL has no query",
                        SLICE_ARG(text));
    if (err == 0)
        err = check_scheme(hosts, &url, fault);
    if (err == 0)
        err = check_host(hosts, &url, fault);
    arena_fini(&arena);
    return err;
}

int issuer_hosts_check_keys(const struct issuer_hosts *hosts, struct slice issuer_text,
                            struct slice keys_text, struct fault *fault)
{
    struct arena arena;
    struct url issuer = {0}, keys = {0};

    arena_init(&arena, ARENA_MAX);
    int err = parse(&arena, issuer_text, &issuer, fault);
    if (err == 0)
        err = parse(&arena, keys_text, &keys, fault);
    if (err == 0)
        err = check_scheme(hosts, &keys, fault);
    if (err == 0 && !url_is_same_origin(&issuer, &keys))
        err = check_host(hosts, &keys, fault);
    arena_fini(&arena);
    return err;
}
