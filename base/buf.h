/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with its maximum given at init. What does not fit sets `overflow` for
 * good and is dropped, so a chain of additions is checked once at its end. One thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct buf {
    char *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* bytes at most */
    bool overflow;
    bool no_memory; /* that is why */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_fini(struct buf *buf);

/* Forget the content and the overflow, keep the memory. */
void buf_reset(struct buf *buf);

void buf_add(struct buf *buf, struct slice bytes);
void buf_add_char(struct buf *buf, char c);
void buf_add_u64(struct buf *buf, uint64_t value);
void buf_addf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Lower-case hex of `bytes`. */
void buf_add_hex(struct buf *buf, struct slice bytes);

/* 0 when all that was added is there; `too_large`, or ERR_NO_MEMORY, when it is not. */
static inline int buf_error(const struct buf *buf, int too_large)
{
    return !buf->overflow ? 0 : buf->no_memory ? ERR_NO_MEMORY : too_large;
}

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_make(buf->p, buf->n);
}

/* Give the memory to the caller (free() it); the buffer is empty afterwards. A NUL follows the
 * content, not counted in *length (may be NULL); the result is NULL when nothing was ever added. */
char *buf_take(struct buf *buf, size_t *length);

#endif
