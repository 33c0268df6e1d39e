/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses may be asked for the keys of an issuer. The policy names issuers, and who may
 * change the policy must not be able to send requests into the network of this server: so the
 * hosts are configuration. Immutable; any thread.
 *
 * A list is hosts separated by commas, each with a port ("10.0.0.1:6443") or without one (then any
 * port). https only, except for hosts that stand in the list `http_hosts` too.
 */
#ifndef AUTH_ISSUER_HOSTS_H
#define AUTH_ISSUER_HOSTS_H

#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

struct issuer_hosts {
    struct slice hosts, http_hosts;
};

/* May `url` be an issuer? ERR_HTTP_FORBIDDEN: no, and which key of the configuration would allow
 * it; ERR_SYNTAX: not a URL, or one with a user, a query or a fragment. */
int issuer_hosts_check(const struct issuer_hosts *hosts, struct slice url,
                       struct fault *fault) MUST_CHECK;

/* May the keys of the issuer at `issuer_url` come from `keys_url`? From its own origin, or from a
 * host that is listed itself. As above; a query is allowed. */
int issuer_hosts_check_keys(const struct issuer_hosts *hosts, struct slice issuer_url,
                            struct slice keys_url, struct fault *fault) MUST_CHECK;

#endif
