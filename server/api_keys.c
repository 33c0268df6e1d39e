/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/keys: the public keys that verify what this registry signs, as a JSON Web Key Set
 * (RFC 7517). For everybody: there is nothing secret in them.
 */
#include "config.h"

#include "server/api.h"
#include "server/bearer.h"
#include "server/handlers.h"

#define ANSWER_MAX (64u * 1024)

void api_keys_get(struct request *r)
{
    struct buf body;

    if (r->worker->gate == NULL) {
        response_send_errorf(r, ERR_HTTP_NOT_FOUND,
                             "this registry has no authentication (auth.enabled), and no keys");
        return;
    }
    buf_init(&body, ANSWER_MAX);
    int err = bearer_keys(r->worker->server->gate, &body);
    if (err == 0) {
        api_send_json(r, &body);
        return;
    }
    buf_fini(&body);
    response_send_error(r, err, NULL, SLICE(""));
}
