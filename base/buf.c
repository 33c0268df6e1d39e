/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the allocation is always one byte larger than `cap`. vsnprintf needs a place for its
 * NUL even when the text fills the buffer to its maximum, and buf_take ends the text with one.
 * A failed allocation counts as overflow: the sizes here follow what clients send.
 */
#include "config.h"
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES 64

void buf_init(struct buf *buf, size_t max_bytes)
{
    /* Half the address space, so that neither doubling nor the extra byte can wrap around. */
    *buf = (struct buf){.max = max_bytes < SIZE_MAX / 2 ? max_bytes : SIZE_MAX / 2 - 1};
}

void buf_fini(struct buf *buf)
{
    free(buf->p);
    buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
    buf->n = 0;
    buf->overflow = buf->no_memory = false;
}

static bool grow(struct buf *buf, size_t n)
{
    size_t cap = buf->cap ? buf->cap : BUF_FIRST_BYTES;
    char *p;

    if (buf->overflow || n > buf->max - buf->n) {
        buf->overflow = true;
        return false;
    }
    while (cap < buf->n + n)
        cap *= 2;
    if (cap > buf->max)
        cap = buf->max;
    p = realloc(buf->p, cap + 1);
    if (!p) {
        buf->overflow = buf->no_memory = true;
        return false;
    }
    buf->p = p;
    buf->cap = cap;
    return true;
}

/* Room for `n` more bytes; false (and overflow) when that is not to be had. */
static inline bool reserve(struct buf *buf, size_t n)
{
    return (buf->p && !buf->overflow && n <= buf->cap - buf->n) || grow(buf, n);
}

void buf_add(struct buf *buf, struct slice bytes)
{
    if (!reserve(buf, bytes.n) || bytes.n == 0)
        return;
    memcpy(buf->p + buf->n, bytes.p, bytes.n);
    buf->n += bytes.n;
}

void buf_add_char(struct buf *buf, char c)
{
    if (!reserve(buf, 1))
        return;
    buf->p[buf->n++] = c;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_add(buf, slice_make(digits + at, sizeof(digits) - at));
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args;
    int n;

    if (!reserve(buf, 0))
        return;
    va_start(args, format);
    n = vsnprintf(buf->p + buf->n, buf->cap - buf->n + 1, format, args);
    va_end(args);
    if (n < 0) {
        buf->overflow = true;
        return;
    }
    if ((size_t)n > buf->cap - buf->n) {
        if (!reserve(buf, (size_t)n))
            return;
        va_start(args, format);
        n = vsnprintf(buf->p + buf->n, buf->cap - buf->n + 1, format, args);
        va_end(args);
    }
    buf->n += (size_t)n;
}

void buf_add_hex(struct buf *buf, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";

    if (bytes.n > SIZE_MAX / 2) {
        buf->overflow = true;
        return;
    }
    if (!reserve(buf, bytes.n * 2))
        return;
    for (size_t i = 0; i < bytes.n; i++) {
        buf->p[buf->n++] = digits[(unsigned char)bytes.p[i] >> 4];
        buf->p[buf->n++] = digits[(unsigned char)bytes.p[i] & 15];
    }
}

char *buf_take(struct buf *buf, size_t *length)
{
    char *p = buf->p;

    if (p)
        p[buf->n] = '\0';
    if (length)
        *length = buf->n;
    buf_init(buf, buf->max);
    return p;
}
