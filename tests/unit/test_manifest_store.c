/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "storage/hold.h"
#include "tests/support/registry_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_blobs(const char *repo)
{
    CU_ASSERT_EQUAL(fixture_blob_put(repo, "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put(repo, "layer"), 0);
}

static const char *image(void)
{
    return fixture_image("cfg", "layer", "");
}

/* An index over image(). */
static const char *index_of_image(void)
{
    return fixture_index(fixture_descriptor(OCI_IMAGE, image()), "");
}

/* --- PUT and GET ------------------------------------------------------------------------------ */

static void test_put_get(void)
{
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image()), ERR_NAME_UNKNOWN);
    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image()), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, image()), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image()), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, image()), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v2", image()), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(fixture_events(0),
                           "repo.created blob.pushed blob.pushed manifest.pushed tag.bound");
    /* A manifest is no blob, nor a blob a manifest. */
    CU_ASSERT_EQUAL(fixture_blob_get("a", image()), ERR_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, "cfg"), ERR_MANIFEST_UNKNOWN);
    /* Nor is it another repository's. */
    CU_ASSERT_EQUAL(fixture_blob_put("b", "x"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("b", NULL, image()), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_get("b", "v1", image()), ERR_MANIFEST_UNKNOWN);
}

static struct manifest_get got;
static char got_type[256];

static int get_v1(struct kv_tx *tx, void *arg)
{
    int err;

    (void)arg;
    got = (struct manifest_get){.repository = SLICE("a"), .reference.tag = SLICE("v1")};
    err = manifest_get(tx, &got);
    snprintf(got_type, sizeof(got_type), SLICE_FMT, SLICE_ARG(got.media_type));
    return err;
}

static void test_media_type(void)
{
    static const char docker[] = "application/vnd.docker.distribution.manifest.list.v2+json";
    static const char text[] = "{\"schemaVersion\":2,\"manifests\":[]}";
    struct fixture_put as_docker = {.content_type = docker};

    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &as_docker), 0);
    CU_ASSERT_EQUAL(fixture_read(get_v1, NULL), 0);
    CU_ASSERT_STRING_EQUAL(got_type, docker);
    /* The bytes are everybody's: the type they came with first stays. */
    CU_ASSERT_EQUAL(fixture_manifest_put("b", "v1", text, NULL), 0);
    CU_ASSERT_EQUAL(fixture_read(get_v1, NULL), 0);
    CU_ASSERT_STRING_EQUAL(got_type, docker);
}

static void test_file(void)
{
    struct fixture_put as_file = {.as_file = true};

    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &as_file), 0);
    CU_ASSERT_EQUAL(fixture_read(get_v1, NULL), 0);
    CU_ASSERT_PTR_NULL(got.body.p);
    CU_ASSERT_EQUAL(got.size, strlen(image()));
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_BODY)), 0);
    CU_ASSERT_EQUAL(fixture_object(image(), OBJECT_MANIFEST).row.store, OBJECT_IN_FILE);
}

/* Random-keyed rows are what a durable PUT costs: the digest family, and no other, has them. */
static void test_row_counts(void)
{
    char more[512];
    struct fixture_rows before, rows;

    put_blobs("a");
    before = fixture_rows_now();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    rows = fixture_rows_since(&before);
    CU_ASSERT_EQUAL(rows.puts[KV_DIGEST], 1);
    CU_ASSERT_EQUAL(rows.puts[KV_USE], 2);
    CU_ASSERT_EQUAL(rows.puts[KV_EVENT], 2);

    snprintf(more, sizeof(more), ",\"subject\":%s", fixture_descriptor(OCI_IMAGE, "absent"));
    before = fixture_rows_now();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v2", fixture_image("cfg", "layer", more), NULL), 0);
    rows = fixture_rows_since(&before);
    CU_ASSERT_EQUAL(rows.puts[KV_DIGEST], 2);
    CU_ASSERT_EQUAL(rows.puts[KV_REFERRER], 1);
    CU_ASSERT_EQUAL(rows.puts[KV_USE], 3);

    /* The same again, by tag and by digest: nothing at all. */
    before = fixture_rows_now();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_rows_since(&before).total, 0);
}

