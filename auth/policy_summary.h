/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about a policy as a whole, about nobody in particular. Any thread; `policy` may be
 * NULL: no to all of them.
 */
#ifndef AUTH_POLICY_SUMMARY_H
#define AUTH_POLICY_SUMMARY_H

#include "auth/policy.h"

/* Whether there is any repository where who shows no credential has `verb`. */
bool policy_gives_anonymous(const struct policy *policy, enum verb verb);

/* Whether somebody with an account can have the verb `admin`: then there is another way in than the
 * token of the first start. */
bool policy_has_admin(const struct policy *policy);

#endif
