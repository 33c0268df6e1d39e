/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/discovery.h"

#include "base/json.h"
#include "base/url.h"

static const struct json_limits limits = {.max_depth = 8, .max_values = 4096};

void discovery_url(struct slice issuer_url, struct buf *url)
{
    if (slice_ends_with(issuer_url, SLICE("/")))
        issuer_url.n--;
    buf_add(url, issuer_url);
    buf_add(url, SLICE("/.well-known/openid-configuration"));
    buf_add_char(url, 0);
    if (!url->overflow)
        url->n--;
}

static int text_member(const struct json *root, struct slice name, struct slice *text,
                       struct fault *fault)
{
    const struct json *member = json_member(root, name);

    if (!member || member->type != JSON_STRING)
        return fault_set(fault, ERR_SYNTAX, "the discovery document has no text \"" SLICE_FMT "\"",
                         SLICE_ARG(name));
    if (member->text.n == 0 || member->text.n > URL_TEXT_MAX || slice_has_control(member->text))
        return fault_set(fault, ERR_SYNTAX, "\"" SLICE_FMT "\" of the discovery document is no URL",
                         SLICE_ARG(name));
    *text = member->text;
    return 0;
}

int discovery_parse(struct arena *arena, struct slice document, struct slice issuer_url,
                    struct slice *keys_url, struct fault *fault)
{
    struct slice issuer;
    struct json *root;
    int err = json_parse(arena, document, &limits, &root, fault);

    if (err == 0)
        err = text_member(root, SLICE("issuer"), &issuer, fault);
    if (err == 0 && !slice_eq(issuer, issuer_url))
        err = fault_set(fault, ERR_INVALID,
                        "the discovery document is that of \"%.*s\", not of " SLICE_FMT,
                        issuer.n < 200 ? (int)issuer.n : 200, issuer.p, SLICE_ARG(issuer_url));
    if (err == 0)
        err = text_member(root, SLICE("jwks_uri"), keys_url, fault);
    if (err != 0)
        return err;
    *keys_url = arena_dup(arena, *keys_url);
    return keys_url->p ? 0 : fault_set(fault, ERR_NO_MEMORY, "no memory for a discovery document");
}
