/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: conn_run moves a connection as far as it goes without waiting: head, dispatch, body,
 * answer, next request. It is the only place that begins and ends exchanges. Everything else
 * (socket events, completions of handlers, timeouts) changes a flag or adds bytes and then runs it:
 * at once from a socket event, at the end of the turn (worker's ready list) from anywhere that may
 * itself be inside conn_run. So no handler is ever entered from within another one's answer.
 *
 * A body and an answer must come through at http.min_rate. Bytes do not renew the wait for them:
 * each time it ends, what came through since it began is compared with what the rate asks of such a
 * time, and a client that was fast enough waits anew. So the rule costs a look a minute, nothing a
 * byte; and a client may pause or be slow for a while when it makes up for it within that time.
 */
#include "config.h"

#include "server/conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/access.h"
#include "server/dispatch.h"
#include "server/loopback.h"
#include "server/networks.h"
#include "server/transport.h"
#include "server/worker_private.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Requests served in one go; others have their turn before the next. */
#define REQUESTS_PER_RUN 16
/* A connection that ends after an answer reads on for so long, so that the client sees the answer
 * and not a reset. */
#define LINGER_MAX_BYTES (UINT64_C(64) << 20)

/* What the kernel may hold of an answer that it cannot send yet, until the client has shown that it
 * reads. Left to itself it takes megabytes for one that does not. */
#define UNSENT_MAX_BYTES (256 * 1024)

/* What HTTP without TLS gets where TLS is spoken. As an error of /v2, which clients show. */
#define HTTP_ON_TLS_BODY                                                                           \
    "{\"errors\":[{\"code\":\"UNSUPPORTED\",\"message\":\"this port speaks TLS: use https:// "     \
    "instead "                                                                                     \
    "of http://\"}]}\n"

static const bool legal_moves[][CONN_CLOSED + 1] = {
    [CONN_HANDSHAKE] = {[CONN_IDLE] = true, [CONN_LINGER] = true, [CONN_CLOSED] = true},
    [CONN_IDLE] = {[CONN_HEAD] = true, [CONN_CLOSED] = true},
    [CONN_HEAD] = {[CONN_IDLE] = true, [CONN_REQUEST] = true, [CONN_CLOSED] = true},
    [CONN_REQUEST] = {[CONN_HEAD] = true, [CONN_LINGER] = true, [CONN_CLOSED] = true},
    [CONN_LINGER] = {[CONN_CLOSED] = true},
    [CONN_CLOSED] = {false},
};

static void conn_set_state(struct conn *conn, enum conn_state state)
{
    assert(legal_moves[conn->state][state]);
    conn->state = state;
}

/*
 * What it waits for: events and timeouts.
 */

/* Nothing would ever wake a connection that the kernel has no memory to watch: it ends. */
static void watch(struct conn *conn, struct event *event, bool *is_on, bool want)
{
    if (*is_on == want)
        return;
    *is_on = want && event_add(event, NULL) == 0;
    if (!want)
        event_del(event);
    else if (!*is_on)
        conn_close(conn, "it cannot be watched");
}

static void want_read(struct conn *conn, bool want)
{
    watch(conn, conn->read_event, &conn->read_on, want);
}

void conn_want_write(struct conn *conn, bool want)
{
    watch(conn, conn->write_event, &conn->write_on, want);
}

static enum conn_wait wait_of(const struct conn *conn)
{
    const struct exchange *x = conn->exchange;

    switch (conn->state) {
    case CONN_HANDSHAKE:
        return WAIT_HANDSHAKE;
    case CONN_IDLE:
        return WAIT_IDLE;
    case CONN_HEAD:
        return WAIT_HEAD;
    case CONN_LINGER:
        return WAIT_LINGER;
    case CONN_REQUEST:
        if (conn->write_on)
            return WAIT_WRITE;
        if (x->body == BODY_RECEIVING || x->body == BODY_DISCARD)
            return WAIT_BODY;
        return WAIT_NONE;
    case CONN_CLOSED:
        break;
    }
    return WAIT_NONE;
}

/* What the client has not taken yet of the bytes given to the kernel. */
static int unsent_bytes(const struct conn *conn)
{
    int n;

    return ioctl(conn->fd, SIOCOUTQ, &n) == 0 ? n : 0;
}

/* Of the body or answer that is waited for: bytes that came, or that the client has taken. Less
 * than nothing while answers before this one are still in the kernel. */
static int64_t bytes_through(const struct conn *conn)
{
    const struct exchange *x = conn->exchange;

    if (conn->wait == WAIT_BODY)
        return (int64_t)x->bytes_in;
    if (conn->wait == WAIT_WRITE)
        return (int64_t)x->output.bytes_out - unsent_bytes(conn);
    return 0;
}

/* Whether as many came through since the wait began as http.min_rate asks of `window_ms`: at least
 * one. Then the next such time begins. */
static bool keeps_rate(struct conn *conn, uint64_t window_ms)
{
    uint64_t least = conn->worker->settings->http_min_rate_bytes * window_ms / 1000;
    int64_t now = bytes_through(conn);

    if (now - conn->wait_bytes < (int64_t)(least > 0 ? least : 1))
        return false;
    conn->wait_bytes = now;
    return true;
}

/* Read while there is room and a use for it. What a client pipelines while a handler works is
 * taken too: that is how its going away is noticed. */
static void update_waits(struct conn *conn)
{
    const struct exchange *x = conn->exchange;
    bool read = !conn->eof && (x == NULL || x->received < sizeof(x->buffer)) &&
                (x == NULL || x->body != BODY_BUSY);
    enum conn_wait wait = wait_of(conn);

    want_read(conn, read);
    if (read && conn->tls != NULL && tls_session_has_more(conn->tls))
        event_active(conn->read_event, EV_READ, 0);
    if (wait == conn->wait || conn->state == CONN_CLOSED)
        return;
    worker_wait(conn, wait);
    conn->wait_bytes = bytes_through(conn);
}

/*
 * Beginning and end.
 */

static void recycle(struct worker *worker, struct exchange *x)
{
    exchange_reset(x);
    worker_give_exchange(worker, x);
}

/* What also a refused head needs for its answer and access line. */
static void begin_exchange(struct conn *conn, struct exchange *x)
{
    x->request.worker = conn->worker;
    x->request.conn = conn;
    x->request.id = worker_request_id(conn->worker);
    x->request.identity = &identity_anonymous;
    x->request.actor = identity_anonymous.name;
    x->request.client = conn->from;
    x->request.scheme = conn->tls == NULL ? SLICE("http") : SLICE("https");
    if (conn->tls == NULL)
        return;
    /* A copy: the request may outlive the connection. */
    struct slice shown = tls_session_client_certificate(conn->tls);
    if (shown.n > 0)
        x->request.client_certificate = arena_dup(&x->request.arena, shown);
}

static struct exchange *exchange_borrow(struct conn *conn)
{
    struct exchange *x = worker_take_exchange(conn->worker);

    begin_exchange(conn, x);
    conn->exchange = x;
    return x;
}

static bool is_answering(const struct conn *conn)
{
    return conn->exchange != NULL && conn->exchange->response.sent &&
           !conn->exchange->response.done;
}

void conn_close(struct conn *conn, const char *reason)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->is_cut_off = is_answering(conn);
    conn_set_state(conn, CONN_CLOSED);
    conn->reason = reason;
    want_read(conn, false);
    conn_want_write(conn, false);
    worker_wait(conn, WAIT_NONE);
    if (conn->exchange != NULL)
        conn->exchange->request.gone = true;
    worker_bury_conn(conn);
}

