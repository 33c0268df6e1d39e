/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of the index of a running server, sent to the process that makes a backup. Blocking; on a
 * thread of its own, one at a time.
 */
#ifndef SERVER_INDEX_STREAM_H
#define SERVER_INDEX_STREAM_H

#include "base/fault.h"
#include "storage/kv.h"

struct index_stream {
    struct kv_store *kv;
    int fd;               /* the asker's socket: pieces go there, "bytes N", newline, N bytes */
    int stop_fd;          /* readable: the server stops, and so does the copy */
    uint64_t deadline_ms; /* of clock_mono_ms */
};

/* Everything was sent, or why not. The snapshot is given back either way. */
int index_stream_run(struct index_stream *stream, struct fault *fault) MUST_CHECK;

#endif
