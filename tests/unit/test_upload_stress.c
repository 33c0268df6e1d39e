/* SPDX-License-Identifier: Apache-2.0 */
/* What uploads do under pressure: short buffers, slow and failing disks, claimers that leave. */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/upload_internal.h" /* UPLOAD_BUFFER_SIZE */
#include "tests/unit/upload_bench.h"

#include <CUnit/CUnit.h>

#include <errno.h>
#include <string.h>

#define ROOMY (64u << 20)

static struct bench bench;

static struct upload *create(void)
{
    struct upload *upload;

    CU_ASSERT_EQUAL_FATAL(bench_create(&bench, "r", "i", DIGEST_SHA256, &upload), 0);
    return upload;
}

static void keep_id(const struct upload *upload, char id[UPLOAD_ID_SIZE + 1])
{
    memcpy(id, upload_id(upload).p, UPLOAD_ID_SIZE);
    id[UPLOAD_ID_SIZE] = '\0';
}

static void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

/*
 * Buffers.
 */

struct sender {
    struct upload *upload;
    struct slice content;
    size_t sent;
    bool has_room;
    struct result result;
};

static void make_room(void *arg)
{
    struct sender *sender = arg;

    CU_ASSERT_FALSE(sender->has_room);
    sender->has_room = true;
}

static void send_some(struct sender *sender, const struct digest *digest)
{
    size_t taken;
    struct slice piece = slice_sub(sender->content, sender->sent, 30000);

    CU_ASSERT_EQUAL(upload_write(sender->upload, piece, &taken, NULL), 0);
    sender->has_room = taken == piece.n;
    sender->sent += taken;
    if (sender->sent == sender->content.n) {
        sender->has_room = false;
        upload_finish(sender->upload, digest, result_set, &sender->result);
    }
}

#define SENDERS 5

/* Many senders on one thread, all of the same bytes: also meet at the gate. */
static void push_together(uint64_t buffer_total_bytes)
{
    struct sender senders[SENDERS] = {0};
    char *bytes = bench_bytes(900001);
    struct slice content = slice_make(bytes, 900001);
    struct digest digest = bench_digest(content, DIGEST_SHA256);
    uint64_t end = clock_mono_ms() + PUMP_PATIENCE_MS;
    unsigned finished = 0;

    bench_start(&bench, buffer_total_bytes);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].upload = create();
        senders[i].content = content;
        senders[i].has_room = true;
        upload_set_wake(senders[i].upload, make_room, &senders[i]);
    }
    while (finished < SENDERS && clock_mono_ms() < end) {
        if (pool_run_replies(bench.queue) == 0)
            poll(NULL, 0, 1);
        for (unsigned i = 0; i < SENDERS; i++) {
            if (senders[i].has_room)
                send_some(&senders[i], &digest);
            if (senders[i].upload != NULL && senders[i].result.called) {
                CU_ASSERT_EQUAL(senders[i].result.err, 0);
                upload_published(senders[i].upload);
                senders[i].upload = NULL;
                finished++;
            }
        }
    }
    CU_ASSERT_EQUAL_FATAL(finished, SENDERS);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    CU_ASSERT_EQUAL(uploads_buffer_bytes(bench.uploads), 0);
    CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
    CU_ASSERT_EQUAL(bench_files(&bench), 0);
    bench_stop(&bench);
    free(bytes);
}

static void test_few_buffers(void)
{
    push_together(0); /* one is always there */
    push_together(2 * UPLOAD_BUFFER_SIZE);
    push_together(3 * UPLOAD_BUFFER_SIZE);
    push_together(ROOMY);
}

static void check_takes(struct upload *upload, struct slice bytes, size_t expected)
{
    size_t taken = 12345;

    CU_ASSERT_EQUAL(upload_write(upload, bytes, &taken, NULL), 0);
    CU_ASSERT_EQUAL(taken, expected);
}

static void test_own_limit(void)
{
    char *bytes = bench_bytes(4 * UPLOAD_BUFFER_SIZE);
    struct slice content = slice_make(bytes, 4 * UPLOAD_BUFFER_SIZE);
    struct upload *upload;
    unsigned wakes = 0;

    bench_start(&bench, ROOMY);
    upload = create();
    upload_set_wake(upload, count_wake, &wakes);
    atomic_store(&bench_pwrite_waits, true);
    check_takes(upload, content, UPLOAD_BUFFERS_MAX * UPLOAD_BUFFER_SIZE);
    CU_ASSERT_EQUAL(uploads_buffer_bytes(bench.uploads), UPLOAD_BUFFERS_MAX * UPLOAD_BUFFER_SIZE);
    check_takes(upload, content, 0);
    pool_run_replies(bench.queue);
    CU_ASSERT_EQUAL(wakes, 0);
    atomic_store(&bench_pwrite_waits, false);
    for (unsigned i = 0; i < PUMP_PATIENCE_MS && wakes == 0; i++) {
        pool_run_replies(bench.queue);
        poll(NULL, 0, 1);
    }
    CU_ASSERT_EQUAL(wakes, 1);
    upload_release(upload);
    bench_stop(&bench);
    free(bytes);
}