/* After a plain close the kernel would go on offering the answer for minutes, with memory that
 * counts for no limit: who connects again each time could take all that TCP may have. */
void conn_abort(struct conn *conn, const char *reason)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};

    if (conn->state != CONN_CLOSED)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    conn_close(conn, reason);
}

/* The handler of a dead connection is told, and owns the exchange from here on. */
static void orphan(struct exchange *x)
{
    struct request *r = &x->request;
    const struct body_sink *sink = x->sink;

    x->sink = NULL;
    x->response.done = true;
    request_hold(r);
    if (sink != NULL)
        sink->abort(x->sink_arg, ERR_CANCELLED);
    exchange_tell_gone(x);
    r->conn = NULL;
    request_release(r);
}

void conn_bury(struct conn *conn)
{
    struct exchange *x = conn->exchange;

    log_debug("conn.close", "a connection ended", LOG_CSTR("reason", conn->reason),
              LOG_I64("fd", conn->fd));
    if (conn->read_event != NULL)
        event_free(conn->read_event);
    if (conn->write_event != NULL)
        event_free(conn->write_event);
    tls_session_destroy(conn->tls, !conn->is_cut_off);
    close(conn->fd);
    conn->exchange = NULL;
    if (x != NULL) {
        if (x->request.route != NULL || x->response.sent)
            access_end(&x->request, x->response.status, x->bytes_in, x->output.bytes_out,
                       conn->reason);
        orphan(x);
    }
    worker_forget_conn(conn);
    free(conn);
}

