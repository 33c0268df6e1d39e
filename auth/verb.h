/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs: the units of what a policy grants. Those that have an environment are written
 * "promote:production", or "promote:*" for all. Any thread.
 */
#ifndef AUTH_VERB_H
#define AUTH_VERB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

enum verb {
#define X(enumerator, name, takes_environment) VERB_##enumerator,
#include "auth/verb.def"
#undef X
    VERB_COUNT
};

/* A set of verbs. Of one with an environment it only says that there is one for which it holds. */
typedef uint32_t verb_bits;

#define VERB_BIT(verb) ((verb_bits)1 << (verb))
#define VERB_BITS_NONE ((verb_bits)0)
#define VERB_BITS_ALL  (VERB_BIT(VERB_COUNT) - 1)

/* Never NULL. */
const char *verb_name(enum verb verb);
bool verb_takes_environment(enum verb verb);

/* "pull", "promote:production". `environment` borrows from `text`; empty for a verb without one.
 * ERR_INVALID: no such verb (with the one that may be meant), or its environment is missing, too
 * much or malformed. */
int verb_parse(struct slice text, enum verb *verb, struct slice *environment,
               struct fault *fault) MUST_CHECK;

#endif