static unsigned order;

static void note_order(void *arg)
{
    *(unsigned *)arg = ++order;
}

static void test_fair(void)
{
    char *bytes = bench_bytes(UPLOAD_BUFFER_SIZE);
    struct slice content = slice_make(bytes, UPLOAD_BUFFER_SIZE);
    struct upload *a, *b, *c, *d;
    unsigned b_turn = 0, c_turn = 0, d_turn = 0;

    order = 0;
    bench_start(&bench, UPLOAD_BUFFER_SIZE);
    a = create();
    b = create();
    c = create();
    d = create();
    upload_set_wake(b, note_order, &b_turn);
    upload_set_wake(c, note_order, &c_turn);
    upload_set_wake(d, note_order, &d_turn);
    atomic_store(&bench_pwrite_waits, true);
    check_takes(a, content, content.n);
    check_takes(c, content, 0);
    check_takes(b, content, 0);
    check_takes(d, content, 0);
    check_takes(c, content, 0); /* asking twice gains nothing and loses nothing */
    /* Who leaves the line does not stop it. */
    upload_release(b);
    atomic_store(&bench_pwrite_waits, false);
    for (unsigned i = 0; i < PUMP_PATIENCE_MS && c_turn == 0; i++) {
        pool_run_replies(bench.queue);
        poll(NULL, 0, 1);
    }
    CU_ASSERT_EQUAL(c_turn, 1);
    CU_ASSERT_EQUAL(d_turn, 0); /* c has the only one */
    upload_release(c);
    for (unsigned i = 0; i < PUMP_PATIENCE_MS && d_turn == 0; i++) {
        pool_run_replies(bench.queue);
        poll(NULL, 0, 1);
    }
    CU_ASSERT_EQUAL(d_turn, 2);
    CU_ASSERT_EQUAL(b_turn, 0);
    upload_release(d);
    upload_release(a);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 4);
    bench_stop(&bench);
    free(bytes);
}

/* Senders that fall asleep with little sent cannot keep all buffers. */
static void test_sleepers(void)
{
    struct upload *sleepers[8], *awake;
    char *bytes = bench_bytes(1000000);

    bench_start(&bench, 4 * UPLOAD_BUFFER_SIZE);
    for (unsigned i = 0; i < 8; i++) {
        sleepers[i] = create();
        CU_ASSERT_EQUAL(bench_send(&bench, sleepers[i], SLICE("zzz")), 0);
    }
    awake = create();
    CU_ASSERT_EQUAL(bench_send(&bench, awake, slice_make(bytes, 1000000)), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, awake, NULL), 0);
    upload_release(awake);
    for (unsigned i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(upload_offset(sleepers[i]), 3);
        upload_release(sleepers[i]);
    }
    bench_stop(&bench);
    free(bytes);
}

static void test_measure_trims(void)
{
    struct upload *upload;
    char *bytes = bench_bytes(UPLOAD_BUFFER_SIZE);

    bench_start(&bench, ROOMY);
    upload = create();
    CU_ASSERT_EQUAL(bench_send(&bench, upload, slice_make(bytes, UPLOAD_BUFFER_SIZE)), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), 0);
    CU_ASSERT_EQUAL(bench.uploads->cache_n, 1);
    uploads_measure(bench.uploads); /* it was needed since the last */
    CU_ASSERT_EQUAL(bench.uploads->cache_n, 1);
    uploads_measure(bench.uploads);
    CU_ASSERT_EQUAL(bench.uploads->cache_n, 0);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, slice_make(bytes, UPLOAD_BUFFER_SIZE)), 0);
    upload_release(upload);
    bench_stop(&bench);
    free(bytes);
}

/*
 * Claimers that leave.
 */

