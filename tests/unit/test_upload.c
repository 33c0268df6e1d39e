/* SPDX-License-Identifier: Apache-2.0 */
/* What uploads do when all goes well: their course, claims, restarts, shared buffers. */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/upload_internal.h" /* UPLOAD_BUFFER_SIZE; offsets too large to send */
#include "tests/unit/upload_bench.h"

#include <CUnit/CUnit.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOMY (64u << 20)

static struct bench bench;

/* The id as a C string. */
static void keep_id(const struct upload *upload, char id[UPLOAD_ID_SIZE + 1])
{
    memcpy(id, upload_id(upload).p, UPLOAD_ID_SIZE);
    id[UPLOAD_ID_SIZE] = '\0';
}

static struct upload *create(enum digest_algorithm algorithm)
{
    struct upload *upload;

    CU_ASSERT_EQUAL_FATAL(bench_create(&bench, "library/web", "alice", algorithm, &upload), 0);
    return upload;
}

static void push(size_t n, enum digest_algorithm algorithm)
{
    char *bytes = bench_bytes(n);
    struct slice content = slice_make(bytes, n);
    struct digest digest = bench_digest(content, algorithm);
    struct upload *upload = create(algorithm);

    CU_ASSERT_EQUAL(upload_algorithm(upload), algorithm);
    CU_ASSERT_EQUAL(upload_offset(upload), 0);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, content), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), n);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &digest, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    upload_published(upload);
    free(bytes);
}

static void test_sizes(void)
{
    static const size_t sizes[] = {
        0,
        1,
        UPLOAD_BUFFER_SIZE - 1,
        UPLOAD_BUFFER_SIZE,
        UPLOAD_BUFFER_SIZE + 1,
        UPLOAD_BUFFERS_MAX * UPLOAD_BUFFER_SIZE,
        UPLOAD_BUFFERS_MAX * UPLOAD_BUFFER_SIZE + 1,
        (9u << 20) + 3, /* far enough for early writeback */
    };

    bench_start(&bench, ROOMY);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
        push(sizes[i], i % 2 == 0 ? DIGEST_SHA256 : DIGEST_SHA512);
    push(sizes[4], DIGEST_SHA256);
    push(sizes[4], DIGEST_SHA256); /* replaces itself */
    CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
    CU_ASSERT_EQUAL(bench_files(&bench), 0);
    CU_ASSERT_EQUAL(uploads_buffer_bytes(bench.uploads), 0);
    bench_stop(&bench);
}

/* Far into a large upload, where the file is written past the page cache; or was refused that. */
static struct upload *send_far(struct slice content)
{
    struct upload *upload = create(DIGEST_SHA256);

    CU_ASSERT_EQUAL(content.n % UPLOAD_BUFFER_SIZE, 0);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, content), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), 0);
    CU_ASSERT_NOT_EQUAL(upload->past_cache, upload->never_past_cache);
    return upload;
}

static void test_past_cache(void)
{
    const size_t far = 17u << 20, end = far + (1u << 20) + 3;
    char *bytes = bench_bytes(end);
    struct slice content = slice_make(bytes, end), before = slice_sub(content, 0, far);
    struct digest digest = bench_digest(content, DIGEST_SHA256);
    struct digest other = bench_digest(before, DIGEST_SHA512);

    bench_start(&bench, ROOMY);
    /* What comes next is written in pieces that only the cache takes. */
    struct upload *upload = send_far(before);
    atomic_store(&bench_pwrite_max, 1000);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, slice_sub(content, far, SIZE_MAX)), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), 0);
    atomic_store(&bench_pwrite_max, 0);
    CU_ASSERT_FALSE(upload->past_cache);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &digest, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    upload_published(upload);
    /* The file is read again, into memory that only the cache can read into. */
    upload = send_far(before);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &other, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &other, before));
    upload_published(upload);
    bench_stop(&bench);
    free(bytes);
}

static void wake_room(void *arg)
{
    *(bool *)arg = true;
}

