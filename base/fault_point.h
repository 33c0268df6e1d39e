/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places at which tests make a call fail or end the process: FAULT_POINT("index.commit") is 0, or
 * the errno the call beside it is to fail with. Constant 0 unless built with
 * --enable-fault-injection. Any thread.
 *
 * $FAULT_POINTS names a file of lines "<name> <errno>" or "<name> kill". It is read at each pass,
 * so that a test can arm a point of a running server and disarm it again; each hit is logged as
 * "fault.injected".
 *
 * The program of such a build also counts its allocations and system calls (tests/support/
 * fault_calls.c). FAULT_FIXED marks the allocation whose failure ends the process, so that those
 * whose failure must be an answer can be failed alone.
 */
#ifndef BASE_FAULT_POINT_H
#define BASE_FAULT_POINT_H

#ifdef FAULT_INJECTION
#include <stdbool.h>

int fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)

/* Volatile: the compiler thinks that malloc reads nothing of ours. */
extern _Thread_local volatile bool fault_is_fixed;
#define FAULT_FIXED(allocation)                                                                    \
    ({                                                                                             \
        fault_is_fixed = true;                                                                     \
        __typeof__(allocation) fault_got = (allocation);                                           \
        fault_is_fixed = false;                                                                    \
        fault_got;                                                                                 \
    })

/* Only in the program: the errno the point is to fail with when its turn has come. */
int fault_calls_point(const char *name) __attribute__((weak));
#else
#define FAULT_POINT(name)       0
#define FAULT_FIXED(allocation) (allocation)
#endif

#endif
