/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the head is one run of bytes, built when status and length are known and sent together
 * with the body in one call. An answer nobody can receive any more is marked done and forgotten.
 */
#include "config.h"

#include "server/response.h"

#include "server/conn.h"
#include "server/route.h"
#include "server/worker_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* What is left of an answered request is read to its end when it is at most this. */
#define DISCARD_MAX_BYTES (UINT64_C(256) * 1024)

static const char *status_line(int status)
{
    static const struct {
        int status;
        const char *line;
    } lines[] = {
        {200, "HTTP/1.1 200 OK\r\n"},
        {201, "HTTP/1.1 201 Created\r\n"},
        {202, "HTTP/1.1 202 Accepted\r\n"},
        {204, "HTTP/1.1 204 No Content\r\n"},
        {206, "HTTP/1.1 206 Partial Content\r\n"},
        {304, "HTTP/1.1 304 Not Modified\r\n"},
        {400, "HTTP/1.1 400 Bad Request\r\n"},
        {401, "HTTP/1.1 401 Unauthorized\r\n"},
        {403, "HTTP/1.1 403 Forbidden\r\n"},
        {404, "HTTP/1.1 404 Not Found\r\n"},
        {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
        {408, "HTTP/1.1 408 Request Timeout\r\n"},
        {409, "HTTP/1.1 409 Conflict\r\n"},
        {411, "HTTP/1.1 411 Length Required\r\n"},
        {412, "HTTP/1.1 412 Precondition Failed\r\n"},
        {413, "HTTP/1.1 413 Content Too Large\r\n"},
        {414, "HTTP/1.1 414 URI Too Long\r\n"},
        {415, "HTTP/1.1 415 Unsupported Media Type\r\n"},
        {416, "HTTP/1.1 416 Range Not Satisfiable\r\n"},
        {417, "HTTP/1.1 417 Expectation Failed\r\n"},
        {429, "HTTP/1.1 429 Too Many Requests\r\n"},
        {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
        {500, "HTTP/1.1 500 Internal Server Error\r\n"},
        {501, "HTTP/1.1 501 Not Implemented\r\n"},
        {503, "HTTP/1.1 503 Service Unavailable\r\n"},
        {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
        {507, "HTTP/1.1 507 Insufficient Storage\r\n"},
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (lines[i].status == status)
            return lines[i].line;
    }
    assert(!"a status without a line");
    return "HTTP/1.1 500 Internal Server Error\r\n";
}

/* What a client sent may come back in a field; it must not be able to end it. */
static void add_clean(struct buf *out, struct slice value)
{
    size_t begin = out->n;

    buf_add(out, value);
    if (!slice_has_control(value))
        return;
    for (size_t i = begin; i < out->n; i++) {
        unsigned char c = (unsigned char)out->p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            out->p[i] = '?';
    }
}

static void add_field(struct buf *out, const char *name, struct slice value)
{
    buf_add(out, slice_from_cstr(name));
    buf_add(out, SLICE(": "));
    add_clean(out, value);
    buf_add(out, SLICE("\r\n"));
}

void response_field(struct request *r, const char *name, struct slice value)
{
    add_field(&exchange_of(r)->response.fields, name, value);
}

void response_fieldf(struct request *r, const char *name, const char *format, ...)
{
    struct buf *out = &exchange_of(r)->response.fields;
    char value[2048];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(value))
        return; /* a cut-off Location or Link would lead astray */
    add_field(out, name, slice_make(value, (size_t)n));
}

void response_field_lost(struct request *r)
{
    exchange_of(r)->response.fields.overflow = true;
}

void response_close(struct request *r)
{
    exchange_of(r)->response.closes = true;
}

/* Sixteen hex digits, as the access line has them. */
static void add_id(struct buf *out, uint64_t id)
{
    static const char digits[] = "0123456789abcdef";
    char text[16];

    for (size_t i = sizeof(text); i-- > 0; id >>= 4)
        text[i] = digits[id & 15];
    buf_add(out, SLICE("X-Request-Id: "));
    buf_add(out, slice_make(text, sizeof(text)));
    buf_add(out, SLICE("\r\n"));
}

bool response_begin(struct request *r, int status)
{
    struct exchange *x = exchange_of(r);

    assert(!x->response.sent);
    x->response.sent = true;
    x->response.status = status;
    x->on_gone = NULL;
    if (!r->gone)
        return true;
    x->response.done = true;
    return false;
}

/* An answer that comes before the end of the body: the rest is read only when it is known to be
 * little. A client that waits for 100 Continue may send its body or not: only closing says which
 * bytes come next. */
static bool leaves_body(const struct exchange *x)
{
    const struct request *r = &x->request;

    if (x->body == BODY_NONE || x->body == BODY_DISCARD)
        return false;
    return x->body == BODY_LOST || x->expects_continue || !r->has_length ||
           r->content_length - x->bytes_in > DISCARD_MAX_BYTES;
}

static void decide_closing(struct exchange *x)
{
    if (leaves_body(x) || x->request.worker->server->draining)
        x->response.closes = true;
}

struct slice response_head(struct request *r, struct slice media_type, const uint64_t *length)
{
    struct exchange *x = exchange_of(r);
    struct buf *out = &x->response.head;

    decide_closing(x);
    buf_add(out, slice_from_cstr(status_line(x->response.status)));
    buf_add(out, worker_date_field(r->worker));
    add_id(out, r->id);
    buf_add(out, SLICE("X-Content-Type-Options: nosniff\r\n"));
    if (r->route != NULL && r->route->is_v2)
        buf_add(out, SLICE("Docker-Distribution-Api-Version: registry/2.0\r\n"));
    buf_add(out, buf_slice(&x->response.fields));
    out->overflow = out->overflow || x->response.fields.overflow;
    if (media_type.n > 0)
        add_field(out, "Content-Type", media_type);
    if (length != NULL) {
        buf_add(out, SLICE("Content-Length: "));
        buf_add_u64(out, *length);
        buf_add(out, SLICE("\r\n"));
    }
    if (x->response.closes)
        buf_add(out, SLICE("Connection: close\r\n"));
    else if (r->is_http_10)
        buf_add(out, SLICE("Connection: keep-alive\r\n"));
    buf_add(out, SLICE("\r\n"));
    return buf_slice(out);
}

static void settle(struct request *r, enum output_result result)
{
    exchange_of(r)->response.done = result != OUTPUT_BLOCKED;
    /* Also while it is blocked: what the connection waits for is something else now. */
    if (r->conn != NULL)
        conn_wake(r->conn);
}

void response_continue(struct request *r)
{
    settle(r, output_run(r));
}

void response_start(struct request *r)
{
    settle(r, output_run(r));
}

bool response_has_head(struct request *r)
{
    if (!exchange_of(r)->response.head.overflow)
        return true;
    response_send_spare(r);
    return false;
}

static void send_all(struct request *r, struct slice head, struct slice body)
{
    if (response_has_head(r))
        settle(r, output_send(r, head, r->method == METHOD_HEAD ? SLICE("") : body));
}

void response_send_empty(struct request *r, int status)
{
    const uint64_t zero = 0;

    if (response_begin(r, status))
        send_all(r, response_head(r, SLICE(""), status == 204 || status == 304 ? NULL : &zero),
                 SLICE(""));
}

void response_send_typed(struct request *r, int status, struct slice media_type, struct slice bytes)
{
    const uint64_t length = bytes.n;

    if (response_begin(r, status))
        send_all(r, response_head(r, media_type, &length), bytes);
}

void response_send_bytes(struct request *r, int status, const char *media_type, struct slice bytes)
{
    response_send_typed(r, status, slice_from_cstr(media_type), bytes);
}

void response_send_buf(struct request *r, int status, const char *media_type, struct buf *body)
{
    if (body->overflow)
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
    else
        response_send_bytes(r, status, media_type, buf_slice(body));
    buf_fini(body);
}

void response_send_stream(struct request *r, int status, const char *media_type,
                          const struct response_source *source, void *arg)
{
    struct exchange *x = exchange_of(r);
    struct output *out = &x->output;

    assert(r->method == METHOD_GET);
    if (!response_begin(r, status)) {
        source->closed(arg);
        return;
    }
    out->source = source;
    out->source_arg = arg;
    out->is_chunked = !r->is_http_10;
    buf_init(&out->piece, RESPONSE_PIECE_MAX);
    if (out->is_chunked)
        response_field(r, "Transfer-Encoding", SLICE("chunked"));
    else
        response_close(r);
    out->one.bytes = response_head(r, slice_from_cstr(media_type), NULL);
    out->segments = &out->one;
    out->n = 1;
    out->at = 0;
    if (r->conn->eof)
        conn_close(r->conn, "the client closed it before its stream began");
    else if (response_has_head(r))
        response_start(r);
}

void response_stream_wake(struct request *r)
{
    struct output *out = &exchange_of(r)->output;

    if (r->gone || out->source == NULL || out->filling || r->conn->write_on)
        return;
    response_continue(r);
}
