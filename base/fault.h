/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The human half of an error: which path, offset or field, in words that say what to do.
 *
 * A fault is owned by the caller and passed as the last argument; it travels inside jobs across
 * threads. Every function taking one accepts NULL.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include "base/err.h"

#define FAULT_TEXT_MAX 480

struct fault {
    int code; /* ERR_*, 0 when nothing was set */
    int sys;  /* errno, or 0 */
    char text[FAULT_TEXT_MAX];
};

#define FAULT_INIT                                                                                 \
    {                                                                                              \
        0, 0, ""                                                                                   \
    }

/* Fill `fault` (may be NULL) and return `code`, so that `return fault_set(...)` reads well. */
int fault_set(struct fault *fault, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same for a failed system call: the code comes from err_from_errno(sys) and ": <strerror>" is
 * appended. */
int fault_set_errno(struct fault *fault, int sys, const char *format, ...) PRINTF_LIKE(3, 4);

/* fault->text when set, else err_text(code). Never NULL. */
const char *fault_text(const struct fault *fault, int code);

#endif
