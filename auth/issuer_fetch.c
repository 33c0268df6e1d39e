/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/issuer_fetch.h"

#include "base/clock.h"
#include "base/fetch.h"
#include "base/mem.h"

/* A connection is not kept: the next documents are asked for minutes later. */
static int get(struct issuer_world *world, const char *url, struct buf *body, struct fault *fault)
{
    const struct issuer_fetch *settings = CONTAINER_OF(world, const struct issuer_fetch, world);
    static const char *const fields[] = {"Accept: application/json", NULL};
    const struct fetch_request request = {
        .method = FETCH_GET,
        .url = url,
        .fields = fields,
        .max_bytes = body->max,
        .timeout_ms = settings->timeout_ms,
        .ca_file = settings->ca_file && settings->ca_file[0] ? settings->ca_file : NULL,
    };
    struct fetch *fetch;
    int status = 0;
    int err = fetch_create(settings->agent, &fetch, fault);

    if (err != 0)
        return err;
    err = fetch_run(fetch, &request, &status, fault);
    if (err == 0 && status != 200)
        err = fault_set(fault, ERR_UNAVAILABLE, "%s answers with status %d", url, status);
    if (err == 0) {
        buf_add(body, fetch_body(fetch));
        err = buf_error(body, ERR_LIMIT);
    }
    fetch_destroy(fetch);
    return err;
}

static uint64_t now_ms(struct issuer_world *world)
{
    (void)world;
    return clock_mono_ms();
}

void issuer_fetch_init(struct issuer_fetch *fetch)
{
    fetch->world.get = get;
    fetch->world.now_ms = now_ms;
}
