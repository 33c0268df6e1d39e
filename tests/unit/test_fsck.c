/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store with a row of every family is clean; then each kind of damage is done to it, one at a
 * time, and must be reported.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/policy_store.h"
#include "auth/server_key.h"
#include "registry/fsck.h"
#include "storage/event.h"
#include "storage/hold.h"
#include "tests/support/registry_fixture.h"

#include <CUnit/CUnit.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[256];
static struct store store;

static const struct slice none = {NULL, 0};

/* --- The store -------------------------------------------------------------------------------- */

static void open_store(void)
{
    const struct store_options options = {
        .path = path,
        .kv = {.map_size_bytes = 64u << 20, .readers_max = 8, .queue_max = 64},
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
}

static void put_file(const char *content)
{
    struct digest digest = fixture_digest(content);

    CU_ASSERT_EQUAL(blob_file_write(store.files, &digest, slice_from_cstr(content), NULL), 0);
}

static void put_blob(const char *repo, const char *content)
{
    put_file(content);
    CU_ASSERT_EQUAL(fixture_blob_put(repo, content), 0);
}

static const char *image(void)
{
    return fixture_image("cfg", "layer", "");
}

static const char *index_of_image(void)
{
    return fixture_index(fixture_descriptor(OCI_IMAGE, image()), "");
}

static const char *signature(void)
{
    char more[512];

    snprintf(more, sizeof(more), ",\"subject\":%s", fixture_descriptor(OCI_IMAGE, image()));
    return fixture_image("cfg", NULL, more);
}

/* Stored as a file, whatever its size. */
static const char *large(void)
{
    return fixture_image("cfg", NULL, ",\"annotations\":{\"large\":\"yes\"}");
}

static uint64_t manifest_id(const char *text)
{
    return fixture_object(text, OBJECT_MANIFEST).id;
}

static uint64_t blob_id(const char *text)
{
    return fixture_object(text, OBJECT_BLOB).id;
}

static int hold_image(struct kv_tx *tx, void *arg)
{
    const uint64_t *ids = arg;

    return hold_put(tx, ids[0], ids[1], HOLD_PIN, SLICE("me"));
}

static void put_id_row(struct key key, uint64_t id)
{
    struct buf value;

    buf_init(&value, 64);
    row_id_encode(&value, id);
    CU_ASSERT_EQUAL(fixture_put_row(key, buf_slice(&value)), 0);
    buf_fini(&value);
}

static void put_policy(const char *document)
{
    struct policy_put put = {.document = slice_from_cstr(document), .actor = SLICE("me")};

    CU_ASSERT_EQUAL(fixture_write(policy_store_put, &put), 0);
}

static void put_later_rows(void)
{
    const struct row_tomb tomb = {.obj = 1, .seq = 1};
    const struct row_managed managed = {.owner = SLICE("production"), .hint = SLICE("promote")};
    struct buf value;

    buf_init(&value, 1024);
    row_tomb_encode(&value, &tomb);
    CU_ASSERT_EQUAL(fixture_put_row(key_tomb(1, SLICE("1.2.3")), buf_slice(&value)), 0);
    buf_reset(&value);
    row_managed_encode(&value, &managed);
    CU_ASSERT_EQUAL(fixture_put_row(key_managed(1, SLICE("production")), buf_slice(&value)), 0);
    buf_fini(&value);
    put_id_row(key_cursor(SLICE("audit")), 1);
}

static void populate(void)
{
    struct fixture_put as_file = {.as_file = true};
    uint64_t ids[2];

    put_blob("a", "cfg");
    put_blob("a", "layer");
    put_blob("a", "deleted");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "latest", index_of_image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, signature(), NULL), 0);
    put_file(large());
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "large", large(), &as_file), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "deleted", NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_mount("b", "a", "cfg"), 0);
    ids[0] = fixture_repo("a");
    ids[1] = manifest_id(image());
    CU_ASSERT_EQUAL(fixture_write(hold_image, ids), 0);
    put_policy("{}");
    put_policy("{\"roles\":{}}");
    put_later_rows();
}

static void set_up(void)
{
    fixture_make_dir(path);
    open_store();
    populate();
}

static void tear_down(void)
{
    store_close(&store);
    fixture_kv = NULL;
    fixture_remove_dir(path);
}

/* --- Running it ------------------------------------------------------------------------------- */

