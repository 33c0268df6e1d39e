/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/clock.h"
#include "base/mem.h"
#include "registry/draft.h"
#include "tests/support/registry_fixture.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define HOUR_MS ((int64_t)3600 * 1000)

static struct draft draft_of(const char *tag, const char *actor)
{
    return (struct draft){SLICE("a"), slice_from_cstr(tag), slice_from_cstr(actor), HOUR_MS};
}

static struct artifact_file file_of(const char *path, const char *content)
{
    return (struct artifact_file){
        .path = slice_from_cstr(path),
        .media_type = SLICE("text/plain"),
        .digest = fixture_digest(content),
        .size = strlen(content),
    };
}

/* The blob first, so that the file may be put. */
static struct draft_put put_as(const char *actor, const char *path, const char *content, int wanted)
{
    struct draft_put put = {
        .draft = draft_of("v1", actor), .file = file_of(path, content), .max_files = 3};

    CU_ASSERT_EQUAL(fixture_blob_put("a", content), 0);
    CU_ASSERT_EQUAL(fixture_write(draft_put, &put), wanted);
    return put;
}

static struct draft_put put(const char *path, const char *content)
{
    return put_as("me", path, content, 0);
}

static unsigned rows(void)
{
    return fixture_count_rows(key_prefix(KV_DRAFT));
}

/* Read into an arena that the caller ends. */
static int read_draft(struct arena *arena, const char *actor, struct draft_read *read)
{
    arena_init(arena, 1u << 20);
    *read = (struct draft_read){.draft = draft_of("v1", actor), .max_files = 3, .arena = arena};
    return fixture_read(draft_read, read);
}

static void test_put(void)
{
    int64_t before = clock_wall_ms();
    struct draft_put first = put("b", "one");

    CU_ASSERT_EQUAL(first.files, 1);
    CU_ASSERT_TRUE(first.expires_ms >= before + HOUR_MS);
    CU_ASSERT_TRUE(first.expires_ms <= clock_wall_ms() + HOUR_MS);
    struct draft_put second = put("a", "two");
    CU_ASSERT_EQUAL(second.files, 2);
    /* All expire with the first. */
    CU_ASSERT_EQUAL(second.expires_ms, first.expires_ms);
    CU_ASSERT_EQUAL(put("b", "three").files, 2);
    CU_ASSERT_EQUAL(put("c", "one").files, 3);
    CU_ASSERT_EQUAL(put("c", "two").files, 3);
    put_as("me", "d", "one", ERR_LIMIT);
    CU_ASSERT_EQUAL(put_as("you", "d", "one", 0).files, 1);
    CU_ASSERT_EQUAL(rows(), 4);
}

static void test_put_unknown(void)
{
    struct draft_put put = {
        .draft = draft_of("v1", "me"), .file = file_of("a", "nowhere"), .max_files = 3};
    char actor[DRAFT_ACTOR_MAX + 2];

    CU_ASSERT_EQUAL(fixture_write(draft_put, &put), ERR_NAME_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "here"), 0);
    CU_ASSERT_EQUAL(fixture_write(draft_put, &put), ERR_BLOB_UNKNOWN);
    put.file = file_of("a", "here");
    memset(actor, 'x', sizeof(actor) - 1);
    actor[sizeof(actor) - 1] = '\0';
    put.draft = draft_of("v1", actor);
    CU_ASSERT_EQUAL(fixture_write(draft_put, &put), ERR_LIMIT);
    actor[sizeof(actor) - 2] = '\0';
    put.draft = draft_of("v1", actor);
    CU_ASSERT_EQUAL(fixture_write(draft_put, &put), 0);
}

static void test_read(void)
{
    struct draft_read read;
    struct arena arena;

    CU_ASSERT_EQUAL(read_draft(&arena, "me", &read), ERR_DRAFT_UNKNOWN);
    arena_fini(&arena);
    put("docs/a", "one");
    put("b", "two");
    CU_ASSERT_EQUAL(read_draft(&arena, "you", &read), ERR_DRAFT_UNKNOWN);
    arena_fini(&arena);
    CU_ASSERT_EQUAL_FATAL(read_draft(&arena, "me", &read), 0);
    CU_ASSERT_EQUAL_FATAL(read.files_n, 2);
    for (unsigned i = 0; i < 2; i++) {
        struct artifact_file wanted = slice_eq(read.files[i].path, SLICE("b"))
                                          ? file_of("b", "two")
                                          : file_of("docs/a", "one");

        CU_ASSERT_TRUE(slice_eq(read.files[i].path, wanted.path));
        CU_ASSERT_TRUE(slice_eq(read.files[i].media_type, wanted.media_type));
        CU_ASSERT_TRUE(digest_eq(&read.files[i].digest, &wanted.digest));
        CU_ASSERT_EQUAL(read.files[i].size, wanted.size);
    }
    read.max_files = 1;
    CU_ASSERT_EQUAL(fixture_read(draft_read, &read), ERR_LIMIT);
    arena_fini(&arena);
}

static int take(const struct draft_read *read)
{
    struct draft_take take = {.draft = read->draft, .files = read->files, .files_n = read->files_n};

    return fixture_write(draft_take, &take);
}

