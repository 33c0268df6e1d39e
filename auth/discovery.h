/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an issuer says about itself at <issuer>/.well-known/openid-configuration (OpenID Connect
 * Discovery 1.0, section 4): of it only who it is and where its keys are. Pure; any thread.
 */
#ifndef AUTH_DISCOVERY_H
#define AUTH_DISCOVERY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

/* The address of the document of the issuer `issuer_url`, with a NUL after it. */
void discovery_url(struct slice issuer_url, struct buf *url);

/* The address of the keys, in `arena` with a NUL after it, not checked yet. ERR_SYNTAX: not such a
 * document; ERR_INVALID: it belongs to another issuer than `issuer_url` (section 4.3: they are the
 * same byte for byte); ERR_LIMIT, ERR_NO_MEMORY. */
int discovery_parse(struct arena *arena, struct slice document, struct slice issuer_url,
                    struct slice *keys_url, struct fault *fault) MUST_CHECK;

#endif