struct found {
    struct fsck_summary summary;
    char errors[16384], notes[16384]; /* one finding a line */
};

static struct found found;

static void add_finding(enum fsck_level level, const char *text, void *arg)
{
    struct found *f = arg;
    char *out = level == FSCK_ERROR ? f->errors : f->notes;
    size_t n = strlen(out);

    snprintf(out + n, sizeof(f->errors) - n, "%s\n", text);
}

static int run(void)
{
    struct fault fault = FAULT_INIT;

    memset(&found, 0, sizeof(found));
    int err = fsck_run(&store, add_finding, &found, &found.summary, &fault);
    CU_ASSERT_EQUAL(fault.code, err);
    CU_ASSERT_EQUAL(err, found.summary.errors > 0 ? ERR_CORRUPT : 0);
    return err;
}

static void check_error(const char *text)
{
    CU_ASSERT_EQUAL(run(), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(found.errors, text));
    if (strstr(found.errors, text) == NULL)
        printf("# wanted: %s\n# found: %s\n", text, found.errors);
}

static void check_clean(void)
{
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_STRING_EQUAL(found.errors, "");
}

static void test_clean(void)
{
    check_clean();
    CU_ASSERT_STRING_EQUAL(found.notes, "");
    CU_ASSERT_EQUAL(found.summary.repositories, 2);
    CU_ASSERT_EQUAL(found.summary.manifests, 4);
    CU_ASSERT_EQUAL(found.summary.blobs, 3);
    CU_ASSERT_EQUAL(found.summary.tags, 3);
    CU_ASSERT_EQUAL(found.summary.files, 4);
    CU_ASSERT_EQUAL(found.summary.events, fixture_event_last());
    CU_ASSERT_EQUAL(found.summary.notes, 0);
}

static void test_clean_when_empty(void)
{
    store_close(&store);
    fixture_remove_dir(path);
    fixture_make_dir(path);
    open_store();
    check_clean();
    CU_ASSERT_STRING_EQUAL(found.notes, "");
}

