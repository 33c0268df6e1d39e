/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/authorise.h"

#include "auth/policy_summary.h"
#include "base/clock.h"
#include "server/gate.h"
#include "server/refusal_log.h"
#include "server/route.h"

#include <assert.h>

bool authorise_sees_all(const struct request *r)
{
    return r->worker->gate == NULL;
}

/* Without what the credential is made out for. */
static verb_bits policy_gives(const struct request *r, struct slice repository)
{
    return policy_verbs(gate_client_policy(r->worker->gate), r->identity, repository);
}

/* An access token is for repositories; what concerns the server needs the credential itself. */
static verb_bits scope_lets(const struct request *r, struct slice repository)
{
    if (r->credential->is_scoped && repository.n == 0)
        return VERB_BITS_NONE;
    return credential_scope_verbs(r->credential, repository);
}

bool authorise_can(const struct request *r, enum verb verb, struct slice repository)
{
    if (authorise_sees_all(r))
        return true;
    return (policy_gives(r, repository) & scope_lets(r, repository) & VERB_BIT(verb)) != 0;
}

/* A token for the catalog names no repositories; it lists what its owner may pull. */
static bool has_catalog(const struct credential *credential)
{
    return !credential->is_scoped || credential_scope_verbs(credential, SLICE("")) != 0;
}

bool authorise_lists(const struct request *r, struct slice repository)
{
    return authorise_sees_all(r) || (policy_gives(r, repository) & VERB_BIT(VERB_PULL)) != 0;
}

/* As policy_gives and scope_lets for the repository of the path. */
static verb_bits decide(struct request *r)
{
    struct credential *c = r->credential;
    const struct policy *policy = gate_client_policy(r->worker->gate);
    uint64_t generation = r->worker->gate->generation;
    struct slice name = r->repository;

    if (c->memo_generation == generation && slice_eq(slice_make(c->memo_name, c->memo_n), name))
        return c->memo_verbs;
    verb_bits verbs = policy_verbs(policy, r->identity, name) & scope_lets(r, name);
    assert(name.n <= sizeof(c->memo_name));
    c->memo_generation = generation;
    c->memo_verbs = verbs;
    c->memo_n = name.n;
    if (name.n > 0)
        memcpy(c->memo_name, name.p, name.n);
    return verbs;
}

static bool is_anonymous(const struct request *r)
{
    return r->identity->kind == IDENTITY_ANONYMOUS;
}

static int say_denied(const struct request *r, enum verb verb, struct slice repository,
                      struct fault *fault)
{
    if (repository.n == 0)
        return fault_set(fault, ERR_DENIED,
                         SLICE_FMT " may not do this: it needs the verb %s, which the policy does "
                                   "not give for the server (see `tidemark access explain`)",
                         SLICE_ARG(slice_sub(r->actor, 0, 100)), verb_name(verb));
    return fault_set(fault, ERR_DENIED,
                     SLICE_FMT " may not %s in " SLICE_FMT
                               ": the policy does not give this verb there (see `tidemark access "
                               "explain`)",
                     SLICE_ARG(slice_sub(r->actor, 0, 100)), verb_name(verb),
                     SLICE_ARG(slice_sub(repository, 0, 120)));
}

int authorise_explain(const struct request *r, enum verb verb, struct fault *fault)
{
    return say_denied(r, verb, r->repository, fault);
}

static int refuse(struct request *r, enum verb verb, struct fault *fault)
{
    if (is_anonymous(r))
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "log in: without a credential this is not allowed (verb %s%s" SLICE_FMT
                         ")",
                         verb_name(verb), r->repository.n > 0 ? " in " : "",
                         SLICE_ARG(slice_sub(r->repository, 0, 120)));
    if (r->credential->is_scoped && (policy_gives(r, r->repository) & VERB_BIT(verb)) != 0)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the access token was not made out for the verb %s here; ask for another "
                         "one",
                         verb_name(verb));
    refusal_log_add(r, verb);
    return say_denied(r, verb, r->repository, fault);
}

static int check_verb(struct request *r, enum verb verb, struct fault *fault)
{
    r->verbs = decide(r);
    return (r->verbs & VERB_BIT(verb)) != 0 ? 0 : refuse(r, verb, fault);
}

static int check_list(struct request *r, struct fault *fault)
{
    if (is_anonymous(r) && !policy_gives_anonymous(gate_client_policy(r->worker->gate), VERB_PULL))
        return fault_set(fault, ERR_UNAUTHORIZED, "log in to see what you may read");
    return has_catalog(r->credential)
               ? 0
               : fault_set(
                     fault, ERR_UNAUTHORIZED,
                     "the access token was not made out for the catalog; ask for another one");
}

/* What is one's own (secrets, for example) is not what an access token was made out for. */
static int check_self(const struct request *r, struct fault *fault)
{
    if (is_anonymous(r))
        return fault_set(fault, ERR_UNAUTHORIZED, "authentication required: log in");
    return !r->credential->is_scoped
               ? 0
               : fault_set(fault, ERR_UNAUTHORIZED,
                           "an access token is for repositories; log in by Basic for this");
}

static int check_right(struct request *r, struct fault *fault)
{
    switch (route_right(r->route, r->method)) {
    case RIGHT_NONE:
        return 0;
    case RIGHT_ANY:
        return check_list(r, fault);
    case RIGHT_CREDENTIAL:
        return r->credential->identity != NULL
                   ? 0
                   : fault_set(fault, ERR_UNAUTHORIZED, "authentication required: log in");
    case RIGHT_SELF:
        return check_self(r, fault);
    case RIGHT_PULL:
        return check_verb(r, VERB_PULL, fault);
    case RIGHT_PUSH:
        return check_verb(r, VERB_PUSH, fault);
    case RIGHT_DELETE:
        return check_verb(r, VERB_DELETE, fault);
    case RIGHT_METRICS:
        return check_verb(r, VERB_METRICS, fault);
    case RIGHT_ADMIN:
        return check_verb(r, VERB_ADMIN, fault);
    case RIGHT_AUDIT:
        return check_verb(r, VERB_AUDIT, fault);
    case RIGHT_UNSET:
        break;
    }
    return fault_set(fault, ERR_INTERNAL, "this endpoint has no right");
}

/* The owner of a secret that ends soon is told with every answer (RFC 7234 section 5.5.7). */
static void warn_of_end(struct request *r)
{
    char when[CLOCK_RFC3339_MAX];

    if (r->identity->warn_expires_ms == 0)
        return;
    clock_format_rfc3339(r->identity->warn_expires_ms, when);
    response_fieldf(r, "Warning", "299 - \"the secret of " SLICE_FMT " expires at %s\"",
                    SLICE_ARG(r->actor), when);
}

int authorise(struct request *r, struct fault *fault)
{
    r->verbs = VERB_BITS_NONE;
    int err = check_right(r, fault);
    if (err == 0)
        warn_of_end(r);
    return err;
}
