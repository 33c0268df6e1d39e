/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/hold.h"
#include "storage/object.h"
#include "tests/support/store_fixture.h"

#include <stdio.h>
#include <string.h>

#define TYPE  "application/vnd.oci.image.manifest.v1+json"
#define GRACE 1000

/* One publish, and what came of it. The media type does not outlive the transaction. */
struct publish {
    const char *content;
    enum object_kind kind;
    uint64_t size;
    struct slice body;
    struct object object;
    bool created;
    bool has_type;
};

static int run_publish(struct kv_tx *tx, void *arg)
{
    struct publish *p = arg;
    struct digest digest = fixture_digest(p->content);
    struct slice type = p->kind == OBJECT_MANIFEST ? SLICE(TYPE) : SLICE("");
    int err = object_publish(tx, &digest, p->kind, p->size, type, p->body, &p->object, &p->created);

    if (err == 0)
        err = object_get(tx, p->object.id, &p->object);
    p->has_type = err == 0 && slice_eq(p->object.row.media_type, type);
    p->object.row.media_type = SLICE("");
    return err;
}

static struct publish publish(const char *content, enum object_kind kind)
{
    struct publish p = {.content = content, .kind = kind, .size = strlen(content)};

    if (kind == OBJECT_MANIFEST)
        p.body = slice_from_cstr(content);
    CU_ASSERT_EQUAL_FATAL(fixture_write(run_publish, &p), 0);
    CU_ASSERT_EQUAL(p.object.row.state, OBJECT_LIVE);
    CU_ASSERT_EQUAL(p.object.row.size, strlen(content));
    CU_ASSERT_TRUE(p.has_type);
    return p;
}

struct change {
    uint64_t id;
    const char *content;
    enum object_kind kind;
    int64_t grace_ms; /* < 0: add a link */
    struct object object;
    int64_t now_ms;
};

static int run_change(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    int err;

    c->object.id = c->id;
    c->now_ms = kv_now(tx);
    err = c->grace_ms < 0 ? object_link_add(tx, &c->object)
                          : object_link_drop(tx, &c->object, c->grace_ms);
    if (err == 0)
        err = object_get(tx, c->id, &c->object);
    c->object.row.media_type = SLICE("");
    return err;
}

static struct change change(uint64_t id, int64_t grace_ms)
{
    struct change c = {.id = id, .grace_ms = grace_ms};

    CU_ASSERT_EQUAL_FATAL(fixture_write(run_change, &c), 0);
    return c;
}

static int run_intern(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    struct digest digest = fixture_digest(c->content);
    int err = object_intern(tx, &digest, c->kind, &c->object);

    c->object.row.media_type = SLICE("");
    return err;
}

static struct object intern(const char *content, enum object_kind kind)
{
    struct change c = {.content = content, .kind = kind};

    CU_ASSERT_EQUAL_FATAL(fixture_write(run_intern, &c), 0);
    return c.object;
}

static int run_find(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    struct digest digest = fixture_digest(c->content);

    return object_find(tx, &digest, c->kind, &c->object);
}

static int find(const char *content, enum object_kind kind)
{
    struct change c = {.content = content, .kind = kind};

    return fixture_read(run_find, &c);
}

static void test_publish(void)
{
    struct publish blob, manifest, again;
    struct fixture_rows before;

    CU_ASSERT_EQUAL(find("a", OBJECT_BLOB), ERR_NOT_FOUND);
    blob = publish("a", OBJECT_BLOB);
    CU_ASSERT_TRUE(blob.created);
    CU_ASSERT_EQUAL(blob.object.row.store, OBJECT_IN_FILE);
    CU_ASSERT_EQUAL(find("a", OBJECT_BLOB), 0);
    CU_ASSERT_EQUAL(find("a", OBJECT_MANIFEST), ERR_NOT_FOUND);

    /* The same digest as a manifest is another object. */
    manifest = publish("a", OBJECT_MANIFEST);
    CU_ASSERT_TRUE(manifest.created);
    CU_ASSERT_NOT_EQUAL(manifest.object.id, blob.object.id);
    CU_ASSERT_EQUAL(manifest.object.row.store, OBJECT_IN_INDEX);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_BODY)), 1);

    /* A second time nothing is written. */
    before = fixture_rows_now();
    again = publish("a", OBJECT_MANIFEST);
    CU_ASSERT_FALSE(again.created);
    CU_ASSERT_EQUAL(again.object.id, manifest.object.id);
    CU_ASSERT_EQUAL(fixture_rows_since(&before).total, 0);
}

