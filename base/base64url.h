/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url without padding (RFC 4648 section 5, RFC 7515 section 2). The reader is strict: no
 * padding, no other alphabet, no white space, and the bits left over at the end are zero, so that
 * bytes have exactly one text. Any thread.
 */
#ifndef BASE_BASE64URL_H
#define BASE_BASE64URL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Characters for n bytes. */
#define BASE64URL_SIZE(n) (((n)*4 + 2) / 3)

void base64url_encode(struct buf *out, struct slice bytes);

/* Bytes that `text` stands for, if it is any: at most this many. */
static inline size_t base64url_decoded_size(struct slice text)
{
    return text.n / 4 * 3 + (text.n % 4 == 0 ? 0 : text.n % 4 - 1);
}

/* Writes base64url_decoded_size(text) bytes to `out`. ERR_SYNTAX for what is none (`out` may be
 * written in part), ERR_LIMIT when `max` is less. */
int base64url_decode(struct slice text, uint8_t *out, size_t max) MUST_CHECK;

#endif
