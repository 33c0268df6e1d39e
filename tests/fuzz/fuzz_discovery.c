/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an issuer says of itself: whatever it is, the address of keys that comes out of it is one
 * line of text, and the check of where it leads says yes only to the issuer's own origin or to the
 * listed host.
 */
#include "config.h"
#include "auth/discovery.h"
#include "auth/issuer_hosts.h"
#include "base/url.h"

#include <stdlib.h>

#define ISSUER "https://ci.example"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(struct slice keys_url)
{
    const struct issuer_hosts hosts = {SLICE("listed.example"), {NULL, 0}};
    struct arena arena;
    struct url url;

    if (strlen(keys_url.p) != keys_url.n || slice_has_control(keys_url))
        abort();
    if (issuer_hosts_check_keys(&hosts, SLICE(ISSUER), keys_url, NULL) != 0)
        return;
    arena_init(&arena, 16 * 1024);
    if (url_parse(&arena, keys_url, &url, NULL) != 0 || !url.is_https || url.has_user ||
        url.has_fragment)
        abort();
    if (!slice_eq(url.host, SLICE("listed.example")) &&
        !(slice_eq(url.host, SLICE("ci.example")) && url.port == 443))
        abort();
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice keys_url;
    struct arena arena;

    arena_init(&arena, 1024 * 1024);
    if (discovery_parse(&arena, slice_make(size ? data : NULL, size), SLICE(ISSUER), &keys_url,
                        NULL) == 0)
        check_address(keys_url);
    arena_fini(&arena);
    check_address(SLICE(ISSUER "/keys"));
    return 0;
}
