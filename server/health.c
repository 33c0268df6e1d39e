/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /livez, /readyz, /metrics: what orchestrators and monitoring ask. Never about one repository.
 */
#include "config.h"

#include "base/metric.h"
#include "server/handlers.h"

#define METRICS_BYTES_MAX (8u << 20)

void health_livez(struct request *r)
{
    response_send_bytes(r, 200, "text/plain; charset=utf-8", SLICE("ok\n"));
}

void health_readyz(struct request *r)
{
    struct server *server = r->worker->server;

    response_field(r, "Cache-Control", SLICE("no-store"));
    if (server->draining)
        response_send_errorf(r, ERR_SHUTDOWN, "shutting down");
    else if (!kv_is_writable(server->store->kv))
        response_send_errorf(r, ERR_UNAVAILABLE,
                             "a commit of the index failed: reads go on, writes are refused until "
                             "the server is started again, which checks the index");
    else if (!server->ready)
        response_send_errorf(r, ERR_BUSY, "starting");
    else
        response_send_bytes(r, 200, "text/plain; charset=utf-8", SLICE("ready\n"));
}

void health_metrics(struct request *r)
{
    struct buf out;

    buf_init(&out, METRICS_BYTES_MAX);
    metric_render(&out);
    if (buf_error(&out, ERR_INTERNAL) == ERR_INTERNAL)
        response_send_errorf(r, ERR_INTERNAL, "the metrics are larger than %u bytes",
                             METRICS_BYTES_MAX);
    else
        response_send_buf(r, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
    buf_fini(&out);
}
