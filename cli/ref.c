/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/ref.h"

#define REPOSITORY_MAX 255
#define TAG_MAX        128
#define HOST_MAX       255
#define QUOTE_MAX      160

static bool is_alnum_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_alnum_lower(c) || (c >= 'A' && c <= 'Z');
}

/* A part of what was written, printable whatever it is. */
struct quote {
    char text[QUOTE_MAX + 1];
};

static struct quote quote(struct slice s)
{
    struct quote q;
    size_t n = s.n < QUOTE_MAX ? s.n : QUOTE_MAX;

    for (size_t i = 0; i < n; i++)
        q.text[i] = s.p[i];
    for (size_t i = 0; i < n; i++)
        if (q.text[i] < ' ' || q.text[i] > '~')
            q.text[i] = '?';
    q.text[n] = '\0';
    return q;
}

static int check_repository(struct slice name, struct fault *fault)
{
    struct slice rest = name, part;

    if (name.n == 0 || name.n > REPOSITORY_MAX || name.p[name.n - 1] == '/')
        return fault_set(fault, ERR_INVALID,
                         "\"%s\" is no repository name: write 1 to %d characters, as in team/app",
                         quote(name).text, REPOSITORY_MAX);
    while (slice_split(&rest, '/', &part)) {
        bool good = part.n > 0 && is_alnum_lower(part.p[0]) && is_alnum_lower(part.p[part.n - 1]);

        for (size_t i = 0; i < part.n && good; i++)
            good = is_alnum_lower(part.p[i]) || part.p[i] == '.' || part.p[i] == '_' ||
                   part.p[i] == '-';
        if (!good)
            return fault_set(fault, ERR_INVALID,
                             "\"%s\" in the repository name is not allowed: use lower-case letters "
                             "and digits, with '.', '_' or '-' between them",
                             quote(part).text);
    }
    return 0;
}

static int check_tag(struct slice tag, struct fault *fault)
{
    bool good = tag.n > 0 && tag.n <= TAG_MAX && tag.p[0] != '.' && tag.p[0] != '-';

    for (size_t i = 0; i < tag.n && good; i++)
        good = is_alnum(tag.p[i]) || tag.p[i] == '_' || tag.p[i] == '.' || tag.p[i] == '-';
    if (good)
        return 0;
    /* What docker takes for a host. */
    if (slice_find_char(tag, '/') < tag.n)
        return fault_set(fault, ERR_INVALID,
                         "\"%s\" is no tag; when the part before ':' is a host, write http:// "
                         "before it",
                         quote(tag).text);
    return fault_set(fault, ERR_INVALID,
                     "\"%s\" is no tag: use 1 to %d letters, digits, '_', '.' and '-', not "
                     "beginning with '.' or '-'",
                     quote(tag).text, TAG_MAX);
}

/* Bytes of "http://" or "https://" at the front of `text`. */
static size_t scheme_length(struct slice text)
{
    if (slice_starts_with(text, SLICE("http://")))
        return SLICE("http://").n;
    if (slice_starts_with(text, SLICE("https://")))
        return SLICE("https://").n;
    return 0;
}

static bool is_host(struct slice s)
{
    bool good = s.n > 0 && s.n <= HOST_MAX && s.p[0] != ':' && s.p[0] != '-';

    for (size_t i = 0; i < s.n && good; i++)
        good = is_alnum(s.p[i]) || s.p[i] == '.' || s.p[i] == '-' || s.p[i] == ':' ||
               s.p[i] == '[' || s.p[i] == ']';
    return good;
}

/* Takes scheme and host off the front of *rest, with the slash that follows them. */
static int take_server(struct slice *rest, struct slice *server, struct fault *fault)
{
    size_t scheme = scheme_length(*rest);
    struct slice host = slice_sub(*rest, scheme, SIZE_MAX);

    host = slice_sub(host, 0, slice_find_char(host, '/'));
    if (!is_host(host))
        return fault_set(fault, ERR_INVALID, "\"%s\" has no host: write http://HOST:PORT/...",
                         quote(*rest).text);
    *server = slice_sub(*rest, 0, scheme + host.n);
    *rest = slice_sub(*rest, server->n + 1, SIZE_MAX);
    return 0;
}

int ref_parse_server(struct slice text, struct slice *server, struct fault *fault)
{
    struct slice rest = text;

    if (scheme_length(text) == 0)
        return fault_set(fault, ERR_INVALID,
                         "\"%s\" is no address of a server: write http://HOST:PORT",
                         quote(text).text);
    int err = take_server(&rest, server, fault);
    if (err == 0 && rest.n > 0)
        err = fault_set(fault, ERR_INVALID, "\"%s\" goes on after the host: write http://HOST:PORT",
                        quote(text).text);
    return err;
}

static int check_digest(struct slice text, struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct digest digest;

    if (digest_parse(text, &digest, &why) == 0)
        return 0;
    return fault_set(fault, ERR_INVALID, "\"%s\" is no digest: %s", quote(text).text,
                     quote(slice_from_cstr(why.text)).text);
}

static int check_wanted(struct slice text, unsigned want, const struct ref *ref,
                        struct fault *fault)
{
    const char *written = quote(text).text;

    if (ref->tag.n > 0 && !(want & REF_TAG))
        return fault_set(fault, ERR_INVALID, "\"%s\": only a repository goes here, without a tag",
                         written);
    if (ref->digest.n > 0 && !(want & REF_DIGEST))
        return fault_set(fault, ERR_INVALID, "\"%s\": a digest cannot go here; name a %s", written,
                         want & REF_TAG ? "tag, as in team/app:1.0" : "repository");
    if (ref_version(ref).n == 0 && !(want & REF_REPOSITORY))
        return fault_set(fault, ERR_INVALID, "\"%s\" names no tag%s: write one, as in team/app:1.0",
                         written, want & REF_DIGEST ? " or digest" : "");
    return 0;
}

int ref_parse(struct slice text, unsigned want, struct ref *ref, struct fault *fault)
{
    struct slice rest = text;
    size_t at;
    int err = 0;

    *ref = (struct ref){0};
    if (scheme_length(text) > 0)
        err = take_server(&rest, &ref->server, fault);
    if (err != 0 || (ref->server.n > 0 && rest.n == 0 && (want & REF_SERVER_ONLY)))
        return err;
    at = slice_find_char(rest, '@');
    if (at < rest.n) {
        ref->repository = slice_sub(rest, 0, at);
        ref->digest = slice_sub(rest, at + 1, SIZE_MAX);
        err = check_digest(ref->digest, fault);
    } else {
        at = slice_find_char(rest, ':');
        ref->repository = slice_sub(rest, 0, at);
        ref->tag = slice_sub(rest, at + 1, SIZE_MAX);
        if (at < rest.n)
            err = check_tag(ref->tag, fault);
    }
    if (err == 0)
        err = check_repository(ref->repository, fault);
    if (err == 0)
        err = check_wanted(text, want, ref, fault);
    return err;
}
