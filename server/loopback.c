/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/loopback.h"

#include "server/conn.h"
#include "server/forwarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

bool loopback_socket(int fd)
{
    struct sockaddr_storage address;
    socklen_t n = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        return false;
    if (address.ss_family == AF_INET)
        return (ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24) == 127;
    if (address.ss_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((struct sockaddr_in6 *)&address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

bool loopback_host(struct slice host)
{
    struct slice rest, part;
    uint64_t number;
    unsigned parts = 0;

    if (host.n > 0 && host.p[0] == '[')
        return slice_starts_with(host, SLICE("[::1]")) && (host.n == 5 || host.p[5] == ':');
    host = slice_sub(host, 0, slice_find_char(host, ':'));
    if (slice_eq_nocase(host, SLICE("localhost")))
        return true;
    rest = host;
    while (slice_split(&rest, '.', &part)) {
        if (!slice_parse_u64(part, &number) || number > 255 || part.n > 3 ||
            (parts == 0 && number != 127))
            return false;
        parts++;
    }
    return parts == 4;
}

/* "http://host:port", as browsers send it; "null" is the origin of sandboxes and files. */
static bool is_loopback_origin(struct slice origin)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct slice scheme = slice_from_cstr(schemes[i]);
        if (slice_starts_with(origin, scheme))
            return loopback_host(slice_sub(origin, scheme.n, SIZE_MAX));
    }
    return false;
}

static const struct http_field *find_proxy_field(const struct request *r)
{
    for (unsigned i = 0; i < r->fields_n; i++) {
        if (forwarded_is_field(r->fields[i].name))
            return &r->fields[i];
    }
    return NULL;
}

int loopback_check(const struct request *r, struct fault *fault)
{
    struct slice origin = request_field(r, SLICE("origin"));
    struct slice site = request_field(r, SLICE("sec-fetch-site"));
    const struct http_field *proxy = r->is_proxied ? NULL : find_proxy_field(r);
    bool is_any_host = r->is_proxied || r->worker->settings->http_allow_proxy;

    if (proxy != NULL && !r->worker->settings->http_allow_proxy)
        return fault_set(
            fault, ERR_HTTP_FORBIDDEN,
            "the request came through a proxy (" SLICE_FMT
            "), and this registry has no authentication: whoever reaches the proxy "
            "could push. To allow that, name its address in http.trusted_proxies, or set "
            "http.allow_proxy: true",
            SLICE_ARG(proxy->name));
    bool is_from_page = origin.p != NULL || site.p != NULL;
    /* Also without those fields: a page whose name was made to mean 127.0.0.1 sends neither. */
    if (!loopback_host(r->host) && (is_from_page || (r->conn->is_loopback && r->host.n > 0)) &&
        !is_any_host)
        return fault_set(fault, ERR_HTTP_FORBIDDEN,
                         "this registry has no authentication, so that on this machine it answers "
                         "to localhost and 127.0.0.1 only, not to '" SLICE_FMT
                         "'. To allow other names, set http.allow_proxy: true",
                         SLICE_ARG(slice_sub(r->host, 0, 100)));
    if (!is_from_page)
        return 0;
    if ((origin.p != NULL && !is_loopback_origin(origin)) || slice_eq(site, SLICE("cross-site")))
        return fault_set(fault, ERR_HTTP_FORBIDDEN,
                         "a page of another site sent this request, and this registry has no "
                         "authentication");
    return 0;
}