static void refuse(struct conn *conn, int err, const struct fault *fault)
{
    struct exchange *x = conn->exchange;

    if (conn->state == CONN_HEAD)
        conn_set_state(conn, CONN_REQUEST);
    x->body = BODY_LOST;
    x->request.holds++;
    response_close(&x->request);
    response_send_error(&x->request, err, fault, SLICE(""));
    x->request.holds--;
}

/*
 * The body.
 */

static void abort_body(struct conn *conn, int err, const struct fault *fault)
{
    struct exchange *x = conn->exchange;
    const struct body_sink *sink = x->sink;

    /* The answer first: the sink may try to give one too. */
    if (!x->response.sent)
        refuse(conn, err, fault);
    x->body = BODY_LOST;
    x->response.closes = true;
    x->sink = NULL;
    if (sink != NULL)
        sink->abort(x->sink_arg, err);
}

/* The sink has failed, and answers the request itself. */
static void end_sink(struct exchange *x)
{
    x->sink = NULL;
    x->piece.n = 0;
    x->body = BODY_WAITING;
}

/* False: the sink is full, or has ended the body with an answer of its own. */
static bool deliver(struct exchange *x)
{
    size_t taken = 0;

    if (x->body == BODY_DISCARD) {
        x->piece.n = 0;
        return true;
    }
    int err = x->sink->write(x->sink_arg, x->piece, &taken);
    x->piece.p += taken;
    x->piece.n -= taken;
    if (err != 0) {
        end_sink(x);
        return false;
    }
    if (x->piece.n == 0)
        return true;
    x->body = BODY_BUSY;
    return false;
}

static void complete_body(struct exchange *x)
{
    const struct body_sink *sink = x->sink;

    x->body = BODY_NONE;
    x->sink = NULL;
    if (sink != NULL)
        sink->end(x->sink_arg);
}

/* Give the sink what is in the buffer. */
static void pump_body(struct conn *conn)
{
    struct exchange *x = conn->exchange;
    struct fault fault = FAULT_INIT;
    struct http1_step step;

    while (x->body == BODY_RECEIVING || x->body == BODY_DISCARD) {
        if (x->piece.n > 0) {
            if (!deliver(x))
                return;
            continue;
        }
        int err = http1_body(x->codec, slice_make(x->buffer + x->taken, x->received - x->taken),
                             &step, &fault);
        if (err != 0) {
            abort_body(conn, err, &fault);
            return;
        }
        x->taken += step.used;
        x->bytes_in += step.piece.n;
        x->piece = step.piece;
        if (step.piece.n > 0 && !deliver(x))
            return;
        if (step.complete) {
            complete_body(x);
            return;
        }
        if (step.used == 0)
            break;
    }
    /* All was taken: the room behind the head is free again. */
    if (x->taken == x->received && x->piece.n == 0)
        x->taken = x->received = x->head_n;
    if (conn->eof && (x->body == BODY_RECEIVING || x->body == BODY_DISCARD))
        conn_close(conn, "the client left in the middle of a body");
}

