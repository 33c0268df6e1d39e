/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a list of blocks, the one being filled at its head. Blocks double from 4 KiB to 1 MiB,
 * so small requests cost one allocation and large ones few. What would waste much of a block gets
 * one of its own behind the head, and the head goes on being filled. Strings are packed without
 * padding; everything else is aligned for any type.
 */
#include "config.h"
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN_BYTES ((size_t)4096)
#define BLOCK_MAX_BYTES ((size_t)1 << 20)

struct arena_block {
    struct arena_block *next;
    size_t size_bytes; /* of data */
    size_t used_bytes;
    size_t next_bytes; /* allocation size of the block that follows this one as head */
    _Alignas(max_align_t) char data[];
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
}

static void free_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;

        free(block);
        block = next;
    }
}

void arena_fini(struct arena *arena)
{
    free_blocks(arena->blocks);
    arena_init(arena, arena->max_bytes);
}

void arena_reset(struct arena *arena)
{
    struct arena_block **link = &arena->blocks;
    struct arena_block *keep;

    while (*link && (*link)->size_bytes != BLOCK_MIN_BYTES - sizeof(**link))
        link = &(*link)->next;
    keep = *link;
    if (keep) {
        *link = keep->next;
        keep->next = NULL;
        keep->used_bytes = 0;
    }
    free_blocks(arena->blocks);
    arena->blocks = keep;
    arena->used_bytes = 0;
}

static struct arena_block *block_create(size_t size_bytes, size_t next_bytes)
{
    struct arena_block *block = malloc(sizeof(*block) + size_bytes);

    if (!block)
        return NULL;
    block->next = NULL;
    block->size_bytes = size_bytes;
    block->used_bytes = 0;
    block->next_bytes = next_bytes;
    return block;
}

/* A block with room for `size_bytes`, linked in; NULL when memory is out. */
static struct arena_block *add_block(struct arena *arena, size_t size_bytes)
{
    struct arena_block *head = arena->blocks;
    size_t regular = head ? head->next_bytes : BLOCK_MIN_BYTES;
    struct arena_block *block;

    if (size_bytes > regular / 4) {
        block = block_create(size_bytes, regular);
        if (block && head) {
            block->next = head->next;
            head->next = block;
            return block;
        }
    } else {
        size_t doubled = regular < BLOCK_MAX_BYTES ? regular * 2 : regular;

        block = block_create(regular - sizeof(*block), doubled);
    }
    if (block) {
        block->next = head;
        arena->blocks = block;
    }
    return block;
}

/* `size_bytes` of whatever the memory held; `alignment` is a power of two. */
static char *take(struct arena *arena, size_t size_bytes, size_t alignment)
{
    struct arena_block *block = arena->blocks;
    size_t pad = block ? -block->used_bytes & (alignment - 1) : 0;
    char *p;

    /* The padding counts too: `used_bytes` is memory, not the sum of wishes. */
    if (arena->max_bytes - arena->used_bytes < pad ||
        arena->max_bytes - arena->used_bytes - pad < size_bytes || size_bytes > SIZE_MAX / 2)
        return NULL;
    if (!block || block->size_bytes - block->used_bytes < pad ||
        block->size_bytes - block->used_bytes - pad < size_bytes) {
        block = add_block(arena, size_bytes);
        if (!block)
            return NULL;
        pad = 0;
    }
    p = block->data + block->used_bytes + pad;
    block->used_bytes += pad + size_bytes;
    arena->used_bytes += pad + size_bytes;
    return p;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    char *p = take(arena, size_bytes ? size_bytes : 1, _Alignof(max_align_t));

    return p ? memset(p, 0, size_bytes) : NULL;
}

struct slice arena_dup(struct arena *arena, struct slice bytes)
{
    char *p = bytes.n < SIZE_MAX ? take(arena, bytes.n + 1, 1) : NULL;

    if (!p)
        return slice_make(NULL, 0);
    if (bytes.n)
        memcpy(p, bytes.p, bytes.n);
    p[bytes.n] = '\0';
    return slice_make(p, bytes.n);
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *p;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    p = n < 0 ? NULL : take(arena, (size_t)n + 1, 1);
    if (!p)
        return slice_make(NULL, 0);
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return slice_make(p, (size_t)n);
}
