/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "auth/policy_summary.h"

#include "auth/policy_internal.h"

static bool is_for_anonymous(const struct scope *scope)
{
    for (unsigned i = 0; i < scope->subjects_n; i++)
        if (scope->subjects[i].kind == SUBJECT_ANONYMOUS)
            return true;
    return false;
}

bool policy_gives_anonymous(const struct policy *policy, enum verb verb)
{
    for (unsigned i = 0; policy != NULL && i < policy->bindings_n; i++) {
        const struct binding *binding = &policy->bindings[i];

        if ((binding->role->verbs & VERB_BIT(verb)) != 0 && is_for_anonymous(&binding->scope))
            return true;
    }
    return false;
}

bool policy_has_admin(const struct policy *policy)
{
    for (unsigned i = 0; policy != NULL && i < policy->bindings_n; i++) {
        const struct binding *binding = &policy->bindings[i];

        if ((binding->role->verbs & VERB_BIT(VERB_ADMIN)) != 0 && binding->scope.is_server_wide)
            return true;
    }
    return false;
}