static void test_missing(void)
{
    struct fixture_put how = {.as_file = false};

    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &how), ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(how.result.missing_n, 2);
    CU_ASSERT_EQUAL(how.result.missing[0], 0);
    CU_ASSERT_EQUAL(how.result.missing[1], 1);
    CU_ASSERT_EQUAL(fixture_event_last(), 0); /* nor was the repository made */

    put_blobs("b"); /* another repository's do not count */
    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &how), ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(how.result.missing_n, 1);
    CU_ASSERT_EQUAL(how.result.missing[0], 1);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image()), ERR_MANIFEST_UNKNOWN);

    /* A deleted one is missing too. */
    CU_ASSERT_EQUAL(fixture_blob_put("a", "layer"), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "layer", NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &how), ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "layer"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &how), 0);
    CU_ASSERT_EQUAL(how.result.missing_n, 0);
}

/* `n` descriptors of the same media type and size, contents "0" .. */
static char *many_descriptors(const char *media_type, unsigned n)
{
    struct buf text;
    char name[16];

    buf_init(&text, 1u << 20);
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%08u", i);
        buf_addf(&text, "%s%s", i ? "," : "", fixture_descriptor(media_type, name));
    }
    CU_ASSERT_FALSE_FATAL(text.overflow);
    return buf_take(&text, NULL);
}

/* An index over `n` children that do not exist; free() it. */
static char *index_of_nothing(unsigned n)
{
    char *list = many_descriptors(OCI_IMAGE, n);
    size_t size = strlen(list) + 256;
    char *text = malloc(size);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    snprintf(text, size, "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[%s]}",
             list);
    free(list);
    return text;
}

static void test_many(void)
{
    struct fixture_put how = {.as_file = true};
    char *text = index_of_nothing(1024);

    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &how), ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(how.result.missing_n, 1024);
    CU_ASSERT_EQUAL(how.result.missing[MANIFEST_MISSING_MAX - 1], MANIFEST_MISSING_MAX - 1);
    /* All of them may be missing, within what one function may write. */
    how.allow_sparse = true;
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &how), 0);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_USE)), 1024);
    free(text);
}

/* There is an end to what may be missing. */
static void test_too_sparse(void)
{
    struct fixture_put how = {.as_file = true, .allow_sparse = true};
    char *text = index_of_nothing(2049);

    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &how), ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(how.result.missing_n, 1);
    CU_ASSERT_EQUAL(how.result.missing[0], 2048);
    free(text);
}

static void test_sizes(void)
{
    struct fixture_put how = {.as_file = false};
    struct digest digest = fixture_digest("layer");
    char text[1024], hex[DIGEST_TEXT_MAX];

    put_blobs("a");
    digest_format(&digest, hex);
    snprintf(text, sizeof(text),
             "{\"schemaVersion\":2,\"config\":%s,\"layers\":[{\"mediaType\":\"x/y\",\"digest\":"
             "\"%s\",\"size\":6}]}",
             fixture_descriptor(OCI_CONFIG, "cfg"), hex);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &how), ERR_MANIFEST_INVALID);
    CU_ASSERT_TRUE(digest_eq(&how.result.size_conflict_digest, &digest));
    CU_ASSERT_EQUAL(how.result.size_conflict_stored, 5);
    /* What the repository does not have it learns nothing about. */
    CU_ASSERT_EQUAL(fixture_blob_put("b", "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("b", "v1", text, &how), ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(how.result.size_conflict_digest.algorithm, 0);
}

static void test_may_be_missing(void)
{
    struct fixture_put how = {.as_file = false};
    const char *foreign =
        fixture_descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", "far");
    char text[1024];

    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}",
             fixture_descriptor(OCI_CONFIG, "cfg"), foreign);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", text, &how), 0);
    CU_ASSERT_EQUAL(fixture_object("far", OBJECT_BLOB).row.state, OBJECT_ABSENT);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "far"), ERR_BLOB_UNKNOWN);
    /* Pushed after all, it is held. */
    CU_ASSERT_EQUAL(fixture_blob_put("a", "far"), 0);
    CU_ASSERT_EQUAL(fixture_blob_get("a", "far"), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "far", NULL), ERR_BLOB_IN_USE);
}

static void test_sparse(void)
{
    struct fixture_put sparse = {.allow_sparse = true};
    const char *index = index_of_image();

    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", index, &sparse), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", index), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, image()), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, image(), &sparse), 0);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, NULL), ERR_MANIFEST_IN_USE);
}