/* Answered before the body was read: read on if it is little, else give the connection up. */
static void settle_body(struct exchange *x)
{
    if (x->body == BODY_WAITING)
        x->body = x->response.closes ? BODY_LOST : BODY_DISCARD;
}

/*
 * One request after the other.
 */

static int begin_request(struct conn *conn, size_t head_n, struct fault *fault)
{
    struct exchange *x = conn->exchange;
    struct http_head head;
    bool keep_alive = false;

    x->head_n = head_n;
    x->taken = head_n;
    x->request.begin_ns = clock_mono_ns();
    int err = http_head_parse(&x->request.arena, x->buffer, head_n, x->scan.lines, &head, fault);
    if (err == 0)
        err = http1_begin(x->codec, slice_make(x->buffer, head_n), &head, &keep_alive, fault);
    dispatch_fill(&x->request, &head);
    if (err == ERR_HTTP_BAD_REQUEST && head.method.n > 0 && !http1_knows_method(head.method))
        return fault_set(fault, ERR_HTTP_NOT_IMPLEMENTED, "there is no method " SLICE_FMT,
                         SLICE_ARG(slice_sub(head.method, 0, 40)));
    if (err != 0)
        return err;
    x->body = x->request.has_body ? BODY_WAITING : BODY_NONE;
    /* No tunnel is ever made; but who asked for one may send anything next. */
    bool is_connect = slice_eq(head.method, SLICE("CONNECT"));
    x->response.closes = !keep_alive || is_connect || conn->worker->server->draining;
    return 0;
}

static void serve_request(struct conn *conn, size_t head_n)
{
    struct exchange *x = conn->exchange;
    struct fault fault = FAULT_INIT;

    conn_set_state(conn, CONN_REQUEST);
    /* The wait for a head is over, also when the next one is here already. */
    worker_wait(conn, WAIT_NONE);
    int err = begin_request(conn, head_n, &fault);
    if (err == 0)
        err = dispatch_expect(&x->request, &x->expects_continue, &fault);
    if (err != 0) {
        refuse(conn, err, &fault);
        return;
    }
    request_hold(&x->request);
    dispatch(&x->request);
    request_release(&x->request);
}

/* True when there is a head (or a refusal): the state is CONN_REQUEST then. */
static bool receive_head(struct conn *conn)
{
    struct exchange *x = conn->exchange;
    struct fault fault = FAULT_INIT;
    const struct settings *settings = conn->worker->settings;
    struct http_head_limits limits = {
        .max_bytes = settings->http_max_head_bytes,
        .max_fields = (unsigned)settings->http_max_fields,
    };
    size_t head_n;

    if (x == NULL || x->received == 0) {
        if (conn->eof)
            conn_close(conn, "the client closed it");
        else if (conn->worker->server->draining)
            conn_close(conn, "shutting down");
        return false;
    }
    if (conn->state == CONN_IDLE)
        conn_set_state(conn, CONN_HEAD);
    int err =
        http_head_scan(&x->scan, slice_make(x->buffer, x->received), &limits, &head_n, &fault);
    if (err == ERR_AGAIN) {
        if (conn->eof)
            conn_close(conn, "the client left in the middle of a head");
        return false;
    }
    if (err != 0)
        refuse(conn, err, &fault);
    else
        serve_request(conn, head_n);
    return true;
}

