/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /api/v1 shows: registry/manifest_view, manifest_info, tag_view, repository_view and
 * referrer_tree, over both engines.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "registry/manifest_info.h"
#include "registry/manifest_view.h"
#include "registry/referrer_tree.h"
#include "registry/repository_view.h"
#include "registry/tag_view.h"
#include "tests/support/registry_fixture.h"

#include <stdio.h>
#include <string.h>

#define DOCKER_IMAGE  "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST   "application/vnd.docker.distribution.manifest.list.v2+json"
#define OCI_ARTIFACT  "application/vnd.oci.artifact.manifest.v1+json"
#define DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define PLATFORM                                                                                   \
    "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\",\"created\":\"1970\"}"

static struct arena arena;

static void begin(void)
{
    arena_init(&arena, (size_t)32 << 20);
}

static void end(void)
{
    arena_fini(&arena);
}

static bool is(struct slice text, const char *expected)
{
    return slice_eq(text, slice_from_cstr(expected));
}

/*
 * Manifests; no store is needed.
 */

static struct manifest_view *parse(const char *text, const char *media_type)
{
    struct manifest_view *view = NULL;

    CU_ASSERT_EQUAL_FATAL(
        manifest_view_parse(&arena, slice_from_cstr(text), slice_from_cstr(media_type), &view), 0);
    return view;
}

static void check_kind(const char *text, const char *media_type, enum manifest_view_kind kind,
                       const char *artifact_type)
{
    struct manifest_view *view = parse(text, media_type);

    CU_ASSERT_EQUAL(view->kind, kind);
    CU_ASSERT_TRUE(is(view->artifact_type, artifact_type));
}

static const char *with_config(const char *media_type, const char *more)
{
    static char text[4][2048];
    static unsigned next;
    char *out = text[next++ % 4];

    snprintf(out, sizeof(text[0]), "{\"config\":%s,\"layers\":[]%s}",
             fixture_descriptor(media_type, "cfg"), more);
    return out;
}

static void test_kinds(void)
{
    begin();
    check_kind(with_config(OCI_CONFIG, ""), OCI_IMAGE, VIEW_IMAGE, "");
    check_kind(with_config(OCI_CONFIG, ",\"artifactType\":\"a/b\""), OCI_IMAGE, VIEW_ARTIFACT,
               "a/b");
    check_kind(with_config("application/vnd.cncf.helm.config.v1+json", ""), OCI_IMAGE,
               VIEW_ARTIFACT, "application/vnd.cncf.helm.config.v1+json");
    check_kind(with_config(DOCKER_CONFIG, ""), DOCKER_IMAGE, VIEW_DOCKER_IMAGE, "");
    check_kind("{\"manifests\":[]}", OCI_INDEX, VIEW_INDEX, "");
    check_kind("{\"manifests\":[],\"artifactType\":\"a/b\"}", OCI_INDEX, VIEW_INDEX, "a/b");
    check_kind("{\"manifests\":[]}", DOCKER_LIST, VIEW_DOCKER_INDEX, "");
    check_kind("{\"artifactType\":\"a/b\",\"blobs\":[]}", OCI_ARTIFACT, VIEW_ARTIFACT, "a/b");
    CU_ASSERT_STRING_EQUAL(manifest_view_kind_name(VIEW_DOCKER_INDEX), "docker-index");
    end();
}

static void test_parts(void)
{
    char text[4096], layer[1024];

    begin();
    snprintf(layer, sizeof(layer), "%s", fixture_descriptor(OCI_LAYER, "layer"));
    layer[strlen(layer) - 1] = '\0';
    snprintf(text, sizeof(text),
             "{\"config\":%s,\"layers\":[%s,\"annotations\":{\"org.opencontainers.image.title\":"
             "\"a/b.txt\"}},%s],\"subject\":%s,\"annotations\":{\"k\":\"v\"}}",
             fixture_descriptor(OCI_CONFIG, "config"), layer, fixture_descriptor("x/y", "second"),
             fixture_descriptor(OCI_IMAGE, "subject"));
    struct manifest_view *view = parse(text, OCI_IMAGE);
    CU_ASSERT_EQUAL_FATAL(view->layers_n, 2);
    CU_ASSERT_TRUE(is(view->layers[0].title, "a/b.txt"));
    CU_ASSERT_PTR_NOT_NULL(view->layers[0].annotations);
    CU_ASSERT_TRUE(is(view->layers[1].media_type, "x/y") && view->layers[1].title.n == 0);
    CU_ASSERT_TRUE(view->config != NULL && view->config->size == strlen("config"));
    CU_ASSERT_TRUE(view->subject != NULL && is(view->subject->media_type, OCI_IMAGE));
    CU_ASSERT_EQUAL(view->total_size, strlen(text) + strlen("config") + strlen("layer") +
                                          strlen("second")); /* a subject is no part */
    CU_ASSERT_TRUE(manifest_view_has_platform_in_config(view));
    end();
}