static void test_index(void)
{
    char list[2048];
    struct fixture_put how = {.as_file = false};
    const char *index;

    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", index_of_image(), &how),
                    ERR_MANIFEST_BLOB_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", index_of_image(), &how), 0);

    /* A blob under a manifest's type is not a child. */
    index = fixture_index(fixture_descriptor(OCI_IMAGE, "layer"), "");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v2", index, &how), ERR_MANIFEST_BLOB_UNKNOWN);
    /* Build caches list layers, and other things, in an index. */
    snprintf(list, sizeof(list), "%s,%s", fixture_descriptor(OCI_LAYER, "layer"),
             fixture_descriptor("x/manifest", image()));
    index = fixture_index(list, "");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v2", index, &how), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "layer", NULL), ERR_BLOB_IN_USE);
    index = fixture_index(fixture_descriptor("x/unknown", "nowhere"), "");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v3", index, &how), ERR_MANIFEST_BLOB_UNKNOWN);
}

/* --- Tags of a PUT -----------------------------------------------------------------------------
 */

static void test_tags(void)
{
    static const char *const tags[] = {"v1", "v1.2", "v1", "latest", NULL};
    struct fixture_put how = {.tags = tags};

    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, image(), &how), 0);
    CU_ASSERT_EQUAL(how.result.tags_n, 4);
    for (int i = 0; tags[i] != NULL; i++)
        CU_ASSERT_EQUAL(fixture_manifest_get("a", tags[i], image()), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(3), "manifest.pushed tag.bound tag.bound tag.bound");
    /* Another image moves some and adds one. */
    static const char *const others[] = {"v1", "v2", NULL};
    how.tags = others;
    CU_ASSERT_EQUAL(fixture_manifest_put("a", NULL, fixture_image("cfg", NULL, ""), &how), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(7), "manifest.pushed tag.moved tag.bound");
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1.2", image()), 0);
}

static void test_conditions(void)
{
    const char *other = fixture_image("cfg", NULL, "");
    struct digest first = fixture_digest(image()), second = fixture_digest(other);
    struct fixture_put match = {.condition = {.must_match = true, .digest = first}};
    struct fixture_put fresh = {.condition = {.must_not_exist = true}};
    uint64_t last;

    put_blobs("a");
    last = fixture_event_last();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &match), ERR_HTTP_PRECONDITION);
    CU_ASSERT_EQUAL(match.result.current.algorithm, 0);
    CU_ASSERT_EQUAL(fixture_event_last(), last);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &fresh), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", other, &fresh), ERR_HTTP_PRECONDITION);
    CU_ASSERT_TRUE(digest_eq(&fresh.result.current, &first));
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, other), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", other, &match), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), &match), ERR_HTTP_PRECONDITION);
    CU_ASSERT_TRUE(digest_eq(&match.result.current, &second));
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", other), 0);
}

/* --- DELETE ------------------------------------------------------------------------------------
 */

static void test_delete(void)
{
    uint64_t last;
    unsigned again;
    struct object object;

    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, NULL), ERR_NAME_UNKNOWN);
    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, NULL), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v2", image(), NULL), 0);
    last = fixture_event_last();
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, &again), 0);
    CU_ASSERT_EQUAL(again, 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(last), "tag.deleted tag.deleted manifest.deleted");
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image()), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, image()), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, NULL), ERR_MANIFEST_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TAG)), 0);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TAGOF)), 0);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_USE)), 2); /* they stand, and count not */
    object = fixture_object(image(), OBJECT_MANIFEST);
    CU_ASSERT_EQUAL(object.row.state, OBJECT_TRASH);

    /* The same bytes again. */
    last = fixture_event_last();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v3", image(), NULL), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(last), "manifest.pushed tag.bound");
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v3", image()), 0);
    CU_ASSERT_EQUAL(fixture_object(image(), OBJECT_MANIFEST).id, object.id);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_DUE)), 0);

    /* While it was in the trash its layer went too: then it is not taken. */
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_delete("a", "layer", NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v3", image(), NULL), ERR_MANIFEST_BLOB_UNKNOWN);
}

static void test_delete_many_tags(void)
{
    char tag[16];
    unsigned again;

    put_blobs("a");
    for (int i = 0; i < 1050; i++) {
        snprintf(tag, sizeof(tag), "t%d", i);
        CU_ASSERT_EQUAL(fixture_manifest_put("a", tag, image(), NULL), 0);
    }
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, &again), 0);
    CU_ASSERT_EQUAL(again, 1);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TAG)), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", NULL, image()), ERR_MANIFEST_UNKNOWN);
}

