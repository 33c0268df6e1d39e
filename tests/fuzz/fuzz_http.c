/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's bytes: head guard, framing, bodies, the next request. What the guard takes, the
 * parser behind it frames the same way; however the bytes are cut, the same requests come out.
 */
#include "config.h"

#include "server/http1.h"

#include <stdlib.h>

#define REQUESTS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int err;
    unsigned requests;
    size_t used, body_n;
};

static void check_head(const struct http_head *head, struct slice bytes)
{
    for (unsigned i = 0; i < head->fields_n; i++) {
        struct slice name = head->fields[i].name, value = head->fields[i].value;
        if (name.n == 0 || name.p < bytes.p || value.p < bytes.p ||
            value.p + value.n > bytes.p + bytes.n)
            abort();
        for (size_t j = 0; j < value.n; j++) {
            if (value.p[j] == '\r' || value.p[j] == '\n' || value.p[j] == '\0')
                abort();
        }
    }
    if ((head->is_chunked && head->has_length) || (!head->is_http_10 && head->host.n == 0))
        abort();
}

/* `cut` is how many bytes arrive at a time. */
static int read_body(struct http1 *codec, struct slice bytes, size_t cut, struct outcome *outcome)
{
    struct http1_step step = {0};
    size_t end = outcome->used;

    while (!step.complete) {
        size_t before = outcome->used;
        int err = http1_body(codec, slice_sub(bytes, before, end - before), &step, NULL);
        if (err != 0)
            return err;
        if (step.used > end - before ||
            (step.piece.n > 0 && (step.piece.p < bytes.p + before ||
                                  step.piece.p + step.piece.n > bytes.p + before + step.used)))
            abort();
        outcome->used += step.used;
        outcome->body_n += step.piece.n;
        if (!step.complete && step.used == 0) {
            if (end == bytes.n)
                return ERR_AGAIN;
            end = end + cut < bytes.n ? end + cut : bytes.n;
        }
    }
    return 0;
}

static int read_request(struct http1 *codec, struct slice bytes, size_t cut,
                        struct outcome *outcome)
{
    const struct http_head_limits limits = {8192, 32};
    struct http_head_scan scan = {0};
    struct http_head head;
    struct arena arena;
    size_t head_n = 0, end = 0;
    bool keep_alive = false;
    struct slice rest = slice_sub(bytes, outcome->used, SIZE_MAX);
    int err;

    do {
        end = end + cut < rest.n ? end + cut : rest.n;
        err = http_head_scan(&scan, slice_sub(rest, 0, end), &limits, &head_n, NULL);
    } while (err == ERR_AGAIN && end < rest.n);
    if (err != 0)
        return err;
    arena_init(&arena, 1u << 20);
    struct slice copy = arena_dup(&arena, slice_sub(rest, 0, head_n));
    err = http_head_parse(&arena, (char *)(uintptr_t)copy.p, head_n, scan.lines, &head, NULL);
    if (err == 0) {
        check_head(&head, copy);
        err = http1_begin(codec, copy, &head, &keep_alive, NULL);
    }
    bool has_body = err == 0 && (head.is_chunked || head.content_length > 0);
    arena_fini(&arena);
    if (err != 0)
        return err;
    outcome->requests++;
    outcome->used += head_n;
    if (has_body)
        err = read_body(codec, bytes, cut, outcome);
    return err == 0 && !keep_alive ? ERR_SHUTDOWN : err;
}

static struct outcome read_all(struct slice bytes, size_t cut)
{
    struct outcome outcome = {0};
    struct http1 *codec = http1_create();

    while (outcome.err == 0 && outcome.used < bytes.n && outcome.requests < REQUESTS_MAX)
        outcome.err = read_request(codec, bytes, cut, &outcome);
    http1_destroy(codec);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_make(size ? (const void *)data : "", size);
    struct outcome whole, pieces;

    if (size > 20000)
        return 0;
    whole = read_all(bytes, SIZE_MAX / 2);
    pieces = read_all(bytes, size % 7 + 1);
    if (whole.requests != pieces.requests || whole.body_n != pieces.body_n ||
        (whole.err == 0) != (pieces.err == 0))
        abort();
    return 0;
}
