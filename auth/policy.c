/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "auth/policy_internal.h"

#include "auth/glob.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define ROBOT_PREFIX SLICE("robot:")

static const char *const function_names[POLICY_FUNCTION_COUNT] = {
    [POLICY_TECH_LEAD] = "tech-lead",
    [POLICY_PRODUCT_OWNER] = "product-owner",
    [POLICY_SRE] = "sre",
    [POLICY_RELEASE_MANAGER] = "release-manager",
};

const char *policy_function_name(enum policy_function function)
{
    return function_names[function];
}

struct policy *policy_ref(struct policy *policy)
{
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

void policy_unref(struct policy *policy)
{
    if (policy == NULL ||
        atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_fini(&policy->arena);
    free(policy);
}

struct slice policy_document(const struct policy *policy)
{
    return policy->document;
}

unsigned policy_issuers_n(const struct policy *policy)
{
    return policy != NULL ? policy->issuers_n : 0;
}

const struct policy_issuer *policy_issuer_at(const struct policy *policy, unsigned i)
{
    return &policy->issuers[i];
}

/* ---- Who, and where ---------------------------------------------------------------------------
 */

static bool is_subject(const struct subject *subject, const struct identity *identity)
{
    switch (subject->kind) {
    case SUBJECT_ANONYMOUS:
        return true;
    case SUBJECT_AUTHENTICATED:
        return identity->kind != IDENTITY_ANONYMOUS;
    case SUBJECT_USER:
        return identity->kind == IDENTITY_USER && slice_eq(subject->name, identity->name);
    case SUBJECT_GROUP:
        return identity_in_group(identity, subject->name);
    case SUBJECT_ROBOT:
        return identity->kind == IDENTITY_ROBOT &&
               slice_starts_with(identity->name, ROBOT_PREFIX) &&
               slice_eq(subject->name, slice_sub(identity->name, ROBOT_PREFIX.n, SIZE_MAX));
    case SUBJECT_ISSUER:
        return identity->kind == IDENTITY_WORKLOAD && slice_eq(subject->name, identity->issuer);
    }
    return false;
}

static const struct subject *find_subject(const struct scope *scope,
                                          const struct identity *identity)
{
    for (unsigned i = 0; i < scope->subjects_n; i++) {
        if (is_subject(&scope->subjects[i], identity))
            return &scope->subjects[i];
    }
    return NULL;
}

static const struct slice *find_glob(const struct slice *globs, unsigned n, struct slice repository)
{
    for (unsigned i = 0; i < n; i++) {
        if (glob_match(globs[i], repository))
            return &globs[i];
    }
    return NULL;
}

static bool covers(const struct scope *scope, struct slice repository)
{
    if (repository.n == 0)
        return scope->is_server_wide;
    return find_glob(scope->globs, scope->globs_n, repository) != NULL;
}

/* A credential that is for some repositories is for nothing else. */
static bool is_within_limits(const struct identity *identity, struct slice repository)
{
    return identity->globs_n == 0 ||
           (repository.n > 0 && find_glob(identity->globs, identity->globs_n, repository) != NULL);
}

static const struct policy_issuer *find_issuer(const struct policy *policy, struct slice name)
{
    for (unsigned i = 0; policy != NULL && i < policy->issuers_n; i++) {
        if (slice_eq(policy->issuers[i].name, name))
            return &policy->issuers[i];
    }
    return NULL;
}

/* What the issuer of a job lets it do: as the policy is now, not as it was when the job logged in,
 * so that an issuer that is taken out of it, or cut short, is so for who is in already. */
static verb_bits issuer_limit(const struct policy *policy, const struct identity *identity,
                              struct slice repository)
{
    const struct policy_issuer *issuer;

    if (identity->kind != IDENTITY_WORKLOAD)
        return VERB_BITS_ALL;
    issuer = find_issuer(policy, identity->issuer);
    return issuer != NULL && find_glob(issuer->globs, issuer->globs_n, repository) != NULL
               ? issuer->verbs
               : VERB_BITS_NONE;
}

static verb_bits limit_of(const struct policy *policy, const struct identity *identity,
                          struct slice repository)
{
    if (!is_within_limits(identity, repository))
        return VERB_BITS_NONE;
    return identity->limit & issuer_limit(policy, identity, repository);
}

/* ---- What -------------------------------------------------------------------------------------
 */

static verb_bits bootstrap_verbs(const struct identity *identity, struct slice repository)
{
    return identity->kind == IDENTITY_BOOTSTRAP && repository.n == 0 ? VERB_BIT(VERB_ADMIN)
                                                                     : VERB_BITS_NONE;
}

verb_bits policy_verbs(const struct policy *policy, const struct identity *identity,
                       struct slice repository)
{
    const verb_bits limit = limit_of(policy, identity, repository);
    verb_bits verbs = bootstrap_verbs(identity, repository);

    for (unsigned i = 0; policy != NULL && i < policy->bindings_n; i++) {
        const struct binding *binding = &policy->bindings[i];

        /* The cheapest question first: most bindings are about others. */
        if ((binding->role->verbs & limit & ~verbs) != 0 &&
            find_subject(&binding->scope, identity) != NULL && covers(&binding->scope, repository))
            verbs |= binding->role->verbs;
    }
    return verbs & limit;
}

static bool role_has(const struct role *role, enum verb verb, struct slice environment)
{
    if ((role->verbs & VERB_BIT(verb)) == 0)
        return false;
    if (!verb_takes_environment(verb))
        return true;
    for (unsigned i = 0; i < role->env_verbs_n; i++) {
        const struct env_verb *env_verb = &role->env_verbs[i];

        if (env_verb->verb == verb && (slice_eq(env_verb->environment, SLICE("*")) ||
                                       slice_eq(env_verb->environment, environment)))
            return true;
    }
    return false;
}

static const struct binding *find_binding(const struct policy *policy,
                                          const struct identity *identity, struct slice repository,
                                          enum verb verb, struct slice environment)
{
    for (unsigned i = 0; policy != NULL && i < policy->bindings_n; i++) {
        const struct binding *binding = &policy->bindings[i];

        if (role_has(binding->role, verb, environment) && covers(&binding->scope, repository) &&
            find_subject(&binding->scope, identity) != NULL)
            return binding;
    }
    return NULL;
}

bool policy_allows_in(const struct policy *policy, const struct identity *identity,
                      struct slice repository, enum verb verb, struct slice environment)
{
    return (limit_of(policy, identity, repository) & VERB_BIT(verb)) != 0 &&
           find_binding(policy, identity, repository, verb, environment) != NULL;
}

bool policy_has_function(const struct policy *policy, const struct identity *identity,
                         struct slice repository, enum policy_function function)
{
    for (unsigned i = 0; policy != NULL && i < policy->functions_n; i++) {
        const struct functional *functional = &policy->functions[i];

        if (functional->function == function && covers(&functional->scope, repository) &&
            find_subject(&functional->scope, identity) != NULL)
            return true;
    }
    return false;
}

struct slice policy_person(const struct policy *policy, const struct identity *identity)
{
    for (unsigned i = 0; policy != NULL && i < policy->persons_n; i++) {
        const struct person *person = &policy->persons[i];

        for (unsigned j = 0; j < person->accounts_n; j++) {
            if (slice_eq(person->accounts[j], identity->name))
                return person->name;
        }
    }
    return identity->name;
}

/* ---- Why --------------------------------------------------------------------------------------
 */

/* "pull in team/app", "promote:production in team/app", "audit of the server". */
static void describe(struct slice repository, enum verb verb, struct slice environment, char *text,
                     size_t size)
{
    snprintf(text, size, "%s%s" SLICE_FMT " %s" SLICE_FMT, verb_name(verb),
             environment.n > 0 ? ":" : "", SLICE_ARG(environment),
             repository.n > 0 ? "in " : "of the server", SLICE_ARG(slice_sub(repository, 0, 160)));
}

static void explain_grant(const struct policy *policy, const struct binding *binding,
                          const struct identity *identity, struct slice repository,
                          const char *what, struct policy_explanation *out)
{
    const struct slice *glob = find_glob(binding->scope.globs, binding->scope.globs_n, repository);

    out->allowed = true;
    out->binding = (unsigned)(binding - policy->bindings);
    out->role = binding->role->name;
    out->subject = find_subject(&binding->scope, identity)->text;
    out->glob = glob != NULL ? *glob : SLICE("");
    snprintf(out->text, sizeof(out->text),
             SLICE_FMT " may %s: bindings[%u] gives the role " SLICE_FMT " to " SLICE_FMT
                       "%s" SLICE_FMT,
             SLICE_ARG(slice_sub(identity->name, 0, 80)), what, out->binding, SLICE_ARG(out->role),
             SLICE_ARG(slice_sub(out->subject, 0, 80)), out->glob.n > 0 ? " in " : "",
             SLICE_ARG(slice_sub(out->glob, 0, 80)));
}

void policy_explain(const struct policy *policy, const struct identity *identity,
                    struct slice repository, enum verb verb, struct slice environment,
                    struct policy_explanation *out)
{
    const struct binding *binding = find_binding(policy, identity, repository, verb, environment);
    char what[300];
    const char *why = NULL;

    *out = (struct policy_explanation){0};
    describe(repository, verb, environment, what, sizeof(what));
    if ((bootstrap_verbs(identity, repository) & VERB_BIT(verb)) != 0) {
        out->allowed = true;
        snprintf(out->text, sizeof(out->text), "the token of the first start may %s", what);
    } else if (policy == NULL) {
        why = "there is no policy yet";
    } else if (binding == NULL) {
        why = "no binding gives it a role with this verb there";
    } else if ((identity->limit & VERB_BIT(verb)) == 0) {
        why = "its credential is not for this verb";
    } else if (!is_within_limits(identity, repository)) {
        why = "its credential is not for this repository";
    } else if ((issuer_limit(policy, identity, repository) & VERB_BIT(verb)) == 0) {
        why = "jobs of its issuer are not for this";
    } else {
        explain_grant(policy, binding, identity, repository, what, out);
    }
    if (why != NULL)
        snprintf(out->text, sizeof(out->text), SLICE_FMT " may not %s: %s",
                 SLICE_ARG(slice_sub(identity->name, 0, 80)), what, why);
}