/* Whatever the registry itself does leaves a clean store. */
static void test_clean_after_work(void)
{
    struct fixture_put sparse = {.allow_sparse = true};
    const char *holed = fixture_image("cfg", "nowhere", "");
    char more[512];

    CU_ASSERT_EQUAL(fixture_manifest_delete("a", index_of_image(), NULL, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", signature(), NULL, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", large(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_tag_delete("a", "large"), 0);
    check_clean();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", signature(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "deleted"), 0);
    snprintf(more, sizeof(more), ",\"subject\":%s", fixture_descriptor(OCI_IMAGE, "absent"));
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v2", fixture_image("cfg", NULL, more), NULL), 0);
    check_clean();
    CU_ASSERT_STRING_EQUAL(found.notes, "");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v3", holed, &sparse), 0);
    check_clean();
    CU_ASSERT_PTR_NOT_NULL(strstr(found.notes, "is sparse"));
}

/* --- Rows that do not decode ------------------------------------------------------------------ */

static void test_values(void)
{
    const uint64_t repo = fixture_repo("a"), obj = manifest_id(image());
    const struct digest digest = fixture_digest(image());
    const struct {
        struct key key;
        const char *text;
    } rows[] = {
        {key_name(SLICE("a")), "the name row of a does not decode"},
        {key_digest(&digest, OBJECT_MANIFEST), "the digest row of sha256:"},
        {key_obj(obj), "the obj row of object "},
        {key_link(repo, obj), "the link row of manifest sha256:"},
        {key_tag(repo, SLICE("v1")), "the tag row of repository a:v1 does not decode"},
        {key_tomb(repo, SLICE("1.2.3")), "a tomb row of repository a does not decode"},
        {key_referrer(repo, obj, manifest_id(signature())), "the referrer row of manifest"},
        {key_managed(repo, SLICE("production")), "a managed row of repository a does not decode"},
        {key_cursor(SLICE("audit")), "the cursor row of audit does not decode"},
        {key_policy(0), "the row of the policy in force does not decode"},
        {key_policy(1), "version 1 of the policy does not decode"},
        {key_event(2), "event 2 does not decode"},
        {key_meta(SLICE("head")), "the head row of the index does not decode"},
    };
    struct buf before;

    buf_init(&before, KV_VALUE_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL_FATAL(fixture_get_row(rows[i].key, &before), 0);
        CU_ASSERT_EQUAL(fixture_put_row(rows[i].key, SLICE("\xee!")), 0);
        check_error(rows[i].text);
        CU_ASSERT_EQUAL(fixture_put_row(rows[i].key, buf_slice(&before)), 0);
    }
    buf_fini(&before);
    check_clean();
}

static void test_keys(void)
{
    static const uint8_t families[] = {KV_DIGEST, KV_OBJ,      KV_BODY,   KV_LINK, KV_USE,
                                       KV_TAG,    KV_TAGOF,    KV_TOMB,   KV_HOLD, KV_MANAGED,
                                       KV_DUE,    KV_REFERRER, KV_POLICY, KV_EVENT};
    char text[64];

    for (size_t i = 0; i < sizeof(families); i++) {
        struct key key = {.n = 2, .bytes = {families[i], 0xff}};

        CU_ASSERT_EQUAL(fixture_put_row(key, SLICE("x")), 0);
        snprintf(text, sizeof(text), "a key of family %s does not decode",
                 kv_family_name(families[i]));
        check_error(text);
        CU_ASSERT_EQUAL(found.summary.errors, 1);
        CU_ASSERT_EQUAL(fixture_put_row(key, none), 0);
    }
    CU_ASSERT_EQUAL(fixture_put_row((struct key){.n = 2, .bytes = {0x77, 1}}, SLICE("x")), 0);
    check_error("family 0x77");
}

/* --- Rows that are missing -------------------------------------------------------------------- */

/* Without this row the text is reported; with it again, nothing. */
static void check_missing(struct key key, const char *text)
{
    struct buf before;

    buf_init(&before, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key, &before), 0);
    CU_ASSERT_EQUAL(fixture_put_row(key, none), 0);
    check_error(text);
    CU_ASSERT_EQUAL(fixture_put_row(key, before.n > 0 ? buf_slice(&before) : SLICE("")), 0);
    buf_fini(&before);
    check_clean();
}

static void test_missing(void)
{
    const uint64_t repo = fixture_repo("a"), img = manifest_id(image());
    const uint64_t idx = manifest_id(index_of_image()), sig = manifest_id(signature());
    const struct digest digest = fixture_digest("cfg");
    const struct row_obj trash = fixture_object("deleted", OBJECT_BLOB).row;

    check_missing(key_name(SLICE("a")), "a link row names repository 1, which has no name");
    check_missing(key_name(SLICE("a")), "a tag row names repository 1");
    check_missing(key_digest(&digest, OBJECT_BLOB), "its digest row is missing");
    check_missing(key_obj(blob_id("cfg")), "which does not exist");
    check_missing(key_obj(blob_id("cfg")), "a link row names object");
    check_missing(key_obj(img), "a use row names object");
    check_missing(key_obj(img), "a body row names object");
    check_missing(key_body(img), "its body row is missing");
    check_missing(key_link(repo, img), "has 0 links, its row counts 1");
    check_missing(key_link(repo, img), "is live, but no repository links to it");
    check_missing(key_link(repo, img), "a tag row names manifest");
    check_missing(key_link(repo, img), "a use row names manifest");
    check_missing(key_link(repo, img), "a hold row names manifest");
    check_missing(key_link(repo, sig), "a referrer row names manifest");
    check_missing(key_use(blob_id("layer"), repo, img, USE_BLOB), "no use row says so");
    check_missing(key_use(img, repo, idx, USE_CHILD), "no use row says so");
    check_missing(key_use(blob_id("cfg"), repo, manifest_id(large()), USE_BLOB),
                  "no use row says so");
    check_missing(key_use(img, repo, sig, USE_SUBJECT), "a referrer: the use row of manifest");
    check_missing(key_use(img, repo, sig, USE_SUBJECT), "in subject, but no use row says so");
    check_missing(key_tag(repo, SLICE("v1")), "the tag v1 does not name its object");
    check_missing(key_tagof(repo, img, SLICE("v1")), "tagged: the tagof row of manifest");
    check_missing(key_referrer(repo, img, sig), "its referrer row is missing");
    check_missing(key_due(trash.due_ms, DUE_OBJECT, blob_id("deleted"), 0),
                  "in the trash: the due row of blob");
    check_missing(key_due(trash.due_ms, DUE_LINK, repo, blob_id("deleted")),
                  "a deleted link: the due row of blob");
    check_missing(key_event(3), "events 3 to 3 are missing");
    check_missing(key_meta(SLICE("head")), "the next push would use one twice");
    check_missing(key_meta(SLICE("head")), "but the head row says 0");
}

static void test_log_end(void)
{
    CU_ASSERT_EQUAL(fixture_put_row(key_event(fixture_event_last()), none), 0);
    check_error("before the last one written");
}

/* --- Rows that are wrong ---------------------------------------------------------------------- */

/* With this row instead the text is reported. */
static void check_wrong(struct key key, struct slice value, const char *text)
{
    struct buf before;
    int err;

    buf_init(&before, KV_VALUE_MAX);
    err = fixture_get_row(key, &before);
    CU_ASSERT_EQUAL(fixture_put_row(key, value), 0);
    check_error(text);
    if (err == ERR_NOT_FOUND) {
        CU_ASSERT_EQUAL(fixture_put_row(key, none), 0);
    } else {
        CU_ASSERT_EQUAL(fixture_put_row(key, buf_slice(&before)), 0);
    }
    buf_fini(&before);
    check_clean();
}

static void check_wrong_id(struct key key, uint64_t id, const char *text)
{
    struct buf value;

    buf_init(&value, 64);
    row_id_encode(&value, id);
    check_wrong(key, buf_slice(&value), text);
    buf_fini(&value);
}

static void check_wrong_obj(uint64_t id, const struct row_obj *row, const char *text)
{
    struct buf value;

    buf_init(&value, 1024);
    row_obj_encode(&value, row);
    check_wrong(key_obj(id), buf_slice(&value), text);
    buf_fini(&value);
}

static void check_wrong_link(uint64_t repo, uint64_t obj, struct row_link row, const char *text)
{
    struct buf value;

    buf_init(&value, 1024);
    row_link_encode(&value, &row);
    check_wrong(key_link(repo, obj), buf_slice(&value), text);
    buf_fini(&value);
}

static void check_wrong_tag(const char *tag, struct row_tag row, const char *text)
{
    struct buf value;

    buf_init(&value, 1024);
    row_tag_encode(&value, &row);
    check_wrong(key_tag(fixture_repo("a"), slice_from_cstr(tag)), buf_slice(&value), text);
    buf_fini(&value);
}

static void test_wrong_names(void)
{
    const struct digest digest = fixture_digest("cfg");

    check_wrong_id(key_name(SLICE("b")), 1, "repositories");
    check_wrong_id(key_name(SLICE("UPPER")), 9, "component 1");
    check_wrong_id(key_digest(&digest, OBJECT_BLOB), blob_id("layer"), "of another digest");
    check_wrong_id(key_digest(&digest, OBJECT_BLOB), blob_id("layer"), "but its digest row names");
    check_wrong_id(key_digest(&digest, OBJECT_MANIFEST), blob_id("cfg"), "of another digest");
    check_wrong_id(key_cursor(SLICE("audit")), 1000, "behind the end of the log");
}

static void test_wrong_objects(void)
{
    struct object object = fixture_object(image(), OBJECT_MANIFEST);
    struct row_obj row = object.row;

    check_wrong_obj(object.id, &row, "has no media type");
    row.media_type = SLICE(OCI_IMAGE);
    row.links = 7;
    check_wrong_obj(object.id, &row, "has 1 links, its row counts 7");
    row.links = 1;
    row.size++;
    check_wrong_obj(object.id, &row, "its row says");
    row.size--;
    row.state = OBJECT_DAMAGED;
    check_wrong_obj(object.id, &row, "is damaged; pushing it again heals it");
    row.state = OBJECT_TRASH;
    row.due_ms = 1;
    check_wrong_obj(object.id, &row, "is in the trash, but linked");
    row.state = OBJECT_ABSENT;
    check_wrong_obj(object.id, &row, "but was never stored");
    row.state = OBJECT_LIVE;
    row.due_ms = 0;
    row.store = OBJECT_IN_FILE;
    check_wrong_obj(object.id, &row, "has a body row, but its bytes are elsewhere");
    row.store = 0;
    check_wrong_obj(object.id, &row, "does not say where its bytes are");
    row.store = OBJECT_IN_INDEX;
    row.kind = OBJECT_BLOB;
    check_wrong_obj(object.id, &row, "which is no manifest");
    check_wrong_obj(object.id, &row, "as what it is not");
    row.kind = OBJECT_MANIFEST;
    row.digest.raw[0] ^= 1;
    check_wrong_obj(object.id, &row, "its digest row is missing");
    check_wrong_obj(object.id, &row, "its body has another digest");
}

static void test_wrong_bodies(void)
{
    const uint64_t id = manifest_id(image());
    struct buf body;

    buf_init(&body, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key_body(id), &body), 0);
    body.p[body.n - 1] = ' ';
    check_wrong(key_body(id), buf_slice(&body), "its body has another digest");
    check_wrong(key_body(id), buf_slice(&body), "is no manifest");
    buf_add_char(&body, ' ');
    check_wrong(key_body(id), buf_slice(&body), "bytes, its row says");
    check_wrong(key_body(blob_id("cfg")), SLICE("cfg"), "has a body row");
    buf_fini(&body);
}