static void test_leniency(void)
{
    struct manifest_view *view;

    begin();
    view = parse("{\"layers\":[1,{},{\"digest\":\"x\"}],\"manifests\":3,\"config\":[],"
                 "\"annotations\":1,\"subject\":null}",
                 OCI_IMAGE);
    CU_ASSERT_TRUE(view->layers_n == 0 && view->manifests_n == 0 && view->config == NULL &&
                   view->subject == NULL && view->annotations == NULL);
    CU_ASSERT_EQUAL(manifest_view_parse(&arena, SLICE("[]"), SLICE(OCI_IMAGE), &view), ERR_CORRUPT);
    CU_ASSERT_EQUAL(manifest_view_parse(&arena, SLICE("{"), SLICE(OCI_IMAGE), &view), ERR_CORRUPT);
    /* Sizes do not begin anew past the largest. */
    view = parse("{\"layers\":[{\"digest\":\"sha256:"
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":"
                 "9223372036854775807},{\"digest\":\"sha256:"
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":"
                 "9223372036854775807}]}",
                 OCI_IMAGE);
    CU_ASSERT_EQUAL(view->total_size, INT64_MAX);
    end();
}

static void test_config_platform(void)
{
    begin();
    CU_ASSERT_TRUE(is(manifest_view_config_platform(&arena, SLICE(PLATFORM)), "linux/arm/v7"));
    CU_ASSERT_TRUE(is(manifest_view_config_platform(&arena, SLICE("{\"os\":\"linux\"}")), ""));
    CU_ASSERT_TRUE(is(manifest_view_config_platform(&arena, SLICE("[]")), ""));
    CU_ASSERT_TRUE(is(manifest_view_config_platform(&arena, SLICE("no json")), ""));
    end();
}

/*
 * Tags.
 */

static const char *image(unsigned number)
{
    char content[32];

    snprintf(content, sizeof(content), "config %u", number);
    CU_ASSERT_EQUAL_FATAL(fixture_blob_put("r", content), 0);
    return fixture_image(content, NULL, "");
}

static int list_tags(struct tag_view_page *page, const char *repo, const char *after)
{
    page->repository = slice_from_cstr(repo);
    page->after = slice_from_cstr(after);
    page->arena = &arena;
    return fixture_read(tag_view_list, page);
}

static void test_tags(void)
{
    struct tag_view_page page = {.limit = 2, .files_max = 100, .bytes_max = 1 << 20};
    const char *text = image(1);

    begin();
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), 0);
    CU_ASSERT_TRUE(page.n == 0 && !page.more);
    CU_ASSERT_EQUAL(list_tags(&page, "unknown", ""), ERR_NAME_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "a", text, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "b", image(2), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "c", image(3), NULL), 0);
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), 0);
    CU_ASSERT_TRUE(page.n == 2 && page.more);
    const struct tag_view *view = &page.tags[0];
    CU_ASSERT_TRUE(is(view->tag, "a") && is(view->media_type, OCI_IMAGE));
    struct digest digest = fixture_digest(text);
    CU_ASSERT_TRUE(digest_eq(&view->digest, &digest));
    CU_ASSERT_TRUE(view->size == strlen(text) && view->total_size == strlen(text) + 8);
    CU_ASSERT_TRUE(view->event > 0 && view->bound_ms > 0 && view->actor.n > 0);
    CU_ASSERT_TRUE(view->needs_config && !view->needs_manifest && view->config_size == 8);
    CU_ASSERT_EQUAL(list_tags(&page, "r", "b"), 0);
    CU_ASSERT_TRUE(page.n == 1 && !page.more && is(page.tags[0].tag, "c"));
    page.tag = SLICE("b");
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), 0);
    CU_ASSERT_TRUE(page.n == 1 && is(page.tags[0].tag, "b"));
    page.tag = SLICE("none");
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), ERR_TAG_UNKNOWN);
    end();
}