static void test_absent(void)
{
    struct object absent = intern("a", OBJECT_MANIFEST);
    struct change c = {.id = absent.id, .grace_ms = -1};
    struct publish p;

    CU_ASSERT_EQUAL(absent.row.state, OBJECT_ABSENT);
    CU_ASSERT_EQUAL(intern("a", OBJECT_MANIFEST).id, absent.id);
    CU_ASSERT_EQUAL(find("a", OBJECT_MANIFEST), 0);
    CU_ASSERT_NOT_EQUAL(fixture_write(run_change, &c), 0); /* nothing links to nothing */
    p = publish("a", OBJECT_MANIFEST);
    CU_ASSERT_TRUE(p.created);
    CU_ASSERT_EQUAL(p.object.id, absent.id);
    CU_ASSERT_EQUAL(intern("a", OBJECT_MANIFEST).row.state, OBJECT_LIVE);
}

static void test_links(void)
{
    uint64_t id = publish("a", OBJECT_MANIFEST).object.id;
    struct change c = change(id, -1);
    int64_t due_ms;

    CU_ASSERT_EQUAL(c.object.row.links, 1);
    CU_ASSERT_EQUAL(change(id, -1).object.row.links, 2);
    c = change(id, GRACE);
    CU_ASSERT_EQUAL(c.object.row.links, 1);
    CU_ASSERT_EQUAL(c.object.row.state, OBJECT_LIVE);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 0);

    /* The last one gone: trash. */
    c = change(id, GRACE);
    due_ms = c.now_ms + GRACE;
    CU_ASSERT_EQUAL(c.object.row.links, 0);
    CU_ASSERT_EQUAL(c.object.row.state, OBJECT_TRASH);
    CU_ASSERT_EQUAL(c.object.row.due_ms, due_ms);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 1);
    CU_ASSERT_EQUAL(fixture_count_rows(key_due(due_ms, DUE_OBJECT, id, 0)), 1);

    /* Dropping what is not there is damage. */
    c = (struct change){.id = id, .grace_ms = GRACE};
    CU_ASSERT_EQUAL(fixture_write(run_change, &c), ERR_CORRUPT);

    /* A link brings it back. */
    c = change(id, -1);
    CU_ASSERT_EQUAL(c.object.row.state, OBJECT_LIVE);
    CU_ASSERT_EQUAL(c.object.row.due_ms, 0);
    CU_ASSERT_EQUAL(c.object.row.links, 1);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 0);
    CU_ASSERT_FALSE(publish("a", OBJECT_MANIFEST).created);
}

static void test_revive(void)
{
    uint64_t id = publish("a", OBJECT_BLOB).object.id;
    struct publish p;

    change(id, -1);
    change(id, 0);
    p = publish("a", OBJECT_BLOB);
    CU_ASSERT_FALSE(p.created);
    CU_ASSERT_EQUAL(p.object.id, id);
    CU_ASSERT_EQUAL(p.object.row.due_ms, 0);
    CU_ASSERT_EQUAL(p.object.row.links, 0);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 0);
}

static void put_state(const struct object *object, enum object_state state, uint64_t size)
{
    struct row_obj row = object->row;
    struct buf value;

    row.state = state;
    row.size = size;
    row.links = 3;
    buf_init(&value, 1024);
    row_obj_encode(&value, &row);
    CU_ASSERT_EQUAL(fixture_put_row(key_obj(object->id), buf_slice(&value)), 0);
    buf_fini(&value);
}

static void test_heal(void)
{
    struct object object = publish("abc", OBJECT_MANIFEST).object;
    struct buf body;
    struct publish p;

    buf_init(&body, 1024);
    put_state(&object, OBJECT_DAMAGED, 3);
    CU_ASSERT_EQUAL(fixture_put_row(key_body(object.id), SLICE("abX")), 0);
    p = publish("abc", OBJECT_MANIFEST);
    CU_ASSERT_TRUE(p.created);
    CU_ASSERT_EQUAL(p.object.id, object.id);
    CU_ASSERT_EQUAL(p.object.row.links, 3);
    CU_ASSERT_EQUAL(fixture_get_row(key_body(object.id), &body), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&body), SLICE("abc")));

    /* A row with a wrong size is mended by the bytes. */
    put_state(&object, OBJECT_LIVE, 4);
    p = publish("abc", OBJECT_MANIFEST);
    CU_ASSERT_TRUE(p.created);
    CU_ASSERT_EQUAL(p.object.row.links, 3);
    buf_fini(&body);
}

