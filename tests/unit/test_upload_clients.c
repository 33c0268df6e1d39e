/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose upload goes when there are too many. The table is a real one; what an upload was left alone
 * for is set here, as nobody waits minutes.
 */
#include "config.h"
#include "tests/support/cunit_main.h"
#include "tests/unit/upload_bench.h"

#include "storage/upload_internal.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define HOG     2u
#define HONEST  3u
#define MOMENT  20000u  /* others may have what was left alone for so long, its owner not yet */
#define MINUTES 120000u /* ... and its owner too */

static struct bench bench;

struct name {
    char id[UPLOAD_ID_SIZE + 1];
};

static struct upload *claimed(uint64_t client)
{
    struct result result = {0};

    upload_create(bench.uploads, SLICE("r"), SLICE("i"), client, DIGEST_SHA256, bench.queue,
                  result_set, &result);
    CU_ASSERT_TRUE_FATAL(pump_until(bench.queue, &result.called));
    CU_ASSERT_EQUAL_FATAL(result.err, 0);
    return result.upload;
}

/* Begins `n` and leaves them alone, `ago_ms` ago. Names the first. */
static struct name idle(uint64_t client, unsigned n, uint64_t ago_ms)
{
    struct name first = {""};

    for (unsigned i = 0; i < n; i++) {
        struct upload *upload = claimed(client);
        if (i == 0)
            snprintf(first.id, sizeof(first.id), SLICE_FMT, SLICE_ARG(upload_id(upload)));
        upload_release(upload);
        pthread_mutex_lock(&bench.uploads->mutex);
        upload->idle_since_ms -= ago_ms;
        pthread_mutex_unlock(&bench.uploads->mutex);
    }
    return first;
}

static bool is_there(const struct name *name)
{
    struct fault fault = FAULT_INIT;
    uint64_t offset;

    return upload_peek(bench.uploads, slice_from_cstr(name->id), SLICE("r"), SLICE("i"), &offset,
                       &fault) == 0;
}

static bool evict(uint64_t client)
{
    pthread_mutex_lock(&bench.uploads->mutex);
    bool found = upload_clients_evict_locked(bench.uploads, client);
    pthread_mutex_unlock(&bench.uploads->mutex);
    return found;
}

/* How many of `tries` make room for an upload of `client`. One after the other: until its files are
 * gone an upload counts. */
static unsigned evictions(uint64_t client, unsigned tries)
{
    unsigned n = 0;

    while (tries-- > 0) {
        unsigned before = uploads_count(bench.uploads);
        if (!evict(client))
            continue;
        n++;
        CU_ASSERT_TRUE(bench_wait_count(&bench, before - 1));
    }
    return n;
}

static void begin(void)
{
    bench_start(&bench, 4u << 20);
}

static void test_hog(void)
{
    begin();
    struct name first = idle(HOG, 1, MOMENT);
    struct name second = idle(HOG, 7, MOMENT);
    CU_ASSERT_EQUAL(evictions(HONEST, 1), 1);
    CU_ASSERT_FALSE(is_there(&first));
    CU_ASSERT_TRUE(is_there(&second));
    CU_ASSERT_EQUAL(evictions(HONEST, 1), 1);
    CU_ASSERT_FALSE(is_there(&second));
    /* With one left it holds no more than its share. */
    CU_ASSERT_EQUAL(evictions(HONEST, 10), 5);
    bench_stop(&bench);
}

static void test_at_work(void)
{
    struct upload *uploads[8];

    begin();
    for (unsigned i = 0; i < 8; i++)
        uploads[i] = claimed(HOG);
    idle(HOG, 8, 1000);
    CU_ASSERT_EQUAL(evictions(HONEST, 1), 0);
    for (unsigned i = 0; i < 8; i++)
        upload_release(uploads[i]);
    bench_stop(&bench);
}

static void test_similar(void)
{
    begin();
    idle(HOG, 7, MOMENT);
    idle(HONEST, 2, MOMENT);
    CU_ASSERT_EQUAL(evictions(HONEST, 1), 0);
    idle(HOG, 1, MOMENT);
    CU_ASSERT_EQUAL(evictions(HONEST, 1), 1);
    /* The one that has many does not get room from the other. */
    CU_ASSERT_EQUAL(evictions(HOG, 1), 0);
    bench_stop(&bench);
}

static void test_own(void)
{
    begin();
    struct name old = idle(HONEST, 1, MINUTES);
    struct name young = idle(HONEST, 1, MOMENT);
    CU_ASSERT_EQUAL(evictions(HONEST, 2), 1);
    CU_ASSERT_FALSE(is_there(&old));
    CU_ASSERT_TRUE(is_there(&young));
    /* Whoever has one keeps it from others, however long it is left alone. */
    idle(HOG, 1, MINUTES);
    CU_ASSERT_EQUAL(evictions(4, 1), 0);
    bench_stop(&bench);
}

/* After a restart nobody knows whose they are: no client has them all. */
static void test_unknown(void)
{
    begin();
    struct name kept = idle(HOG, 9, 0);
    bench_restart(&bench);
    pthread_mutex_lock(&bench.uploads->mutex);
    struct upload *upload = TAILQ_FIRST(&bench.uploads->idle);
    CU_ASSERT_PTR_NOT_NULL_FATAL(upload);
    upload->idle_since_ms -= MOMENT;
    pthread_mutex_unlock(&bench.uploads->mutex);
    CU_ASSERT_EQUAL(evictions(HONEST, 1), 0);
    CU_ASSERT_TRUE(is_there(&kept));
    pthread_mutex_lock(&bench.uploads->mutex);
    upload->idle_since_ms -= MINUTES;
    pthread_mutex_unlock(&bench.uploads->mutex);
    CU_ASSERT_EQUAL(evictions(HONEST, 2), 1);
    bench_stop(&bench);
}

/* A client that has finished with its uploads counts for none. */
static void test_counts(void)
{
    struct upload *uploads[20];

    begin();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20; i++)
            uploads[i] = claimed(HOG + 7 * i % 5);
        for (unsigned i = 0; i < 20; i++)
            CU_ASSERT_EQUAL(bench_cancel(&bench, uploads[i]), 0);
        CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
        for (unsigned class = 0; class < UPLOAD_CLASSES; class ++)
            CU_ASSERT_TRUE(LIST_EMPTY(&bench.uploads->classes[class]));
        for (unsigned i = 0; i < 1 << UPLOAD_CLIENT_BITS; i++)
            CU_ASSERT_TRUE(LIST_EMPTY(&bench.uploads->clients[i]));
    }
    bench_stop(&bench);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("upload_clients", NULL, NULL);

    CU_add_test(suite, "the client with many loses what it left alone longest", test_hog);
    CU_add_test(suite, "not what somebody works on", test_at_work);
    CU_add_test(suite, "clients with about as many keep theirs", test_similar);
    CU_add_test(suite, "a client's own, left alone for minutes", test_own);
    CU_add_test(suite, "uploads of before a restart", test_unknown);
    CU_add_test(suite, "no upload, no client", test_counts);
}
