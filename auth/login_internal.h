/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the login share: login.c (what lives as long as the server), login_check.c (the
 * way from a secret to an identity), login_record.c (what is written about it). Nobody else
 * includes it.
 */
#ifndef AUTH_LOGIN_INTERNAL_H
#define AUTH_LOGIN_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth/htpasswd.h"
#include "auth/login.h"
#include "auth/password_cache.h"

struct login {
    pthread_mutex_t lock; /* of options and events_left */
    struct login_options options;
    uint64_t events_minute; /* the minute that events_left is of */
    unsigned events_left;

    struct htpasswd *htpasswd; /* NULL: none */
    struct password_cache *cache;
    struct lockout *lockout;
    struct pool *pool; /* the password thread; NULL once stopped */
    struct login_verifier *verifiers;
    atomic_uint_fast64_t generation;
    atomic_bool is_bootstrap_open;
    atomic_bool is_polling;
    struct pool_job poll; /* while is_polling */
};

/* login.c */
struct login_options login_options_now(struct login *login);
/* Work of a wrong password: see password_matches. */
unsigned login_cost(struct login *login);
/* False when too many wait already. */
bool login_submit(struct login *login, struct pool_job *job);

/* login_record.c: each returns at once; a failure to write is logged, not told. */
/* `account` is one that exists, or empty. */
void login_record_failure(struct login_request *request, struct slice account);
void login_record_use(struct login_request *request);

#endif
