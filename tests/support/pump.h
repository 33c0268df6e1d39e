/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's loop for tests: takes what comes on a queue and calls `done` of each job.
 */
#ifndef TESTS_SUPPORT_PUMP_H
#define TESTS_SUPPORT_PUMP_H

#include <poll.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"

/* How long something that must come is waited for; only failing tests wait that long. */
#define PUMP_PATIENCE_MS 20000

/* Until *flag is set; false when that does not happen. */
static inline bool pump_until(struct queue *queue, const bool *flag)
{
    uint64_t end = clock_mono_ms() + PUMP_PATIENCE_MS;

    while (!*flag && clock_mono_ms() < end) {
        struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};

        if (pool_run_replies(queue) == 0)
            poll(&fd, 1, 100);
    }
    return *flag;
}

#endif
