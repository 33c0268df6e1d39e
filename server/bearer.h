/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access tokens of /token: signed by a key of this server, for some repositories and a few minutes.
 * Worker thread only.
 */
#ifndef SERVER_BEARER_H
#define SERVER_BEARER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "server/credential.h"
#include "server/gate.h"

#define BEARER_MAX 16384 /* bytes of one */

/* A token that somebody shows. ERR_NOT_FOUND: it is none of ours; ERR_UNAUTHORIZED with the reason:
 * it is over, or not for this service. The credential has one reference. */
int bearer_verify(const struct gate *gate, const struct settings *settings, struct slice text,
                  struct arena *arena, struct credential **credential,
                  struct fault *fault) MUST_CHECK;

/* A new one for `identity` (anonymous too), appended to `out`. */
int bearer_mint(const struct gate *gate, const struct settings *settings,
                const struct identity *identity, const struct grant *grants, unsigned grants_n,
                int64_t now_ms, struct buf *out, struct fault *fault) MUST_CHECK;

/* The keys that verify them, as a JSON Web Key Set. */
int bearer_keys(const struct gate *gate, struct buf *out) MUST_CHECK;

#endif
