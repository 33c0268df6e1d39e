/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of an answer on their way out: a row of segments, memory or ranges of a file, sent as
 * the socket takes them. Worker thread only.
 */
#ifndef SERVER_OUTPUT_H
#define SERVER_OUTPUT_H

#include "base/buf.h"
#include "base/pool.h"
#include "storage/blob_file.h"

struct request;

struct output_segment {
    struct slice bytes;    /* memory when p != NULL */
    uint64_t offset, left; /* else a range of the file */
};

struct response_source;

struct output {
    struct output_segment *segments; /* in the request's arena */
    unsigned n, at;
    struct output_segment one;            /* the common answer needs no array */
    struct blob_file *file;               /* one reference */
    struct buf rest;                      /* what the socket did not take of borrowed bytes */
    const struct response_source *source; /* makes what follows the segments */
    void *source_arg;
    struct buf piece;
    struct output_segment chunk[3]; /* of a piece: size line, bytes, line end */
    char size_line[20];
    bool is_chunked, filling, ended;
    uint64_t bytes_out;
    uint64_t file_since_ms; /* of clock_coarse_ms: the first bytes of the file went then */
    struct pool_job readahead;
    uint64_t window_begin, window_n; /* of the file: in memory, or being read ahead */
    bool reading_ahead;
};

enum output_result { OUTPUT_DONE, OUTPUT_BLOCKED, OUTPUT_FAILED };

/* Send `head` and `body` at once; what the socket does not take now is copied. */
enum output_result output_send(struct request *r, struct slice head, struct slice body) MUST_CHECK;

/* Go on with the segments. BLOCKED: the socket is full or the file is being read; conn_want_write
 * or the readahead job go on with it. */
enum output_result output_run(struct request *r) MUST_CHECK;

/* No piece is wanted any more: tells the source. */
void output_close_source(struct output *output);

/* For the next answer: drops the file. */
void output_reset(struct output *output);

#endif