static void begin_linger(struct conn *conn)
{
    struct exchange *x = conn->exchange;

    if (conn->eof || x->body == BODY_NONE) {
        conn_close(conn, "answered, and the connection was not to be kept");
        return;
    }
    transport_end(conn);
    conn_set_state(conn, CONN_LINGER);
    x->bytes_in = 0;
    x->received = 0;
}

/* The exchange is over. Bytes of the next request move to the front of the buffer. */
static void end_request(struct conn *conn)
{
    struct exchange *x = conn->exchange;
    size_t left = x->received - x->taken;

    access_end(&x->request, x->response.status, x->bytes_in, x->output.bytes_out, NULL);
    if (x->response.closes) {
        x->request.route = NULL; /* told already */
        x->response.sent = false;
        begin_linger(conn);
        return;
    }
    conn_set_state(conn, CONN_HEAD);
    if (left == 0) {
        conn->exchange = NULL;
        recycle(conn->worker, x);
        conn_set_state(conn, CONN_IDLE);
        return;
    }
    memmove(x->buffer, x->buffer + x->taken, left);
    exchange_reset(x);
    begin_exchange(conn, x);
    x->received = left;
}

static bool is_over(const struct exchange *x)
{
    return x->response.done && x->request.holds == 0 &&
           (x->body == BODY_NONE || x->body == BODY_LOST);
}

void conn_run(struct conn *conn)
{
    if (conn->running)
        return;
    unsigned begun = 0;

    conn->running = true;
    for (bool more = true; more && conn->state != CONN_CLOSED;) {
        struct exchange *x = conn->exchange;
        more = false;
        if (conn->state == CONN_IDLE || conn->state == CONN_HEAD) {
            if (begun++ == REQUESTS_PER_RUN) {
                event_active(conn->read_event, EV_READ, 0);
                break;
            }
            more = receive_head(conn);
        } else if (conn->state == CONN_REQUEST) {
            if (x->response.done && x->request.holds == 0)
                settle_body(x);
            pump_body(conn);
            if (conn->state == CONN_REQUEST && is_over(x)) {
                end_request(conn);
                more = conn->state != CONN_LINGER;
            } else if (x->response.done && x->request.holds == 0 && x->body == BODY_WAITING) {
                more = true;
            }
        }
    }
    conn->running = false;
    if (conn->state != CONN_CLOSED)
        update_waits(conn);
}

void conn_wake(struct conn *conn)
{
    if (!conn->running && !conn->awake && conn->state != CONN_CLOSED)
        worker_ready(conn);
}

/*
 * Events.
 */

struct receiving {
    void *bytes;
    size_t n;
    bool is_direct; /* into the sink */
};

/* Where the next bytes go to: the sink itself when it can take them and they are nothing but body,
 * else the buffer of the exchange. The end of a body, up to a buffer of it, always goes by the
 * codec. False: neither takes any now. */
static bool find_room(struct exchange *x, struct receiving *to)
{
    to->is_direct = x->body == BODY_RECEIVING && x->sink->room != NULL && x->piece.n == 0 &&
                    x->taken == x->received && http1_body_left(x->codec) > sizeof(x->buffer);
    if (!to->is_direct) {
        to->bytes = x->buffer + x->received;
        to->n = sizeof(x->buffer) - x->received;
        return true;
    }
    uint64_t left = http1_body_left(x->codec) - 1;
    to->n = left < SIZE_MAX ? (size_t)left : SIZE_MAX;
    if (x->sink->room(x->sink_arg, &to->bytes, &to->n) != 0)
        end_sink(x);
    else if (to->n == 0)
        x->body = BODY_BUSY;
    else
        return true;
    return false;
}

static void count_received(struct exchange *x, const struct receiving *from, size_t n)
{
    if (!from->is_direct) {
        x->received += n;
        return;
    }
    x->bytes_in += n;
    http1_body_passed(x->codec, n);
    if (x->sink->filled(x->sink_arg, n) != 0)
        end_sink(x);
}