/* As a worker receives: into the buffer itself, with a copy in between now and then. */
static void send_into_room(struct upload *upload, struct slice bytes)
{
    bool has_room = true;

    upload_set_wake(upload, wake_room, &has_room);
    for (unsigned turn = 0; bytes.n > 0; turn++) {
        size_t n = bytes.n < 60000 ? bytes.n : 60000;
        size_t wanted = n;
        void *room;

        CU_ASSERT_TRUE_FATAL(pump_until(bench.queue, &has_room));
        if (turn % 3 == 2) {
            CU_ASSERT_EQUAL_FATAL(upload_write(upload, slice_sub(bytes, 0, n), &n, NULL), 0);
        } else {
            CU_ASSERT_EQUAL_FATAL(upload_room(upload, &room, &n, NULL), 0);
            CU_ASSERT_TRUE_FATAL(n <= wanted);
            if (n > 0) {
                memcpy(room, bytes.p, n);
                upload_filled(upload, n);
            }
        }
        has_room = n > 0;
        bytes = slice_sub(bytes, n, bytes.n);
    }
    upload_set_wake(upload, NULL, NULL);
}

static void test_room(void)
{
    size_t size = (2u << 20) + 5;
    char *bytes = bench_bytes(size);
    struct slice content = slice_make(bytes, size);
    struct digest digest = bench_digest(content, DIGEST_SHA256);
    void *room;

    bench_start(&bench, ROOMY);
    struct upload *upload = create(DIGEST_SHA256);
    send_into_room(upload, content);
    CU_ASSERT_EQUAL(upload_offset(upload), size);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &digest, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    upload_published(upload);
    /* No more room than blobs.max_size leaves, and then none. */
    bench.options.blob_max_bytes = 10;
    uploads_set_options(bench.uploads, &bench.options);
    upload = create(DIGEST_SHA256);
    size_t n = 100;
    CU_ASSERT_EQUAL_FATAL(upload_room(upload, &room, &n, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(n, 10);
    memcpy(room, bytes, n);
    upload_filled(upload, n);
    CU_ASSERT_EQUAL(upload_room(upload, &room, &n, NULL), ERR_BLOB_TOO_LARGE);
    CU_ASSERT_EQUAL(n, 0);
    upload_release(upload);
    CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
    free(bytes);
    bench_stop(&bench);
}

/* PATCH after PATCH, each a claim of its own. */
static void test_chunks(void)
{
    char *bytes = bench_bytes(1000000);
    struct slice content = slice_make(bytes, 1000000);
    struct digest digest = bench_digest(content, DIGEST_SHA256);
    struct upload *upload;
    char id[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    keep_id(upload, id);
    upload_release(upload);
    for (size_t at = 0; at < content.n; at += 250000) {
        CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "library/web", "alice", &upload), 0);
        CU_ASSERT_EQUAL(upload_offset(upload), at);
        CU_ASSERT_EQUAL(bench_send(&bench, upload, slice_sub(content, at, 250000)), 0);
        CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), 0);
        upload_release(upload);
    }
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "library/web", "alice", &upload), 0);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &digest, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    upload_published(upload);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "alice", &upload), ERR_UPLOAD_UNKNOWN);
    bench_stop(&bench);
    free(bytes);
}

static void test_claims(void)
{
    struct upload *upload, *other;
    char id[UPLOAD_ID_SIZE + 1], wrong[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    keep_id(upload, id);
    CU_ASSERT_EQUAL(strspn(id, "0123456789abcdef"), UPLOAD_ID_SIZE);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "alice", &other), ERR_UPLOAD_BUSY);
    /* Others do not even learn that it is there. */
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "bob", &other), ERR_UPLOAD_UNKNOWN);
    upload_release(upload);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/we", "alice", &other), ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "bob", &other), ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "", &other), ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_EQUAL(bench_claim(&bench, "", "library/web", "alice", &other), ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_EQUAL(
        bench_claim(&bench, "../../../../etc/passwd0000000000", "library/web", "alice", &other),
        ERR_UPLOAD_UNKNOWN);
    memcpy(wrong, id, sizeof(id));
    wrong[UPLOAD_ID_SIZE - 1] = wrong[UPLOAD_ID_SIZE - 1] == '0' ? '1' : '0';
    CU_ASSERT_EQUAL(bench_claim(&bench, wrong, "library/web", "alice", &other), ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "alice", &upload), 0);
    upload_release(upload);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 1);
    bench_stop(&bench);
}

