/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the one who asks may do: the verbs that the policy gives their identity, cut down to what
 * their credential is for. It is decided by the policy alone, before anything is looked up, so that
 * a refusal says nothing about what exists. Worker thread only.
 */
#ifndef SERVER_AUTHORISE_H
#define SERVER_AUTHORISE_H

#include "server/request.h"

/* Sets r->verbs. ERR_DENIED, or ERR_UNAUTHORIZED when another credential might help (see
 * challenge_send), with words in `fault`. */
int authorise(struct request *r, struct fault *fault) MUST_CHECK;

/* The same for a verb in another repository than the path's: of a mount's source, an entry of a
 * list. True without authentication. */
bool authorise_can(const struct request *r, enum verb verb, struct slice repository);

/* Whether a list shows this repository. */
bool authorise_lists(const struct request *r, struct slice repository);
/* Everything, because there is no authentication: no need to look at each. */
bool authorise_sees_all(const struct request *r);

/* ERR_DENIED with who lacks which verb where, for what only a handler finds out. */
int authorise_explain(const struct request *r, enum verb verb, struct fault *fault);

#endif
