/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between a request and its handler when auth.enabled: the policy, the log-in, the keys
 * that access tokens are signed with; and for each worker what it has verified and decided lately.
 *
 * Made by main before the workers start; the pointers stay until they have stopped.
 */
#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include "auth/login.h"
#include "auth/policy_cell.h"
#include "server/credential_cache.h"
#include "server/server.h"

struct server_keys;
struct refusal_log;

struct gate {
    struct store *store;
    struct policy_cell *policies;
    struct login *login;
    struct server_keys *keys;
    struct workloads *workloads;
    uint64_t looks;  /* calls of gate_look, one a second */
    uint64_t poll_s; /* auth.htpasswd_check */
};

/* Reads the policy, applies auth.policy, opens the log-in, makes the keys of a first start, offers
 * the bootstrap token when there is no administrator. ERR_CONFIG and others. Blocking. */
int gate_open(struct store *store, const struct settings *settings, struct gate **gate,
              struct fault *fault) MUST_CHECK;
/* The workers have ended, but their queues are still there. NULL does nothing. */
void gate_stop(struct gate *gate);
/* NULL does nothing. */
void gate_close(struct gate *gate);

/* A new configuration; and once a second. Main thread. */
void gate_configure(struct gate *gate, const struct settings *settings);
void gate_look(struct gate *gate);

/* `policy` is committed as `version`: from now on it decides. Takes the reference. Any thread. */
void gate_set_policy_take(struct gate *gate, struct policy *policy, uint64_t version);

/* Grows whenever something changes by which a credential or right was judged. Any thread. */
uint64_t gate_generation(const struct gate *gate);

/* Of one worker, on its thread. */
struct gate_client {
    struct gate *gate;
    struct credential_cache *cache;
    struct credential *nobody; /* who shows no credential */
    struct policy *policy;     /* of `generation` */
    uint64_t generation;       /* never 0 when `policy` was read */
    struct refusal_log *refusals;
};
struct gate_client *gate_client_create(struct gate *gate, const struct settings *settings);
void gate_client_destroy(struct gate_client *client);

/* The policy in force, NULL when there is none; borrowed until the next call. */
const struct policy *gate_client_policy(struct gate_client *client);

#endif
