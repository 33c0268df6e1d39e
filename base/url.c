/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/url.h"

#include <curl/curl.h>

/* A part as the parser gives it, copied; p == NULL: there is no memory. */
static struct slice part_of(struct arena *arena, CURLU *parts, CURLUPart part)
{
    char *text = NULL;
    struct slice copy;

    if (curl_url_get(parts, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return SLICE("");
    copy = arena_dup(arena, slice_from_cstr(text));
    curl_free(text);
    return copy;
}

static struct slice lower_case(struct arena *arena, struct slice text)
{
    char *copy = text.p ? arena_alloc(arena, text.n + 1) : NULL;

    for (size_t i = 0; copy && i < text.n; i++)
        copy[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] + 32 : text.p[i]);
    return slice_make(copy, copy ? text.n : 0);
}

static bool has_part(CURLU *parts, CURLUPart part)
{
    char *text = NULL;
    bool found = curl_url_get(parts, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return found;
}

static int take_parts(struct arena *arena, CURLU *parts, struct url *url, struct fault *fault)
{
    struct slice scheme = part_of(arena, parts, CURLUPART_SCHEME);
    struct slice host = part_of(arena, parts, CURLUPART_HOST);
    struct slice port = part_of(arena, parts, CURLUPART_PORT);
    uint64_t number;

    url->host = lower_case(arena, host);
    url->path = part_of(arena, parts, CURLUPART_PATH);
    if (!scheme.p || !port.p || !url->host.p || !url->path.p)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for a URL");
    if (!slice_parse_u64(port, &number) || number == 0 || number > UINT16_MAX || host.n == 0)
        return fault_set(fault, ERR_SYNTAX, "the URL has no host or an impossible port");
    url->port = (uint16_t)number;
    url->is_https = slice_eq(scheme, SLICE("https"));
    if (!url->is_https && !slice_eq(scheme, SLICE("http")))
        return fault_set(fault, ERR_SYNTAX, "the URL begins with neither https:// nor http://");
    url->has_user = has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD);
    return 0;
}

int url_parse(struct arena *arena, struct slice text, struct url *url, struct fault *fault)
{
    struct slice copy;
    CURLU *parts;
    int err;

    *url = (struct url){0};
    if (text.n == 0 || text.n > URL_TEXT_MAX)
        return fault_set(fault, ERR_SYNTAX, "a URL has 1 to %d bytes, this one has %zu",
                         URL_TEXT_MAX, text.n);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || (unsigned char)text.p[i] >= 0x7f)
            return fault_set(fault, ERR_SYNTAX, "byte %zu of the URL must be escaped", i + 1);
    copy = arena_dup(arena, text);
    parts = curl_url();
    if (!copy.p || !parts)
        err = fault_set(fault, ERR_NO_MEMORY, "no memory for a URL");
    else if (curl_url_set(parts, CURLUPART_URL, copy.p, 0) != CURLUE_OK)
        err = fault_set(fault, ERR_SYNTAX, "\"%s\" is no http or https URL", copy.p);
    else
        err = take_parts(arena, parts, url, fault);
    /* The parser drops empty ones, which are written all the same. */
    url->has_fragment = slice_find_char(text, '#') < text.n;
    url->has_query = slice_find_char(text, '?') < slice_find_char(text, '#');
    curl_url_cleanup(parts);
    return err;
}

bool url_is_same_origin(const struct url *a, const struct url *b)
{
    return a->is_https == b->is_https && a->port == b->port && slice_eq(a->host, b->host);
}
