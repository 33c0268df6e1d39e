/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a file goes by sendfile, which blocks when its pages are not in memory. So before each
 * window one byte at its end is read with RWF_NOWAIT: when that says EAGAIN, a job of the io pool
 * reads the window, and the answer goes on after it. A turn sends at most one window, so that one
 * fast client cannot keep the others of this worker waiting.
 */
#include "config.h"

#include "server/output.h"

#include "base/clock.h"
#include "server/conn.h"
#include "server/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#define WINDOW_BYTES (UINT64_C(1) << 20)

/* See look_at_pace: more than the kernel holds by itself, at 32 MiB/s. */
#define FAST_BYTES        (UINT64_C(8) << 20)
#define FAST_BYTES_PER_MS (UINT64_C(32) << 10)

void output_reset(struct output *output)
{
    if (output->file != NULL)
        blob_file_unref(output->file);
    buf_fini(&output->rest);
    buf_fini(&output->piece);
    *output = (struct output){0};
}

static enum output_result failed(struct request *r)
{
    conn_close(r->conn, "the client reset it while it was answered");
    return OUTPUT_FAILED;
}

enum output_result output_send(struct request *r, struct slice head, struct slice body)
{
    struct output *out = &exchange_of(r)->output;
    ssize_t n;

    /* The plain call costs the kernel less, and many answers have no body. */
    do
        n = body.n > 0 ? transport_send_two(r->conn, head, body)
                       : transport_send(r->conn, head.p, head.n, false);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        return failed(r);
    size_t sent = n > 0 ? (size_t)n : 0;
    out->bytes_out += sent;
    if (sent == head.n + body.n)
        return OUTPUT_DONE;
    if (!exchange_reserve_answer(exchange_of(r), head.n + body.n - sent)) {
        conn_abort(r->conn, "http.answer_memory is used up by clients that do not read");
        return OUTPUT_FAILED;
    }
    buf_init(&out->rest, head.n + body.n);
    buf_add(&out->rest, slice_sub(head, sent, SIZE_MAX));
    buf_add(&out->rest, slice_sub(body, sent > head.n ? sent - head.n : 0, SIZE_MAX));
    if (out->rest.overflow) {
        conn_abort(r->conn, "no memory for what the client has not taken yet");
        return OUTPUT_FAILED;
    }
    out->one = (struct output_segment){.bytes = buf_slice(&out->rest)};
    out->segments = &out->one;
    out->n = 1;
    out->at = 0;
    conn_want_write(r->conn, true);
    return OUTPUT_BLOCKED;
}

/* On the io pool: bring the window into the page cache. A failure shows again in sendfile.
 * The kernel's own readahead goes on ahead of these reads and brings pages in as large pieces,
 * which sendfile hands on cheaply; POSIX_FADV_WILLNEED brings them in one by one. */
