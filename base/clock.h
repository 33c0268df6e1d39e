/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time. Monotonic for durations and timeouts, wall for records. Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);

/* As clock_mono_ms, of the last timer tick (a few ms ago): for what is asked in every request. */
uint64_t clock_coarse_ms(void);

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);

#define CLOCK_RFC3339_MAX 32
#define CLOCK_HTTP_MAX    32

/* "2026-11-23T20:30:00.123Z" */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_MAX]);

/* "Mon, 23 Nov 2026 20:30:00 GMT" (RFC 9110 section 5.6.7) */
void clock_format_http(int64_t wall_ms, char out[CLOCK_HTTP_MAX]);

#endif