static void test_wrong_links_and_tags(void)
{
    const uint64_t repo = fixture_repo("a"), obj = manifest_id(image());
    const struct row_link link = {.since_ms = 1, .seq = 1};

    check_wrong_link(repo, obj, (struct row_link){.since_ms = 1, .seq = 999}, "cites event 999");
    check_wrong_link(repo, obj, (struct row_link){.since_ms = 1, .seq = 1, .due_ms = 5},
                     "a deleted link: the due row of manifest");
    check_wrong_link(9, obj, link, "a link row names repository 9");
    check_wrong_link(repo, 999, link, "a link row names object 999");
    check_wrong_link(fixture_repo("b"), obj, link, "has 2 links, its row counts 1");

    check_wrong_tag("v1", (struct row_tag){.obj = obj, .seq = 0},
                    "a tag row of repository a cites");
    check_wrong_tag("v1", (struct row_tag){.obj = 999, .seq = 1}, "a tag row names object 999");
    check_wrong_tag("v1", (struct row_tag){.obj = blob_id("cfg"), .seq = 1},
                    "which is no manifest");
    check_wrong_tag("-", (struct row_tag){.obj = obj, .seq = 1}, "the tag \"-\" is not allowed");
    check_wrong_tag("v9", (struct row_tag){.obj = obj, .seq = 1}, "tagged: the tagof row");
}

