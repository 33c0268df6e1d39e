/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: what can be refused without a key is refused first (issuer, audience, times), so that a
 * token that is worth nothing never makes this server send anything. Nothing of what is read before
 * the signature is used for anything but a refusal, and for choosing the issuer whose keys decide.
 *
 * When keys must be fetched, all of it is done again from the beginning: the policy may have
 * changed meanwhile, and the token may have expired.
 */
#include "config.h"
#include "auth/workload.h"

#include "auth/claim_rules.h"
#include "auth/jwt.h"
#include "auth/policy.h"
#include "base/arena.h"
#include "base/mem.h"

#define ARENA_MAX (512 * 1024)

/* The one issuer of the policy with this URL. Two would leave open whose rules apply. */
static int find_issuer(const struct policy *policy, const struct jwt *jwt,
                       const struct policy_issuer **issuer, struct fault *fault)
{
    const struct json *iss = jwt_claim(jwt, SLICE("iss"));
    unsigned found = 0;

    if (!iss || iss->type != JSON_STRING)
        return fault_set(fault, ERR_UNAUTHORIZED, "the token names no issuer (iss)");
    for (unsigned i = 0; policy && i < policy_issuers_n(policy); i++) {
        if (!slice_eq(policy_issuer_at(policy, i)->url, iss->text))
            continue;
        *issuer = policy_issuer_at(policy, i);
        found++;
    }
    if (found == 1)
        return 0;
    return fault_set(fault, ERR_UNAUTHORIZED,
                     found == 0 ? "the token is of an issuer that the policy does not name"
                                : "the policy names the issuer of the token more than once");
}

static int check_audience(const struct policy_issuer *issuer, const struct jwt *jwt,
                          struct fault *fault)
{
    if (jwt_audience_has(jwt, issuer->audience))
        return 0;
    return fault_set(fault, ERR_UNAUTHORIZED,
                     "the token is for another audience than \"" SLICE_FMT "\"",
                     SLICE_ARG(issuer->audience));
}

static int check_times(const struct workload *workload, const struct jwt *jwt, int64_t *expires_ms,
                       struct fault *fault)
{
    const struct json *exp = jwt_claim(jwt, SLICE("exp"));
    int err;

    if (!exp || exp->type != JSON_INTEGER || exp->integer <= 0 || exp->integer > INT64_MAX / 1000)
        return fault_set(fault, ERR_UNAUTHORIZED, "the token does not say when it ends (exp)");
    err = jwt_check_times(jwt, workload->wall_ms(), workload->skew_s, fault);
    if (err != 0)
        return err;
    *expires_ms = exp->integer * 1000;
    return 0;
}

static int check_signature(struct workload_request *request, const struct policy_issuer *issuer,
                           const struct jwt *jwt, struct fault *fault)
{
    struct issuer *source = issuer_set_get(request->workload->issuers, issuer->url);
    struct issuer_keys *keys = NULL;
    int err = issuer_find_key(source, jwt->kid, jwt->alg, &request->wait, &keys, fault);

    if (err == 0) {
        err = jwt_verify(jwt, issuer_keys_find(keys, jwt->kid, jwt->alg), fault);
        if (err == ERR_UNAUTHORIZED && jwt->kid.n == 0)
            err = issuer_ask_again(source, &request->wait, fault);
    }
    issuer_keys_unref(keys);
    issuer_unref(source);
    return err;
}

static int make_identity(struct arena *arena, const struct policy_issuer *issuer,
                         const struct jwt *jwt, int64_t expires_ms, struct identity **identity,
                         struct fault *fault)
{
    struct claim_match_result match;
    int err = claim_rules_apply(arena, issuer, jwt->claims, &match, fault);

    if (err != 0)
        return err;
    *identity = identity_create(&(struct identity){
        .kind = IDENTITY_WORKLOAD,
        .name = match.name,
        .groups = match.groups,
        .groups_n = match.groups_n,
        .issuer = issuer->name,
        .limit = issuer->verbs,
        .globs = issuer->globs,
        .globs_n = issuer->globs_n,
        .expires_ms = expires_ms,
    });
    return 0;
}

/* The steps, each with the word for its refusals. */
static int verify(struct workload_request *request, struct identity **identity, struct fault *fault)
{
    struct policy *policy = policy_cell_get(request->workload->policies);
    const struct policy_issuer *issuer = NULL;
    int64_t expires_ms = 0;
    struct arena arena;
    struct jwt jwt;
    int err;

    arena_init(&arena, ARENA_MAX);
    request->reason = "malformed";
    err = jwt_parse(&arena, request->token, &jwt, fault);
    if (err == 0) {
        request->reason = "issuer";
        err = find_issuer(policy, &jwt, &issuer, fault);
    }
    if (err == 0) {
        request->reason = "audience";
        err = check_audience(issuer, &jwt, fault);
    }
    if (err == 0) {
        request->reason = "time";
        err = check_times(request->workload, &jwt, &expires_ms, fault);
    }
    if (err == 0) {
        request->reason = "signature";
        err = check_signature(request, issuer, &jwt, fault);
    }
    if (err == 0) {
        request->reason = "rule";
        err = make_identity(&arena, issuer, &jwt, expires_ms, identity, fault);
    }
    arena_fini(&arena);
    policy_unref(policy);
    return err;
}

/* Whatever is wrong with a token, it opens nothing; what is our trouble is no refusal. */
static int error_of(int err)
{
    return err == ERR_UNAVAILABLE || err == ERR_BUSY || err == ERR_NO_MEMORY ? err
                                                                             : ERR_UNAUTHORIZED;
}

static void go_on(struct pool_job *job)
{
    struct issuer_wait *wait = CONTAINER_OF(job, struct issuer_wait, job);

    workload_verify(CONTAINER_OF(wait, struct workload_request, wait));
}

void workload_verify(struct workload_request *request)
{
    struct fault fault = FAULT_INIT;
    struct identity *identity = NULL;
    int err;

    request->wait.job = (struct pool_job){.done = go_on, .reply = request->reply};
    err = verify(request, &identity, &fault);
    if (err != ERR_AGAIN)
        request->done(request, err == 0 ? 0 : error_of(err), identity, &fault);
}