static void test_tag_limits(void)
{
    struct tag_view_page page = {.limit = 100, .files_max = 2, .bytes_max = 1 << 20};

    begin();
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "a", image(1), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "b", image(2), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "c", image(3), NULL), 0);
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), 0);
    CU_ASSERT_TRUE(page.n == 2 && page.more); /* files */
    page.files_max = 100;
    page.bytes_max = 1;
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), 0);
    CU_ASSERT_TRUE(page.n == 1 && page.more); /* bytes: one at least */
    end();
}

static void test_tag_files(void)
{
    struct tag_view_page page = {.limit = 100, .files_max = 100, .bytes_max = 1 << 20};
    struct fixture_put how = {.as_file = true};
    const char *text = image(1);
    struct arena scratch;

    begin();
    arena_init(&scratch, 1 << 20);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "a", text, &how), 0);
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), 0);
    CU_ASSERT_EQUAL_FATAL(page.n, 1);
    struct tag_view *view = &page.tags[0];
    CU_ASSERT_TRUE(view->needs_manifest && !view->needs_config);
    CU_ASSERT_EQUAL(tag_view_add_manifest(view, slice_from_cstr(text), &arena, &scratch), 0);
    CU_ASSERT_TRUE(!view->needs_manifest && view->needs_config && view->kind == VIEW_IMAGE);
    CU_ASSERT_EQUAL(tag_view_add_config(view, SLICE(PLATFORM), &arena, &scratch), 0);
    CU_ASSERT_TRUE(!view->needs_config && view->platforms_n == 1 &&
                   is(view->platforms[0], "linux/arm/v7"));
    arena_fini(&scratch);
    end();
}

/* `text`'s descriptor with a platform. */
static void add_platform(char *out, size_t size, const char *text, const char *platform)
{
    size_t n = strlen(out);
    const char *d = fixture_descriptor(OCI_IMAGE, text);

    snprintf(out + n, size - n, "%s%.*s,\"platform\":%s}", n > 0 ? "," : "", (int)strlen(d) - 1, d,
             platform);
}

static void test_tag_platforms(void)
{
    struct tag_view_page page = {.limit = 100, .files_max = 100, .bytes_max = 1 << 20};
    char descriptors[4096] = "";

    begin();
    CU_ASSERT_EQUAL(fixture_manifest_put("r", NULL, image(1), NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", NULL, image(2), NULL), 0);
    add_platform(descriptors, sizeof(descriptors), image(1), PLATFORM);
    add_platform(descriptors, sizeof(descriptors), image(2),
                 "{\"os\":\"unknown\",\"architecture\":\"unknown\"}");
    add_platform(descriptors, sizeof(descriptors), image(2), PLATFORM);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "i", fixture_index(descriptors, ""), NULL), 0);
    CU_ASSERT_EQUAL(list_tags(&page, "r", ""), 0);
    CU_ASSERT_EQUAL_FATAL(page.n, 1);
    CU_ASSERT_TRUE(page.tags[0].platforms_n == 1 && is(page.tags[0].platforms[0], "linux/arm/v7"));
    CU_ASSERT_TRUE(!page.tags[0].needs_config && page.tags[0].kind == VIEW_INDEX);
    end();
}

/*
 * One manifest.
 */

static void test_info(void)
{
    struct manifest_info info = {.repository = SLICE("r"), .arena = &arena};
    const char *text = image(1);

    begin();
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "a", text, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "b", text, NULL), 0);
    info.reference = (struct reference){.is_digest = true, .digest = fixture_digest(text)};
    CU_ASSERT_EQUAL(fixture_read(manifest_info, &info), 0);
    CU_ASSERT_TRUE(is(info.body, text) && is(info.media_type, OCI_IMAGE));
    CU_ASSERT_TRUE(info.tags_n == 2 && is(info.tags[0], "a") && is(info.tags[1], "b"));
    CU_ASSERT_TRUE(info.event > 0 && info.pushed_ms > 0);
    info.reference = (struct reference){.tag = SLICE("b")};
    CU_ASSERT_EQUAL(fixture_read(manifest_info, &info), 0);
    CU_ASSERT_EQUAL(info.tags_n, 2);
    info.reference.tag = SLICE("c");
    CU_ASSERT_EQUAL(fixture_read(manifest_info, &info), ERR_TAG_UNKNOWN);
    info.reference = (struct reference){.is_digest = true, .digest = fixture_digest("other")};
    CU_ASSERT_EQUAL(fixture_read(manifest_info, &info), ERR_MANIFEST_UNKNOWN);
    info.repository = SLICE("unknown");
    CU_ASSERT_EQUAL(fixture_read(manifest_info, &info), ERR_NAME_UNKNOWN);
    /* Deleted here: not shown, though the bytes are there still. */
    CU_ASSERT_EQUAL(fixture_manifest_delete("r", text, NULL, NULL), 0);
    info.repository = SLICE("r");
    info.reference.digest = fixture_digest(text);
    CU_ASSERT_EQUAL(fixture_read(manifest_info, &info), ERR_MANIFEST_UNKNOWN);
    end();
}