static void test_wrong_hangers(void)
{
    const uint64_t repo = fixture_repo("a"), img = manifest_id(image());
    const uint64_t b = fixture_repo("b"), sig = manifest_id(signature());
    const struct slice empty = SLICE("");
    struct row_referrer row = {.descriptor = SLICE("{}")};
    struct buf referrer;

    check_wrong(key_use(999, repo, img, USE_BLOB), empty, "a use row names object 999");
    check_wrong(key_use(img, 9, img, USE_CHILD), empty, "a use row names repository 9");
    check_wrong(key_use(img, repo, 999, USE_CHILD), empty, "a use row names object 999");
    check_wrong(key_use(img, b, img, USE_CHILD), empty, "which repository b does not have");
    check_wrong(key_use(img, repo, blob_id("cfg"), USE_CHILD), empty, "which is no manifest");
    check_wrong(key_tagof(repo, img, SLICE("other")), empty, "the tag other does not name");
    check_wrong(key_tagof(repo, sig, SLICE("v1")), empty, "the tag v1 does not name");
    check_wrong(key_hold(9, img, HOLD_PIN, SLICE("x")), empty, "a hold row names repository 9");
    check_wrong(key_hold(repo, 999, HOLD_PIN, SLICE("x")), empty, "a hold row names object 999");
    check_wrong(key_hold(repo, img, 200, SLICE("x")), empty, "has an unknown reason, 200");
    check_wrong(key_hold(repo, blob_id("deleted"), HOLD_PIN, SLICE("x")), empty,
                "a hold row names blob");
    check_wrong(key_due(7, DUE_OBJECT, img, 0), empty, "which is not due then");
    check_wrong(key_due(7, DUE_LINK, repo, img), empty, "which is not due then");
    check_wrong(key_tomb(9, SLICE("1.0.0")), empty, "a tomb row names repository 9");
    check_wrong(key_managed(9, SLICE("x")), empty, "a managed row names repository 9");

    buf_init(&referrer, 1024);
    row_referrer_encode(&referrer, &row);
    check_wrong(key_referrer(repo, 999, sig), buf_slice(&referrer), "names object 999");
    check_wrong(key_referrer(repo, img, img), buf_slice(&referrer), "a referrer: the use row");
    check_wrong(key_referrer(b, img, sig), buf_slice(&referrer), "repository b does not have");
    buf_fini(&referrer);
}

