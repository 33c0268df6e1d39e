/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/credential.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct credential *credential_create_take(struct identity *identity)
{
    struct credential *credential = xcalloc(1, sizeof(*credential));

    credential->refs = 1;
    credential->identity = identity;
    return credential;
}

/* The lines and their names in one block. */
void credential_scope(struct credential *credential, const struct grant *grants, unsigned grants_n)
{
    size_t bytes = grants_n * sizeof(*grants);
    char *names;

    assert(credential->grants == NULL && grants_n <= CREDENTIAL_GRANTS_MAX);
    for (unsigned i = 0; i < grants_n; i++)
        bytes += grants[i].repository.n;
    credential->is_scoped = true;
    credential->grants = xmalloc(bytes > 0 ? bytes : 1);
    credential->grants_n = grants_n;
    names = (char *)(credential->grants + grants_n);
    for (unsigned i = 0; i < grants_n; i++) {
        struct slice name = grants[i].repository;

        if (name.n > 0)
            memcpy(names, name.p, name.n);
        credential->grants[i] = (struct grant){slice_make(names, name.n), grants[i].verbs};
        names += name.n;
    }
}

struct credential *credential_ref(struct credential *credential)
{
    credential->refs++;
    return credential;
}

void credential_unref(struct credential *credential)
{
    if (credential == NULL || --credential->refs > 0)
        return;
    identity_unref(credential->identity);
    free(credential->grants);
    free(credential);
}

const struct identity *credential_identity(const struct credential *credential)
{
    return credential->identity != NULL ? credential->identity : &identity_anonymous;
}

verb_bits credential_scope_verbs(const struct credential *credential, struct slice repository)
{
    verb_bits verbs = VERB_BITS_NONE;

    if (!credential->is_scoped)
        return VERB_BITS_ALL;
    for (unsigned i = 0; i < credential->grants_n; i++)
        if (slice_eq(credential->grants[i].repository, repository))
            verbs |= credential->grants[i].verbs;
    return verbs;
}
