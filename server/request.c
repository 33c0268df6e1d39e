/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/request.h"

#include "server/conn.h"
#include "server/transport.h"
#include "server/worker_private.h"

#include <assert.h>

const char *method_name(enum method method)
{
    static const char *const names[METHOD_COUNT] = {
        [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",   [METHOD_PUT] = "PUT",
        [METHOD_POST] = "POST",       [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
        [METHOD_OPTIONS] = "OPTIONS", [METHOD_OTHER] = "OTHER",
    };

    return names[method];
}

struct slice request_field(const struct request *r, struct slice name)
{
    for (unsigned i = 0; i < r->fields_n; i++) {
        if (slice_eq(r->fields[i].name, name))
            return r->fields[i].value;
    }
    return slice_make(NULL, 0);
}

/*
 * The query.
 */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent escapes. A '+' stands for itself: no parameter here can hold a space, but media types do
 * hold pluses, and people type them into URLs as they are. */
int request_decode(struct request *r, struct slice text, struct slice *value)
{
    char *out = arena_alloc(&r->arena, text.n + 1);
    size_t n = 0;

    if (out == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = i + 2 < text.n ? hex_value(text.p[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.p[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return ERR_HTTP_BAD_REQUEST;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[n++] = c;
    }
    *value = slice_make(out, n);
    return 0;
}

int request_query(struct request *r, struct slice name, unsigned index, struct slice *value)
{
    struct slice rest = r->query, part;

    *value = slice_make(NULL, 0);
    while (slice_split(&rest, '&', &part)) {
        struct slice key;
        size_t equals = slice_find_char(part, '=');
        int err = request_decode(r, slice_sub(part, 0, equals), &key);
        if (err != 0)
            return err;
        if (!slice_eq(key, name) || index-- > 0)
            continue;
        return request_decode(r, slice_sub(part, equals + 1, SIZE_MAX), value);
    }
    return ERR_NOT_FOUND;
}

uint64_t request_client(const struct request *r)
{
    uint64_t number = client_address_number(&r->client);

    return number != 0 ? number : 1;
}

/*
 * Its life.
 */

void request_hold(struct request *r)
{
    r->holds++;
}

void request_release(struct request *r)
{
    struct exchange *x = exchange_of(r);

    assert(r->holds > 0);
    if (--r->holds > 0)
        return;
    if (r->conn == NULL) {
        worker_bury_exchange(r->worker, x);
        return;
    }
    /* A handler that lets go without an answer and without a body to wait for has a bug. */
    assert(x->response.sent || r->gone || x->body != BODY_NONE);
    if (x->response.done)
        conn_wake(r->conn);
}

void request_watch_client(struct request *r, void (*fn)(void *arg), void *arg)
{
    struct exchange *x = exchange_of(r);

    x->on_gone = fn;
    x->on_gone_arg = arg;
    if (!r->gone && r->conn->eof)
        conn_close(r->conn, "the client closed it before it waited");
}

/*
 * The body.
 */

static void send_continue(struct request *r)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct exchange *x = exchange_of(r);

    if (!x->expects_continue)
        return;
    x->expects_continue = false;
    /* A client that has begun to send does not need it any more. */
    if (x->received > x->taken)
        return;
    /* A socket too full for one line belongs to a client that has stopped reading. */
    if (transport_send(r->conn, line, sizeof(line) - 1, false) != sizeof(line) - 1)
        conn_close(r->conn, "100 Continue could not be sent");
}

void request_accept_body(struct request *r, const struct body_sink *sink, void *arg)
{
    struct exchange *x = exchange_of(r);

    x->sink = sink;
    x->sink_arg = arg;
    if (r->gone)
        return; /* the sink hears of it when the connection is buried */
    x->body = BODY_RECEIVING;
    if (r->has_body)
        send_continue(r);
    conn_wake(r->conn);
}

void request_body_resume(struct request *r)
{
    struct exchange *x = exchange_of(r);

    if (r->gone || x->body != BODY_BUSY)
        return;
    x->body = BODY_RECEIVING;
    conn_wake(r->conn);
}

int request_reserve(struct request *r, uint64_t n)
{
    struct exchange *x = exchange_of(r);
    struct server *server = r->worker->server;

    if (atomic_fetch_add(&server->body_bytes, n) + n >
        r->worker->settings->http_body_memory_bytes) {
        atomic_fetch_sub(&server->body_bytes, n);
        return ERR_BUSY;
    }
    x->body_reserved += n;
    return 0;
}

/* Where a collected body ends: exactly once. */
static void body_result(struct exchange *x, int err)
{
    void (*done)(void *arg, int err, struct slice body) = x->body_done;

    x->body_done = NULL;
    if (done != NULL)
        done(x->body_done_arg, err, err == 0 ? buf_slice(&x->body_bytes) : SLICE(""));
}

static int collect_write(void *arg, struct slice bytes, size_t *taken)
{
    struct exchange *x = arg;

    if (bytes.n > x->body_bytes.max - x->body_bytes.n) {
        *taken = 0;
        body_result(x, ERR_HTTP_TOO_LARGE);
        return ERR_HTTP_TOO_LARGE;
    }
    int err = request_reserve(&x->request, bytes.n);
    if (err != 0) {
        *taken = 0;
        body_result(x, err);
        return err;
    }
    buf_add(&x->body_bytes, bytes);
    *taken = bytes.n;
    return 0;
}

static void collect_end(void *arg)
{
    struct exchange *x = arg;

    body_result(x, x->body_bytes.overflow ? ERR_NO_MEMORY : 0);
}

static void collect_abort(void *arg, int err)
{
    struct exchange *x = arg;

    (void)err;
    body_result(x, ERR_CANCELLED);
}

static const struct body_sink collector = {
    .write = collect_write, .end = collect_end, .abort = collect_abort};

void request_read_body(struct request *r, size_t max_bytes,
                       void (*done)(void *arg, int err, struct slice body), void *arg)
{
    struct exchange *x = exchange_of(r);

    x->body_done = done;
    x->body_done_arg = arg;
    if (r->has_length && r->content_length > max_bytes) {
        body_result(x, ERR_HTTP_TOO_LARGE);
        return;
    }
    buf_init(&x->body_bytes, max_bytes);
    request_accept_body(r, &collector, x);
}
