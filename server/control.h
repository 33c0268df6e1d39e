/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <data>/control.sock: how the process verbs ask a running server. One line is the question; the
 * answer is lines of text, pieces of bytes ("bytes N", then N bytes) and, last, "exit N". Only the
 * user the server runs as (and root) may ask: the socket has mode 0600 and the peer's uid is
 * checked.
 *
 *   fsck      findings and a summary
 *   backup    the index, as one snapshot; no blob file is removed from before it is taken until the
 *             asker closes the connection, or dies
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <stdio.h>

#include "base/fault.h"
#include "storage/store.h"

struct control;

/* Answers on a thread of its own, one asker at a time: what is asked for may take long.
 * `copy_timeout_ms` is for the index of a backup. */
int control_start(struct store *store, uint64_t copy_timeout_ms, struct control **control,
                  struct fault *fault) MUST_CHECK;
void control_stop(struct control *control);

/* Ask the server that runs on data directory `path`: copies the lines to `out`; *status is what the
 * verb exits with. ERR_NOT_FOUND when no server answers there. */
int control_ask(const char *path, const char *question, FILE *out, int *status,
                struct fault *fault) MUST_CHECK;

/* The same for "backup", with the index written to `index_fd`. With *status 0 the connection stays
 * open as *hold_fd, which the caller closes when it has the blobs; otherwise that is -1. */
int control_ask_backup(const char *path, int index_fd, FILE *out, int *hold_fd, int *status,
                       struct fault *fault) MUST_CHECK;

#endif