static void test_damaged_index(void)
{
    struct object object = publish("abc", OBJECT_BLOB).object;

    CU_ASSERT_EQUAL(fixture_put_row(key_obj(object.id), (struct slice){NULL, 0}), 0);
    CU_ASSERT_EQUAL(find("abc", OBJECT_BLOB), ERR_CORRUPT);
}

/* --- Holds ------------------------------------------------------------------------------------ */

struct holding {
    uint64_t obj;
    enum hold_reason reason;
    const char *owner;
    unsigned limit, count;
    char text[256];
};

static int put_hold(struct kv_tx *tx, void *arg)
{
    struct holding *h = arg;

    return hold_put(tx, 1, h->obj, h->reason, slice_from_cstr(h->owner));
}

static int del_hold(struct kv_tx *tx, void *arg)
{
    struct holding *h = arg;

    return hold_del(tx, 1, h->obj, h->reason, slice_from_cstr(h->owner));
}

static void add_hold(enum hold_reason reason, struct slice owner, void *arg)
{
    struct holding *h = arg;
    size_t n = strlen(h->text);

    snprintf(h->text + n, sizeof(h->text) - n, "%s=" SLICE_FMT " ", hold_reason_name(reason),
             SLICE_ARG(owner));
}

static int list_holds(struct kv_tx *tx, void *arg)
{
    struct holding *h = arg;

    h->text[0] = '\0';
    return hold_list(tx, 1, h->obj, h->limit, add_hold, h, &h->count);
}

static void test_holds(void)
{
    uint64_t id = publish("a", OBJECT_MANIFEST).object.id;
    struct holding list = {.obj = id, .limit = 10};
    struct holding pin = {.obj = id, .reason = HOLD_PIN, .owner = "me"};
    struct holding live = {.obj = id, .reason = HOLD_ENVIRONMENT, .owner = "production"};
    struct holding none = {.obj = id + 100, .reason = HOLD_PIN, .owner = "me"};

    CU_ASSERT_EQUAL(fixture_read(list_holds, &list), 0);
    CU_ASSERT_EQUAL(list.count, 0);
    CU_ASSERT_EQUAL(fixture_write(put_hold, &live), 0);
    CU_ASSERT_EQUAL(fixture_write(put_hold, &pin), 0);
    CU_ASSERT_EQUAL(fixture_write(put_hold, &pin), 0); /* again is the same */
    CU_ASSERT_EQUAL(fixture_write(put_hold, &none), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(fixture_read(list_holds, &list), 0);
    CU_ASSERT_EQUAL(list.count, 2);
    CU_ASSERT_STRING_EQUAL(list.text, "pin=me environment=production ");
    list.limit = 1;
    CU_ASSERT_EQUAL(fixture_read(list_holds, &list), 0);
    CU_ASSERT_EQUAL(list.count, 1);
    CU_ASSERT_EQUAL(fixture_write(del_hold, &pin), 0);
    CU_ASSERT_EQUAL(fixture_write(del_hold, &pin), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(fixture_read(list_holds, &list), 0);
    CU_ASSERT_STRING_EQUAL(list.text, "environment=production ");
    CU_ASSERT_STRING_EQUAL(hold_reason_name(HOLD_PROMOTION), "promotion");
    CU_ASSERT_STRING_EQUAL(hold_reason_name(HOLD_EVIDENCE), "evidence");
    CU_ASSERT_PTR_NULL(hold_reason_name((enum hold_reason)0));
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"publish", test_publish}, {"absent", test_absent},
        {"links", test_links},     {"revive from trash", test_revive},
        {"heal", test_heal},       {"damaged index", test_damaged_index},
        {"holds", test_holds},     CU_TEST_INFO_NULL,
    };

    fixture_add_suites("object", tests);
}
