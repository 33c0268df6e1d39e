/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-ins of CI jobs in this server: what auth/workload.h needs, from the configuration, with a
 * pool of its own for asking issuers, so that a slow one holds up nothing else. Main thread only,
 * before the workers start and after they have ended.
 */
#ifndef SERVER_WORKLOADS_H
#define SERVER_WORKLOADS_H

#include "auth/login.h"
#include "auth/policy_cell.h"
#include "base/fault.h"
#include "server/settings.h"

struct workloads;

/* Adds itself to `login` as a verifier. It keeps a reference to `settings`; `policies` is borrowed
 * and outlives it. */
int workloads_create(const struct settings *settings, struct policy_cell *policies,
                     struct login *login, struct workloads **workloads,
                     struct fault *fault) MUST_CHECK;

/* No issuer is asked any more, and whoever waits for one is answered: their queues must still be
 * there. NULL does nothing. */
void workloads_stop(struct workloads *workloads);

/* Stopped, and `login` is not used any more. NULL does nothing. */
void workloads_destroy(struct workloads *workloads);

#endif
