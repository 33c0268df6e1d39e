/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a metric is a run of cells (one for a counter; for a histogram one a bucket and one for
 * the sum), and its id is the first of them. A thread counts into a block of its own that has a
 * cell for each id; as nobody else writes there, a relaxed load and store do what a locked
 * instruction would. Blocks hang in one list for ever: when a thread ends, its block keeps what was
 * counted and is given to the next new thread. So there are as many blocks as threads ever ran at
 * once. A scrape adds up all of them.
 *
 * A thread that counted before the last metric was registered (main) has a block too short for it;
 * it then takes a second one.
 */
#include "config.h"
#include "base/metric.h"

#include "base/fatal.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* COUNTER_READ: counted elsewhere, and read like a gauge. */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_COUNTER_READ };

struct metric {
    enum metric_type type;
    const char *name, *help;
    char *labels;
    size_t first_cell; /* not of gauges */
    double (*read)(void *arg);
    void *arg;
};

static const struct {
    uint64_t ns;
    const char *le;
} buckets[] = {
    {1000000, "0.001"},  {2500000, "0.0025"}, {5000000, "0.005"},  {10000000, "0.01"},
    {25000000, "0.025"}, {50000000, "0.05"},  {100000000, "0.1"},  {250000000, "0.25"},
    {500000000, "0.5"},  {1000000000, "1"},   {2500000000, "2.5"}, {5000000000, "5"},
    {10000000000, "10"}, {30000000000, "30"}, {60000000000, "60"},
};

/* The cells of a histogram: the buckets, what is longer than all of them, the sum in ns. */
#define BUCKETS         ARRAY_LENGTH(buckets)
#define SUM_CELL        (BUCKETS + 1)
#define HISTOGRAM_CELLS (BUCKETS + 2)

#define CACHE_LINE      64

struct block {
    struct block *next;
    size_t cells_n;
    bool is_used; /* by a thread that runs */
    /* Not on one cache line with what another thread writes. */
    _Alignas(CACHE_LINE) _Atomic uint64_t cells[];
};

/* Written while there is one thread only. */
static struct metric *metrics;
static size_t metrics_n, metrics_max;
static size_t cells_n;

static pthread_mutex_t blocks_mutex = PTHREAD_MUTEX_INITIALIZER; /* of the list and is_used */
static struct block *blocks;

static _Thread_local struct block *own_block;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* only for its destructor */

/* ---- Registration ---------------------------------------------------------------------------- */

static struct metric *add_metric(enum metric_type type, const char *name, const char *labels,
                                 const char *help, size_t cells)
{
    struct metric *metric;

    if (metrics_n == metrics_max) {
        metrics_max = metrics_max ? 2 * metrics_max : 64;
        metrics = xrealloc(metrics, metrics_max * sizeof(*metrics));
    }
    metric = &metrics[metrics_n++];
    *metric = (struct metric){
        .type = type,
        .name = name,
        .help = help,
        .labels = xstrdup(labels),
        .first_cell = cells_n,
    };
    cells_n += cells;
    return metric;
}

metric_id metric_counter(const char *name, const char *labels, const char *help)
{
    return (metric_id)add_metric(METRIC_COUNTER, name, labels, help, 1)->first_cell;
}

metric_id metric_histogram(const char *name, const char *labels, const char *help)
{
    return (metric_id)add_metric(METRIC_HISTOGRAM, name, labels, help, HISTOGRAM_CELLS)->first_cell;
}

void metric_gauge(const char *name, const char *labels, const char *help, double (*read)(void *arg),
                  void *arg)
{
    struct metric *metric = add_metric(METRIC_GAUGE, name, labels, help, 0);

    metric->read = read;
    metric->arg = arg;
}

void metric_counter_read(const char *name, const char *labels, const char *help,
                         double (*read)(void *arg), void *arg)
{
    struct metric *metric = add_metric(METRIC_COUNTER_READ, name, labels, help, 0);

    metric->read = read;
    metric->arg = arg;
}

