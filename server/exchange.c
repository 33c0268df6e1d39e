/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/exchange.h"

#include "base/mem.h"
#include "server/credential.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of a request's arena: the parsed tree of the largest manifest is what needs most. */
#define REQUEST_MEMORY_MAX (UINT64_C(128) << 20)
#define HEAD_MAX           65536u

struct exchange *exchange_create(void)
{
    struct exchange *x = xmalloc(sizeof(*x));

    /* Not the buffer: its pages stay untouched until bytes come. */
    memset(x, 0, offsetof(struct exchange, buffer));
    x->codec = http1_create();
    arena_init(&x->request.arena, REQUEST_MEMORY_MAX);
    buf_init(&x->response.fields, HEAD_MAX);
    buf_init(&x->response.head, 2 * HEAD_MAX);
    return x;
}

/* After a flood of connections free() keeps their buffers in a heap that something small at its end
 * holds up. The whole pages in them go back to the system now. */
static void give_pages_back(struct exchange *x)
{
#ifndef __SANITIZE_ADDRESS__
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)x->buffer + page - 1) / page * page;
    uintptr_t end = (uintptr_t)(x->buffer + sizeof(x->buffer)) / page * page;

    if (end > begin)
        madvise((char *)x + (begin - (uintptr_t)x), end - begin, MADV_DONTNEED);
#else
    (void)x;
#endif
}

void exchange_destroy(struct exchange *x)
{
    give_pages_back(x);
    output_reset(&x->output);
    http1_destroy(x->codec);
    arena_fini(&x->request.arena);
    buf_fini(&x->response.fields);
    buf_fini(&x->response.head);
    buf_fini(&x->body_bytes);
    free(x);
}

void exchange_tell_gone(struct exchange *x)
{
    void (*fn)(void *arg) = x->on_gone;

    x->on_gone = NULL;
    if (fn != NULL)
        fn(x->on_gone_arg);
    output_close_source(&x->output);
}

bool exchange_reserve_answer(struct exchange *x, uint64_t n)
{
    const struct worker *worker = x->request.worker;

    if (atomic_fetch_add(&worker->server->answer_bytes, n) + n >
        worker->settings->http_answer_memory_bytes) {
        atomic_fetch_sub(&worker->server->answer_bytes, n);
        return false;
    }
    x->answer_reserved += n;
    return true;
}

void exchange_reset(struct exchange *x)
{
    struct arena arena = x->request.arena;
    struct response response = {.fields = x->response.fields, .head = x->response.head};
    struct http1 *codec = x->codec;

    output_reset(&x->output);
    buf_fini(&x->body_bytes);
    credential_unref(x->request.credential);
    if (x->body_reserved > 0)
        atomic_fetch_sub(&x->request.worker->server->body_bytes, x->body_reserved);
    if (x->answer_reserved > 0)
        atomic_fetch_sub(&x->request.worker->server->answer_bytes, x->answer_reserved);
    arena_reset(&arena);
    buf_reset(&response.fields);
    buf_reset(&response.head);
    memset(x, 0, offsetof(struct exchange, buffer));
    x->request.arena = arena;
    x->response = response;
    x->codec = codec;
}
