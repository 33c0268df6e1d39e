/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/json.h"
#include "registry/referrer.h"
#include "tests/support/registry_fixture.h"

#include <stdio.h>
#include <string.h>

#define SUBJECT "the subject"

/* An image with this artifact type and name that refers to SUBJECT. */
static const char *referrer(const char *type, const char *name)
{
    static char more[4][1024];
    static unsigned next;
    char *text = more[next++ % 4];

    snprintf(text, sizeof(more[0]),
             ",\"artifactType\":\"%s\",\"annotations\":{\"name\":\"%s\"},\"subject\":%s", type,
             name, fixture_descriptor(OCI_IMAGE, SUBJECT));
    return fixture_image("cfg", NULL, text);
}

struct listing {
    struct referrer_page page;
    struct buf text; /* the descriptors, each on a line */
};

static int add_descriptor(struct slice descriptor, void *arg)
{
    struct listing *list = arg;

    buf_add(&list->text, descriptor);
    buf_add_char(&list->text, '\n');
    return 0;
}

static int run_list(struct kv_tx *tx, void *arg)
{
    struct listing *list = arg;

    buf_reset(&list->text);
    return referrer_list(tx, &list->page);
}

static void list_init(struct listing *list, const char *repo, const char *type)
{
    *list = (struct listing){.page = {.repository = slice_from_cstr(repo),
                                      .artifact_type = slice_from_cstr(type),
                                      .subject = fixture_digest(SUBJECT),
                                      .limit = 100,
                                      .bytes_max = 1u << 20,
                                      .each = add_descriptor,
                                      .arg = list}};
    buf_init(&list->text, 1u << 20);
}

/* Which names are listed ("1 2 "), in order; static. */
static const char *names_of(const struct listing *list)
{
    static char names[256];
    struct slice rest = buf_slice(&list->text), line;

    names[0] = '\0';
    while (slice_split(&rest, '\n', &line)) {
        const char *name = memmem(line.p, line.n, "\"name\":\"", 8);
        size_t n = strlen(names);

        if (name != NULL)
            snprintf(names + n, sizeof(names) - n, "%.1s ", name + 8);
    }
    return names;
}

static void check_list(const char *repo, const char *type, const char *expected)
{
    struct listing list;

    list_init(&list, repo, type);
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_STRING_EQUAL(names_of(&list), expected);
    CU_ASSERT_FALSE(list.page.more);
    buf_fini(&list.text);
}

static void put(const char *repo, const char *text)
{
    CU_ASSERT_EQUAL(fixture_blob_put(repo, "cfg"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put(repo, NULL, text, NULL), 0);
}

static void test_list(void)
{
    struct listing list;

    list_init(&list, "a", "");
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), ERR_NAME_UNKNOWN);
    buf_fini(&list.text);
    CU_ASSERT_EQUAL(fixture_blob_put("a", "cfg"), 0);
    check_list("a", "", "");

    /* The subject is not there, and need never be. */
    put("a", referrer("x/sig", "1"));
    put("a", referrer("x/sbom", "2"));
    put("a", referrer("x/sig", "3"));
    put("b", referrer("x/sig", "4"));
    check_list("a", "", "1 2 3 ");
    check_list("a", "x/sig", "1 3 ");
    check_list("a", "x/sbom", "2 ");
    check_list("a", "x/si", "");
    check_list("b", "", "4 ");
    CU_ASSERT_EQUAL(fixture_object(SUBJECT, OBJECT_MANIFEST).row.state, OBJECT_ABSENT);
}

static void test_trash(void)
{
    const char *one = referrer("x/sig", "1");

    put("a", one);
    put("a", referrer("x/sig", "2"));
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", one, NULL, NULL), 0);
    check_list("a", "", "2 ");
    put("a", one);
    check_list("a", "", "1 2 ");
}

/* The subject may come and go, and its referrers do not keep it. */
static void test_subject(void)
{
    const char *subject = fixture_image("cfg", NULL, "");
    char text[1024];
    struct listing list;
    struct holders holders;

    put("a", subject);
    snprintf(text, sizeof(text), ",\"subject\":%s", fixture_descriptor(OCI_IMAGE, subject));
    put("a", fixture_index("", text));
    CU_ASSERT_EQUAL(fixture_manifest_delete("a", subject, &holders, NULL), 0);
    CU_ASSERT_EQUAL(holders.n, 0);

    list_init(&list, "a", "");
    list.page.subject = fixture_digest(subject);
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_PTR_NOT_NULL(memmem(list.text.p, list.text.n, OCI_INDEX, strlen(OCI_INDEX)));
    buf_fini(&list.text);
}

