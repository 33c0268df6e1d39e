/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps publishing and reaping of one digest apart without blocking a thread: a striped set of
 * locks whose waiters are queued and continued on their own queue.
 *
 * A publisher holds the gate from before the rename (or stat) until its commit is durable; the
 * reaper from its re-check until the directory is synced. Any thread.
 */
#ifndef STORAGE_DIGEST_GATE_H
#define STORAGE_DIGEST_GATE_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/pool.h"

struct digest_gate;

/* One holder's place; embedded in the operation that holds it. */
struct digest_gate_pass {
    struct pool_job
        job; /* pushed to job.reply when the gate is ours; the owner sets done and reply */
    struct digest_gate *gate;
    unsigned stripe;
    struct digest_gate_pass *next;
};

struct digest_gate *digest_gate_create(void);
void digest_gate_destroy(struct digest_gate *gate);

/* True: the gate is ours now. False: job.done will be called on job.reply's owner when it is. */
bool digest_gate_enter(struct digest_gate *gate, const struct digest *digest,
                       struct digest_gate_pass *pass) MUST_CHECK;
void digest_gate_leave(struct digest_gate_pass *pass);

#endif
