/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The issuers whose keys are kept, by URL. Which URLs are issuers the policy says, at each token;
 * so what the policy no longer names is only remembered here for a while and never used. Any
 * thread.
 */
#ifndef AUTH_ISSUER_SET_H
#define AUTH_ISSUER_SET_H

#include "auth/issuer.h"

/* As many as are kept; one more takes the place of the one that was not asked for the longest. */
#define ISSUER_SET_MAX 64

struct issuer_set;

/* `world` must outlive the set; its pool ends before the set is destroyed. */
struct issuer_set *issuer_set_create(struct issuer_world *world);
void issuer_set_destroy(struct issuer_set *set);

/* Never NULL; one reference is the caller's. */
struct issuer *issuer_set_get(struct issuer_set *set, struct slice url);

#endif