static void test_release_under_way(void)
{
    char *bytes = bench_bytes(300000);
    struct slice content = slice_make(bytes, 300000);
    struct digest digest = bench_digest(content, DIGEST_SHA256);
    struct result result = {0};
    struct upload *upload;
    char id[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    upload = create();
    keep_id(upload, id);
    atomic_store(&bench_pwrite_waits, true);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, content), 0);
    upload_release(upload);
    /* The next claimer need not know: its claim is complete when all is written. */
    upload_claim(bench.uploads, slice_from_cstr(id), SLICE("r"), SLICE("i"), bench.queue,
                 result_set, &result);
    for (unsigned i = 0; i < 20; i++) {
        pool_run_replies(bench.queue);
        poll(NULL, 0, 1);
    }
    CU_ASSERT_FALSE(result.called);
    atomic_store(&bench_pwrite_waits, false);
    CU_ASSERT_TRUE_FATAL(pump_until(bench.queue, &result.called));
    CU_ASSERT_EQUAL_FATAL(result.err, 0);
    CU_ASSERT_EQUAL(upload_offset(result.upload), content.n);
    CU_ASSERT_EQUAL(bench_finish(&bench, result.upload, &digest, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    upload_release(result.upload); /* as good as upload_published */
    CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
    bench_stop(&bench);
    free(bytes);
}

static void test_cancel_under_way(void)
{
    char *bytes = bench_bytes(600000);
    struct result result = {0}, late = {0};
    struct upload *upload;
    char id[UPLOAD_ID_SIZE + 1];
    size_t taken;

    bench_start(&bench, ROOMY);
    upload = create();
    keep_id(upload, id);
    atomic_store(&bench_pwrite_waits, true);
    CU_ASSERT_EQUAL(upload_write(upload, slice_make(bytes, 600000), &taken, NULL), 0);
    upload_cancel(upload, result_set, &result);
    upload_claim(bench.uploads, slice_from_cstr(id), SLICE("r"), SLICE("i"), bench.queue,
                 result_set, &late);
    CU_ASSERT_TRUE_FATAL(pump_until(bench.queue, &late.called));
    CU_ASSERT_EQUAL(late.err, ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_FALSE(result.called);
    atomic_store(&bench_pwrite_waits, false);
    CU_ASSERT_TRUE_FATAL(pump_until(bench.queue, &result.called));
    CU_ASSERT_EQUAL(result.err, 0);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 0);
    CU_ASSERT_EQUAL(bench_files(&bench), 0);
    bench_stop(&bench);
    free(bytes);
}

static void *let_write(void *arg)
{
    (void)arg;
    poll(NULL, 0, 30);
    atomic_store(&bench_pwrite_waits, false);
    return NULL;
}

/* Closing waits for what was handed in; after it, the file has all of it. */
static void test_close_under_way(void)
{
    char *bytes = bench_bytes(300000);
    struct upload *upload, *claimed;
    char id[UPLOAD_ID_SIZE + 1];
    pthread_t thread;

    bench_start(&bench, ROOMY);
    upload = create();
    keep_id(upload, id);
    claimed = create(); /* its claimer never came back */
    atomic_store(&bench_pwrite_waits, true);
    CU_ASSERT_EQUAL(bench_send(&bench, claimed, SLICE("x")), 0);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, slice_make(bytes, 300000)), 0);
    upload_release(upload);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, let_write, NULL), 0);
    bench_restart(&bench);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "r", "i", &upload), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), 300000);
    upload_release(upload);
    bench_stop(&bench);
    free(bytes);
}

/*
 * Disks that fail.
 */

static void test_short_writes(void)
{
    char *bytes = bench_bytes(300000);
    struct slice content = slice_make(bytes, 300000);
    struct digest digest = bench_digest(content, DIGEST_SHA256);
    struct upload *upload;

    bench_start(&bench, ROOMY);
    upload = create();
    atomic_store(&bench_pwrite_max, 70001);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, content), 0);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &digest, NULL), 0);
    atomic_store(&bench_pwrite_max, 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    upload_published(upload);
    bench_stop(&bench);
    free(bytes);
}

