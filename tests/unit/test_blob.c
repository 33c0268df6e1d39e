/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "registry/repository.h"
#include "storage/hold.h"
#include "tests/support/registry_fixture.h"

#include <stdio.h>
#include <string.h>

static void test_put_get(void)
{
    struct fixture_rows before;

    CU_ASSERT_EQUAL(fixture_blob_get("a/b", "one"), ERR_NAME_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_put("a/b", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a/b", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a/b", "two"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_put("a/b", ""), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a/b", ""), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "repo.created blob.pushed blob.pushed");

    before = fixture_rows_now();
    CU_ASSERT_EQUAL(fixture_blob_put("a/b", "one"), 0);
    CU_ASSERT_EQUAL(fixture_rows_since(&before).total, 0);
    CU_ASSERT_EQUAL(fixture_event_last(), 3);
}

static void test_link_cites_event(void)
{
    struct row_link row;
    struct buf value;

    buf_init(&value, 1024);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "two"), 0);
    CU_ASSERT_EQUAL(
        fixture_get_row(key_link(fixture_repo("a"), fixture_object("two", OBJECT_BLOB).id), &value),
        0);
    CU_ASSERT_EQUAL_FATAL(row_link_decode(buf_slice(&value), &row), 0);
    CU_ASSERT_EQUAL(row.seq, 3);
    CU_ASSERT_EQUAL(row.due_ms, 0);
    CU_ASSERT_TRUE(row.since_ms > 0);
    buf_fini(&value);
}

/* Dedupe never lets a repository read what was pushed to another. */
static void test_isolation(void)
{
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("b", "two"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("b", "one"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_put("b", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("b", "one"), 0);
    CU_ASSERT_EQUAL(fixture_object("one", OBJECT_BLOB).row.links, 2);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DIGEST)), 2);
}

static void test_mount(void)
{
    uint64_t last;

    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("c", "other"), 0);
    last = fixture_event_last();
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "a", "two"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "c", "one"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "unknown", "one"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "", "two"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_event_last(), last); /* nor was "b" made */
    CU_ASSERT_EQUAL(fixture_blob_get("b", "one"), ERR_NAME_UNKNOWN);

    CU_ASSERT_EQUAL(fixture_blob_mount("b", "a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("b", "one"), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(last), "repo.created blob.mounted");
    CU_ASSERT_EQUAL(fixture_object("one", OBJECT_BLOB).row.links, 2);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_event_last(), last + 2);

    /* From anyone. */
    CU_ASSERT_EQUAL(fixture_blob_mount("d", "", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("d", "one"), 0);
    /* What the target has needs no source. */
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "unknown", "one"), 0);
}

static void test_mount_of_deleted(void)
{
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "a", "one"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "", "one"), ERR_BLOB_UNKNOWN);

    /* A mount brings a trashed link back. */
    CU_ASSERT_EQUAL(fixture_blob_put("c", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_mount("a", "c", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_object("one", OBJECT_BLOB).row.links, 2);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 0);
}

static void test_delete(void)
{
    struct object object;

    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", NULL), ERR_NAME_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("b", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "two", NULL), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", NULL), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "one"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_get("b", "one"), 0);
    object = fixture_object("one", OBJECT_BLOB);
    CU_ASSERT_EQUAL(object.row.state, OBJECT_LIVE);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 1); /* the link's */

    CU_ASSERT_EQUAL(fixture_blob_delete("b", "one", NULL), 0);
    object = fixture_object("one", OBJECT_BLOB);
    CU_ASSERT_EQUAL(object.row.state, OBJECT_TRASH);
    CU_ASSERT_TRUE(object.row.due_ms > FIXTURE_GRACE_MS);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 3);
    CU_ASSERT_STRING_EQUAL(fixture_events(4), "blob.deleted blob.deleted");

    /* Pushed again to one of them. */
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("b", "one"), ERR_BLOB_UNKNOWN);
    object = fixture_object("one", OBJECT_BLOB);
    CU_ASSERT_EQUAL(object.row.state, OBJECT_LIVE);
    CU_ASSERT_EQUAL(object.row.links, 1);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 1);
    CU_ASSERT_STRING_EQUAL(fixture_events(6), "blob.pushed");
}

static void test_in_use(void)
{
    struct holders holders;
    char expected[200], text[DIGEST_TEXT_MAX];
    const char *image = fixture_image("cfg", "layer", "");
    struct digest digest = fixture_digest(image);

    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "layer"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("b", "layer"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image, NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "layer", &holders), ERR_BLOB_IN_USE);
    CU_ASSERT_EQUAL_FATAL(holders.n, 1);
    CU_ASSERT_FALSE(holders.more);
    snprintf(expected, sizeof(expected), "manifest " SLICE_FMT " (blob)",
             SLICE_ARG(digest_format(&digest, text)));
    CU_ASSERT_STRING_EQUAL(holders.text[0], expected);
    /* Another repository's manifest does not count. */
    CU_ASSERT_EQUAL(fixture_blob_delete("b", "layer", NULL), 0);
    /* Nor does a trashed one. */
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image, NULL, NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "layer", &holders), 0);
    CU_ASSERT_EQUAL(holders.n, 0);
}

