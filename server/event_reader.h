/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log as JSON, a bounded piece at a time: what the list and the stream of events share.
 * Worker thread only; event_reader_read is a function over a transaction.
 */
#ifndef SERVER_EVENT_READER_H
#define SERVER_EVENT_READER_H

#include "base/buf.h"
#include "server/request.h"

#define EVENT_READER_EVENTS 64    /* given by one read */
#define EVENT_READER_BYTES  65536 /* one read stops when it has given so many */
#define EVENT_READER_ROWS   1000  /* looked at by one read */

struct event_reader {
    uint64_t types;          /* bit n: events of type n; 0: all */
    struct slice repository; /* empty: of all */
    bool is_stream;          /* text/event-stream; else JSON objects separated by commas */
    uint64_t after;          /* the last event looked at before; moved by the caller */
    unsigned limit;          /* events given */
    /* out, written anew by each read */
    struct buf out;
    unsigned n;    /* events in it */
    unsigned rows; /* looked at */
    uint64_t last; /* looked at */
    bool at_end;   /* there are no later ones (yet) */
};

/* From the query (after, types, repo) and Last-Event-ID. event_reader_fini also after an error. */
int event_reader_init(struct event_reader *reader, struct request *r, bool is_stream,
                      struct fault *fault) MUST_CHECK;
void event_reader_fini(struct event_reader *reader);

int event_reader_read(struct kv_tx *tx, void *event_reader) MUST_CHECK;

#endif