struct look_up {
    struct manifest_view *view;
    unsigned begin, limit;
};

static int run_look_up(struct kv_tx *tx, void *arg)
{
    struct look_up *l = arg;

    return manifest_view_look_up(tx, fixture_repo("r"), l->view, l->begin, l->limit);
}

static void test_present(void)
{
    char text[4096];

    begin();
    CU_ASSERT_EQUAL(fixture_blob_put("r", "here"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("other", "elsewhere"), 0);
    snprintf(text, sizeof(text), "{\"layers\":[%s,%s,%s]}", fixture_descriptor("a/b", "here"),
             fixture_descriptor("a/b", "elsewhere"), fixture_descriptor("a/b", "here"));
    struct look_up l = {.view = parse(text, OCI_IMAGE), .limit = 2};
    CU_ASSERT_EQUAL(fixture_read(run_look_up, &l), 0);
    CU_ASSERT_TRUE(l.view->layers[0].present && !l.view->layers[1].present &&
                   !l.view->layers[2].present);
    l.begin = 2;
    CU_ASSERT_EQUAL(fixture_read(run_look_up, &l), 0);
    CU_ASSERT_TRUE(l.view->layers[2].present);
    end();
}

/*
 * Repositories.
 */

static void test_repositories(void)
{
    struct repository_view_page page = {.limit = 2, .rows_max = 1000, .arena = &arena};
    const char *text = image(1);

    begin();
    CU_ASSERT_EQUAL(fixture_blob_put("q", "blob"), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "a", text, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "b", text, NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("s", "blob"), 0);
    CU_ASSERT_EQUAL(fixture_read(repository_view_list, &page), 0);
    CU_ASSERT_TRUE(page.n == 2 && page.more);
    CU_ASSERT_TRUE(is(page.repositories[0].name, "q") && page.repositories[0].tags == 0 &&
                   page.repositories[0].last_push_ms == 0);
    CU_ASSERT_TRUE(is(page.repositories[1].name, "r") && page.repositories[1].tags == 2 &&
                   page.repositories[1].last_push_ms > 0);
    page.after = SLICE("r");
    CU_ASSERT_EQUAL(fixture_read(repository_view_list, &page), 0);
    CU_ASSERT_TRUE(page.n == 1 && !page.more && is(page.repositories[0].name, "s"));
    page = (struct repository_view_page){.limit = 10, .rows_max = 1, .arena = &arena};
    CU_ASSERT_EQUAL(fixture_read(repository_view_list, &page), 0);
    CU_ASSERT_TRUE(page.n == 2 && page.more); /* enough tags were counted */
    end();
}

static struct usage count_usage(const char *repo, unsigned limit, unsigned *steps)
{
    struct usage_step step = {.repository = slice_from_cstr(repo), .limit = limit};

    for (*steps = 0; !step.from.done && *steps < 100; ++*steps) {
        CU_ASSERT_EQUAL_FATAL(fixture_read(usage_step, &step), 0);
        step.from = step.to;
    }
    return step.from;
}

static void test_usage(void)
{
    const char *text = image(1);
    unsigned steps;

    begin();
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "a", text, NULL), 0);
    CU_ASSERT_EQUAL(fixture_manifest_put("r", "b", text, NULL), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("r", "a blob"), 0);
    CU_ASSERT_EQUAL(fixture_blob_put("other", "not counted"), 0);
    for (unsigned limit = 1; limit < 8; limit++) {
        struct usage usage = count_usage("r", limit, &steps);
        CU_ASSERT_TRUE(usage.tags == 2 && usage.manifests == 1 && usage.blobs == 2);
        CU_ASSERT_EQUAL(usage.bytes, strlen(text) + 8 + 6);
        CU_ASSERT_EQUAL(usage.rows, 5);
        CU_ASSERT_TRUE(steps <= 5 / limit + 3);
    }
    CU_ASSERT_EQUAL(fixture_blob_delete("r", "a blob", NULL), 0);
    CU_ASSERT_EQUAL(count_usage("r", 10, &steps).blobs, 1);
    struct usage_step step = {.repository = SLICE("unknown"), .limit = 1};
    CU_ASSERT_EQUAL(fixture_read(usage_step, &step), ERR_NAME_UNKNOWN);
    end();
}