static void test_wrong_events(void)
{
    struct buf row;

    buf_init(&row, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key_event(2), &row), 0);
    row.p[5] ^= 1; /* its time */
    check_wrong(key_event(2), buf_slice(&row), "event 2 does not continue the hash chain");
    CU_ASSERT_EQUAL(fixture_put_row(key_event(2), buf_slice(&row)), 0);
    check_error("event 2 ");
    CU_ASSERT_EQUAL(found.summary.errors, 1); /* and not each one after it */
    buf_fini(&row);
}

static int stage_false_signature(struct kv_tx *tx, void *arg)
{
    static const char key[SERVER_KEY_PUBLIC_SIZE], signature[SERVER_KEY_SIGNATURE_SIZE];
    char kid[SERVER_KEY_KID_SIZE + 1];
    struct event event = {.type = EVENT_LOG_SIGNED,
                          .size = 1,
                          .key = slice_make(key, sizeof(key)),
                          .signature = slice_make(signature, sizeof(signature))};

    (void)arg;
    server_key_kid_of(event.key, kid);
    event.subject = slice_from_cstr(kid);
    digest_compute(DIGEST_SHA256, SLICE("another log"), &event.digest);
    return event_stage(tx, &event);
}

static void test_wrong_signature(void)
{
    CU_ASSERT_EQUAL(fixture_write(stage_false_signature, NULL), 0);
    check_error("signs the log, but the log before it was changed since");
    CU_ASSERT_EQUAL(found.summary.errors, 1);
}

/* --- Files ------------------------------------------------------------------------------------ */

static void file_path(const char *content, char out[512])
{
    struct digest digest = fixture_digest(content);
    char text[DIGEST_TEXT_MAX];

    digest_format(&digest, text);
    snprintf(out, 512, "%s/blobs/sha256/%.2s/%s", path, text + 7, text + 7);
}

static void write_file(const char *name, const char *content)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

static void test_wrong_key(void)
{
    char name[512];

    snprintf(name, sizeof(name), "%s/keys", path);
    CU_ASSERT_EQUAL_FATAL(mkdir(name, 0700), 0);
    check_clean();
    snprintf(name, sizeof(name), "%s/keys/0123456789abcdef0123456789abcdef.pem", path);
    write_file(name, "no key");
    check_error("is not the key that its name says");
}

static void test_files(void)
{
    char name[512];

    file_path("layer", name);
    CU_ASSERT_EQUAL(unlink(name), 0);
    check_error("is missing; pushing it again heals it");
    CU_ASSERT_PTR_NOT_NULL(strstr(found.errors, strrchr(name, '/') + 1));
    write_file(name, "laye");
    check_error("has 4 bytes, its row says 5");
    write_file(name, "layer");
    check_clean();

    /* In the trash it must be there too: it may be restored. */
    file_path("deleted", name);
    CU_ASSERT_EQUAL(unlink(name), 0);
    check_error("is missing");
    put_file("deleted");

    file_path(large(), name);
    CU_ASSERT_EQUAL(unlink(name), 0);
    check_error("is missing");
    put_file(large());
    write_file(name, fixture_image("cfg", NULL, ",\"annotations\":{\"large\":\"yeS\"}"));
    check_error("its file has another digest");
    put_file(large());
    check_clean();
}

