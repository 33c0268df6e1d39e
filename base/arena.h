/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one request: many allocations, one release. The maximum is given at init; allocation
 * past it yields NULL, which callers turn into ERR_NO_MEMORY (the size came from a client).
 * One thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* over all blocks */
    size_t max_bytes;
};

void arena_init(struct arena *arena, size_t max_bytes);
void arena_fini(struct arena *arena);

/* Release everything but one block, for the next request on the same connection. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned for any type; NULL when the maximum is reached. */
void *arena_alloc(struct arena *arena, size_t size_bytes) MUST_CHECK;

/* A copy with a NUL after it (not counted in n); p == NULL when the maximum is reached. */
struct slice arena_dup(struct arena *arena, struct slice bytes) MUST_CHECK;

/* printf into the arena, NUL-terminated; p == NULL when the maximum is reached. */
struct slice arena_printf(struct arena *arena, const char *format, ...)
    PRINTF_LIKE(2, 3) MUST_CHECK;

#endif