/*
 * Referrers.
 */

static const char *referrer(const char *type, const char *subject)
{
    static char text[4][2048];
    static unsigned next;
    char *out = text[next++ % 4], more[1024];

    snprintf(more, sizeof(more), ",\"artifactType\":\"%s\",\"subject\":%s", type,
             fixture_descriptor(OCI_IMAGE, subject));
    snprintf(out, sizeof(text[0]), "%s", fixture_image("cfg", NULL, more));
    CU_ASSERT_EQUAL_FATAL(fixture_manifest_put("r", NULL, out, NULL), 0);
    return out;
}

/* The types of the tree in order, each with its children in brackets: "a[b[]]c[]"; static. */
static const char *tree_of(struct referrer_tree *tree, int expected_err)
{
    static char text[512];
    struct buf out;
    size_t n = 0;

    buf_init(&out, 1 << 20);
    tree->repository = SLICE("r");
    tree->out = &out;
    CU_ASSERT_EQUAL(fixture_read(referrer_tree, tree), expected_err);
    for (size_t i = 0; expected_err == 0 && i < out.n && n + 3 < sizeof(text); i++) {
        const char *type = "\"artifactType\":\"t/";
        if (out.n - i > strlen(type) && memcmp(out.p + i, type, strlen(type)) == 0)
            text[n++] = out.p[i + strlen(type)];
        else if (out.p[i] == '[' || out.p[i] == ']')
            text[n++] = out.p[i];
    }
    text[n] = '\0';
    buf_fini(&out);
    return text;
}

static void test_tree(void)
{
    struct referrer_tree tree = {.depth = 8, .bytes_max = 1 << 20};

    begin();
    CU_ASSERT_EQUAL(fixture_blob_put("r", "cfg"), 0);
    const char *a = referrer("t/a", "root"), *b = referrer("t/b", a);
    (void)referrer("t/c", b);
    (void)referrer("t/d", "root");
    tree.reference = (struct reference){.is_digest = true, .digest = fixture_digest("root")};
    CU_ASSERT_STRING_EQUAL(tree_of(&tree, 0), "[a[b[c[]]]d[]]");
    CU_ASSERT_FALSE(tree.truncated);
    tree.depth = 2;
    CU_ASSERT_STRING_EQUAL(tree_of(&tree, 0), "[a[b[]]d[]]");
    CU_ASSERT_TRUE(tree.truncated);
    tree.artifact_type = SLICE("t/d");
    CU_ASSERT_STRING_EQUAL(tree_of(&tree, 0), "[d[]]");
    CU_ASSERT_FALSE(tree.truncated);
    tree.artifact_type = SLICE("t/x");
    CU_ASSERT_STRING_EQUAL(tree_of(&tree, 0), "[]");
    tree.artifact_type = SLICE("");
    tree.bytes_max = 10;
    CU_ASSERT_STRING_EQUAL(tree_of(&tree, 0), "[]");
    CU_ASSERT_TRUE(tree.truncated);
    tree.bytes_max = 1 << 20;
    tree.reference.digest = fixture_digest("nobody's subject");
    (void)tree_of(&tree, ERR_MANIFEST_UNKNOWN);
    tree.reference = (struct reference){.tag = SLICE("none")};
    (void)tree_of(&tree, ERR_TAG_UNKNOWN);
    end();
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"kinds of manifests", test_kinds},
        {"parts of manifests", test_parts},
        {"odd manifests", test_leniency},
        {"platform of a config", test_config_platform},
        {"tags", test_tags},
        {"limits of tags", test_tag_limits},
        {"what is in files", test_tag_files},
        {"platforms of an index", test_tag_platforms},
        {"a manifest with its tags", test_info},
        {"which parts are here", test_present},
        {"repositories", test_repositories},
        {"usage", test_usage},
        {"referrers as a tree", test_tree},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("view", tests);
}