static void test_strange_files(void)
{
    char name[512];

    put_file("orphan");
    check_clean();
    CU_ASSERT_PTR_NOT_NULL(strstr(found.notes, "no row names blob file sha256:"));
    CU_ASSERT_EQUAL(found.summary.notes, 1);
    CU_ASSERT_EQUAL(found.summary.files, 5);
    snprintf(name, sizeof(name), "%s/blobs/sha256/ab/readme.txt", path);
    write_file(name, "x");
    check_clean();
    CU_ASSERT_PTR_NOT_NULL(strstr(found.notes, "is not ours: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(found.notes, "readme.txt"));
    CU_ASSERT_EQUAL(found.summary.notes, 2);
}

/* --- With a server running -------------------------------------------------------------------- */

static atomic_bool stop;

/* Pushes and deletes blobs until told to stop, file first. No CUnit here: it is for one thread. */
static void *push_and_delete(void *arg)
{
    char content[32];
    uintptr_t failures = 0;

    (void)arg;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        snprintf(content, sizeof(content), "content %u", i % 50);
        struct digest digest = fixture_digest(content);
        struct slice bytes = slice_from_cstr(content);
        struct blob_put put = {.repository = SLICE("busy"),
                               .actor = SLICE("tester"),
                               .digest = digest,
                               .size = bytes.n};
        struct blob_delete del = {
            .repository = SLICE("busy"), .actor = SLICE("tester"), .digest = digest};

        failures += blob_file_write(store.files, &digest, bytes, NULL) != 0;
        failures += kv_write_sync(store.kv, blob_put, &put) != 0;
        if (i % 3 == 0)
            failures += kv_write_sync(store.kv, blob_delete, &del) != 0;
    }
    return (void *)failures;
}

static void test_while_others_push(void)
{
    pthread_t thread;
    void *failures = NULL;
    uint64_t events = fixture_event_last();
    int changes = 0;

    atomic_store(&stop, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, push_and_delete, NULL), 0);
    /* Until the store has changed between two runs, some times. */
    for (int i = 0; changes < 5 && i < 100000; i++) {
        check_clean();
        changes += found.summary.events != events;
        events = found.summary.events;
    }
    atomic_store(&stop, true);
    pthread_join(thread, &failures);
    CU_ASSERT_PTR_NULL(failures);
    check_clean();
    CU_ASSERT_EQUAL(changes, 5);
}

static void put_policy_row(uint64_t version, uint64_t seq, const char *document)
{
    const struct row_policy row = {.seq = seq, .document = slice_from_cstr(document)};
    struct buf value;

    buf_init(&value, 1024);
    row_policy_encode(&value, &row);
    CU_ASSERT_EQUAL(fixture_put_row(key_policy(version), buf_slice(&value)), 0);
    buf_fini(&value);
}

static void test_wrong_policies(void)
{
    check_missing(key_policy(2), "version 2 of the policy is in force, but missing");
    check_missing(key_policy(0), "there is a version 1 of the policy, but 0 is in force");
    put_policy_row(1, 999, "{}");
    check_error("version 1 of the policy cites event 999, which the log does not have");
    put_policy_row(1, 0, "{}");
    check_error("version 1 of the policy cites event 0");
    put_policy_row(1, 1, "what an older program took");
    check_clean();
    put_policy_row(2, 1, "{\"role\":{}}");
    check_error("version 2 of the policy is in force, but cannot be read: there is no member role");
    put_policy_row(2, 1, "{}");
    check_clean();
    put_policy_row(3, 1, "{}");
    check_error("there is a version 3 of the policy, but 2 is in force");
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown("fsck", NULL, NULL, set_up, tear_down);

    CU_add_test(suite, "clean", test_clean);
    CU_add_test(suite, "clean when empty", test_clean_when_empty);
    CU_add_test(suite, "clean after work", test_clean_after_work);
    CU_add_test(suite, "values", test_values);
    CU_add_test(suite, "keys", test_keys);
    CU_add_test(suite, "missing rows", test_missing);
    CU_add_test(suite, "a log cut short", test_log_end);
    CU_add_test(suite, "wrong names, digests, cursors", test_wrong_names);
    CU_add_test(suite, "wrong objects", test_wrong_objects);
    CU_add_test(suite, "wrong bodies", test_wrong_bodies);
    CU_add_test(suite, "wrong links and tags", test_wrong_links_and_tags);
    CU_add_test(suite, "wrong uses, holds, referrers, dues", test_wrong_hangers);
    CU_add_test(suite, "wrong policies", test_wrong_policies);
    CU_add_test(suite, "wrong events", test_wrong_events);
    CU_add_test(suite, "a wrong signature of the log", test_wrong_signature);
    CU_add_test(suite, "a file that is no key", test_wrong_key);
    CU_add_test(suite, "files missing or damaged", test_files);
    CU_add_test(suite, "strange files", test_strange_files);
    CU_add_test(suite, "while others push", test_while_others_push);
}
