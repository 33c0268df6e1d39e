/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "base/metric.h"

#include <CUnit/CUnit.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4

static char *render(void)
{
    struct buf out;

    buf_init(&out, 4 << 20);
    metric_render(&out);
    CU_ASSERT_FALSE(out.overflow);
    buf_add_char(&out, '\0');
    return buf_take(&out, NULL);
}

static void check_rendered(const char *expected)
{
    char *text = render();

    CU_ASSERT_STRING_EQUAL(text, expected);
    if (strcmp(text, expected) != 0)
        printf("# rendered: %s", text);
    free(text);
    metric_reset();
}

static void test_counter(void)
{
    metric_id get = metric_counter("requests_total", "method=\"GET\"", "Requests.");
    metric_id put = metric_counter("requests_total", "method=\"PUT\"", "Requests.");
    metric_id other = metric_counter("other_total", "", "A \\ and\na line.");

    metric_add(get, 2);
    metric_add(get, 3);
    metric_add(other, UINT64_C(1) << 40);
    metric_add(-1, 7);
    metric_observe_ns(-1, 7);
    CU_ASSERT_EQUAL(metric_value(get), 5);
    CU_ASSERT_EQUAL(metric_value(put), 0);
    CU_ASSERT_EQUAL(metric_value(-1), 0);
    check_rendered("# HELP requests_total Requests.\n"
                   "# TYPE requests_total counter\n"
                   "requests_total{method=\"GET\"} 5\n"
                   "requests_total{method=\"PUT\"} 0\n"
                   "# HELP other_total A \\\\ and\\na line.\n"
                   "# TYPE other_total counter\n"
                   "other_total 1099511627776\n");
}

static double read_value(void *arg)
{
    return *(double *)arg;
}

static void test_gauge(void)
{
    double values[] = {12, -3, 0.5, INFINITY, -INFINITY, NAN, 1e300};

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char labels[32];

        snprintf(labels, sizeof(labels), "n=\"%zu\"", i);
        metric_gauge("depth", labels, "Depth.", read_value, &values[i]);
    }
    check_rendered("# HELP depth Depth.\n"
                   "# TYPE depth gauge\n"
                   "depth{n=\"0\"} 12\n"
                   "depth{n=\"1\"} -3\n"
                   "depth{n=\"2\"} 0.5\n"
                   "depth{n=\"3\"} +Inf\n"
                   "depth{n=\"4\"} -Inf\n"
                   "depth{n=\"5\"} NaN\n"
                   "depth{n=\"6\"} 1.0000000000000001e+300\n");
}

static void test_histogram(void)
{
    metric_id id = metric_histogram("seconds", "route=\"/v2/\"", "Time.");

    metric_observe_ns(id, 0);
    metric_observe_ns(id, 1000000); /* the bound belongs to its bucket */
    metric_observe_ns(id, 1000001);
    metric_observe_ns(id, 900000000);
    metric_observe_ns(id, UINT64_C(61000000000));
    check_rendered("# HELP seconds Time.\n"
                   "# TYPE seconds histogram\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.001\"} 2\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.0025\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.005\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.01\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.025\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.05\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.1\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.25\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"0.5\"} 3\n"
                   "seconds_bucket{route=\"/v2/\",le=\"1\"} 4\n"
                   "seconds_bucket{route=\"/v2/\",le=\"2.5\"} 4\n"
                   "seconds_bucket{route=\"/v2/\",le=\"5\"} 4\n"
                   "seconds_bucket{route=\"/v2/\",le=\"10\"} 4\n"
                   "seconds_bucket{route=\"/v2/\",le=\"30\"} 4\n"
                   "seconds_bucket{route=\"/v2/\",le=\"60\"} 4\n"
                   "seconds_bucket{route=\"/v2/\",le=\"+Inf\"} 5\n"
                   "seconds_sum{route=\"/v2/\"} 61.902000001\n"
                   "seconds_count{route=\"/v2/\"} 5\n");
}

static void test_label(void)
{
    struct buf labels;

    buf_init(&labels, 100);
    metric_label(&labels, "a", SLICE("x\"\\\n\xff y\xc3\xa9"));
    metric_label(&labels, "b", slice_make(NULL, 0));
    CU_ASSERT_TRUE(
        slice_eq(buf_slice(&labels), SLICE("a=\"x\\\"\\\\\\n\xef\xbf\xbd y\xc3\xa9\",b=\"\"")));
    buf_fini(&labels);
}

/* A thread may have counted before the last metric was there. */
static void test_registered_later(void)
{
    metric_id first = metric_counter("first_total", "", "First.");
    metric_id second, histogram;

    metric_add(first, 1);
    second = metric_counter("second_total", "", "Second.");
    metric_add(second, 2);
    metric_add(first, 4);
    histogram = metric_histogram("seconds", "", "Time.");
    metric_observe_ns(histogram, 1);
    CU_ASSERT_EQUAL(metric_value(first), 5);
    CU_ASSERT_EQUAL(metric_value(second), 2);
    metric_reset();
}

struct counting {
    metric_id counter, histogram;
    unsigned n;
};

static void *count(void *arg)
{
    const struct counting *counting = arg;

    for (unsigned i = 0; i < counting->n; i++) {
        metric_add(counting->counter, 1);
        metric_observe_ns(counting->histogram, 2000000);
    }
    return NULL;
}

static void run_threads(struct counting *counting)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, count, counting), 0);
    for (int i = 0; i < 20; i++)
        free(render());
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* With scrapes meanwhile; nothing counted is lost when a thread ends and another gets its cells. */
static void test_threads(void)
{
    struct counting counting = {.n = 5000};
    char *text;

    counting.counter = metric_counter("done_total", "", "Done.");
    counting.histogram = metric_histogram("seconds", "", "Time.");
    run_threads(&counting);
    CU_ASSERT_EQUAL(metric_value(counting.counter), 1 * THREADS * 5000);
    run_threads(&counting);
    run_threads(&counting);
    CU_ASSERT_EQUAL(metric_value(counting.counter), 3 * THREADS * 5000);
    text = render();
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "done_total 60000\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "seconds_count 60000\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "seconds_sum 120.000000000\n"));
    free(text);
    metric_reset();
}

/* As many as routes, methods and statuses make. */
static void test_many(void)
{
    metric_id ids[3000];
    char labels[32];

    for (unsigned i = 0; i < ARRAY_LENGTH(ids); i++) {
        snprintf(labels, sizeof(labels), "n=\"%u\"", i);
        ids[i] = metric_counter("many_total", labels, "Many.");
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(ids); i++)
        metric_add(ids[i], i);
    for (unsigned i = 0; i < ARRAY_LENGTH(ids); i++)
        CU_ASSERT_EQUAL(metric_value(ids[i]), i);
    metric_reset();
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("metric", NULL, NULL);

    CU_add_test(suite, "counter", test_counter);
    CU_add_test(suite, "gauge", test_gauge);
    CU_add_test(suite, "histogram", test_histogram);
    CU_add_test(suite, "label", test_label);
    CU_add_test(suite, "registered later", test_registered_later);
    CU_add_test(suite, "threads", test_threads);
    CU_add_test(suite, "many", test_many);
}