static void receive(struct conn *conn)
{
    struct exchange *x = conn->exchange;
    struct receiving to;

    if (x == NULL)
        x = exchange_borrow(conn);
    if (!find_room(x, &to))
        return;
    ssize_t n = transport_receive(conn, to.bytes, to.n);
    if (n > 0) {
        count_received(x, &to, (size_t)n);
    } else if (n == 0) {
        conn->eof = true;
        /* One that stays half open for an answer which may never come is as good as gone. */
        if (x->on_gone != NULL || x->output.source != NULL) {
            conn_close(conn, "the client closed it while it waited");
            return;
        }
    } else if (errno != EAGAIN && errno != EINTR) {
        conn_close(conn, "the client reset it");
        return;
    }
    if (conn->state == CONN_IDLE && x->received == 0) {
        conn->exchange = NULL;
        recycle(conn->worker, x);
    }
}

/* MSG_TRUNC throws the bytes away in the kernel, those of TLS unread. */
static void linger(struct conn *conn)
{
    struct exchange *x = conn->exchange;
    ssize_t n = recv(conn->fd, x->buffer, sizeof(x->buffer), MSG_TRUNC);

    if (n > 0) {
        x->bytes_in += (uint64_t)n;
        if (x->bytes_in > LINGER_MAX_BYTES)
            conn_close(conn, "answered, but the client goes on sending");
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        conn_close(conn, "answered, and the client has closed");
    }
}

/*
 * TLS.
 */

/* The client was told why there will be no TLS, and may still be sending: closing at once would
 * throw away what it was told. */
static void linger_without_tls(struct conn *conn)
{
    struct exchange *x = exchange_borrow(conn);

    shutdown(conn->fd, SHUT_WR);
    x->body = BODY_LOST;
    conn_set_state(conn, CONN_LINGER);
    conn_want_write(conn, false);
    update_waits(conn);
}

