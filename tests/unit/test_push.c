/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "registry/push.h"
#include "storage/kv_engine.h"
#include "tests/support/pump.h"
#include "tests/support/registry_fixture.h"

#include <CUnit/CUnit.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char path[256];
static struct store store;
static struct queue *queue;
static struct kv_client *client;

static int nothing(struct kv_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    return 0;
}

static void open_store(unsigned queue_max)
{
    const struct store_options options = {
        .path = path,
        .kv = {.map_size_bytes = 64u << 20, .readers_max = 8, .queue_max = queue_max},
        .uploads = {.buffer_total_bytes = 4u << 20,
                    .blob_max_bytes = 1u << 20,
                    .count_max = 8,
                    .idle_expire_s = 3600},
        .cpu_threads = 1,
        .io_threads = 1,
    };
    struct fault fault = FAULT_INIT;
    int err = store_open(&options, &store, &fault);

    if (err != 0)
        printf("# %s\n", fault_text(&fault, err));
    CU_ASSERT_EQUAL_FATAL(err, 0);
    fixture_kv = store.kv;
    queue = queue_create();
    client = kv_client_create(store.kv, queue);
}

static void close_store(void)
{
    kv_client_destroy(client);
    store_close(&store);
    queue_destroy(queue);
    fixture_kv = NULL;
}

static void set_up(void)
{
    fixture_make_dir(path);
    open_store(64);
}

static void tear_down(void)
{
    close_store();
    fixture_remove_dir(path);
}

/* What a push answered. */
struct answer {
    bool done;
    int err;
    struct fault fault;
    bool calling; /* the push has not returned */
    bool was_early;
};

static void answered(void *arg, int err, const struct fault *fault)
{
    struct answer *answer = arg;

    answer->was_early = answer->calling;
    answer->err = err;
    if (fault != NULL)
        answer->fault = *fault;
    answer->done = true;
}

/*
 * Blobs.
 */

struct begun {
    bool done;
    struct upload *upload;
};

static void upload_begun(void *arg, int err, struct upload *upload, const struct fault *fault)
{
    struct begun *begun = arg;

    (void)fault;
    CU_ASSERT_EQUAL(err, 0);
    begun->upload = upload;
    begun->done = true;
}

static struct upload *begin_upload(const char *content)
{
    struct begun begun = {.done = false};
    size_t taken;

    upload_create(store.uploads, SLICE("a"), SLICE("anonymous"), 1, DIGEST_SHA256, queue,
                  upload_begun, &begun);
    CU_ASSERT_TRUE_FATAL(pump_until(queue, &begun.done));
    CU_ASSERT_PTR_NOT_NULL_FATAL(begun.upload);
    CU_ASSERT_EQUAL(upload_write(begun.upload, slice_from_cstr(content), &taken, NULL), 0);
    CU_ASSERT_EQUAL(taken, strlen(content));
    return begun.upload;
}

static struct answer run_blob(const char *content, const char *named)
{
    struct answer answer = {.calling = true};
    struct blob_put put = {
        .repository = SLICE("a"), .actor = SLICE("tester"), .digest = fixture_digest(named)};

    struct upload *upload = begin_upload(content);
    push_blob(&store, client, &upload, &put, answered, &answer);
    answer.calling = false;
    CU_ASSERT_TRUE_FATAL(pump_until(queue, &answer.done));
    /* What could not be finished is still ours. */
    CU_ASSERT_TRUE((upload != NULL) == (answer.err == ERR_DIGEST_MISMATCH));
    if (upload != NULL)
        upload_release(upload);
    CU_ASSERT_FALSE(answer.was_early);
    kv_turn_end(client);
    return answer;
}

/* Behind what the io pool, which has one thread, was given before. */
struct barrier {
    struct pool_job job;
    bool passed;
};

static void barrier_run(struct pool_job *job)
{
    (void)job;
}

static void barrier_done(struct pool_job *job)
{
    CONTAINER_OF(job, struct barrier, job)->passed = true;
}

/* Uploads left when the files of those that ended are gone. */
static unsigned count_uploads(void)
{
    struct barrier barrier = {.job = {.run = barrier_run, .done = barrier_done, .reply = queue},
                              .passed = false};

    pool_submit(store.io, &barrier.job);
    CU_ASSERT_TRUE_FATAL(pump_until(queue, &barrier.passed));
    return uploads_count(store.uploads);
}