static void test_take(void)
{
    struct draft_read read;
    struct arena arena;

    put("a", "one");
    put("b", "two");
    put_as("you", "a", "one", 0);
    CU_ASSERT_EQUAL_FATAL(read_draft(&arena, "me", &read), 0);
    /* Another file under a name that was read: nothing is removed. */
    put("a", "other");
    CU_ASSERT_EQUAL(take(&read), ERR_AGAIN);
    CU_ASSERT_EQUAL(rows(), 3);
    put("a", "one");
    /* One more file is no matter; it stays. */
    put("c", "three");
    CU_ASSERT_EQUAL(take(&read), 0);
    CU_ASSERT_EQUAL(rows(), 2);
    CU_ASSERT_EQUAL(take(&read), ERR_AGAIN);
    arena_fini(&arena);
}

/* Together with the manifest and its tag, or not at all. */
static void test_publish(void)
{
    const char *text = fixture_image("cfg", "one", "");
    struct fixture_put how = {.tags = NULL};
    struct draft_read read;
    struct arena arena;

    put("a", "one");
    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    CU_ASSERT_EQUAL_FATAL(read_draft(&arena, "me", &read), 0);
    struct draft_take take = {.draft = read.draft, .files = read.files, .files_n = read.files_n};
    how.also = draft_take;
    how.also_arg = &take;
    put("a", "other");
    uint64_t last = fixture_event_last();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &how), ERR_AGAIN);
    CU_ASSERT_EQUAL(fixture_event_last(), last);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", text), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(rows(), 1);
    put("a", "one");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &how), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(last), "manifest.pushed tag.bound");
    CU_ASSERT_EQUAL(rows(), 0);
    arena_fini(&arena);
}

static void test_discard(void)
{
    struct draft_discard discard = {.draft = draft_of("v1", "me")};

    CU_ASSERT_EQUAL(fixture_write(draft_discard, &discard), 0);
    CU_ASSERT_EQUAL(discard.removed, 0);
    put("a", "one");
    put("b", "one");
    put_as("you", "a", "one", 0);
    CU_ASSERT_EQUAL(fixture_write(draft_discard, &discard), 0);
    CU_ASSERT_EQUAL(discard.removed, 2);
    CU_ASSERT_FALSE(discard.again);
    CU_ASSERT_EQUAL(rows(), 1);
}

/*
 * Time. Rows are written as they are after a while.
 */

static void put_old(const char *actor, unsigned number, int64_t age_ms)
{
    char path[32];
    struct digest digest;
    struct buf value;

    snprintf(path, sizeof(path), "file-%u", number);
    const struct row_draft row = {
        .begun_ms = clock_wall_ms() - age_ms,
        .size = 3,
        .digest = fixture_digest("one"),
        .media_type = SLICE("a/b"),
        .path = slice_from_cstr(path),
    };
    digest_compute(DIGEST_SHA256, row.path, &digest);
    buf_init(&value, KV_VALUE_MAX);
    row_draft_encode(&value, &row);
    CU_ASSERT_EQUAL_FATAL(
        fixture_put_row(key_draft(fixture_repo("a"), SLICE("v1"), slice_from_cstr(actor), &digest),
                        buf_slice(&value)),
        0);
    buf_fini(&value);
}

static void test_expired(void)
{
    struct draft_read read;
    struct arena arena;

    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    for (unsigned i = 0; i < 5; i++)
        put_old("me", i, 2 * HOUR_MS);
    /* Not seen, and no reason to refuse a file. */
    CU_ASSERT_EQUAL(read_draft(&arena, "me", &read), ERR_DRAFT_UNKNOWN);
    arena_fini(&arena);
    struct draft_put again = put("file-1", "one");
    CU_ASSERT_EQUAL(again.files, 1);
    CU_ASSERT_TRUE(again.expires_ms > clock_wall_ms());
    CU_ASSERT_EQUAL_FATAL(read_draft(&arena, "me", &read), 0);
    CU_ASSERT_EQUAL(read.files_n, 1);
    arena_fini(&arena);
}

static void test_sweep(void)
{
    struct draft_sweep sweep = {.expire_ms = HOUR_MS};
    unsigned removed = 0, slices = 0;

    CU_ASSERT_EQUAL(fixture_write(draft_sweep, &sweep), 0);
    CU_ASSERT_EQUAL(sweep.next.n, 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    for (unsigned i = 0; i < 250; i++)
        put_old("old", i, 2 * HOUR_MS);
    for (unsigned i = 0; i < 1100; i++)
        put_old("new", i, HOUR_MS / 2);
    do {
        CU_ASSERT_EQUAL_FATAL(fixture_write(draft_sweep, &sweep), 0);
        removed += sweep.removed;
        sweep.after = sweep.next;
    } while (sweep.next.n > 0 && ++slices < 10);
    CU_ASSERT_EQUAL(removed, 250);
    CU_ASSERT_EQUAL(rows(), 1100);
    CU_ASSERT_TRUE(slices >= 2);
    CU_ASSERT_TRUE(slices < 10);
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"put", test_put},         {"put what is not there", test_put_unknown},
        {"read", test_read},       {"take", test_take},
        {"publish", test_publish}, {"discard", test_discard},
        {"expired", test_expired}, {"sweep", test_sweep},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("draft", tests);
}