static void refuse_http(struct conn *conn)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
                                 "Connection: close\r\n\r\n" HTTP_ON_TLS_BODY;

    /* Into the empty buffer of a new socket. */
    if (send(conn->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
        conn_close(conn, "HTTP where TLS is spoken");
    else
        linger_without_tls(conn);
}

static void begin_requests(struct conn *conn)
{
    conn_want_write(conn, false);
    if (conn->state == CONN_CLOSED)
        return;
    conn_set_state(conn, CONN_IDLE);
    if (conn->worker->server->draining)
        conn_close(conn, "shutting down");
    else
        update_waits(conn);
}

static void shake_hands(struct conn *conn)
{
    switch (tls_session_handshake(conn->tls)) {
    case TLS_DONE:
        begin_requests(conn);
        return;
    case TLS_WANTS_READ:
        conn_want_write(conn, false);
        want_read(conn, true);
        return;
    case TLS_WANTS_WRITE:
        /* What comes meanwhile would wake it for nothing. */
        want_read(conn, false);
        conn_want_write(conn, true);
        return;
    case TLS_IS_HTTP:
        refuse_http(conn);
        return;
    case TLS_FAILED:
        linger_without_tls(conn);
        return;
    case TLS_GONE:
        conn_close(conn, "the client left in the TLS handshake");
        return;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    (void)fd;
    (void)what;
    if (conn->state == CONN_CLOSED)
        return;
    if (conn->state == CONN_HANDSHAKE) {
        shake_hands(conn);
        return;
    }
    if (conn->state == CONN_LINGER) {
        linger(conn);
        return;
    }
    receive(conn);
    if (conn->state != CONN_CLOSED)
        conn_run(conn);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    (void)fd;
    (void)what;
    if (conn->state == CONN_HANDSHAKE) {
        shake_hands(conn);
        return;
    }
    if (conn->state == CONN_CLOSED || conn->exchange == NULL)
        return;
    response_continue(&conn->exchange->request);
    if (conn->state != CONN_CLOSED)
        conn_run(conn);
}

void conn_takes_fast(struct conn *conn)
{
    const int unlimited = INT_MAX;

    conn->takes_fast = true;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unlimited, sizeof(unlimited));
}

void conn_open(struct worker *worker, int fd, const struct client_address *from, bool is_tls)
{
    struct conn *conn = xcalloc(1, sizeof(*conn));
    const int one = 1, unsent_max = UNSENT_MAX_BYTES;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof(unsent_max));
    conn->worker = worker;
    conn->fd = fd;
    conn->from = *from;
    conn->state = is_tls ? CONN_HANDSHAKE : CONN_IDLE;
    if (is_tls)
        conn->tls = tls_session_create(worker->server->tls, fd);
    conn->is_loopback = loopback_socket(fd);
    conn->is_from_proxy =
        networks_contain(slice_from_cstr(worker->settings->http_trusted_proxies), from);
    conn->read_event = event_new(worker->base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    conn->write_event = event_new(worker->base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
    worker_adopt_conn(conn);
    if (conn->read_event == NULL || conn->write_event == NULL)
        conn_close(conn, "out of memory");
    else
        update_waits(conn);
}

void conn_drain(struct conn *conn)
{
    if (conn->state == CONN_IDLE || conn->state == CONN_HANDSHAKE)
        conn_close(conn, "shutting down");
    else if (conn->state == CONN_REQUEST && !conn->exchange->response.sent)
        conn->exchange->response.closes = true;
}

/* A body that is held in memory must be complete in its time, whatever its rate. */
static void expire_body(struct conn *conn)
{
    struct fault fault = FAULT_INIT;
    const struct settings *settings = conn->worker->settings;

    if (conn->exchange->body_done != NULL)
        fault_set(&fault, ERR_HTTP_TIMEOUT, "the request body did not arrive in http.body_timeout");
    else if (keeps_rate(conn, settings->http_body_timeout_ms))
        return;
    else if (bytes_through(conn) == conn->wait_bytes)
        fault_set(&fault, ERR_HTTP_TIMEOUT, "the request body stopped for http.body_timeout");
    else
        fault_set(&fault, ERR_HTTP_TIMEOUT,
                  "the request body came slower than http.min_rate, %llu bytes a second",
                  (unsigned long long)settings->http_min_rate_bytes);
    abort_body(conn, ERR_HTTP_TIMEOUT, &fault);
    conn_run(conn);
}

/* The kernel tells of room only when a third of its buffer is free: what a slow client takes is
 * asked of it. */
static void expire_write(struct conn *conn)
{
    if (keeps_rate(conn, conn->worker->settings->http_write_timeout_ms))
        return;
    conn_abort(conn, bytes_through(conn) == conn->wait_bytes
                         ? "the client takes nothing of its answer"
                         : "the client takes its answer slower than http.min_rate");
}

void conn_expired(struct conn *conn)
{
    struct fault fault = FAULT_INIT;

    switch (conn->wait) {
    case WAIT_HANDSHAKE:
        tls_session_expired();
        conn_abort(conn, "the TLS handshake did not end in tls.handshake_timeout");
        return;
    case WAIT_IDLE:
        conn_close(conn, "idle timeout");
        return;
    case WAIT_HEAD:
        fault_set(&fault, ERR_HTTP_TIMEOUT, "the request head did not arrive in http.head_timeout");
        refuse(conn, ERR_HTTP_TIMEOUT, &fault);
        conn_run(conn);
        return;
    case WAIT_BODY:
        expire_body(conn);
        return;
    case WAIT_WRITE:
        expire_write(conn);
        return;
    case WAIT_LINGER:
        conn_close(conn, "answered, and the client did not close");
        return;
    case WAIT_NONE:
    case WAIT_COUNT:
        return;
    }
}