static void test_full_disk(void)
{
    char *bytes = bench_bytes(4 * UPLOAD_BUFFER_SIZE);
    struct slice content = slice_make(bytes, 4 * UPLOAD_BUFFER_SIZE);
    struct digest digest = bench_digest(content, DIGEST_SHA256);
    struct fault fault = FAULT_INIT;
    struct upload *upload;
    char id[UPLOAD_ID_SIZE + 1];
    unsigned wakes = 0;
    size_t taken;

    bench_start(&bench, ROOMY);
    upload = create();
    keep_id(upload, id);
    upload_set_wake(upload, count_wake, &wakes);
    atomic_store(&bench_pwrite_waits, true);
    atomic_store(&bench_pwrite_fails, ENOSPC);
    CU_ASSERT_EQUAL(upload_write(upload, content, &taken, NULL), 0);
    CU_ASSERT_TRUE(taken < content.n);
    atomic_store(&bench_pwrite_waits, false);
    /* The waiting sender hears of it, */
    for (unsigned i = 0; i < PUMP_PATIENCE_MS && wakes == 0; i++) {
        pool_run_replies(bench.queue);
        poll(NULL, 0, 1);
    }
    CU_ASSERT_EQUAL(wakes, 1);
    CU_ASSERT_EQUAL(upload_write(upload, content, &taken, &fault), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(taken, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "No space left"));
    /* and it stays, although the disk has room again. */
    atomic_store(&bench_pwrite_fails, 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, &fault), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(bench_finish(&bench, upload, &digest, &fault), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(uploads_buffer_bytes(bench.uploads), 0);
    upload_release(upload);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "r", "i", &upload), ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
    CU_ASSERT_EQUAL(bench_files(&bench), 0);
    bench_stop(&bench);
    free(bytes);
}

/* The failure comes after the claimer has left. */
static void test_late_failure(void)
{
    struct result result = {0};
    struct upload *upload;
    char id[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    for (unsigned is_claimed = 0; is_claimed < 2; is_claimed++) {
        result.called = false;
        upload = create();
        keep_id(upload, id);
        atomic_store(&bench_pwrite_waits, true);
        atomic_store(&bench_pwrite_fails, EIO);
        CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("lost")), 0);
        upload_release(upload);
        if (is_claimed == 1)
            upload_claim(bench.uploads, slice_from_cstr(id), SLICE("r"), SLICE("i"), bench.queue,
                         result_set, &result);
        atomic_store(&bench_pwrite_waits, false);
        CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
        atomic_store(&bench_pwrite_fails, 0);
        CU_ASSERT_EQUAL(result.called, is_claimed == 1);
    }
    CU_ASSERT_EQUAL(result.err, ERR_IO);
    CU_ASSERT_PTR_NULL(result.upload);
    CU_ASSERT_EQUAL(bench_files(&bench), 0);
    bench_stop(&bench);
}

/* After a failed sync nothing may be believed: no second try, no blob, no upload. */
static void test_failed_sync(void)
{
    struct digest digest = bench_digest(SLICE("unsafe"), DIGEST_SHA256);
    struct digest_gate_pass pass = {.next = NULL};
    struct upload *upload;
    uint64_t size;

    bench_start(&bench, ROOMY);
    for (unsigned of_folder = 0; of_folder < 2; of_folder++) {
        upload = create();
        CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("unsafe")), 0);
        atomic_store(&bench_fdatasyncs, 0);
        atomic_store(of_folder ? &bench_fsync_fails : &bench_fdatasync_fails, EIO);
        CU_ASSERT_EQUAL(bench_finish(&bench, upload, &digest, NULL), ERR_IO);
        atomic_store(&bench_fdatasync_fails, 0);
        atomic_store(&bench_fsync_fails, 0);
        CU_ASSERT_EQUAL(bench_finish(&bench, upload, &digest, NULL), ERR_IO);
        CU_ASSERT_EQUAL(atomic_load(&bench_fdatasyncs), 1);
        CU_ASSERT_EQUAL(blob_file_stat(bench.files, &digest, &size, NULL), ERR_NOT_FOUND);
        /* The gate is free. */
        CU_ASSERT_TRUE_FATAL(digest_gate_enter(bench.gate, &digest, &pass));
        digest_gate_leave(&pass);
        upload_release(upload);
        CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
        CU_ASSERT_EQUAL(bench_files(&bench), 0);
    }
    bench_stop(&bench);
}

static void test_no_descriptors(void)
{
    struct digest digest = bench_digest(SLICE("kept whole"), DIGEST_SHA256);
    struct upload *upload, *other;
    char id[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    upload = create();
    keep_id(upload, id);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("kept")), 0);
    upload_release(upload);
    bench_restart(&bench);
    atomic_store(&bench_openat_fails, EMFILE);
    CU_ASSERT_EQUAL(bench_create(&bench, "r", "i", DIGEST_SHA256, &other), ERR_BUSY);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "r", "i", &upload), ERR_BUSY);
    atomic_store(&bench_openat_fails, 0);
    CU_ASSERT_TRUE(bench_wait_count(&bench, 1));
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "r", "i", &upload), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), 4);
    /* The file of an idle upload is opened when it is needed. */
    upload_release(upload);
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "r", "i", &upload), 0);
    atomic_store(&bench_openat_fails, EMFILE);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("not written")), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), ERR_BUSY);
    atomic_store(&bench_openat_fails, 0);
    upload_release(upload);
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "r", "i", &upload), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), 4);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE(" whole")), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), 0);
    /* Nor does being short of them at the end cost what was sent. */
    atomic_store(&bench_openat_fails, EMFILE);
    CU_ASSERT_EQUAL(bench_finish(&bench, upload, &digest, NULL), ERR_BUSY);
    atomic_store(&bench_openat_fails, 0);
    upload_release(upload);
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "r", "i", &upload), 0);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &digest, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, SLICE("kept whole")));
    upload_published(upload);
    bench_stop(&bench);
}

