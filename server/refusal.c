/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/refusal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_EVERY_MS 1000

#define ANSWER(status)                                                                             \
    SLICE("HTTP/1.1 " status "\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: "             \
          "close\r\n\r\n")

static const struct {
    int status;
    const char *label, *reason;
    struct slice answer;
} kinds[REFUSAL_COUNT] = {
    [REFUSAL_MAX_CONNECTIONS] = {503, "reason=\"max_connections\"",
                                 "more connections than http.max_connections",
                                 ANSWER("503 Service Unavailable")},
    [REFUSAL_CONNECT_RATE] = {429, "reason=\"connect_rate\"",
                              "an address connects faster than http.connect_rate",
                              ANSWER("429 Too Many Requests")},
};

static struct {
    metric_id metric;
    uint64_t unlogged, logged_ms;
} counts[REFUSAL_COUNT];

void refusal_register(void)
{
    for (unsigned why = 0; why < REFUSAL_COUNT; why++)
        counts[why].metric =
            metric_counter("tidemark_http_refused_connections_total", kinds[why].label,
                           "Connections closed before they could ask for anything.");
}

static void count(enum refusal why)
{
    uint64_t now_ms = clock_mono_ms();

    metric_add(counts[why].metric, 1);
    counts[why].unlogged++;
    if (counts[why].logged_ms != 0 && now_ms - counts[why].logged_ms < LOG_EVERY_MS)
        return;
    log_warn("http.refused", "connections were refused", LOG_I64("status", kinds[why].status),
             LOG_CSTR("reason", kinds[why].reason), LOG_U64("count", counts[why].unlogged));
    counts[why].unlogged = 0;
    counts[why].logged_ms = now_ms;
}

void refusal_send(enum refusal why, int fd, bool is_tls)
{
    struct slice answer = kinds[why].answer;

    if (!is_tls && send(fd, answer.p, answer.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("http.refuse", "a refused client was gone already");
    close(fd);
    count(why);
}
