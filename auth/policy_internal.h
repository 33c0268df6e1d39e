/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as it is kept, between policy_parse.c and policy.c. All of it lies in the arena.
 */
#ifndef AUTH_POLICY_INTERNAL_H
#define AUTH_POLICY_INTERNAL_H

#include <stdatomic.h>

#include "auth/policy.h"
#include "base/arena.h"

enum subject_kind {
    SUBJECT_ANONYMOUS,     /* everybody, also who does not log in */
    SUBJECT_AUTHENTICATED, /* whoever has logged in */
    SUBJECT_USER,
    SUBJECT_GROUP,
    SUBJECT_ROBOT,
    SUBJECT_ISSUER,
};

struct subject {
    enum subject_kind kind;
    struct slice name; /* without its "user:" */
    struct slice text; /* as written */
};

struct env_verb {
    enum verb verb;
    struct slice environment; /* "*": all */
};

struct role {
    struct slice name;
    verb_bits verbs; /* those with an environment too */
    struct env_verb *env_verbs;
    unsigned env_verbs_n;
};

struct scope {
    struct subject *subjects;
    unsigned subjects_n;
    struct slice *globs;
    unsigned globs_n;
    bool is_server_wide; /* one of the globs is "**" */
};

struct binding {
    const struct role *role;
    struct scope scope;
};

struct functional {
    enum policy_function function;
    struct scope scope;
};

struct person {
    struct slice name;
    struct slice *accounts;
    unsigned accounts_n;
};

struct policy {
    atomic_uint references;
    struct arena arena;
    struct slice document;
    struct role *roles;
    unsigned roles_n;
    struct binding *bindings;
    unsigned bindings_n;
    struct functional *functions;
    unsigned functions_n;
    struct person *persons;
    unsigned persons_n;
    struct policy_issuer *issuers;
    unsigned issuers_n;
};

#endif