/*
 * Limits.
 */

static void test_limits(void)
{
    struct upload *upload, *other;
    struct fault fault = FAULT_INIT;
    size_t taken;
    char name[UPLOAD_META_NAME_MAX + 2];

    bench_start(&bench, ROOMY);
    bench.options.count_max = 1;
    bench.options.blob_max_bytes = 10;
    uploads_set_options(bench.uploads, &bench.options);
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CU_ASSERT_EQUAL(bench_create(&bench, name, "i", DIGEST_SHA256, &other), ERR_LIMIT);
    upload = create();
    CU_ASSERT_EQUAL(bench_create(&bench, "r", "i", DIGEST_SHA256, &other), ERR_UPLOAD_LIMIT);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("123456789")), 0);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("0")), 0);
    CU_ASSERT_EQUAL(upload_write(upload, SLICE("1"), &taken, &fault), ERR_BLOB_TOO_LARGE);
    CU_ASSERT_EQUAL(taken, 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, &fault), ERR_BLOB_TOO_LARGE);
    upload_release(upload);
    CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
    upload_release(create());
    bench_stop(&bench);
}

static void test_reserve(void)
{
    struct upload *upload, *other;
    struct fault fault = FAULT_INIT;
    size_t taken;

    bench_start(&bench, ROOMY);
    upload = create();
    CU_ASSERT_EQUAL(uploads_admit(bench.uploads, 0, &fault), 0);
    bench.options.reserve_bytes = 8u << 20; /* far below 1 % of the disk */
    uploads_set_options(bench.uploads, &bench.options);
    atomic_store(&bench_free_mib, 9);
    uploads_measure(bench.uploads);
    CU_ASSERT_EQUAL(uploads_admit(bench.uploads, 0, &fault), 0);
    CU_ASSERT_EQUAL(uploads_admit(bench.uploads, 1u << 20, &fault), 0);
    CU_ASSERT_EQUAL(uploads_admit(bench.uploads, (1u << 20) + 1, &fault), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(uploads_admit(bench.uploads, UINT64_MAX, &fault), ERR_DISK_FULL);
    atomic_store(&bench_free_mib, 7);
    uploads_measure(bench.uploads);
    CU_ASSERT_EQUAL(uploads_admit(bench.uploads, 0, &fault), ERR_DISK_FULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "7 MiB free"));
    CU_ASSERT_EQUAL(bench_create(&bench, "r", "i", DIGEST_SHA256, &other), ERR_DISK_FULL);
    CU_ASSERT_EQUAL(upload_write(upload, SLICE("x"), &taken, &fault), ERR_DISK_FULL);
    atomic_store(&bench_free_mib, 0);
    uploads_measure(bench.uploads);
    CU_ASSERT_EQUAL(uploads_admit(bench.uploads, 0, &fault), 0);
    CU_ASSERT_EQUAL(bench_cancel(&bench, upload), 0);
    bench_stop(&bench);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("upload_stress", NULL, NULL);

    CU_add_test(suite, "many senders share few buffers", test_few_buffers);
    CU_add_test(suite, "two buffers each", test_own_limit);
    CU_add_test(suite, "buffers go to who waits longest", test_fair);
    CU_add_test(suite, "sleeping senders leave buffers", test_sleepers);
    CU_add_test(suite, "unused buffers are given back", test_measure_trims);
    CU_add_test(suite, "released under way", test_release_under_way);
    CU_add_test(suite, "cancelled under way", test_cancel_under_way);
    CU_add_test(suite, "closed under way", test_close_under_way);
    CU_add_test(suite, "short writes go on", test_short_writes);
    CU_add_test(suite, "a full disk", test_full_disk);
    CU_add_test(suite, "a failure after release", test_late_failure);
    CU_add_test(suite, "a failed sync is final", test_failed_sync);
    CU_add_test(suite, "out of descriptors", test_no_descriptors);
    CU_add_test(suite, "limits", test_limits);
    CU_add_test(suite, "the reserve", test_reserve);
}
