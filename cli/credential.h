/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in to one registry, when it asks: from a 401 and its challenges to an Authorization
 * field. The credential comes from the store of container clients (cli/docker_config.h), looked up
 * when there is need. It is sent to the registry, or to the token service that the registry names.
 * Main thread only.
 */
#ifndef CLI_CREDENTIAL_H
#define CLI_CREDENTIAL_H

#include <stdint.h>

#include "base/fetch.h"
#include "cli/docker_config.h"

struct credential {
    struct slice server; /* "http://host:port"; borrowed */
    bool is_looked_up, has_secret;
    struct docker_secret secret;
    struct buf field; /* "Authorization: ...", with a NUL; empty: none */
    bool is_basic;
    uint64_t until_ms; /* of a token, clock_mono_ms */
    unsigned tries;    /* fields made since one was taken */
};

void credential_init(struct credential *credential, struct slice server);
void credential_fini(struct credential *credential);

/* "host:port": how the store names a server. */
struct slice credential_host(struct slice server);

/* In place of the store. */
void credential_set(struct credential *credential, struct slice user, struct slice secret);

/* "Authorization: ...", or NULL. */
const char *credential_field(struct credential *credential);

/* The last answer of `fetch` was a 401. 0: there is another field to try. ERR_NOT_FOUND: no, and
 * the answer is still there. Else the token service, or the store, does not give what is needed. */
int credential_answer(struct credential *credential, struct fetch *fetch,
                      struct fault *fault) MUST_CHECK;

/* Sends the user and secret of the store (if any) with the next request, although nobody asked. */
int credential_offer(struct credential *credential, struct fault *fault) MUST_CHECK;

/* The last answer was no 401. */
void credential_taken(struct credential *credential);

/* The file of authorities to trust beside the system's: TIDEMARK_CA, or NULL. */
const char *credential_ca_file(void);

#endif
