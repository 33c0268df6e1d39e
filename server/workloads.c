/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/workloads.h"

#include "auth/issuer_fetch.h"
#include "auth/workload_login.h"
#include "base/clock.h"
#include "base/fetch.h"
#include "base/mem.h"

#include <stdlib.h>

/* Two, so that one issuer that is slow does not stop another. */
#define THREADS 2

struct workloads {
    const struct settings *settings;
    struct issuer_fetch fetch;
    struct workload workload;
    struct workload_login login;
};

static struct issuer_fetch fetch_of(const struct settings *settings)
{
    return (struct issuer_fetch){
        .world =
            {
                .hosts = {slice_from_cstr(settings->auth_issuer_hosts),
                          slice_from_cstr(settings->auth_issuer_http_hosts)},
                .refresh_ms = settings->auth_issuer_refresh_ms,
                .refetch_ms = settings->auth_issuer_refetch_ms,
                .max_age_ms = settings->auth_issuer_max_age_ms,
            },
        .timeout_ms = (unsigned)settings->auth_issuer_timeout_ms,
        .ca_file = settings->auth_issuer_ca,
        .agent = "tidemark/" PACKAGE_VERSION,
    };
}

int workloads_create(const struct settings *settings, struct policy_cell *policies,
                     struct login *login, struct workloads **out, struct fault *fault)
{
    struct workloads *workloads;
    int err = fetch_global_init(fault);

    if (err != 0)
        return err;
    workloads = xcalloc(1, sizeof(*workloads));
    workloads->settings = settings_ref(settings);
    workloads->fetch = fetch_of(settings);
    issuer_fetch_init(&workloads->fetch);
    workloads->fetch.world.pool = pool_create("issuer", THREADS);
    workloads->workload = (struct workload){
        .policies = policies,
        .issuers = issuer_set_create(&workloads->fetch.world),
        .wall_ms = clock_wall_ms,
        .skew_s = (unsigned)(settings->auth_clock_skew_ms / 1000),
    };
    workload_login_init(&workloads->login, &workloads->workload);
    login_add_verifier(login, &workloads->login.verifier);
    *out = workloads;
    return 0;
}

void workloads_stop(struct workloads *workloads)
{
    if (!workloads)
        return;
    pool_destroy(workloads->fetch.world.pool);
    workloads->fetch.world.pool = NULL;
}

void workloads_destroy(struct workloads *workloads)
{
    if (!workloads)
        return;
    issuer_set_destroy(workloads->workload.issuers);
    fetch_global_fini();
    settings_unref(workloads->settings);
    free(workloads);
}