/* The format knows three escapes, and is UTF-8. */
static void add_escaped(struct buf *out, struct slice text, bool is_label)
{
    while (text.n) {
        size_t length;

        if (!utf8_next(text, &length))
            buf_add(out, SLICE(UTF8_REPLACEMENT));
        else if (text.p[0] == '\\')
            buf_add(out, SLICE("\\\\"));
        else if (text.p[0] == '\n')
            buf_add(out, SLICE("\\n"));
        else if (text.p[0] == '"' && is_label)
            buf_add(out, SLICE("\\\""));
        else
            buf_add(out, slice_sub(text, 0, length));
        text = slice_sub(text, length, SIZE_MAX);
    }
}

void metric_label(struct buf *labels, const char *name, struct slice value)
{
    if (labels->n)
        buf_add_char(labels, ',');
    buf_add(labels, slice_from_cstr(name));
    buf_add(labels, SLICE("=\""));
    add_escaped(labels, value, true);
    buf_add_char(labels, '"');
}

/* ---- Counting -------------------------------------------------------------------------------- */

static void release_block(struct block *block)
{
    pthread_mutex_lock(&blocks_mutex);
    block->is_used = false;
    pthread_mutex_unlock(&blocks_mutex);
}

static void on_thread_end(void *arg)
{
    own_block = NULL;
    release_block(arg);
}

static void create_key(void)
{
    int sys = pthread_key_create(&key, on_thread_end);

    if (sys != 0)
        fatal("the metrics have no key for their threads", sys);
}

static struct block *create_block(void)
{
    size_t size = sizeof(struct block) + cells_n * sizeof(blocks->cells[0]);
    struct block *block =
        aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));

    if (!block)
        fatal("no memory for the metrics of a thread", 0);
    block->cells_n = cells_n;
    for (size_t i = 0; i < cells_n; i++)
        atomic_init(&block->cells[i], 0);
    block->next = blocks;
    blocks = block;
    return block;
}

/* A block for the calling thread with all cells there are: one that is free, or a new one. */
static __attribute__((noinline)) struct block *take_block(void)
{
    struct block *block;

    pthread_once(&key_once, create_key);
    if (own_block)
        release_block(own_block);
    pthread_mutex_lock(&blocks_mutex);
    for (block = blocks; block; block = block->next) {
        if (!block->is_used && block->cells_n == cells_n)
            break;
    }
    if (!block)
        block = create_block();
    block->is_used = true;
    pthread_mutex_unlock(&blocks_mutex);
    if (pthread_setspecific(key, block) != 0)
        fatal("no memory for the metrics of a thread", 0);
    own_block = block;
    return block;
}

/* The `n` cells from `first` on, in the calling thread's block. */
static _Atomic uint64_t *own_cells(size_t first, size_t n)
{
    struct block *block = own_block;

    if (!block || first + n > block->cells_n) {
        assert(first + n <= cells_n);
        block = take_block();
    }
    return block->cells + first;
}

static void add_to(_Atomic uint64_t *cell, uint64_t n)
{
    uint64_t value = atomic_load_explicit(cell, memory_order_relaxed);

    atomic_store_explicit(cell, value + n, memory_order_relaxed);
}

void metric_add(metric_id id, uint64_t n)
{
    if (id >= 0)
        add_to(own_cells((size_t)id, 1), n);
}

