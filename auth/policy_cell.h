/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy that is in force: one place, replaced as a whole. Any thread.
 */
#ifndef AUTH_POLICY_CELL_H
#define AUTH_POLICY_CELL_H

#include <stdint.h>

#include "auth/policy.h"

struct policy_cell;

/* Empty: no policy. */
struct policy_cell *policy_cell_create(void);
void policy_cell_destroy(struct policy_cell *cell);

/* A reference of the caller's; NULL when there is none. */
struct policy *policy_cell_get(struct policy_cell *cell);

/* Takes the caller's reference. `version` is that of the document in the index; one that is older
 * than what is in force changes nothing: the ends of two changes may be seen in another order by
 * two workers. */
void policy_cell_set_take(struct policy_cell *cell, struct policy *policy, uint64_t version);

/* Of the policy in force, 0: none. What was worked out from an older one is to be worked out anew.
 * Costs one load. */
uint64_t policy_cell_version(const struct policy_cell *cell);

#endif
