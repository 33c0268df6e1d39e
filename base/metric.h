/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms, rendered as Prometheus text.
 *
 * Metrics are registered by main before any other thread starts. Counting touches the calling
 * thread's own cells only (no locked instruction in the hot path); a scrape sums the cells of all
 * threads. A thread's cells outlive it, so nothing counted is lost.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

typedef int metric_id; /* an index into every thread's cells; -1 counts nothing */

/* `name` and `help` are static. `labels` is "" or `method="GET",status="200"` (copied; metric_label
 * writes values that need escaping). Metrics of one name must be registered one after the other
 * with the same help. */
metric_id metric_counter(const char *name, const char *labels, const char *help);

/* Buckets in seconds, fixed: 1 ms .. 60 s. */
metric_id metric_histogram(const char *name, const char *labels, const char *help);

/* Read at scrape time; `read` must be callable on any thread. */
void metric_gauge(const char *name, const char *labels, const char *help, double (*read)(void *arg),
                  void *arg);

/* Append `name="value"`, escaped, and a comma before it when `labels` is not empty. */
void metric_label(struct buf *labels, const char *name, struct slice value);

/* A counter that another module keeps. */
void metric_counter_read(const char *name, const char *labels, const char *help,
                         double (*read)(void *arg), void *arg);

void metric_add(metric_id id, uint64_t n);
void metric_observe_ns(metric_id id, uint64_t ns);

/* Sum over all threads of a counter. */
uint64_t metric_value(metric_id id);

/* The whole exposition (text format 0.0.4). Any thread. */
void metric_render(struct buf *out);

/* Forget all registrations (tests only, no other thread running). */
void metric_reset(void);

#endif
