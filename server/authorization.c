/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/authorization.h"

#include "auth/login.h"
#include "base/utf8.h"

#include <openssl/evp.h>

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* Padding only at the end, and its unused bits zero: one text for one value. */
static bool decode_base64(struct arena *arena, struct slice text, struct slice *out, int *err)
{
    size_t padding = 0;

    while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=')
        padding++;
    if (text.n == 0 || text.n % 4 != 0)
        return false;
    for (size_t i = 0; i < text.n - padding; i++)
        if (!is_base64(text.p[i]))
            return false;
    unsigned char *bytes = arena_alloc(arena, text.n);
    unsigned char *again = arena_alloc(arena, text.n + 4);
    if (bytes == NULL || again == NULL) {
        *err = ERR_NO_MEMORY;
        return false;
    }
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text.p, (int)text.n);
    if (n < 0)
        return false;
    *out = slice_make(bytes, (size_t)n - padding);
    EVP_EncodeBlock(again, bytes, (int)out->n);
    return memcmp(again, text.p, text.n) == 0;
}

/* Names come back in answers, logs and events. */
static bool is_clean(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    return utf8_valid_prefix(text) == text.n;
}

int authorization_check(struct slice user, struct slice secret, struct fault *fault)
{
    if (user.n > LOGIN_USER_MAX || !is_clean(user))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "the user name is not UTF-8 without control characters, or longer than %d "
                         "bytes",
                         LOGIN_USER_MAX);
    if (secret.n > LOGIN_SECRET_MAX || (secret.n > 0 && memchr(secret.p, '\0', secret.n) != NULL))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "the password holds a NUL, or is longer than %d bytes", LOGIN_SECRET_MAX);
    return 0;
}

static int parse_basic(struct arena *arena, struct slice text, struct authorization *out,
                       struct fault *fault)
{
    struct slice pair;
    int err = fault_set(fault, ERR_HTTP_BAD_REQUEST,
                        "the Authorization field is not \"Basic\" and base64 of <user>:<password>");

    if (!decode_base64(arena, text, &pair, &err))
        return err;
    size_t colon = slice_find_char(pair, ':');
    if (colon == pair.n)
        return err;
    out->user = slice_sub(pair, 0, colon);
    out->secret = slice_sub(pair, colon + 1, SIZE_MAX);
    /* What containers/image sends when it was told to log in by Basic and has nothing to show. */
    if (out->user.n == 0 && out->secret.n == 0)
        return 0;
    out->scheme = AUTHORIZATION_BASIC;
    return authorization_check(out->user, out->secret, fault);
}

/* token68 of RFC 9110 section 11.2. */
static int parse_bearer(struct slice text, struct authorization *out, struct fault *fault)
{
    size_t end = text.n;

    while (end > 0 && text.p[end - 1] == '=')
        end--;
    for (size_t i = 0; i < end; i++) {
        if (!is_base64(text.p[i]) && memchr("-._~", text.p[i], 4) == NULL)
            end = 0;
    }
    if (end == 0)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "the Authorization field is not \"Bearer\" and one token");
    if (text.n > LOGIN_SECRET_MAX)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "the token is longer than %d bytes",
                         LOGIN_SECRET_MAX);
    out->secret = text;
    out->scheme = AUTHORIZATION_BEARER;
    return 0;
}

int authorization_parse(struct arena *arena, struct slice value, struct authorization *out,
                        struct fault *fault)
{
    size_t space = slice_find_char(value, ' ');
    struct slice scheme = slice_sub(value, 0, space);
    struct slice rest = slice_trim(slice_sub(value, space, SIZE_MAX));

    *out = (struct authorization){.scheme = AUTHORIZATION_NONE};
    if (slice_eq_nocase(scheme, SLICE("basic")))
        return parse_basic(arena, rest, out, fault);
    if (slice_eq_nocase(scheme, SLICE("bearer")))
        return parse_bearer(rest, out, fault);
    return fault_set(
        fault, ERR_UNAUTHORIZED,
        "log in by Basic or Bearer; other schemes of Authorization are not known here");
}
