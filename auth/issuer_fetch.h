/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real world of issuers (auth/issuer.h): documents come by base/fetch.h, limited in bytes and
 * time; fetch_global_init first.
 */
#ifndef AUTH_ISSUER_FETCH_H
#define AUTH_ISSUER_FETCH_H

#include "auth/issuer.h"

struct issuer_fetch {
    struct issuer_world world; /* first member */
    unsigned timeout_ms;       /* for each of the two documents */
    const char *ca_file;       /* PEM: authorities beside the system's; NULL or "": none */
    const char *agent;         /* User-Agent */
};

/* Fills in how `fetch->world` is reached; the rest of it is the caller's. All texts are borrowed.
 */
void issuer_fetch_init(struct issuer_fetch *fetch);

#endif
