/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the claims of a token whose signature is good to a name and groups, by the rules of its
 * issuer in the policy: the first rule all of whose globs match decides. Pure; any thread.
 *
 * A claim is named as it stands in the token, or by its way through nested objects with '/' between
 * ("kubernetes.io/namespace"). A glob matches a text, a number as it is written, true and false,
 * and a list when it matches one of its elements.
 *
 * The name is written as a template, "github:{repository}". What is filled in comes from whoever
 * can name a repository or a branch, so it is never more than letters, digits and . _ - / : @ and
 * never holds the character that follows it in the template: two different tokens cannot come to
 * one name by moving a part of one claim into the next.
 */
#ifndef AUTH_CLAIM_RULES_H
#define AUTH_CLAIM_RULES_H

#include "auth/policy.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/json.h"

#define CLAIM_NAME_MAX 255 /* bytes of a name */

struct claim_match_result {
    struct slice name;          /* in the arena */
    const struct slice *groups; /* the rule's */
    unsigned groups_n;
    unsigned rule; /* which it was, from 0 */
};

/* `claims` is the token's payload. ERR_UNAUTHORIZED: no rule matches, or the one that does makes no
 * name of these claims; ERR_NO_MEMORY. */
int claim_rules_apply(struct arena *arena, const struct policy_issuer *issuer,
                      const struct json *claims, struct claim_match_result *result,
                      struct fault *fault) MUST_CHECK;

/* ERR_INVALID with the reason when `text` is no template: what a policy is checked with. */
int claim_template_check(struct slice text, struct fault *fault) MUST_CHECK;

#endif
