/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets that people type, and those that come by standard input. Blocking; main thread only.
 */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"

/* Asks at the terminal; what is typed is not shown when `is_secret`. ERR_INVALID when there is no
 * terminal, with `instead` as what to do; ERR_CANCELLED. */
int prompt_line(const char *question, bool is_secret, const char *instead, struct buf *line,
                struct fault *fault) MUST_CHECK;

/* All of standard input, without the end of its last line. ERR_INVALID when it is empty. */
int prompt_stdin(struct buf *text, struct fault *fault) MUST_CHECK;

/* Wipes and frees. */
void prompt_fini(struct buf *text);

#endif