static void read_ahead(struct pool_job *job)
{
    struct output *out = (struct output *)((char *)job - offsetof(struct output, readahead));
    char page[65536];
    uint64_t at = out->window_begin, end = out->window_begin + out->window_n;

    posix_fadvise(out->file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (at < end) {
        size_t want = end - at < sizeof(page) ? (size_t)(end - at) : sizeof(page);
        ssize_t n = pread(out->file->fd, page, want, (off_t)at);
        if (n <= 0)
            return;
        at += (uint64_t)n;
    }
}

static void read_ahead_done(struct pool_job *job)
{
    struct output *out = (struct output *)((char *)job - offsetof(struct output, readahead));
    struct exchange *x = (struct exchange *)((char *)out - offsetof(struct exchange, output));
    struct request *r = &x->request;

    out->reading_ahead = false;
    if (!r->gone)
        response_continue(r);
    request_release(r);
}

static void start_read_ahead(struct request *r, uint64_t begin, uint64_t n)
{
    struct output *out = &exchange_of(r)->output;

    out->reading_ahead = true;
    out->window_begin = begin;
    out->window_n = n;
    out->readahead =
        (struct pool_job){.run = read_ahead, .done = read_ahead_done, .reply = r->worker->queue};
    conn_want_write(r->conn, false);
    request_hold(r);
    pool_submit(r->worker->server->store->io, &out->readahead);
}

/* Bytes from `begin` that are known to be in memory, at most a window of them; 0 when they must be
 * read first. A window is asked about once, by its last byte; one that was read ahead not at all,
 * or it could be asked about for ever. A kernel or file system that cannot tell says yes. */
static uint64_t cached_bytes(struct output *out, uint64_t begin, uint64_t left)
{
    char byte;
    struct iovec iov = {&byte, 1};

    if (begin >= out->window_begin && begin < out->window_begin + out->window_n) {
        uint64_t n = out->window_begin + out->window_n - begin;
        return n < left ? n : left;
    }
    uint64_t n = left < WINDOW_BYTES ? left : WINDOW_BYTES;
    if (preadv2(out->file->fd, &iov, 1, (off_t)(begin + n - 1), RWF_NOWAIT) < 0 && errno == EAGAIN)
        return 0;
    out->window_begin = begin;
    out->window_n = n;
    return n;
}

static enum output_result blocked(struct request *r)
{
    conn_want_write(r->conn, true);
    return OUTPUT_BLOCKED;
}

static enum output_result send_bytes(struct request *r, struct output_segment *segment)
{
    struct output *out = &exchange_of(r)->output;
    bool has_more = out->at + 1 < out->n;

    while (segment->bytes.n > 0) {
        ssize_t n = transport_send(r->conn, segment->bytes.p, segment->bytes.n, has_more);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? blocked(r) : failed(r);
        out->bytes_out += (uint64_t)n;
        segment->bytes = slice_sub(segment->bytes, (size_t)n, SIZE_MAX);
    }
    return OUTPUT_DONE;
}

/* A client that has taken so much so fast on average will take what the kernel holds for it. */
static void look_at_pace(struct request *r)
{
    struct output *out = &exchange_of(r)->output;
    uint64_t now_ms = clock_coarse_ms();

    if (out->file_since_ms == 0)
        out->file_since_ms = now_ms;
    if (out->bytes_out >= FAST_BYTES &&
        (now_ms - out->file_since_ms) * FAST_BYTES_PER_MS <= out->bytes_out)
        conn_takes_fast(r->conn);
}

static enum output_result send_file(struct request *r, struct output_segment *segment,
                                    uint64_t *budget)
{
    struct output *out = &exchange_of(r)->output;

    while (segment->left > 0) {
        off_t at = (off_t)segment->offset;
        if (*budget == 0)
            return blocked(r);
        uint64_t n = cached_bytes(out, segment->offset, segment->left);
        if (n == 0) {
            start_read_ahead(r, segment->offset,
                             segment->left < WINDOW_BYTES ? segment->left : WINDOW_BYTES);
            return OUTPUT_BLOCKED;
        }
        ssize_t sent = transport_send_file(r->conn, out->file->fd, &at, n);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? blocked(r) : failed(r);
        if (sent == 0) {
            /* Shorter than its row says: the client must not take what it got for the whole. */
            conn_close(r->conn, "a blob file is shorter than it was");
            return OUTPUT_FAILED;
        }
        out->bytes_out += (uint64_t)sent;
        if (!r->conn->takes_fast)
            look_at_pace(r);
        segment->offset += (uint64_t)sent;
        segment->left -= (uint64_t)sent;
        *budget -= (uint64_t)sent < *budget ? (uint64_t)sent : *budget;
        if ((uint64_t)sent < n) /* the socket is full: no need to be told so */
            return blocked(r);
    }
    return OUTPUT_DONE;
}

static enum output_result send_segments(struct request *r)
{
    struct output *out = &exchange_of(r)->output;
    uint64_t budget = WINDOW_BYTES;

    while (out->at < out->n) {
        struct output_segment *segment = &out->segments[out->at];
        enum output_result result =
            segment->bytes.p != NULL ? send_bytes(r, segment) : send_file(r, segment, &budget);
        if (result != OUTPUT_DONE)
            return result;
        out->at++;
    }
    return OUTPUT_DONE;
}

/*
 * Pieces made on the way (RFC 9112 section 7.1).
 */

void output_close_source(struct output *out)
{
    const struct response_source *source = out->source;

    out->source = NULL;
    if (source != NULL)
        source->closed(out->source_arg);
}

/* The piece, and the last chunk when it ends, as segments. */
static void frame_piece(struct output *out)
{
    unsigned n = 0;

    if (out->is_chunked && out->piece.n > 0) {
        int length = snprintf(out->size_line, sizeof(out->size_line), "%zx\r\n", out->piece.n);
        out->chunk[n++].bytes = slice_make(out->size_line, (size_t)length);
    }
    if (out->piece.n > 0)
        out->chunk[n++].bytes = buf_slice(&out->piece);
    if (out->is_chunked && out->piece.n > 0)
        out->chunk[n++].bytes = out->ended ? SLICE("\r\n0\r\n\r\n") : SLICE("\r\n");
    else if (out->is_chunked && out->ended)
        out->chunk[n++].bytes = SLICE("0\r\n\r\n");
    out->segments = out->chunk;
    out->n = n;
    out->at = 0;
}

/* At most one piece a turn, so that a client that is far behind does not keep others waiting. */
static enum output_result send_piece(struct request *r)
{
    struct output *out = &exchange_of(r)->output;

    if (out->ended)
        return OUTPUT_DONE;
    buf_reset(&out->piece);
    out->filling = true;
    enum source_state state = out->source->fill(out->source_arg, &out->piece);
    out->filling = false;
    out->ended = state == SOURCE_END;
    if (out->piece.overflow) {
        conn_close(r->conn, "a piece of the answer is too large");
        return OUTPUT_FAILED;
    }
    frame_piece(out);
    enum output_result result = send_segments(r);
    if (result != OUTPUT_DONE || out->ended)
        return result;
    conn_want_write(r->conn, state == SOURCE_MORE);
    return OUTPUT_BLOCKED;
}

enum output_result output_run(struct request *r)
{
    struct output *out = &exchange_of(r)->output;

    if (out->reading_ahead)
        return OUTPUT_BLOCKED;
    enum output_result result = send_segments(r);
    if (result == OUTPUT_DONE && out->source != NULL)
        result = send_piece(r);
    if (result == OUTPUT_DONE) {
        conn_want_write(r->conn, false);
        output_close_source(out);
    }
    return result;
}