static void test_many_holders(void)
{
    struct holders holders;
    char more[64];

    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    for (int i = 0; i < HOLDERS_MAX + 1; i++) {
        snprintf(more, sizeof(more), ",\"annotations\":{\"n\":\"%d\"}", i);
        CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, fixture_image("cfg", NULL, more), NULL), 0);
        CU_ASSERT_EQUAL(fixture_blob_delete("a", "cfg", &holders), ERR_BLOB_IN_USE);
        CU_ASSERT_EQUAL(holders.n, i < HOLDERS_MAX ? i + 1 : HOLDERS_MAX);
        CU_ASSERT_EQUAL(holders.more, i == HOLDERS_MAX);
    }
}

/* Use rows of manifests that are not there: what they say must be read to know it. */
static int put_dead_uses(struct kv_tx *tx, void *arg)
{
    const uint64_t *obj = arg;
    int err = 0;

    kv_budget_add(tx, 5000);
    for (uint64_t i = 0; i < 4096 && err == 0; i++) {
        struct key key = key_use(*obj, 1, 1000 + i, USE_BLOB);

        if (i < obj[1])
            err = kv_put(tx, key_slice(&key), SLICE(""));
    }
    return err;
}

/* More than one function looks at: in doubt it is kept. */
static void test_endless_holders(void)
{
    struct holders holders;
    uint64_t obj[2];

    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    obj[0] = fixture_object("one", OBJECT_BLOB).id;
    obj[1] = 4096;
    CU_ASSERT_EQUAL(fixture_write(put_dead_uses, obj), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", &holders), ERR_BLOB_IN_USE);
    CU_ASSERT_EQUAL(holders.n, 0);
    CU_ASSERT_TRUE(holders.more);

    CU_ASSERT_EQUAL(fixture_blob_put("a", "two"), 0);
    obj[0] = fixture_object("two", OBJECT_BLOB).id;
    obj[1] = 4095;
    CU_ASSERT_EQUAL(fixture_write(put_dead_uses, obj), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "two", &holders), 0);
}

static void test_damaged(void)
{
    struct object object;
    struct buf value;

    buf_init(&value, 1024);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    object = fixture_object("one", OBJECT_BLOB);
    object.row.state = OBJECT_DAMAGED;
    row_obj_encode(&value, &object.row);
    CU_ASSERT_EQUAL(fixture_put_row(key_obj(object.id), buf_slice(&value)), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "one"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "a", "one"), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "one"), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(2), "blob.pushed");

    CU_ASSERT_EQUAL(fixture_put_row(key_obj(object.id), buf_slice(&value)), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", NULL), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_object("one", OBJECT_BLOB).row.state, OBJECT_TRASH);
    buf_fini(&value);
}

struct holding {
    uint64_t repo, obj;
};

static int hold(struct kv_tx *tx, void *arg)
{
    const struct holding *h = arg;

    return hold_put(tx, h->repo, h->obj, HOLD_ENVIRONMENT, SLICE("staging"));
}

static void test_held(void)
{
    struct holders holders;
    struct holding h;

    CU_ASSERT_EQUAL(fixture_blob_put("a", "one"), 0);
    h = (struct holding){fixture_repo("a"), fixture_object("one", OBJECT_BLOB).id};
    CU_ASSERT_EQUAL(fixture_write(hold, &h), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "one", &holders), ERR_BLOB_IN_USE);
    CU_ASSERT_EQUAL_FATAL(holders.n, 1);
    CU_ASSERT_STRING_EQUAL(holders.text[0], "hold environment staging");
}

/* --- Repositories ----------------------------------------------------------------------------- */

struct names {
    const char *after;
    unsigned limit;
    int stop; /* returned after the first */
    char text[256];
};

static int add_name(struct slice name, uint64_t repo, void *arg)
{
    struct names *names = arg;
    size_t n = strlen(names->text);

    snprintf(names->text + n, sizeof(names->text) - n, SLICE_FMT "=%d ", SLICE_ARG(name),
             (int)repo);
    return names->stop;
}

static int list_names(struct kv_tx *tx, void *arg)
{
    struct names *names = arg;

    names->text[0] = '\0';
    return repository_list(tx, slice_from_cstr(names->after), names->limit, add_name, names);
}

static void check_names(const char *after, unsigned limit, const char *expected)
{
    struct names names = {.after = after, .limit = limit};

    CU_ASSERT_EQUAL(fixture_read(list_names, &names), 0);
    CU_ASSERT_STRING_EQUAL(names.text, expected);
}

static void test_repositories(void)
{
    struct names names = {.after = "", .limit = 10, .stop = 7};

    check_names("", 10, "");
    CU_ASSERT_EQUAL(fixture_blob_put("b", "x"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a/c", "x"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "x"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a-b", "x"), 0);
    check_names("", 10, "a=3 a-b=4 a/c=2 b=1 ");
    check_names("", 2, "a=3 a-b=4 ");
    check_names("a-b", 10, "a/c=2 b=1 ");
    check_names("a/b", 10, "a/c=2 b=1 "); /* a name that is not there */
    check_names("b", 10, "");
    check_names("zzz", 10, "");
    check_names("", 0, "");
    CU_ASSERT_EQUAL(fixture_read(list_names, &names), 7);
    CU_ASSERT_STRING_EQUAL(names.text, "a=3 ");
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"put and get", test_put_get},
        {"a link cites its event", test_link_cites_event},
        {"isolation of repositories", test_isolation},
        {"mount", test_mount},
        {"mount of a deleted blob", test_mount_of_deleted},
        {"delete", test_delete},
        {"in use", test_in_use},
        {"many holders", test_many_holders},
        {"more rows than one looks at", test_endless_holders},
        {"held", test_held},
        {"damaged", test_damaged},
        {"repositories", test_repositories},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("blob", tests);
}
