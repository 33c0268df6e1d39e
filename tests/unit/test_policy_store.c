/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/policy_store.h"
#include "storage/event.h"
#include "tests/support/store_fixture.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define FIRST  "{\"roles\":{\"a\":[\"pull\"]}}"
#define SECOND "{\"roles\":{\"b\":[\"pull\"]}}"

static struct policy_put put_document(const char *document)
{
    struct policy_put put = {.document = slice_from_cstr(document), .actor = SLICE("ann")};

    CU_ASSERT_EQUAL(fixture_write(policy_store_put, &put), 0);
    return put;
}

static struct policy_put put_instead_of(uint64_t version, const char *document, int wanted)
{
    struct policy_put put = {.document = slice_from_cstr(document),
                             .actor = SLICE("ann"),
                             .must_match = true,
                             .if_version = version};

    CU_ASSERT_EQUAL(fixture_write(policy_store_put, &put), wanted);
    return put;
}

/* The version found, or 0 when there is none. */
static uint64_t check_get(uint64_t version, const char *document)
{
    struct policy_get get = {.version = version};
    struct arena arena;
    int err;

    arena_init(&arena, 2 * POLICY_DOCUMENT_MAX);
    get.arena = &arena;
    err = fixture_read(policy_store_get, &get);
    CU_ASSERT_EQUAL(err, document != NULL ? 0 : ERR_NOT_FOUND);
    if (err == 0) {
        CU_ASSERT_TRUE(slice_eq(get.document, slice_from_cstr(document)));
        CU_ASSERT_TRUE(slice_eq(get.actor, SLICE("ann")));
        CU_ASSERT_TRUE(get.time_ms > 0);
        CU_ASSERT_TRUE(get.seq > 0 && get.seq <= fixture_event_last());
    }
    arena_fini(&arena);
    return err == 0 ? get.found : 0;
}

static void test_versions(void)
{
    CU_ASSERT_EQUAL(check_get(0, NULL), 0);
    struct policy_put put = put_document(FIRST);
    CU_ASSERT_EQUAL(put.version, 1);
    CU_ASSERT_TRUE(put.changed);
    put = put_document(SECOND);
    CU_ASSERT_EQUAL(put.version, 2);
    CU_ASSERT_EQUAL(check_get(0, SECOND), 2);
    CU_ASSERT_EQUAL(check_get(1, FIRST), 1);
    CU_ASSERT_EQUAL(check_get(2, SECOND), 2);
    CU_ASSERT_EQUAL(check_get(3, NULL), 0);
    /* The same again is no version, an older one is. */
    put = put_document(SECOND);
    CU_ASSERT_EQUAL(put.version, 2);
    CU_ASSERT_FALSE(put.changed);
    put = put_document(FIRST);
    CU_ASSERT_EQUAL(put.version, 3);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "policy.changed policy.changed policy.changed");
}

static void test_conditions(void)
{
    struct policy_put put = put_instead_of(1, FIRST, ERR_HTTP_PRECONDITION);

    CU_ASSERT_EQUAL(put.version, 0);
    put = put_instead_of(0, FIRST, 0);
    CU_ASSERT_EQUAL(put.version, 1);
    put = put_instead_of(0, SECOND, ERR_HTTP_PRECONDITION);
    CU_ASSERT_EQUAL(put.version, 1);
    CU_ASSERT_FALSE(put.changed);
    put = put_instead_of(2, SECOND, ERR_HTTP_PRECONDITION);
    CU_ASSERT_EQUAL(check_get(0, FIRST), 1);
    put = put_instead_of(1, SECOND, 0);
    CU_ASSERT_EQUAL(put.version, 2);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "policy.changed policy.changed");
}

