/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workload tokens as the secret of a log-in (auth/login.h): the user name does not matter, so that
 * `docker login -u anything --password-stdin` with the token of a CI job works.
 */
#ifndef AUTH_WORKLOAD_LOGIN_H
#define AUTH_WORKLOAD_LOGIN_H

#include "auth/login.h"
#include "auth/workload.h"

struct workload_login {
    struct login_verifier verifier; /* first member; give it to login_add_verifier */
    const struct workload *workload;
};

/* `workload` is borrowed and outlives the logins. */
void workload_login_init(struct workload_login *login, const struct workload *workload);

#endif
