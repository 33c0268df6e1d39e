/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latencies, counted in buckets a sixteenth of a power of two wide: percentiles are right to about
 * 6 %, in constant memory. One thread.
 */
#ifndef TESTS_BENCH_LATENCY_H
#define TESTS_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS   16
#define LATENCY_BUCKETS (LATENCY_STEPS * 40)

struct latency {
    uint64_t count, buckets[LATENCY_BUCKETS];
};

static inline void latency_add(struct latency *latency, uint64_t us)
{
    unsigned power = 0;

    while ((us >> power) >= 2 * LATENCY_STEPS)
        power++;
    uint64_t bucket = power * LATENCY_STEPS + (us >> power);
    latency->count++;
    latency->buckets[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
}

/* In microseconds; `share` is 0.5 for the median. 0 without any. */
static inline double latency_at(const struct latency *latency, double share)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen > 0 && (double)seen >= share * (double)latency->count) {
            unsigned power = i < 2 * LATENCY_STEPS ? 0 : i / LATENCY_STEPS - 1;
            return (double)((uint64_t)(i - power * LATENCY_STEPS) << power);
        }
    }
    return 0;
}

#endif
