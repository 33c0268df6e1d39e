/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a policy. One that is taken is taken again from its own document; what it grants and what
 * it explains agree, verb by verb, and stay within the limits of a credential. A refusal comes with
 * a reason and no policy.
 */
#include "config.h"
#include "auth/policy.h"

#include "base/mem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice group = {"a", 1};
static const struct slice limit = {"a/*", 3};

static const struct identity somebody[] = {
    {.kind = IDENTITY_ANONYMOUS, .name = {"anonymous", 9}, .limit = VERB_BITS_ALL},
    {.kind = IDENTITY_USER, .name = {"a", 1}, .limit = VERB_BITS_ALL},
    {.kind = IDENTITY_USER, .name = {"b", 1}, .groups = &group, .groups_n = 1, .limit = 3},
    {.kind = IDENTITY_ROBOT, .name = {"robot:a", 7}, .limit = 2, .globs = &limit, .globs_n = 1},
    {.kind = IDENTITY_WORKLOAD, .name = {"a:b", 3}, .issuer = {"a", 1}, .limit = 3},
    {.kind = IDENTITY_BOOTSTRAP, .name = {"bootstrap", 9}, .limit = VERB_BITS_ALL},
};

static const struct slice repositories[] = {{"", 0}, {"a", 1}, {"a/b", 3}, {"b/a/a", 5}};

static void check_verb(const struct policy *policy, const struct identity *who,
                       struct slice repository, enum verb verb, bool is_granted)
{
    struct policy_explanation why;

    /* Of a verb with an environment the set only says that there is one. */
    if (verb_takes_environment(verb)) {
        if (policy_allows_in(policy, who, repository, verb, SLICE("production")) && !is_granted)
            abort();
        return;
    }
    policy_explain(policy, who, repository, verb, SLICE(""), &why);
    if (why.allowed != is_granted || why.text[0] == '\0')
        abort();
}

static void check_grants(const struct policy *policy, const struct identity *who,
                         struct slice repository)
{
    verb_bits verbs = policy_verbs(policy, who, repository);

    if ((verbs & ~who->limit) != 0)
        abort();
    for (unsigned verb = 0; verb < VERB_COUNT; verb++)
        check_verb(policy, who, repository, (enum verb)verb, (verbs & VERB_BIT(verb)) != 0);
}

static void check_issuers(const struct policy *policy)
{
    const verb_bits most = VERB_BIT(VERB_PULL) | VERB_BIT(VERB_PUSH);

    for (unsigned i = 0; i < policy_issuers_n(policy); i++) {
        const struct policy_issuer *issuer = policy_issuer_at(policy, i);

        if ((issuer->verbs & ~most) != 0 || issuer->globs_n == 0 || issuer->url.n == 0 ||
            issuer->audience.n == 0)
            abort();
        for (unsigned j = 0; j < issuer->rules_n; j++)
            if (issuer->rules[j].matches_n == 0 || issuer->rules[j].identity.n == 0)
                abort();
    }
}

static void check_policy(struct policy *policy, struct slice document)
{
    struct policy *again;

    if (!slice_eq(policy_document(policy), document))
        abort();
    if (policy_parse(policy_document(policy), &again, NULL) != 0)
        abort();
    policy_unref(again);
    for (size_t i = 0; i < ARRAY_LENGTH(somebody); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(repositories); j++)
            check_grants(policy, &somebody[i], repositories[j]);
    check_issuers(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice document = slice_make(size ? data : NULL, size);
    struct fault fault = FAULT_INIT;
    struct policy *policy;
    int err = policy_parse(document, &policy, &fault);

    if (err == 0)
        check_policy(policy, document);
    else if (policy != NULL || fault.code != err || fault.text[0] == '\0' ||
             (err != ERR_SYNTAX && err != ERR_INVALID && err != ERR_LIMIT))
        abort();
    policy_unref(policy);
    return 0;
}
