/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy: one document that says who may do what. docs/ACCESS.md describes it. Immutable and
 * counted; any thread. policy_parse.c reads it, policy.c answers.
 *
 * Nothing is allowed that no binding grants. A binding grants the verbs of its role to its subjects
 * in the repositories that its globs match; verbs that are about no repository (admin, audit,
 * metrics) are granted by bindings for all of them ("**"). There is no denying: to see why
 * something is allowed it is enough to find one line.
 */
#ifndef AUTH_POLICY_H
#define AUTH_POLICY_H

#include "auth/identity.h"
#include "auth/verb.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

#define POLICY_DOCUMENT_MAX (60u * 1024) /* bytes: it is one value of the index */

enum policy_function {
    POLICY_TECH_LEAD,
    POLICY_PRODUCT_OWNER,
    POLICY_SRE,
    POLICY_RELEASE_MANAGER,
    POLICY_FUNCTION_COUNT
};
/* "tech-lead". */
const char *policy_function_name(enum policy_function function);

struct policy_claim {
    struct slice claim, glob;
};

struct policy_issuer_rule {
    const struct policy_claim *matches;
    unsigned matches_n;
    struct slice identity; /* a template, see auth/claim_rules.h */
    const struct slice *groups;
    unsigned groups_n;
};

struct policy_issuer {
    struct slice name; /* in the policy */
    struct slice url, audience;
    verb_bits verbs; /* at most pull and push */
    const struct slice *globs;
    unsigned globs_n;
    const struct policy_issuer_rule *rules;
    unsigned rules_n;
};

struct policy;

/* ERR_SYNTAX, ERR_INVALID (the path of the member, what is wrong, what may be meant), ERR_LIMIT.
 * The reference is the caller's. `document` is copied. */
int policy_parse(struct slice document, struct policy **policy, struct fault *fault) MUST_CHECK;
struct policy *policy_ref(struct policy *policy);
/* NULL does nothing. */
void policy_unref(struct policy *policy);

/* The document as it was given. */
struct slice policy_document(const struct policy *policy);

/* What `identity` may do in `repository` (n == 0: with the server itself), within what its
 * credential and, of a job, its issuer in this policy are limited to. `policy` NULL: there is none
 * yet, and nothing is allowed but to who has the token of the first start, who is an admin until
 * then. */
verb_bits policy_verbs(const struct policy *policy, const struct identity *identity,
                       struct slice repository);

/* The same for a verb with an environment. */
bool policy_allows_in(const struct policy *policy, const struct identity *identity,
                      struct slice repository, enum verb verb, struct slice environment);

bool policy_has_function(const struct policy *policy, const struct identity *identity,
                         struct slice repository, enum policy_function function);

/* Who stands behind the account: of several that belong to one person the person's name, else the
 * account's own. */
struct slice policy_person(const struct policy *policy, const struct identity *identity);

/* Which line decides. `verb` with its `environment` (empty: a verb without one). */
struct policy_explanation {
    bool allowed;
    unsigned binding;     /* the first that grants it, from 0 */
    struct slice role;    /* of that binding; borrows from the policy */
    struct slice subject; /* its entry of `to` that fits */
    struct slice glob;    /* its entry of `repositories` that fits; empty for the server itself */
    char text[480];       /* the whole in a sentence, also when nothing grants it */
};
void policy_explain(const struct policy *policy, const struct identity *identity,
                    struct slice repository, enum verb verb, struct slice environment,
                    struct policy_explanation *explanation);

unsigned policy_issuers_n(const struct policy *policy);
const struct policy_issuer *policy_issuer_at(const struct policy *policy, unsigned i);

#endif
