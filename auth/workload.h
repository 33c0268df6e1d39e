/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-in of a CI job: a JWT of an issuer that the policy names becomes an identity. Nothing is kept
 * of it; what the job may do is what the policy gives that name and its groups, within the
 * repositories and verbs of its issuer.
 *
 * Any worker. Nothing here blocks: when the keys of the issuer must be fetched first, that happens
 * on a pool thread and the answer comes on the queue of the caller.
 */
#ifndef AUTH_WORKLOAD_H
#define AUTH_WORKLOAD_H

#include "auth/identity.h"
#include "auth/issuer_set.h"
#include "auth/policy_cell.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/queue.h"
#include "base/slice.h"

/* Borrowed; all must outlive the requests. */
struct workload {
    struct policy_cell *policies;
    struct issuer_set *issuers;
    int64_t (*wall_ms)(void); /* clock_wall_ms, except in a test */
    unsigned skew_s;          /* how far the clocks of two machines may differ */
};

struct workload_request;

/* `identity` is the receiver's reference, NULL with an error: ERR_UNAUTHORIZED (its reason in
 * `fault`, with nothing of the token in it but names), ERR_UNAVAILABLE: the keys of its issuer
 * are not to be had, ERR_BUSY. */
typedef void (*workload_done_fn)(struct workload_request *request, int err,
                                 struct identity *identity, const struct fault *fault);

/* The caller's, zeroed but for the first four members; in use until `done`. */
struct workload_request {
    const struct workload *workload;
    struct slice token;  /* borrowed until `done` */
    struct queue *reply; /* of the worker that asks */
    workload_done_fn done;
    const char *reason; /* out: of a refusal, the step that refused, a static word: "malformed",
                         * "issuer", "audience", "time", "signature" (the key too), "rule" */
    struct issuer_wait wait;
};

/* `done` is called before this returns, or later by the owner of the reply queue. */
void workload_verify(struct workload_request *request);

#endif