static void test_blob(void)
{
    struct digest digest = fixture_digest("content");
    uint64_t size = 0;

    CU_ASSERT_EQUAL(run_blob("content", "content").err, 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "content"), 0);
    CU_ASSERT_EQUAL(blob_file_stat(store.files, &digest, &size, NULL), 0);
    CU_ASSERT_EQUAL(size, 7);
    CU_ASSERT_EQUAL(count_uploads(), 0);
    /* The gate is free again. */
    CU_ASSERT_EQUAL(run_blob("content", "content").err, 0);
    CU_ASSERT_EQUAL(run_blob("", "").err, 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a", ""), 0);
}

static void test_blob_mismatch(void)
{
    struct answer answer = run_blob("content", "other");
    struct digest digest = fixture_digest("other");
    uint64_t size;

    CU_ASSERT_EQUAL(answer.err, ERR_DIGEST_MISMATCH);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.fault.text, "sha256:"));
    CU_ASSERT_EQUAL(fixture_event_last(), 0);
    CU_ASSERT_EQUAL(blob_file_stat(store.files, &digest, &size, NULL), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(count_uploads(), 1); /* the client may try another digest */
}

/*
 * Manifests.
 */

static const struct manifest_limits limits = {
    .max_bytes = 4u << 20,
    .max_descriptors = 100,
    .max_depth = 32,
    .max_annotation_bytes = 32768,
};

struct pushing {
    struct arena arena;
    struct manifest *manifest;
    struct manifest_put put;
    struct slice tag;
    struct answer answer;
};

static void begin_manifest(struct pushing *p, const char *text)
{
    struct slice body = slice_from_cstr(text);

    *p = (struct pushing){.tag = SLICE("v1"), .answer.calling = true};
    arena_init(&p->arena, 16u << 20);
    CU_ASSERT_EQUAL_FATAL(manifest_parse(&p->arena, body, SLICE(""), &limits, &p->manifest, NULL),
                          0);
    p->put = (struct manifest_put){
        .repository = SLICE("a"),
        .actor = SLICE("tester"),
        .manifest = p->manifest,
        .digest = fixture_digest(text),
        .size = body.n,
        .tags = &p->tag,
        .tags_n = 1,
        .verbs = VERB_BITS_ALL,
    };
    push_manifest(&store, client, body, &p->put, answered, &p->answer);
    p->answer.calling = false;
}

static int end_manifest(struct pushing *p)
{
    CU_ASSERT_TRUE_FATAL(pump_until(queue, &p->answer.done));
    CU_ASSERT_FALSE(p->answer.was_early);
    arena_fini(&p->arena);
    kv_turn_end(client);
    return p->answer.err;
}

static int run_manifest(const char *text)
{
    struct pushing p;

    begin_manifest(&p, text);
    return end_manifest(&p);
}

/* An empty index with an annotation that makes it `size` bytes. */
static char *make_index(size_t size)
{
    static const char head[] = "{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{\"a\":\"";
    static const char tail[] = "\"}}";
    char *text = xmalloc(size + 1);
    size_t n = sizeof(head) - 1;

    memset(text, 'x', size);
    memcpy(text, head, n);
    memcpy(text + size - (sizeof(tail) - 1), tail, sizeof(tail));
    return text;
}

static bool has_file(const char *text)
{
    struct digest digest = fixture_digest(text);
    uint64_t size;

    return blob_file_stat(store.files, &digest, &size, NULL) == 0 && size == strlen(text);
}

static void test_manifest_sizes(void)
{
    char *largest = make_index(KV_VALUE_MAX);
    char *larger = make_index(KV_VALUE_MAX + 1);

    CU_ASSERT_EQUAL(run_manifest(largest), 0);
    CU_ASSERT_FALSE(has_file(largest));
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", largest), 0);
    CU_ASSERT_EQUAL(run_manifest(larger), 0);
    CU_ASSERT_TRUE(has_file(larger));
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", larger), 0);
    CU_ASSERT_EQUAL(fixture_object(larger, OBJECT_MANIFEST).row.store, OBJECT_IN_FILE);
    free(largest);
    free(larger);
}

/* Both want the gate of one digest. */
static void test_manifest_twice_at_once(void)
{
    char *text = make_index(100000);
    struct pushing first, second;

    begin_manifest(&first, text);
    begin_manifest(&second, text);
    CU_ASSERT_EQUAL(end_manifest(&first), 0);
    CU_ASSERT_EQUAL(end_manifest(&second), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "repo.created manifest.pushed tag.bound");
    free(text);
}

