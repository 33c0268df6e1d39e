/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/workload_login.h"

#include "auth/jwt.h"
#include "base/mem.h"

#include <stdlib.h>

struct pending {
    struct workload_request request; /* first member */
    struct login_request *login;
};

static void on_verified(struct workload_request *request, int err, struct identity *identity,
                        const struct fault *fault)
{
    struct pending *pending = (struct pending *)request;
    struct login_request *login = pending->login;
    const char *reason = request->reason;

    free(pending);
    if (err != 0)
        login->fault = *fault;
    login_verified(login, err, identity, reason);
}

static bool takes(struct login_verifier *verifier, struct slice secret)
{
    (void)verifier;
    return jwt_is_one(secret);
}

static void verify(struct login_verifier *verifier, struct login_request *login)
{
    struct pending *pending = xcalloc(1, sizeof(*pending));

    pending->login = login;
    pending->request.workload = ((struct workload_login *)verifier)->workload;
    pending->request.token = login->secret;
    pending->request.reply = kv_client_queue(login->kv);
    pending->request.done = on_verified;
    workload_verify(&pending->request);
}

void workload_login_init(struct workload_login *login, const struct workload *workload)
{
    *login = (struct workload_login){
        .verifier = {.takes = takes, .verify = verify},
        .workload = workload,
    };
}
