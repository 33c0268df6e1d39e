/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a process that lacks what it cannot be without: threads, event loops, memory of a
 * fixed size. What is on disk survives it, and who started the process starts it again. Any thread.
 */
#ifndef BASE_FATAL_H
#define BASE_FATAL_H

/* Write to stderr that `what` ("the log thread cannot be started") and why, and abort. `sys` is an
 * errno, or 0 when there is none to tell. */
__attribute__((noreturn)) void fatal(const char *what, int sys);

#endif