static void test_mismatch(void)
{
    struct digest right = bench_digest(SLICE("hello, world"), DIGEST_SHA256);
    struct digest other = bench_digest(SLICE("hello"), DIGEST_SHA256);
    struct digest wrong = bench_digest(SLICE("goodbye"), DIGEST_SHA256);
    char text[DIGEST_TEXT_MAX], id[UPLOAD_ID_SIZE + 1];
    struct fault fault = FAULT_INIT;
    struct upload *upload;

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    keep_id(upload, id);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("hello")), 0);
    CU_ASSERT_EQUAL(bench_finish(&bench, upload, &wrong, &fault), ERR_DIGEST_MISMATCH);
    digest_format(&other, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, text));
    digest_format(&wrong, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, text));
    /* Asked again in the same claim it says the same. */
    CU_ASSERT_EQUAL(bench_finish(&bench, upload, &wrong, &fault), ERR_DIGEST_MISMATCH);
    upload_release(upload);
    /* It stays, with all its bytes, and goes on although its hash was used up. */
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "library/web", "alice", &upload), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), 5);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE(", world")), 0);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &right, &fault), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &right, SLICE("hello, world")));
    upload_published(upload);
    bench_stop(&bench);
}

static void test_other_algorithm(void)
{
    char *bytes = bench_bytes(600000);
    struct slice content = slice_make(bytes, 600000);
    struct digest right = bench_digest(content, DIGEST_SHA512);
    struct digest wrong = bench_digest(SLICE("x"), DIGEST_SHA512);
    struct upload *upload;

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, content), 0);
    CU_ASSERT_EQUAL(bench_finish(&bench, upload, &wrong, NULL), ERR_DIGEST_MISMATCH);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &right, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &right, content));
    upload_published(upload);
    bench_stop(&bench);
    free(bytes);
}

static void test_restart(void)
{
    char *bytes = bench_bytes(9000000); /* more than one slice of hashing */
    struct slice content = slice_make(bytes, 9000000);
    struct digest digest = bench_digest(content, DIGEST_SHA512);
    char id[UPLOAD_ID_SIZE + 1], empty[UPLOAD_ID_SIZE + 1];
    struct upload *upload, *other;

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA512);
    keep_id(upload, id);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, slice_sub(content, 0, 8999990)), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), 0);
    upload_release(upload);
    upload = create(DIGEST_SHA256);
    keep_id(upload, empty);
    upload_release(upload);
    bench_restart(&bench);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 2);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "bob", &other), ERR_UPLOAD_UNKNOWN);
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "library/web", "alice", &upload), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), 8999990);
    CU_ASSERT_EQUAL(upload_algorithm(upload), DIGEST_SHA512);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "alice", &other), ERR_UPLOAD_BUSY);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, slice_sub(content, 8999990, 10)), 0);
    CU_ASSERT_EQUAL_FATAL(bench_finish(&bench, upload, &digest, NULL), 0);
    CU_ASSERT_TRUE(bench_blob_is(&bench, &digest, content));
    upload_published(upload);
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, empty, "library/web", "alice", &upload), 0);
    CU_ASSERT_EQUAL(bench_cancel(&bench, upload), 0);
    CU_ASSERT_TRUE(bench_wait_count(&bench, 0));
    bench_restart(&bench);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 0);
    bench_stop(&bench);
    free(bytes);
}

static void plant(const char *name, const char *text)
{
    int fd = openat(bench.dir.uploads_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_damaged(void)
{
    struct upload *upload;
    char id[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    keep_id(upload, id);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("kept")), 0);
    upload_release(upload);
    plant("00000000000000000000000000000001", "no sidecar");
    plant("00000000000000000000000000000002.meta", "tidemark upload 1\nalgo");
    plant("00000000000000000000000000000002", "torn sidecar");
    plant("00000000000000000000000000000003.meta", "");
    plant("00000000000000000000000000000004.new", "a blob that was not finished");
    plant("notes.txt", "not ours");
    bench_restart(&bench);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 1);
    CU_ASSERT_EQUAL(bench_files(&bench), 3); /* the good pair, and what is not ours */
    CU_ASSERT_EQUAL_FATAL(bench_claim(&bench, id, "library/web", "alice", &upload), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), 4);
    upload_release(upload);
    bench_stop(&bench);
}

static void test_cancel(void)
{
    struct upload *upload;
    char id[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    keep_id(upload, id);
    CU_ASSERT_EQUAL(bench_files(&bench), 2);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("never mind")), 0);
    CU_ASSERT_EQUAL(bench_cancel(&bench, upload), 0);
    CU_ASSERT_EQUAL(bench_files(&bench), 0);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 0);
    CU_ASSERT_EQUAL(uploads_buffer_bytes(bench.uploads), 0);
    CU_ASSERT_EQUAL(bench_claim(&bench, id, "library/web", "alice", &upload), ERR_UPLOAD_UNKNOWN);
    bench_stop(&bench);
}

