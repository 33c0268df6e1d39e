/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/mem.h"

#include "base/fault_point.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t size_bytes)
{
    fprintf(stderr, "tidemark: out of memory (%zu bytes wanted)\n", size_bytes);
    abort();
}

/* Size 0 is rounded up so that NULL always means failure. */
void *xmalloc(size_t size_bytes)
{
    void *p = FAULT_FIXED(malloc(size_bytes ? size_bytes : 1));

    if (!p)
        out_of_memory(size_bytes);
    return p;
}

void *xcalloc(size_t count, size_t size_bytes)
{
    void *p = FAULT_FIXED(count && size_bytes ? calloc(count, size_bytes) : calloc(1, 1));

    if (!p)
        out_of_memory(count > 1 && size_bytes > SIZE_MAX / count ? SIZE_MAX : count * size_bytes);
    return p;
}

void *xrealloc(void *old, size_t size_bytes)
{
    void *p = FAULT_FIXED(realloc(old, size_bytes ? size_bytes : 1));

    if (!p)
        out_of_memory(size_bytes);
    return p;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t length)
{
    size_t n = strnlen(text, length);
    char *copy = xmalloc(n + 1);

    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}
