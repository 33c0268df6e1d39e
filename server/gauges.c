/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/gauges.h"

#include "base/log.h"
#include "base/metric.h"

static double read_connections(void *arg)
{
    struct server *server = arg;

    return atomic_load(&server->connections);
}

static double read_uploads(void *arg)
{
    return uploads_count(((struct server *)arg)->store->uploads);
}

static double read_upload_bytes(void *arg)
{
    return (double)uploads_buffer_bytes(((struct server *)arg)->store->uploads);
}

static double read_cpu_depth(void *arg)
{
    return (double)pool_depth(((struct server *)arg)->store->cpu);
}

static double read_io_depth(void *arg)
{
    return (double)pool_depth(((struct server *)arg)->store->io);
}

static double read_event(void *arg)
{
    return (double)kv_event_last(((struct server *)arg)->store->kv);
}

static double read_waiters(void *arg)
{
    return atomic_load(&((struct server *)arg)->event_waiters);
}

static double read_layers(void *arg)
{
    return atomic_load(&((struct server *)arg)->layer_jobs);
}

static double read_backups(void *arg)
{
    return reap_gate_pauses(((struct server *)arg)->store->reaping);
}

static double read_writable(void *arg)
{
    return kv_is_writable(((struct server *)arg)->store->kv) ? 1 : 0;
}

static double read_dropped(void *arg)
{
    (void)arg;
    return (double)log_dropped();
}

#define KV_GAUGE(field)                                                                            \
    static double read_##field(void *arg)                                                          \
    {                                                                                              \
        struct kv_stats stats;                                                                     \
                                                                                                   \
        kv_stats_get(((struct server *)arg)->store->kv, &stats);                                   \
        return (double)stats.field;                                                                \
    }
KV_GAUGE(used_bytes)
KV_GAUGE(map_size_bytes)
KV_GAUGE(front_depth)
KV_GAUGE(background_depth)
KV_GAUGE(commits)
KV_GAUGE(functions)
KV_GAUGE(oldest_reader_txns)
#undef KV_GAUGE

void gauges_register(struct server *server)
{
    metric_gauge("tidemark_http_connections", "", "Open connections.", read_connections, server);
    metric_gauge("tidemark_uploads", "", "Uploads in progress.", read_uploads, server);
    metric_gauge("tidemark_upload_buffer_bytes", "", "Memory of bytes between network and disk.",
                 read_upload_bytes, server);
    metric_gauge("tidemark_queue_depth", "queue=\"cpu\"", "Jobs and functions waiting.",
                 read_cpu_depth, server);
    metric_gauge("tidemark_queue_depth", "queue=\"io\"", "Jobs and functions waiting.",
                 read_io_depth, server);
    metric_gauge("tidemark_queue_depth", "queue=\"index_front\"", "Jobs and functions waiting.",
                 read_front_depth, server);
    metric_gauge("tidemark_queue_depth", "queue=\"index_background\"",
                 "Jobs and functions waiting.", read_background_depth, server);
    metric_gauge("tidemark_index_used_bytes", "", "Bytes of the index file in use.",
                 read_used_bytes, server);
    metric_gauge("tidemark_index_map_bytes", "", "Bytes the index file can grow to.",
                 read_map_size_bytes, server);
    metric_counter_read("tidemark_index_commits_total", "", "Durable commits since the start.",
                        read_commits, server);
    metric_counter_read("tidemark_index_functions_total", "",
                        "Write functions committed since the start.", read_functions, server);
    metric_gauge("tidemark_index_oldest_reader", "",
                 "Commits since the oldest open snapshot was taken.", read_oldest_reader_txns,
                 server);
    metric_gauge("tidemark_backups", "", "Backups being made; meanwhile no blob file is removed.",
                 read_backups, server);
    metric_gauge("tidemark_index_writable", "",
                 "1 while writes are accepted, 0 after a failed commit.", read_writable, server);
    metric_gauge("tidemark_event_last", "", "Number of the last durable event.", read_event,
                 server);
    metric_gauge("tidemark_event_waiters", "", "Requests that wait for events or stream them.",
                 read_waiters, server);
    metric_gauge("tidemark_layers_reading", "", "Layers whose files are being listed.", read_layers,
                 server);
    metric_counter_read("tidemark_log_dropped_total", "",
                        "Log records dropped because a ring was full.", read_dropped, server);
}
