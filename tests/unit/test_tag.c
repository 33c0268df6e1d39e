/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "registry/repository.h"
#include "tests/support/registry_fixture.h"

#include <stdio.h>
#include <string.h>

static const char *const images[] = {",\"a\":1", ",\"a\":2", ",\"a\":3"};

static const char *image(unsigned i)
{
    return fixture_image("cfg", NULL, images[i]);
}

static void put(const char *tag, unsigned i)
{
    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", tag, image(i), NULL), 0);
}

static struct row_tag read_row(const char *tag)
{
    struct row_tag row = {0};
    struct buf value;

    buf_init(&value, 1024);
    CU_ASSERT_EQUAL(fixture_get_row(key_tag(fixture_repo("a"), slice_from_cstr(tag)), &value), 0);
    CU_ASSERT_EQUAL(row_tag_decode(buf_slice(&value), &row), 0);
    CU_ASSERT_TRUE(slice_eq(row.actor, SLICE("tester")));
    row.actor = SLICE("");
    buf_fini(&value);
    return row;
}

static void test_bind_and_move(void)
{
    struct fixture_rows before;
    struct row_tag row;
    uint64_t last;

    put("latest", 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "latest", image(0)), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(2), "manifest.pushed tag.bound");
    row = read_row("latest");
    CU_ASSERT_EQUAL(row.obj, fixture_object(image(0), OBJECT_MANIFEST).id);
    CU_ASSERT_EQUAL(row.seq, 4);
    CU_ASSERT_TRUE(row.time_ms > 0);

    /* Again: not a row is written, the time of the binding stays. */
    before = fixture_rows_now();
    put("latest", 0);
    CU_ASSERT_EQUAL(fixture_rows_since(&before).total, 0);
    CU_ASSERT_EQUAL(read_row("latest").seq, row.seq);

    last = fixture_event_last();
    put("latest", 1);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "latest", image(1)), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(last), "manifest.pushed tag.moved");
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TAGOF)), 1);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, image(0)), 0); /* untagged, still there */

    /* And back: only the tag moves. */
    last = fixture_event_last();
    before = fixture_rows_now();
    put("latest", 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(last), "tag.moved");
    CU_ASSERT_EQUAL(fixture_rows_since(&before).puts[KV_DIGEST], 0);
    CU_ASSERT_EQUAL(fixture_rows_since(&before).puts[KV_USE], 0);
}

/* The policy gives verbs; which one a binding takes depends on whether the name is there. */
static void test_verbs(void)
{
    struct fixture_put no_move = {.without_verbs = VERB_BIT(VERB_MOVE_TAG)};
    struct fixture_put only_move = {.without_verbs = VERB_BIT(VERB_PUSH)};
    const char *const two[] = {"new", "latest", NULL};
    struct fixture_put both = {.without_verbs = VERB_BIT(VERB_MOVE_TAG), .tags = two};

    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "latest", image(0), &only_move), ERR_DENIED);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "latest", image(0)), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "latest", image(0), &no_move), 0);
    /* The same again moves nothing. */
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "latest", image(0), &no_move), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "latest", image(1), &no_move), ERR_DENIED);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, image(1), &both), ERR_DENIED);
    /* All or nothing. */
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "latest", image(0)), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "new", image(1)), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "latest", image(1), &only_move), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "latest", image(1)), 0);
}

static void test_delete(void)
{
    CU_ASSERT_EQUAL(fixture_tag_delete("a", "v1"), ERR_NAME_UNKNOWN);
    put("v1", 0);
    put("v2", 0);
    CU_ASSERT_EQUAL(fixture_tag_delete("a", "v3"), ERR_TAG_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_tag_delete("a", "v1"), 0);
    CU_ASSERT_EQUAL(fixture_tag_delete("a", "v1"), ERR_TAG_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image(0)), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v2", image(0)), 0);
    CU_ASSERT_EQUAL(fixture_tag_delete("a", "v2"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, image(0)), 0);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TAG)), 0);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TAGOF)), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(5), "tag.deleted tag.deleted");
}

static void test_conditional_delete(void)
{
    struct tag_delete del = {.repository = SLICE("a"), .tag = SLICE("v1"), .must_match = true};
    struct digest first, second;

    put("v1", 0);
    first = fixture_digest(image(0));
    second = fixture_digest(image(1));
    del.digest = second;
    CU_ASSERT_EQUAL(fixture_write(tag_delete, &del), ERR_HTTP_PRECONDITION);
    CU_ASSERT_TRUE(digest_eq(&del.current, &first));
    del.digest = first;
    CU_ASSERT_EQUAL(fixture_write(tag_delete, &del), 0);
    CU_ASSERT_EQUAL(fixture_write(tag_delete, &del), ERR_HTTP_PRECONDITION);
    CU_ASSERT_EQUAL(del.current.algorithm, 0);
}

/* --- The list --------------------------------------------------------------------------------- */

struct tags {
    const char *after;
    unsigned limit;
    char text[256];
};

static int add_tag(struct slice tag, void *arg)
{
    struct tags *tags = arg;
    size_t n = strlen(tags->text);

    snprintf(tags->text + n, sizeof(tags->text) - n, SLICE_FMT " ", SLICE_ARG(tag));
    return 0;
}

static int list_tags(struct kv_tx *tx, void *arg)
{
    struct tags *tags = arg;
    uint64_t repo;
    int err = repository_find(tx, SLICE("a"), &repo);

    tags->text[0] = '\0';
    if (err != 0)
        return err;
    return tag_list(tx, repo, slice_from_cstr(tags->after), tags->limit, add_tag, tags);
}

static void check_list(const char *after, unsigned limit, const char *expected)
{
    struct tags tags = {.after = after, .limit = limit};

    CU_ASSERT_EQUAL(fixture_read(list_tags, &tags), 0);
    CU_ASSERT_STRING_EQUAL(tags.text, expected);
}

static void test_list(void)
{
    static const char *const names[] = {"b", "a", "B", "a.1", "1", "_", "a-1"};

    CU_ASSERT_EQUAL(fixture_blob_put("0", "x"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "x"), 0);
    check_list("", 10, "");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put(names[i], (unsigned)i % 3);
    /* Tags of the next repository do not show. */
    CU_ASSERT_EQUAL(fixture_blob_put("z", "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("z", "zz", image(0), NULL), 0);
    check_list("", 10, "1 B _ a a-1 a.1 b ");
    check_list("", 3, "1 B _ ");
    check_list("_", 3, "a a-1 a.1 ");
    check_list("a.1", 3, "b ");
    check_list("b", 3, "");
    check_list("a+", 2, "a-1 a.1 "); /* a tag that is not there */
    check_list("zzz", 3, "");
    check_list("", 0, "");
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"bind and move", test_bind_and_move},
        {"verbs", test_verbs},
        {"delete", test_delete},
        {"conditional delete", test_conditional_delete},
        {"list", test_list},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("tag", tests);
}
