/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(struct buf *out, struct slice bytes)
{
    unsigned bits = 0, held = 0;

    for (size_t i = 0; i < bytes.n; i++) {
        held = (held << 8 | (uint8_t)bytes.p[i]) & 0xffff;
        for (bits += 8; bits >= 6;) {
            bits -= 6;
            buf_add_char(out, alphabet[held >> bits & 63]);
        }
    }
    if (bits > 0)
        buf_add_char(out, alphabet[held << (6 - bits) & 63]);
}

/* -1 for a character that is none of ours. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int base64url_decode(struct slice text, uint8_t *out, size_t max)
{
    unsigned bits = 0, held = 0;

    if (text.n % 4 == 1)
        return ERR_SYNTAX;
    if (base64url_decoded_size(text) > max)
        return ERR_LIMIT;
    for (size_t i = 0; i < text.n; i++) {
        int value = value_of(text.p[i]);

        if (value < 0)
            return ERR_SYNTAX;
        held = (held << 6 | (unsigned)value) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (uint8_t)(held >> bits);
        }
    }
    return (held & ((1u << bits) - 1)) == 0 ? 0 : ERR_SYNTAX;
}