static void check_descriptor(const char *text, const char *type, const char *artifact_type,
                             const char *annotations)
{
    struct arena arena;
    struct json *root;
    struct listing list;
    struct digest digest = fixture_digest(text);
    char digest_text[DIGEST_TEXT_MAX];
    const struct json_limits limits = {.max_depth = 8, .max_values = 100};

    put("a", text);
    list_init(&list, "a", "");
    list.page.after = fixture_object(text, OBJECT_MANIFEST).id - 1;
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    arena_init(&arena, 1u << 20);
    CU_ASSERT_EQUAL_FATAL(json_parse(&arena, buf_slice(&list.text), &limits, &root, NULL), 0);
    CU_ASSERT_TRUE(slice_eq(json_member(root, SLICE("mediaType"))->text, slice_from_cstr(type)));
    CU_ASSERT_TRUE(
        slice_eq(json_member(root, SLICE("digest"))->text, digest_format(&digest, digest_text)));
    CU_ASSERT_EQUAL(json_member(root, SLICE("size"))->integer, (int64_t)strlen(text));
    const struct json *value = json_member(root, SLICE("artifactType"));
    CU_ASSERT_EQUAL(value != NULL, artifact_type != NULL);
    if (value != NULL) {
        CU_ASSERT_TRUE(slice_eq(value->text, slice_from_cstr(artifact_type)));
    }
    value = json_member(root, SLICE("annotations"));
    CU_ASSERT_EQUAL(value != NULL, annotations != NULL);
    if (value != NULL) {
        CU_ASSERT_TRUE(
            slice_eq(slice_sub(buf_slice(&list.text), value->begin, value->end - value->begin),
                     slice_from_cstr(annotations)));
    }
    arena_fini(&arena);
    buf_fini(&list.text);
}

static void test_descriptors(void)
{
    char more[1024];
    const char *subject = fixture_descriptor(OCI_IMAGE, SUBJECT);

    snprintf(more, sizeof(more), ",\"subject\":%s", subject);
    check_descriptor(fixture_image("cfg", NULL, more), OCI_IMAGE, OCI_CONFIG, NULL);
    check_descriptor(fixture_index("", more), OCI_INDEX, NULL, NULL);
    snprintf(more, sizeof(more),
             ",\"subject\":%s,\"artifactType\":\"a/\\u0062\",\"annotations\":{ \"k\":\"v\\n\" }",
             fixture_descriptor(OCI_IMAGE, SUBJECT));
    check_descriptor(fixture_index("", more), OCI_INDEX, "a/b", "{ \"k\":\"v\\n\" }");
}

static void test_pages(void)
{
    struct listing list;

    for (int i = 1; i <= 5; i++) {
        char name[2] = {(char)('0' + i), '\0'};
        put("a", referrer(i % 2 ? "x/odd" : "x/even", name));
    }
    list_init(&list, "a", "");
    list.page.limit = 2;
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_STRING_EQUAL(names_of(&list), "1 2 ");
    CU_ASSERT_TRUE(list.page.more);
    list.page.after = list.page.last;
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_STRING_EQUAL(names_of(&list), "3 4 ");
    CU_ASSERT_TRUE(list.page.more);
    list.page.after = list.page.last;
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_STRING_EQUAL(names_of(&list), "5 ");
    CU_ASSERT_FALSE(list.page.more);
    /* Exactly the limit: nothing is left. */
    list.page.limit = 5;
    list.page.after = 0;
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_FALSE(list.page.more);
    /* The limit counts rows looked at, shown or not. */
    list.page.limit = 3;
    list.page.artifact_type = SLICE("x/even");
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_STRING_EQUAL(names_of(&list), "2 ");
    CU_ASSERT_TRUE(list.page.more);
    /* Bytes end a page behind the descriptor that reached them. */
    list.page.limit = 100;
    list.page.artifact_type = SLICE("");
    list.page.bytes_max = 1;
    CU_ASSERT_EQUAL(fixture_read(run_list, &list), 0);
    CU_ASSERT_STRING_EQUAL(names_of(&list), "1 ");
    CU_ASSERT_TRUE(list.page.more);
    buf_fini(&list.text);
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"list", test_list},
        {"trashed referrers", test_trash},
        {"subjects come and go", test_subject},
        {"descriptors", test_descriptors},
        {"pages", test_pages},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("referrer", tests);
}