void metric_observe_ns(metric_id id, uint64_t ns)
{
    _Atomic uint64_t *cells;
    size_t bucket = 0;

    if (id < 0)
        return;
    cells = own_cells((size_t)id, HISTOGRAM_CELLS);
    while (bucket < BUCKETS && ns > buckets[bucket].ns)
        bucket++;
    add_to(cells + bucket, 1);
    add_to(cells + SUM_CELL, ns);
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Adds to sums[0 .. n) the cells from `first` on of all threads. */
static void add_up(size_t first, size_t n, uint64_t *sums)
{
    pthread_mutex_lock(&blocks_mutex);
    for (struct block *block = blocks; block; block = block->next) {
        for (size_t i = 0; i < n && first + i < block->cells_n; i++)
            sums[i] += atomic_load_explicit(&block->cells[first + i], memory_order_relaxed);
    }
    pthread_mutex_unlock(&blocks_mutex);
}

uint64_t metric_value(metric_id id)
{
    uint64_t sum = 0;

    if (id >= 0)
        add_up((size_t)id, 1, &sum);
    return sum;
}

/* "name{labels} ", or what of it there is. */
static void add_name(struct buf *out, const struct metric *metric, const char *suffix)
{
    buf_addf(out, "%s%s", metric->name, suffix);
    if (metric->labels[0])
        buf_addf(out, "{%s}", metric->labels);
    buf_add_char(out, ' ');
}

static void add_bucket(struct buf *out, const struct metric *metric, const char *le, uint64_t count)
{
    buf_addf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", metric->name, metric->labels,
             metric->labels[0] ? "," : "", le, count);
}

static void render_histogram(struct buf *out, const struct metric *metric, const uint64_t *cells)
{
    uint64_t count = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        count += cells[i];
        add_bucket(out, metric, buckets[i].le, count);
    }
    count += cells[BUCKETS];
    add_bucket(out, metric, "+Inf", count);
    add_name(out, metric, "_sum");
    buf_addf(out, "%" PRIu64 ".%09" PRIu64 "\n", cells[SUM_CELL] / 1000000000,
             cells[SUM_CELL] % 1000000000);
    add_name(out, metric, "_count");
    buf_addf(out, "%" PRIu64 "\n", count);
}

/* Whole numbers whole, others with all digits a double has. */
static void render_gauge(struct buf *out, const struct metric *metric)
{
    double value = metric->read(metric->arg);

    add_name(out, metric, "");
    if (isnan(value))
        buf_add(out, SLICE("NaN\n"));
    else if (isinf(value))
        buf_addf(out, "%cInf\n", value < 0 ? '-' : '+');
    else if (fabs(value) < 1e15 && value == (double)(int64_t)value)
        buf_addf(out, "%" PRId64 "\n", (int64_t)value);
    else
        buf_addf(out, "%.17g\n", value);
}

static void render_metric(struct buf *out, const struct metric *metric, const uint64_t *cells)
{
    switch (metric->type) {
    case METRIC_COUNTER:
        add_name(out, metric, "");
        buf_addf(out, "%" PRIu64 "\n", *cells);
        break;
    case METRIC_GAUGE:
    case METRIC_COUNTER_READ:
        render_gauge(out, metric);
        break;
    case METRIC_HISTOGRAM:
        render_histogram(out, metric, cells);
        break;
    }
}

static void render_head(struct buf *out, const struct metric *metric)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "counter"};

    buf_addf(out, "# HELP %s ", metric->name);
    add_escaped(out, slice_from_cstr(metric->help), false);
    buf_addf(out, "\n# TYPE %s %s\n", metric->name, types[metric->type]);
}

void metric_render(struct buf *out)
{
    uint64_t *sums = xcalloc(cells_n, sizeof(*sums));

    add_up(0, cells_n, sums);
    for (size_t i = 0; i < metrics_n; i++) {
        const struct metric *metric = &metrics[i];

        if (i == 0 || strcmp(metric->name, metric[-1].name) != 0)
            render_head(out, metric);
        render_metric(out, metric, sums + metric->first_cell);
    }
    free(sums);
}

void metric_reset(void)
{
    while (blocks) {
        struct block *block = blocks;

        blocks = block->next;
        free(block);
    }
    if (own_block) {
        own_block = NULL;
        (void)pthread_setspecific(key, NULL);
    }
    for (size_t i = 0; i < metrics_n; i++)
        free(metrics[i].labels);
    free(metrics);
    metrics = NULL;
    metrics_n = 0;
    metrics_max = 0;
    cells_n = 0;
}