static void test_manifest_refused(void)
{
    struct pushing p;

    begin_manifest(&p, fixture_image("cfg", NULL, ""));
    CU_ASSERT_EQUAL(end_manifest(&p), ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(p.put.missing_n, 1);
}

static void test_size_conflict(void)
{
    struct digest digest = fixture_digest("cfg");
    char text[512], hex[DIGEST_TEXT_MAX];
    struct pushing p;

    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    digest_format(&digest, hex);
    snprintf(text, sizeof(text),
             "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x/y\",\"digest\":\"%s\",\"size\":9},"
             "\"layers\":[]}",
             hex);
    begin_manifest(&p, text);
    CU_ASSERT_EQUAL(end_manifest(&p), ERR_MANIFEST_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.answer.fault.text, hex));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.answer.fault.text, "3 bytes"));
}

/* The writer takes nothing: the answer comes, and not from inside the call. */
static void test_busy(void)
{
    char *large = make_index(100000);
    struct pushing p;

    close_store();
    open_store(0);
    CU_ASSERT_EQUAL(fixture_write(nothing, NULL), ERR_BUSY);
    begin_manifest(&p, "{\"schemaVersion\":2,\"manifests\":[]}");
    CU_ASSERT_FALSE(p.answer.done);
    CU_ASSERT_EQUAL(end_manifest(&p), ERR_BUSY);
    CU_ASSERT_EQUAL(run_manifest(large), ERR_BUSY);
    CU_ASSERT_EQUAL(run_manifest(large), ERR_BUSY); /* the gate was left */
    /* Bytes that are on the disk are not thrown away because many wait. */
    CU_ASSERT_EQUAL(run_blob("content", "content").err, 0);
    CU_ASSERT_EQUAL(count_uploads(), 0);
    /* What no row names is taken back. */
    CU_ASSERT_FALSE(has_file(large));
    CU_ASSERT_TRUE(has_file("content"));
    free(large);
}

/* Taking back is not for files that an earlier push has named. */
static void test_refused_again(void)
{
    char *large = make_index(100000);
    struct pushing p;

    CU_ASSERT_EQUAL(run_manifest(large), 0);
    begin_manifest(&p, large);
    p.put.condition.must_not_exist = true;
    CU_ASSERT_EQUAL(end_manifest(&p), ERR_HTTP_PRECONDITION);
    CU_ASSERT_TRUE(has_file(large));
    free(large);
}

/* An engine whose commits fail in a way that leaves open whether they are on the disk. */
static struct kv_engine failing_engine;
static atomic_bool fails;

static int failing_commit(void *batch)
{
    if (!atomic_load(&fails))
        return kv_engine_mem.batch_commit(batch);
    kv_engine_mem.batch_abort(batch);
    return ERR_IO;
}

/* The next start may find the row, so the file stays. */
static void test_commit_of_unknown_end(void)
{
    const struct kv_options options = {
        .map_size_bytes = 1u << 20, .readers_max = 8, .queue_max = 64};
    char *large = make_index(100000);

    failing_engine = kv_engine_mem;
    failing_engine.batch_commit = failing_commit;
    atomic_store(&fails, false);
    kv_client_destroy(client);
    kv_close(store.kv);
    CU_ASSERT_EQUAL_FATAL(kv_open(&failing_engine, "", &options, &store.kv, NULL), 0);
    client = kv_client_create(store.kv, queue);
    atomic_store(&fails, true);
    CU_ASSERT_EQUAL(run_blob("content", "content").err, ERR_UNAVAILABLE);
    CU_ASSERT_TRUE(has_file("content"));
    CU_ASSERT_EQUAL(run_manifest(large), ERR_UNAVAILABLE);
    CU_ASSERT_TRUE(has_file(large));
    free(large);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown("push", NULL, NULL, set_up, tear_down);

    CU_add_test(suite, "blob", test_blob);
    CU_add_test(suite, "blob of another digest", test_blob_mismatch);
    CU_add_test(suite, "manifests in the index and in files", test_manifest_sizes);
    CU_add_test(suite, "one manifest twice at once", test_manifest_twice_at_once);
    CU_add_test(suite, "manifest refused", test_manifest_refused);
    CU_add_test(suite, "size conflict", test_size_conflict);
    CU_add_test(suite, "writer busy", test_busy);
    CU_add_test(suite, "a commit of unknown end", test_commit_of_unknown_end);
    CU_add_test(suite, "refused, but named before", test_refused_again);
}
