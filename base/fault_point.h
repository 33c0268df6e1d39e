/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places at which tests make a call fail or end the process: FAULT_POINT("index.commit") is 0, or
 * the errno the call beside it is to fail with. Constant 0 unless built with
 * --enable-fault-injection. Any thread.
 *
 * $FAULT_POINTS names a file of lines "<name> <errno>" or "<name> kill". It is read at each pass,
 * so that a test can arm a point of a running server and disarm it again; each hit is logged as
 * "fault.injected".
 */
#ifndef BASE_FAULT_POINT_H
#define BASE_FAULT_POINT_H

#ifdef FAULT_INJECTION
int fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) 0
#endif

#endif
