/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/gate.h"

#include "auth/bootstrap.h"
#include "auth/policy_summary.h"
#include "auth/server_key.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/policy_file.h"
#include "server/refusal_log.h"
#include "server/workloads.h"

#include <stdlib.h>

#define HOUR_S 3600
/* The clock may be set back so far. */
#define CLOCK_SKEW_MS 60000

static struct login_options login_options_of(const struct settings *settings)
{
    return (struct login_options){
        .htpasswd = settings->auth_htpasswd,
        .bcrypt_cost = (unsigned)settings->auth_bcrypt_cost,
        .cache_ms = settings->auth_password_cache_ms,
        .queue_max = (unsigned)settings->auth_password_queue,
        .warn_ms = settings->auth_expiry_warning_ms,
        .lockout = {.failures = (unsigned)settings->auth_lockout_failures,
                    .address_failures = (unsigned)settings->auth_lockout_address_failures,
                    .time_ms = settings->auth_lockout_time_ms},
    };
}

/*
 * The policy.
 */

struct withdrawal {
    struct pool_job job;
    struct store *store;
};

static void withdraw_run(struct pool_job *job)
{
    struct withdrawal *withdrawal = CONTAINER_OF(job, struct withdrawal, job);
    struct fault fault = FAULT_INIT;

    int err = bootstrap_withdraw(withdrawal->store->kv, withdrawal->store->dir.fd, &fault);
    if (err != 0)
        log_warn("auth.bootstrap", "the file of the bootstrap token could not be removed",
                 LOG_CSTR("why", fault_text(&fault, err)));
    free(withdrawal);
}

uint64_t gate_generation(const struct gate *gate)
{
    return login_generation(gate->login) + policy_cell_version(gate->policies);
}

void gate_set_policy_take(struct gate *gate, struct policy *policy, uint64_t version)
{
    bool has_admin = policy_has_admin(policy);

    policy_cell_set_take(gate->policies, policy, version);
    login_set_bootstrap(gate->login, !has_admin);
    if (!has_admin)
        return;
    struct withdrawal *withdrawal = xcalloc(1, sizeof(*withdrawal));
    withdrawal->job.run = withdraw_run;
    withdrawal->store = gate->store;
    pool_submit(gate->store->io, &withdrawal->job);
}

static int load_policy(struct gate *gate, const struct settings *settings, struct fault *fault)
{
    int err = policy_file_apply(gate->store->kv, settings->auth_policy, gate->policies, fault);

    if (err != 0)
        return err;
    struct policy *policy = policy_cell_get(gate->policies);
    bool has_admin = policy_has_admin(policy);
    policy_unref(policy);
    login_set_bootstrap(gate->login, !has_admin);
    return has_admin ? bootstrap_withdraw(gate->store->kv, gate->store->dir.fd, fault)
                     : bootstrap_offer(gate->store->kv, gate->store->dir.fd, fault);
}

/*
 * Beginning and end.
 */

static struct server_keys_options keys_options_of(const struct settings *settings)
{
    return (struct server_keys_options){
        .rotation_ms = settings->auth_key_rotation_ms,
        .keep_ms = settings->auth_token_ttl_ms + CLOCK_SKEW_MS,
    };
}

static int open_keys(struct gate *gate, const struct settings *settings, struct fault *fault)
{
    const struct server_keys_options options = keys_options_of(settings);

    return server_keys_open(&gate->store->dir, &options, clock_wall_ms(), &gate->keys, fault);
}

int gate_open(struct store *store, const struct settings *settings, struct gate **out,
              struct fault *fault)
{
    const struct login_options options = login_options_of(settings);
    struct gate *gate = xcalloc(1, sizeof(*gate));

    gate->store = store;
    gate->poll_s = settings->auth_htpasswd_check_ms / 1000;
    gate->policies = policy_cell_create();
    int err = login_create(&options, &gate->login, fault);
    if (err == 0)
        err = workloads_create(settings, gate->policies, gate->login, &gate->workloads, fault);
    if (err == 0)
        err = open_keys(gate, settings, fault);
    if (err == 0)
        err = load_policy(gate, settings, fault);
    if (err != 0) {
        if (gate->login != NULL)
            gate_stop(gate);
        gate_close(gate);
        return err;
    }
    *out = gate;
    return 0;
}

void gate_stop(struct gate *gate)
{
    if (gate == NULL)
        return;
    workloads_stop(gate->workloads);
    login_stop(gate->login);
}

void gate_close(struct gate *gate)
{
    if (gate == NULL)
        return;
    if (gate->login != NULL)
        login_destroy(gate->login);
    workloads_destroy(gate->workloads);
    server_keys_close(gate->keys);
    policy_cell_destroy(gate->policies);
    free(gate);
}

void gate_configure(struct gate *gate, const struct settings *settings)
{
    const struct login_options options = login_options_of(settings);

    const struct server_keys_options keys = keys_options_of(settings);

    login_configure(gate->login, &options);
    server_keys_configure(gate->keys, &keys);
    gate->poll_s = settings->auth_htpasswd_check_ms / 1000;
}

static void rotate_keys(struct gate *gate)
{
    struct fault fault = FAULT_INIT;
    bool made = false;
    int err = server_keys_rotate(gate->keys, clock_wall_ms(), false, &made, &fault);

    if (err != 0)
        log_error("auth.keys", "the next key could not be made; the old one goes on",
                  LOG_CSTR("why", fault_text(&fault, err)));
    else if (made)
        log_info("auth.keys", "a new key signs tokens from now on");
}

void gate_look(struct gate *gate)
{
    gate->looks++;
    if (gate->looks % gate->poll_s == 0)
        login_poll(gate->login);
    if (gate->looks % HOUR_S == 0)
        rotate_keys(gate);
}

/*
 * Workers.
 */

struct gate_client *gate_client_create(struct gate *gate, const struct settings *settings)
{
    struct gate_client *client = xcalloc(1, sizeof(*client));

    client->gate = gate;
    client->cache = credential_cache_create(settings->auth_cached_credentials);
    client->nobody = credential_create_take(NULL);
    client->refusals = refusal_log_create();
    return client;
}

void gate_client_destroy(struct gate_client *client)
{
    if (client == NULL)
        return;
    credential_cache_destroy(client->cache);
    credential_unref(client->nobody);
    refusal_log_destroy(client->refusals);
    policy_unref(client->policy);
    free(client);
}

const struct policy *gate_client_policy(struct gate_client *client)
{
    uint64_t generation = policy_cell_version(client->gate->policies) + 1;

    if (generation != client->generation) {
        policy_unref(client->policy);
        /* Newer than the generation says, when it is replaced right now: then it is read again. */
        client->policy = policy_cell_get(client->gate->policies);
        client->generation = generation;
    }
    return client->policy;
}
