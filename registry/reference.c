/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/reference.h"

#define QUOTE_MAX 64 /* bytes of a refused text that are quoted */

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Bytes of the separator ('.', '_', '__' or dashes) at the front of `s`; 0 when there is none. */
static size_t separator_length(struct slice s)
{
    size_t n = 0;

    if (s.n == 0)
        return 0;
    if (s.p[0] == '.')
        return 1;
    if (s.p[0] == '_')
        return s.n > 1 && s.p[1] == '_' ? 2 : 1;
    while (n < s.n && s.p[n] == '-')
        n++;
    return n;
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool is_component(struct slice s)
{
    for (;;) {
        size_t n = 0;

        while (n < s.n && is_lower_alnum(s.p[n]))
            n++;
        if (n == 0)
            return false;
        s = slice_sub(s, n, SIZE_MAX);
        if (s.n == 0)
            return true;
        n = separator_length(s);
        if (n == 0)
            return false;
        s = slice_sub(s, n, SIZE_MAX);
    }
}

int repository_name_check(struct slice name, struct fault *fault)
{
    struct slice rest = name;

    if (name.n == 0)
        return fault_set(fault, ERR_NAME_INVALID, "the repository name is empty");
    if (name.n > REPOSITORY_NAME_MAX)
        return fault_set(fault, ERR_NAME_INVALID,
                         "the repository name has %zu characters, %d are allowed", name.n,
                         REPOSITORY_NAME_MAX);
    for (unsigned number = 1;; number++) {
        size_t end = slice_find_char(rest, '/');
        struct slice part = slice_sub(rest, 0, end);

        if (!is_component(part))
            return fault_set(fault, ERR_NAME_INVALID,
                             "component %u of the repository name, \"" SLICE_FMT
                             "\", is not allowed: use lower-case letters and digits, with single "
                             "'.', '_', '__' or dashes between them",
                             number, SLICE_ARG(slice_sub(part, 0, QUOTE_MAX)));
        if (end == rest.n)
            return 0;
        rest = slice_sub(rest, end + 1, SIZE_MAX);
    }
}

int tag_check(struct slice tag, struct fault *fault)
{
    if (tag.n == 0)
        return fault_set(fault, ERR_TAG_INVALID, "the tag is empty");
    if (tag.n > TAG_MAX)
        return fault_set(fault, ERR_TAG_INVALID, "the tag has %zu characters, %d are allowed",
                         tag.n, TAG_MAX);
    for (size_t i = 0; i < tag.n; i++) {
        if (is_word(tag.p[i]) || (i > 0 && (tag.p[i] == '.' || tag.p[i] == '-')))
            continue;
        return fault_set(fault, ERR_TAG_INVALID,
                         "the tag \"" SLICE_FMT "\" is not allowed: use letters, digits, '_', '.' "
                         "and '-', not beginning with '.' or '-'",
                         SLICE_ARG(slice_sub(tag, 0, QUOTE_MAX)));
    }
    return 0;
}

int reference_parse(struct slice text, struct reference *reference, struct fault *fault)
{
    *reference = (struct reference){0};
    if (slice_find_char(text, ':') < text.n) {
        reference->is_digest = true;
        return digest_parse(text, &reference->digest, fault);
    }
    reference->tag = text;
    return tag_check(text, fault);
}