static void test_delete_child(void)
{
    struct holders holders;
    char expected[200], hex[DIGEST_TEXT_MAX];
    const char *index = index_of_image();
    struct digest digest = fixture_digest(index);

    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1-amd64", image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", index, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), &holders, NULL), ERR_MANIFEST_IN_USE);
    CU_ASSERT_EQUAL_FATAL(holders.n, 1);
    snprintf(expected, sizeof(expected), "manifest " SLICE_FMT " (child)",
             SLICE_ARG(digest_format(&digest, hex)));
    CU_ASSERT_STRING_EQUAL(holders.text[0], expected);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1-amd64", image()), 0); /* its tag stays */

    /* Parent first. */
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", index, NULL, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), &holders, NULL), 0);
    CU_ASSERT_EQUAL(holders.n, 0);
    /* And it needs its child to come back. */
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", index, NULL), ERR_MANIFEST_BLOB_UNKNOWN);
}

struct holding {
    uint64_t repo, obj;
    bool release;
};

static int hold(struct kv_tx *tx, void *arg)
{
    const struct holding *h = arg;

    return h->release ? hold_del(tx, h->repo, h->obj, HOLD_PIN, SLICE("me"))
                      : hold_put(tx, h->repo, h->obj, HOLD_PIN, SLICE("me"));
}

static void test_delete_held(void)
{
    struct holders holders;
    struct holding h;

    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    h = (struct holding){fixture_repo("a"), fixture_object(image(), OBJECT_MANIFEST).id, false};
    CU_ASSERT_EQUAL(fixture_write(hold, &h), 0);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), &holders, NULL), ERR_MANIFEST_IN_USE);
    CU_ASSERT_EQUAL_FATAL(holders.n, 1);
    CU_ASSERT_STRING_EQUAL(holders.text[0], "hold pin me");
    h.release = true;
    CU_ASSERT_EQUAL(fixture_write(hold, &h), 0);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, NULL), 0);
}

/* Two repositories have it; one deletes it. */
static void test_delete_shared(void)
{
    put_blobs("a");
    put_blobs("b");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("b", "v1", image(), NULL), 0);
    CU_ASSERT_EQUAL(fixture_object(image(), OBJECT_MANIFEST).row.links, 2);
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", image(), NULL, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_get("b", "v1", image()), 0);
    CU_ASSERT_EQUAL(fixture_object(image(), OBJECT_MANIFEST).row.state, OBJECT_LIVE);
}

static void test_heal(void)
{
    struct object object;
    struct buf value;
    uint64_t last;

    put_blobs("a");
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    object = fixture_object(image(), OBJECT_MANIFEST);
    object.row.state = OBJECT_DAMAGED;
    object.row.media_type = SLICE(OCI_IMAGE);
    buf_init(&value, 1024);
    row_obj_encode(&value, &object.row);
    CU_ASSERT_EQUAL(fixture_put_row(key_obj(object.id), buf_slice(&value)), 0);
    buf_fini(&value);
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image()), ERR_MANIFEST_UNKNOWN);

    last = fixture_event_last();
    CU_ASSERT_EQUAL(fixture_manifest_put("a", "v1", image(), NULL), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(last), "manifest.pushed");
    CU_ASSERT_EQUAL(fixture_manifest_get("a", "v1", image()), 0);
    CU_ASSERT_EQUAL(fixture_object(image(), OBJECT_MANIFEST).row.links, 1);
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"put and get", test_put_get},
        {"media type", test_media_type},
        {"a manifest in a file", test_file},
        {"rows of a put", test_row_counts},
        {"missing blobs", test_missing},
        {"many descriptors", test_many},
        {"too many that are missing", test_too_sparse},
        {"sizes", test_sizes},
        {"what may be missing", test_may_be_missing},
        {"sparse manifests", test_sparse},
        {"index", test_index},
        {"several tags", test_tags},
        {"conditions", test_conditions},
        {"delete", test_delete},
        {"delete with many tags", test_delete_many_tags},
        {"delete a child", test_delete_child},
        {"delete what is held", test_delete_held},
        {"delete what is shared", test_delete_shared},
        {"heal", test_heal},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("manifest_store", tests);
}
