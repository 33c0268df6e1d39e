/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes of the token service ("repository:team/app:pull,push", "registry:catalog:*"), as clients
 * ask for them and as tokens have them. Any thread.
 */
#ifndef SERVER_TOKEN_SCOPE_H
#define SERVER_TOKEN_SCOPE_H

#include "base/buf.h"
#include "base/fault.h"
#include "server/credential.h"

/* One scope. An action "push" asks for moving tags too: clients know no word for that. "*" is all.
 * Types that this registry does not have ask for nothing: verbs 0. ERR_HTTP_BAD_REQUEST: it has not
 * this form, or a repository cannot have this name. */
int token_scope_parse(struct slice text, struct grant *grant, struct fault *fault) MUST_CHECK;

#define TOKEN_SCOPE_ACTIONS_MAX 4
/* The actions that stand for verbs. Returns how many. */
unsigned token_scope_actions(const struct grant *grant,
                             struct slice actions[TOKEN_SCOPE_ACTIONS_MAX]);
/* And back, for a token that comes back. Unknown ones are nothing. */
verb_bits token_scope_verbs(const struct slice *actions, unsigned actions_n);

/* The scope as text. */
void token_scope_format(const struct grant *grant, struct buf *out);

#endif
