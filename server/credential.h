/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A credential that was found good: whose it is, and what it was made out for. Counted within one
 * worker, whose cache and requests share it. Worker thread only.
 */
#ifndef SERVER_CREDENTIAL_H
#define SERVER_CREDENTIAL_H

#include "auth/identity.h"
#include "registry/reference.h"

#define CREDENTIAL_GRANTS_MAX 64

/* One line of an access token. */
struct grant {
    struct slice repository; /* empty: the catalog */
    verb_bits verbs;
};

struct credential {
    unsigned refs;
    struct identity *identity; /* its reference; NULL: no credential was shown */
    bool is_password;          /* found by one: see login_wait_ms */
    int64_t issued_s;          /* of an access token: when it was made, s since 1970 */
    bool is_scoped;            /* an access token: it is for `grants` and nothing else */
    struct grant *grants;
    unsigned grants_n;

    /* What was decided last, so that a client that asks for one repository again and again costs
     * one comparison. */
    uint64_t memo_generation; /* of the policy; 0: nothing yet */
    verb_bits memo_verbs;
    size_t memo_n;
    char memo_name[REPOSITORY_NAME_MAX];
};

/* Takes the reference to `identity`; NULL stands for nobody. One reference. */
struct credential *credential_create_take(struct identity *identity);
/* Makes it an access token for these lines, which are copied. */
void credential_scope(struct credential *credential, const struct grant *grants, unsigned grants_n);
struct credential *credential_ref(struct credential *credential);
/* NULL does nothing. */
void credential_unref(struct credential *credential);

/* Never NULL. */
const struct identity *credential_identity(const struct credential *credential);

/* What its scope lets through: all of it when it has none. `repository` empty: the catalog. */
verb_bits credential_scope_verbs(const struct credential *credential, struct slice repository);

#endif
