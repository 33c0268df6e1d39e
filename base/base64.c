/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/base64.h"

#include "base/mem.h"

#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

/* What went through here was a secret, more often than not. */
static void free_wiped(unsigned char *bytes, size_t n)
{
    explicit_bzero(bytes, n);
    free(bytes);
}

void base64_encode(struct buf *out, struct slice bytes)
{
    size_t room = (bytes.n + 2) / 3 * 4 + 1;
    unsigned char *text;

    if (bytes.n > BASE64_INPUT_MAX) {
        out->overflow = true;
        return;
    }
    text = xmalloc(room);
    int n = EVP_EncodeBlock(text, (const unsigned char *)(bytes.p ? bytes.p : ""), (int)bytes.n);
    buf_add(out, slice_make(text, (size_t)n));
    free_wiped(text, room);
}

static bool is_alphabet(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* The library passes over space and more; this is stricter. */
static int count_padding(struct slice text, size_t *padding)
{
    size_t plain = text.n;

    if (text.n == 0 || text.n % 4 != 0 || text.n > BASE64_INPUT_MAX)
        return ERR_SYNTAX;
    while (plain > 0 && text.p[plain - 1] == '=')
        plain--;
    *padding = text.n - plain;
    for (size_t i = 0; i < plain; i++)
        if (!is_alphabet(text.p[i]))
            return ERR_SYNTAX;
    return *padding <= 2 ? 0 : ERR_SYNTAX;
}

int base64_decode(struct buf *out, struct slice text)
{
    size_t padding, room = text.n / 4 * 3;
    unsigned char *bytes;

    if (text.n == 0)
        return 0;
    if (count_padding(text, &padding) != 0)
        return ERR_SYNTAX;
    bytes = xmalloc(room);
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text.p, (int)text.n);
    if (n >= (int)padding)
        buf_add(out, slice_make(bytes, (size_t)n - padding));
    free_wiped(bytes, room);
    return n >= (int)padding ? 0 : ERR_SYNTAX;
}
