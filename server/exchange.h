/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request, its answer and the memory of both: what a connection borrows from its worker while
 * something is going on, so that an idle one holds no buffers. When the client goes away in the
 * middle, the exchange lives on without a connection until its handler lets go. Worker thread only.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include "server/http1.h"
#include "server/output.h"
#include "server/request.h"

#define RECEIVE_BUFFER_BYTES 65536u

enum body_state {
    BODY_NONE,      /* there is none, or all of it was taken */
    BODY_WAITING,   /* nobody has asked for it */
    BODY_RECEIVING, /* pieces go to the sink */
    BODY_BUSY,      /* the sink is full: request_body_resume */
    BODY_DISCARD,   /* answered already; the little that is left is read and dropped */
    BODY_LOST,      /* answered already; too much is left: the connection closes */
};

struct response {
    bool sent;   /* a response_send function was called */
    bool done;   /* every byte of the answer is out, or nobody wants it */
    bool closes; /* the connection ends after it */
    int status;
    struct buf fields; /* "Name: value\r\n", set before sending */
    struct buf head;
};

struct exchange {
    struct request request;
    struct response response;
    struct output output;
    struct http1 *codec;
    struct exchange *next; /* free list, or graveyard */
    enum body_state body;
    const struct body_sink *sink;
    void *sink_arg;
    struct slice piece;       /* of the body, not yet taken by the sink */
    struct buf body_bytes;    /* request_read_body */
    uint64_t body_reserved;   /* of http.body_memory */
    uint64_t answer_reserved; /* of http.answer_memory */
    void (*body_done)(void *arg, int err, struct slice body);
    void *body_done_arg;
    void (*on_gone)(void *arg); /* request_watch_client */
    void *on_gone_arg;
    uint64_t bytes_in;     /* of the body */
    bool expects_continue; /* and was not told yet */
    struct http_head_scan scan;
    size_t head_n;          /* bytes of the head at the start of the buffer; 0 before it is there */
    size_t taken, received; /* bytes of the buffer the codec has had, and that are there */
    char buffer[RECEIVE_BUFFER_BYTES];
};

/* The request is the first member; handlers never see the rest. */
static inline struct exchange *exchange_of(const struct request *r)
{
    return (struct exchange *)(uintptr_t)r;
}

struct exchange *exchange_create(void);
void exchange_destroy(struct exchange *exchange);

/* As new, for the next request; bytes in the buffer stay where they are. */
void exchange_reset(struct exchange *exchange);

/* Count `n` bytes of an answer that wait for the client against http.answer_memory, until the
 * exchange is reset. False when they are too many. */
bool exchange_reserve_answer(struct exchange *exchange, uint64_t n) MUST_CHECK;

/* Tell who watches that there is nobody to answer. */
void exchange_tell_gone(struct exchange *exchange);

/* The socket takes bytes again, or a part of the file was read ahead: go on with the answer. */
void response_continue(struct request *r);

#endif
