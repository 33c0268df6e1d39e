/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <data>/control.sock: how the process verbs ask a running server. One line is the question; the
 * answer is lines of text and, last, "exit N". Only the user the server runs as (and root) may ask:
 * the socket has mode 0600 and the peer's uid is checked.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <stdio.h>

#include "base/fault.h"
#include "storage/store.h"

struct control;

/* Answers on a thread of its own, one asker at a time: what is asked for may take long. */
int control_start(struct store *store, struct control **control, struct fault *fault) MUST_CHECK;
void control_stop(struct control *control);

/* Ask the server that runs on data directory `path`: copies the lines to `out`; *status is what the
 * verb exits with. ERR_NOT_FOUND when no server answers there. */
int control_ask(const char *path, const char *question, FILE *out, int *status,
                struct fault *fault) MUST_CHECK;

#endif
