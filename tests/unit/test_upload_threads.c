/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several workers at once, each with its queue, over few buffers: what a thread sanitizer should
 * see. CUnit counts on one thread only, so workers note the line that failed and main asserts.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/upload_internal.h" /* UPLOAD_BUFFER_SIZE */
#include "tests/unit/upload_bench.h"

#include <CUnit/CUnit.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 4
#define ROUNDS  24
#define CONTENT 700000

static struct bench bench;
static char *bytes;

struct worker {
    pthread_t thread;
    unsigned number;
    struct queue *queue;
    unsigned failed_line;
    bool called, has_room;
    int err;
    struct upload *upload;
    struct digest digest;
};

#define EXPECT(worker, condition)                                                                  \
    do {                                                                                           \
        if (!(condition) && (worker)->failed_line == 0)                                            \
            (worker)->failed_line = __LINE__;                                                      \
    } while (0)

static void note(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct worker *worker = arg;

    (void)fault;
    worker->called = true;
    worker->err = err;
    worker->upload = upload;
}

static void note_room(void *arg)
{
    ((struct worker *)arg)->has_room = true;
}

/* What the function just started came to. */
static int outcome(struct worker *worker)
{
    EXPECT(worker, !worker->called);
    EXPECT(worker, pump_until(worker->queue, &worker->called));
    worker->called = false;
    return worker->err;
}

static void send_all(struct worker *worker, struct slice content)
{
    upload_set_wake(worker->upload, note_room, worker);
    worker->has_room = true;
    while (content.n > 0 && worker->failed_line == 0) {
        struct slice piece = slice_sub(content, 0, 65536);
        size_t taken;

        EXPECT(worker, pump_until(worker->queue, &worker->has_room));
        EXPECT(worker, upload_write(worker->upload, piece, &taken, NULL) == 0);
        worker->has_room = taken == piece.n;
        content = slice_sub(content, taken, content.n);
    }
}

static void claim(struct worker *worker, const char *id)
{
    upload_claim(bench.uploads, slice_from_cstr(id), SLICE("r"), SLICE("i"), worker->queue, note,
                 worker);
    EXPECT(worker, outcome(worker) == 0);
}

static void finish(struct worker *worker)
{
    upload_finish(worker->upload, &worker->digest, note, worker);
    EXPECT(worker, outcome(worker) == 0);
    if (worker->failed_line == 0)
        upload_published(worker->upload);
}

static void one_round(struct worker *worker, unsigned round)
{
    size_t n = 1 + (worker->number * 7919 + round * 104729) % CONTENT;
    struct slice content = slice_make(bytes, n);
    char id[UPLOAD_ID_SIZE + 1] = "";

    digest_compute(DIGEST_SHA256, content, &worker->digest);
    upload_create(bench.uploads, SLICE("r"), SLICE("i"), 1, DIGEST_SHA256, worker->queue, note,
                  worker);
    EXPECT(worker, outcome(worker) == 0);
    if (worker->failed_line != 0)
        return;
    memcpy(id, upload_id(worker->upload).p, UPLOAD_ID_SIZE);
    send_all(worker, slice_sub(content, 0, n / 2));
    switch (round % 4) {
    case 0: /* at once */
        send_all(worker, slice_sub(content, n / 2, n));
        finish(worker);
        break;
    case 1: /* the connection breaks, another goes on */
        upload_release(worker->upload);
        claim(worker, id);
        if (worker->failed_line == 0) {
            EXPECT(worker, upload_offset(worker->upload) == n / 2);
            send_all(worker, slice_sub(content, n / 2, n));
            finish(worker);
        }
        break;
    case 2:
        upload_cancel(worker->upload, note, worker);
        EXPECT(worker, outcome(worker) == 0);
        break;
    default: /* never seen again */
        upload_release(worker->upload);
        uploads_expire(bench.uploads);
        uploads_measure(bench.uploads);
        break;
    }
}

static void *run(void *arg)
{
    struct worker *worker = arg;

    for (unsigned round = 0; round < ROUNDS && worker->failed_line == 0; round++)
        one_round(worker, round + worker->number);
    pool_run_replies(worker->queue);
    return NULL;
}

static void test_workers(void)
{
    struct worker workers[WORKERS];

    memset(workers, 0, sizeof(workers));
    bench_start(&bench, 3 * UPLOAD_BUFFER_SIZE);
    bytes = bench_bytes(CONTENT);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        workers[i].queue = queue_create();
        CU_ASSERT_EQUAL_FATAL(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        CU_ASSERT_EQUAL(workers[i].failed_line, 0);
    }
    /* Only what nobody came back for is left. */
    CU_ASSERT_TRUE(bench_wait_count(&bench, WORKERS * ROUNDS / 4));
    CU_ASSERT_EQUAL(bench_files(&bench), 2 * WORKERS * ROUNDS / 4);
    CU_ASSERT_TRUE(bench_wait_buffers(&bench));
    for (unsigned i = 0; i < WORKERS; i++)
        queue_destroy(workers[i].queue);
    bench_stop(&bench);
    free(bytes);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("upload_threads", NULL, NULL);

    CU_add_test(suite, "several workers", test_workers);
}
