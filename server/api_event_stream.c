/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as they happen: text/event-stream (WHATWG HTML, "Server-sent events").
 *
 * DESIGN: the answer asks for its next piece when the socket has taken the one before, so a slow
 * client costs one piece of memory, however far behind it is: it reads the log, nothing is queued
 * for it. In silence a comment goes out now and then, so that proxies and clients see life; when
 * events were passed over by the filter, it carries the number of the last, from where the client
 * then goes on after a break.
 *
 * Without memory the stream ends, in order, before the event that there was none for: clients begin
 * anew with the number of the last they have, as they do after any break.
 */
#include "config.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/api.h"
#include "server/event_reader.h"
#include "server/event_wait.h"
#include "server/gate.h"
#include "server/handlers.h"

#include <stdlib.h>

#define COMMENT_S 15

struct event_stream {
    struct request *r;
    struct event_reader reader;
    struct event_waiter waiter;
    struct event *timer;
    uint64_t generation; /* of what was decided about its reader; see gate_generation */
    uint64_t sent;       /* the number the client knows */
    bool reading;        /* a read is under way */
    bool filling;        /* the answer asks for bytes at this moment */
    bool has_piece;      /* reader.out has not gone out yet */
    bool has_more;       /* the log may hold more than was read */
    bool is_silent;      /* nothing was sent since the last tick */
    bool needs_sign;     /* of life */
    bool closed;
    int err;
};

static void was_read(void *arg, int err)
{
    struct event_stream *stream = CONTAINER_OF(arg, struct event_stream, reader);
    struct event_reader *reader = &stream->reader;
    struct request *r = stream->r;

    stream->reading = false;
    stream->err = err;
    if (err == 0) {
        stream->has_piece = reader->n > 0;
        stream->has_more = stream->has_more || !reader->at_end;
        reader->after = reader->last;
    }
    if (!stream->filling && !stream->closed)
        response_stream_wake(r);
    if (stream->closed)
        event_reader_fini(reader);
    request_release(r);
}

static void read_on(struct event_stream *stream)
{
    stream->reading = true;
    stream->has_more = false;
    request_hold(stream->r);
    kv_read(stream->r->worker->kv, event_reader_read, &stream->reader, was_read);
}

static void add_sign(struct event_stream *stream, struct buf *out)
{
    stream->needs_sign = false;
    if (stream->reader.after > stream->sent && !stream->has_piece && !stream->reading) {
        stream->sent = stream->reader.after;
        buf_addf(out, "id: %llu\n", (unsigned long long)stream->sent);
    }
    buf_add(out, SLICE(":\n\n"));
}

static uint64_t generation_now(const struct request *r)
{
    return r->worker->gate != NULL ? gate_generation(r->worker->gate->gate) : 0;
}

/* When accounts or the policy have changed, or its credential is over, the reader must ask anew,
 * with the number of the last event it has. */
static bool is_decided(const struct event_stream *stream)
{
    return stream->generation == generation_now(stream->r) &&
           !identity_is_expired(stream->r->identity, clock_wall_ms());
}

static enum source_state fill(void *arg, struct buf *out)
{
    struct event_stream *stream = arg;

    if (stream->r->worker->server->draining || stream->err != 0 || !is_decided(stream))
        return SOURCE_END;
    if (stream->needs_sign)
        add_sign(stream, out);
    stream->filling = true;
    if (!stream->has_piece && !stream->reading && stream->has_more)
        read_on(stream);
    stream->filling = false;
    if (stream->err != 0) /* of a read that was over at once */
        return SOURCE_END;
    if (stream->has_piece) {
        buf_add(out, buf_slice(&stream->reader.out));
        stream->has_piece = false;
        stream->sent = stream->reader.after;
    }
    if (out->overflow) {
        buf_reset(out); /* half a message is none; the client asks again from the last whole one */
        return SOURCE_END;
    }
    stream->is_silent = stream->is_silent && out->n == 0;
    return stream->has_more && !stream->reading ? SOURCE_MORE : SOURCE_WAIT;
}

static void on_closed(void *arg)
{
    struct event_stream *stream = arg;

    stream->closed = true;
    event_wait_remove(stream->r->worker, &stream->waiter);
    event_free(stream->timer);
    if (!stream->reading)
        event_reader_fini(&stream->reader);
    request_release(stream->r);
}

static const struct response_source source = {.fill = fill, .closed = on_closed};

static void on_wake(void *arg)
{
    struct event_stream *stream = arg;

    stream->has_more = true;
    response_stream_wake(stream->r);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct event_stream *stream = arg;

    (void)fd;
    (void)what;
    stream->needs_sign = stream->is_silent;
    stream->is_silent = true;
    if (stream->needs_sign)
        response_stream_wake(stream->r);
}

static int start_timer(struct event_stream *stream)
{
    const struct timeval period = {COMMENT_S, 0};

    stream->timer = event_new(stream->r->worker->base, -1, EV_PERSIST, on_tick, stream);
    if (stream->timer == NULL)
        return ERR_NO_MEMORY;
    if (event_add(stream->timer, &period) == 0)
        return 0;
    event_free(stream->timer);
    return ERR_NO_MEMORY;
}

static void start(struct event_stream *stream)
{
    struct request *r = stream->r;

    /* The first bytes say that it works, before anything happens. */
    stream->needs_sign = true;
    stream->has_more = true;
    request_hold(r);
    response_field(r, "Cache-Control", SLICE("no-store"));
    response_send_stream(r, 200, "text/event-stream", &source, stream);
}

void api_event_stream(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct event_stream *stream = arena_alloc(&r->arena, sizeof(*stream));

    if (stream == NULL) {
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
        return;
    }
    stream->r = r;
    stream->generation = generation_now(r);
    stream->waiter = (struct event_waiter){.wake = on_wake, .arg = stream};
    int err = event_reader_init(&stream->reader, r, true, &fault);
    if (err == 0 && !event_wait_add(r->worker, &stream->waiter))
        err = fault_set(&fault, ERR_BUSY,
                        "http.max_event_streams clients are waiting for events already");
    if (err == 0 && start_timer(stream) != 0) {
        event_wait_remove(r->worker, &stream->waiter);
        err = fault_set(&fault, ERR_NO_MEMORY, "no memory for an event stream");
    }
    if (err != 0) {
        event_reader_fini(&stream->reader);
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    stream->sent = stream->reader.after;
    start(stream);
}
