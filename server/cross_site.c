/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/cross_site.h"

/* "https://registry.example:5000", as browsers send it; "null" is the origin of sandboxes and
 * files.
 */
static bool is_own_origin(const struct request *r, struct slice origin)
{
    size_t n = r->scheme.n;

    return slice_starts_with(origin, r->scheme) &&
           slice_starts_with(slice_sub(origin, n, SIZE_MAX), SLICE("://")) &&
           slice_eq_nocase(slice_sub(origin, n + 3, SIZE_MAX), r->host);
}

int cross_site_check(const struct request *r, struct fault *fault)
{
    struct slice origin = request_field(r, SLICE("origin"));
    struct slice site = request_field(r, SLICE("sec-fetch-site"));

    if ((origin.p != NULL && !is_own_origin(r, origin)) ||
        slice_eq_nocase(site, SLICE("cross-site")))
        return fault_set(fault, ERR_HTTP_FORBIDDEN,
                         "a page of another site sent this request; behind a proxy, name its "
                         "address in http.trusted_proxies, so that this server knows its own name");
    return 0;
}
