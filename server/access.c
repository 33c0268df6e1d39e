/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/access.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "server/route.h"

#include <stdio.h>

#define SLOW_NS UINT64_C(1000000000)

/* Every status an answer can have; 499 stands for a client that left before it. */
static const int statuses[] = {200, 201, 202, 204, 206, 304, 400, 401, 403, 404,
                               405, 408, 409, 411, 412, 413, 414, 415, 416, 417,
                               429, 431, 499, 500, 501, 503, 505, 507};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

/* One row more than routes: requests that name no endpoint. */
static struct {
    metric_id requests[ROUTE_COUNT + 1][STATUSES];
    metric_id seconds[ROUTE_COUNT + 1];
    metric_id bytes_in, bytes_out;
} metrics;

static const char *pattern_of(int route)
{
    return route < ROUTE_COUNT ? routes[route].pattern : "none";
}

void access_register(void)
{
    char labels[160];

    for (int route = 0; route <= ROUTE_COUNT; route++) {
        for (size_t i = 0; i < STATUSES; i++) {
            snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%d\"", pattern_of(route),
                     statuses[i]);
            metrics.requests[route][i] = metric_counter("tidemark_http_requests_total", labels,
                                                        "Requests by route pattern and status.");
        }
    }
    for (int route = 0; route <= ROUTE_COUNT; route++) {
        snprintf(labels, sizeof(labels), "route=\"%s\"", pattern_of(route));
        metrics.seconds[route] =
            metric_histogram("tidemark_http_request_seconds", labels,
                             "Time from the complete head to the last byte of the answer.");
    }
    metrics.bytes_in = metric_counter("tidemark_http_received_bytes_total", "",
                                      "Bytes of request bodies received.");
    metrics.bytes_out =
        metric_counter("tidemark_http_sent_bytes_total", "", "Bytes of answers sent.");
}

static void count(const struct request *r, int status, uint64_t ns)
{
    int route = r->route != NULL ? (int)r->route->id : ROUTE_COUNT;

    for (size_t i = 0; i < STATUSES; i++) {
        if (statuses[i] == status) {
            metric_add(metrics.requests[route][i], 1);
            break;
        }
    }
    metric_observe_ns(metrics.seconds[route], ns);
}

static bool is_write(const struct request *r)
{
    return r->method != METHOD_GET && r->method != METHOD_HEAD && r->method != METHOD_OPTIONS;
}

static bool is_logged(const struct request *r, int status, uint64_t ns)
{
    switch (r->worker->settings->log_access) {
    case LOG_ACCESS_OFF:
        return false;
    case LOG_ACCESS_ALL:
        return true;
    default:
        /* A missing manifest or blob is how clients ask "is it there": no error. */
        return is_write(r) || (status >= 400 && status != 404) || ns > SLOW_NS;
    }
}

void access_end(const struct request *r, int status, uint64_t bytes_in, uint64_t bytes_out,
                const char *reason)
{
    uint64_t ns = r->begin_ns != 0 ? clock_mono_ns() - r->begin_ns : 0;
    char id[17];

    if (status == 0)
        status = 499;
    count(r, status, ns);
    metric_add(metrics.bytes_in, bytes_in);
    metric_add(metrics.bytes_out, bytes_out);
    if (!is_logged(r, status, ns))
        return;
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)r->id);
    char client[CLIENT_ADDRESS_TEXT_MAX];
    struct log_field fields[16];
    unsigned n = 0;
    fields[n++] = LOG_CSTR("id", id);
    fields[n++] = LOG_CSTR("method", method_name(r->method));
    fields[n++] = LOG_CSTR("route", r->route != NULL ? r->route->pattern : "none");
    fields[n++] = LOG_I64("status", status);
    fields[n++] = LOG_U64("ms", ns / 1000000);
    fields[n++] = LOG_U64("in", bytes_in);
    fields[n++] = LOG_U64("out", bytes_out);
    client_address_format(&r->client, client);
    fields[n++] = LOG_STR("actor", r->actor);
    if (client[0] != '\0')
        fields[n++] = LOG_CSTR("client", client);
    if (r->client_certificate.n > 0)
        fields[n++] = LOG_STR("certificate", r->client_certificate);
    if (r->repository.n > 0)
        fields[n++] = LOG_STR("repo", r->repository);
    if (r->argument.n > 0)
        fields[n++] = LOG_STR("argument", slice_sub(r->argument, 0, 160));
    if (r->log_digest.algorithm != 0)
        fields[n++] = LOG_DIGEST("digest", &r->log_digest);
    if (r->err != 0)
        fields[n++] = LOG_CSTR("error", err_name(r->err));
    if (reason != NULL)
        fields[n++] = LOG_CSTR("reason", reason);
    fields[n] = (struct log_field){.type = LOG_FIELD_END};
    if (log_is_on(LOG_INFO))
        log_write(LOG_INFO, "http.request", "request", fields);
}