static void test_expire(void)
{
    struct upload *idle, *claimed;
    uint64_t begin;

    bench_start(&bench, ROOMY);
    idle = create(DIGEST_SHA256);
    claimed = create(DIGEST_SHA256);
    upload_release(idle);
    uploads_expire(bench.uploads);
    CU_ASSERT_EQUAL(uploads_count(bench.uploads), 2);
    bench.options.idle_expire_s = 0;
    uploads_set_options(bench.uploads, &bench.options);
    for (begin = clock_mono_ms(); clock_mono_ms() < begin + 3;)
        poll(NULL, 0, 1);
    uploads_expire(bench.uploads);
    CU_ASSERT_TRUE(bench_wait_count(&bench, 1));
    CU_ASSERT_EQUAL(bench_files(&bench), 2);
    upload_release(claimed);
    bench_stop(&bench);
}

/* The gate keeps a blob from being published while somebody removes it. */
static void test_gate(void)
{
    struct digest digest = bench_digest(SLICE("gated"), DIGEST_SHA256);
    struct digest_gate_pass pass = {.next = NULL}, second = {.next = NULL};
    struct result result = {0};
    struct upload *upload;
    uint64_t size;

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("gated")), 0);
    CU_ASSERT_TRUE(digest_gate_enter(bench.gate, &digest, &pass));
    atomic_store(&bench_fdatasyncs, 0);
    upload_finish(upload, &digest, result_set, &result);
    for (unsigned i = 0; i < 1000 && atomic_load(&bench_fdatasyncs) == 0; i++) {
        pool_run_replies(bench.queue);
        poll(NULL, 0, 1);
    }
    CU_ASSERT_EQUAL(atomic_load(&bench_fdatasyncs), 1);
    for (unsigned i = 0; i < 20; i++) {
        pool_run_replies(bench.queue);
        poll(NULL, 0, 1);
    }
    CU_ASSERT_FALSE(result.called);
    CU_ASSERT_EQUAL(blob_file_stat(bench.files, &digest, &size, NULL), ERR_NOT_FOUND);
    digest_gate_leave(&pass);
    CU_ASSERT_TRUE_FATAL(pump_until(bench.queue, &result.called));
    CU_ASSERT_EQUAL(result.err, 0);
    /* Held until the caller says that its commit is durable. */
    second.job.reply = bench.queue;
    second.job.done = NULL;
    CU_ASSERT_FALSE(digest_gate_enter(bench.gate, &digest, &second));
    upload_published(upload);
    CU_ASSERT_PTR_NOT_NULL(queue_take_all(bench.queue)); /* second is in */
    digest_gate_leave(&second);
    bench_stop(&bench);
}

/* Nobody sends 9 GiB in a test: the upload is told that it has them already. */
static void test_far_offset(void)
{
    uint64_t far = UINT64_C(9) << 30;
    struct upload *upload;
    struct stat st;
    char id[UPLOAD_ID_SIZE + 1];

    bench_start(&bench, ROOMY);
    upload = create(DIGEST_SHA256);
    keep_id(upload, id);
    upload->received = upload->submitted = upload->writeback = far;
    CU_ASSERT_EQUAL(bench_send(&bench, upload, SLICE("far")), 0);
    CU_ASSERT_EQUAL(bench_flush(&bench, upload, NULL), 0);
    CU_ASSERT_EQUAL(upload_offset(upload), far + 3);
    CU_ASSERT_EQUAL(fstatat(bench.dir.uploads_fd, id, &st, 0), 0);
    CU_ASSERT_EQUAL((uint64_t)st.st_size, far + 3);
    CU_ASSERT_EQUAL(bench_cancel(&bench, upload), 0);
    bench_stop(&bench);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("upload", NULL, NULL);

    CU_add_test(suite, "blobs of many sizes", test_sizes);
    CU_add_test(suite, "written past the page cache", test_past_cache);
    CU_add_test(suite, "received without a copy", test_room);
    CU_add_test(suite, "in chunks", test_chunks);
    CU_add_test(suite, "claims", test_claims);
    CU_add_test(suite, "a wrong digest keeps the upload", test_mismatch);
    CU_add_test(suite, "finished with another algorithm", test_other_algorithm);
    CU_add_test(suite, "continued after a restart", test_restart);
    CU_add_test(suite, "damaged files are removed", test_damaged);
    CU_add_test(suite, "cancelled", test_cancel);
    CU_add_test(suite, "idle ones expire", test_expire);
    CU_add_test(suite, "the gate is waited for and held", test_gate);
    CU_add_test(suite, "offsets over 8 GiB", test_far_offset);
}
