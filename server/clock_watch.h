/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices when the clock on the wall steps against the monotonic one, by more than 5 seconds since
 * the last look, and puts clock.stepped into the event log: times of events before and after it do
 * not compare. Timeouts are monotonic and do not notice. Main thread only.
 */
#ifndef SERVER_CLOCK_WATCH_H
#define SERVER_CLOCK_WATCH_H

#include "storage/kv.h"

#include <event2/event.h>

struct clock_watch;

struct clock_watch *clock_watch_create(struct event_base *base, struct kv_store *kv);
/* Waits for a write under way. */
void clock_watch_destroy(struct clock_watch *watch);

/* Compare the clocks; once a second. A step whose event cannot be written is tried again at the
 * next look. */
void clock_watch_look(struct clock_watch *watch);

#endif
