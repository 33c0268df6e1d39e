/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection, and the exchange (request and answer) it is in. Worker thread only.
 *
 * An idle connection holds no buffers: everything a request needs is in the exchange, which is
 * borrowed from the worker while bytes are there or an answer is under way. When the client goes
 * away in the middle, the connection dies at the end of the loop turn and the exchange lives on,
 * without it, until its handler lets go.
 *
 * conn.c moves a connection through its states; request.c and response.c are what handlers call;
 * output.c sends.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "server/client_address.h"
#include "server/exchange.h"

struct tls_session;

enum conn_state {
    CONN_HANDSHAKE, /* TLS is not set up yet */
    CONN_IDLE,      /* no byte of a request yet: no exchange */
    CONN_HEAD,      /* part of a head is there */
    CONN_REQUEST,   /* a handler is at work, a body comes, an answer goes */
    CONN_LINGER,    /* answered and shut down for writing: what still comes is thrown away */
    CONN_CLOSED,    /* on the worker's graveyard */
};

/* What a connection waits for; each kind has its timeout and its list in the worker. */
enum conn_wait {
    WAIT_NONE,
    WAIT_HANDSHAKE,
    WAIT_IDLE,
    WAIT_HEAD,
    WAIT_BODY,
    WAIT_WRITE,
    WAIT_LINGER,
    WAIT_COUNT
};

struct conn {
    struct worker *worker;
    int fd;
    struct tls_session *tls; /* NULL: the socket as it is */
    struct client_address from;
    enum conn_state state;
    struct exchange *exchange; /* NULL when idle */
    struct event *read_event, *write_event;
    bool read_on, write_on; /* the events are added */
    bool is_loopback;       /* it came in at 127.0.0.0/8 or ::1 */
    bool is_from_proxy;     /* from one of http.trusted_proxies */
    bool eof;               /* the client will send no more */
    bool running;           /* inside conn_run: completions need not wake it */
    bool awake;             /* on the worker's ready list */
    bool takes_fast;        /* conn_takes_fast was called */
    bool is_cut_off;        /* closed before its answer was out, which TLS must not call an end */
    enum conn_wait wait;
    uint64_t wait_since_ms;
    int64_t wait_bytes; /* of a body or an answer: what had come through when the wait began */
    struct conn *wait_prev, *wait_next;
    struct conn *prev, *next; /* all of the worker's */
    struct conn *ready_next;  /* ready list */
    const char *reason;       /* why it was closed */
};

/* Takes the socket over, which came from the address `from`; `is_tls`: the client must speak TLS.
 */
void conn_open(struct worker *worker, int fd, const struct client_address *from, bool is_tls);

/* An answer is complete, or a sink has room: go on with the connection, now or when the handler
 * that is running has returned. */
void conn_wake(struct conn *conn);
void conn_run(struct conn *conn);

/* The end of it: nothing is sent or received any more. The memory goes at the end of the turn. */
void conn_close(struct conn *conn, const char *reason);

/* The same for a client that does not take its answer: also what the kernel still has for it is
 * thrown away, and the client sees a reset. */
void conn_abort(struct conn *conn, const char *reason);

/* The client takes its answer as fast as it comes: the kernel may hold as much of it as it likes.
 */
void conn_takes_fast(struct conn *conn);

/* Idle: close. Otherwise the answer under way is the last. */
void conn_drain(struct conn *conn);

/* A timeout of its wait has passed. */
void conn_expired(struct conn *conn);

/* Watch for the socket taking more (output.c wants to go on). */
void conn_want_write(struct conn *conn, bool want);

/* Called at the end of the turn for a closed one: frees it. */
void conn_bury(struct conn *conn);

#endif