static int check_event(const struct event *event, void *arg)
{
    const struct digest first = fixture_digest(FIRST), second = fixture_digest(SECOND);

    (void)arg;
    CU_ASSERT_EQUAL(event->type, EVENT_POLICY_CHANGED);
    CU_ASSERT_TRUE(slice_eq(event->actor, SLICE("ann")));
    if (event->number == 1) {
        CU_ASSERT_TRUE(slice_eq(event->subject, SLICE("version 1")));
        CU_ASSERT_TRUE(digest_eq(&event->digest, &first));
        CU_ASSERT_EQUAL(event->previous.algorithm, 0);
    } else {
        CU_ASSERT_TRUE(slice_eq(event->subject, SLICE("version 2")));
        CU_ASSERT_TRUE(digest_eq(&event->digest, &second));
        CU_ASSERT_TRUE(digest_eq(&event->previous, &first));
    }
    return 0;
}

static int scan_events(struct kv_tx *tx, void *arg)
{
    return event_scan(tx, 0, 10, check_event, arg);
}

static void test_events(void)
{
    put_document(FIRST);
    put_document(SECOND);
    CU_ASSERT_EQUAL(fixture_event_last(), 2);
    CU_ASSERT_EQUAL(fixture_read(scan_events, NULL), 0);
}

/* The largest there may be, and the end of the versions that are kept. */
static void test_limits(void)
{
    static char largest[POLICY_DOCUMENT_MAX + 1];

    memset(largest, ' ', POLICY_DOCUMENT_MAX);
    largest[0] = '{';
    largest[1] = '}';
    put_document(largest);
    CU_ASSERT_EQUAL(check_get(0, largest), 1);
    for (unsigned i = 0; i < POLICY_VERSIONS_MAX; i++) {
        char document[32];

        snprintf(document, sizeof(document), "{\"persons\":{}}%*s", (int)(i % 2), "");
        if (put_document(document).version != i + 2)
            CU_FAIL_FATAL("a version is missing");
    }
    CU_ASSERT_EQUAL(check_get(1, NULL), 0);
    CU_ASSERT_EQUAL(check_get(2, "{\"persons\":{}}"), 2);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_POLICY)), POLICY_VERSIONS_MAX + 1);
}

static void put_row(uint64_t version, const char *document)
{
    const struct row_policy row = {.seq = 1, .document = slice_from_cstr(document)};
    struct buf value;

    buf_init(&value, 1024);
    row_policy_encode(&value, &row);
    CU_ASSERT_EQUAL(fixture_put_row(key_policy(version), buf_slice(&value)), 0);
    buf_fini(&value);
}

static void test_load(void)
{
    struct policy_cell *cell = policy_cell_create();
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(policy_store_load(fixture_kv, cell, &fault), 0);
    CU_ASSERT_EQUAL(policy_cell_version(cell), 0);
    CU_ASSERT_PTR_NULL(policy_cell_get(cell));
    put_document(FIRST);
    put_document(SECOND);
    CU_ASSERT_EQUAL(policy_store_load(fixture_kv, cell, &fault), 0);
    CU_ASSERT_EQUAL(policy_cell_version(cell), 2);
    struct policy *policy = policy_cell_get(cell);
    CU_ASSERT_PTR_NOT_NULL_FATAL(policy);
    CU_ASSERT_TRUE(slice_eq(policy_document(policy), SLICE(SECOND)));
    policy_unref(policy);
    /* What cannot be read leaves what was there, and says where it is wrong. */
    put_row(2, "{\"rolls\":{}}");
    CU_ASSERT_EQUAL(policy_store_load(fixture_kv, cell, &fault), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "version 2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "do you mean roles"));
    CU_ASSERT_EQUAL(policy_cell_version(cell), 2);
    CU_ASSERT_EQUAL(fixture_put_row(key_policy(2), (struct slice){0}), 0);
    CU_ASSERT_EQUAL(policy_store_load(fixture_kv, cell, &fault), ERR_CORRUPT);
    policy_cell_destroy(cell);
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"versions", test_versions}, {"conditions", test_conditions},
        {"events", test_events},     {"limits", test_limits},
        {"load", test_load},         CU_TEST_INFO_NULL,
    };

    fixture_add_suites("policy_store", tests);
}
