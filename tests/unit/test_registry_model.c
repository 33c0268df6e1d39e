/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long random run of pushes, mounts, pulls and deletes over two repositories, against a model of
 * a few booleans: every answer must be the model's, and fsck must find nothing at its end. The seed
 * is fixed, or taken from TEST_SEED.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "registry/fsck.h"
#include "tests/support/registry_fixture.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 1500
#define SEED  20261124

enum { REPOS = 2, BLOBS = 4, IMAGES = 6, INDEXES = 3, MANIFESTS = IMAGES + INDEXES, TAGS = 4 };

static const char *const repos[REPOS] = {"a", "b/c"};
static const char *const blobs[BLOBS] = {"blob 0", "blob 1", "blob 2", "blob 3"};
static const char *const tags[TAGS] = {"latest", "v1", "v2", "V2"};

static char path[256];
static struct store store;
static uint64_t random_state;

/* The manifests: texts, and what they need. */
static char texts[MANIFESTS][2048];
static bool needs_blob[MANIFESTS][BLOBS];
static bool needs_manifest[MANIFESTS][MANIFESTS];

static struct {
    bool exists;
    bool blob[BLOBS];
    bool manifest[MANIFESTS];
    int tag[TAGS]; /* the manifest, or -1 */
} model[REPOS];

static unsigned pick(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % n;
}

static void make_image(int i)
{
    static const int layers[IMAGES][2] = {{0, 1}, {0, 2}, {1, 3}, {2, -1}, {3, 0}, {0, 0}};
    char more[1024] = "";

    /* The last ones sign the first. */
    if (i >= 4)
        snprintf(more, sizeof(more), ",\"artifactType\":\"x/sig\",\"subject\":%s",
                 fixture_descriptor(OCI_IMAGE, texts[0]));
    needs_blob[i][layers[i][0]] = true;
    if (layers[i][1] >= 0)
        needs_blob[i][layers[i][1]] = true;
    snprintf(
        texts[i], sizeof(texts[i]), "%s",
        fixture_image(blobs[layers[i][0]], layers[i][1] >= 0 ? blobs[layers[i][1]] : NULL, more));
}

static void make_index(int i, int first, int second)
{
    char list[1024];

    snprintf(list, sizeof(list), "%s,%s", fixture_descriptor(OCI_IMAGE, texts[first]),
             fixture_descriptor(OCI_IMAGE, texts[second]));
    needs_manifest[i][first] = needs_manifest[i][second] = true;
    snprintf(texts[i], sizeof(texts[i]), "%s", fixture_index(list, ""));
}

static void put_file(const char *content)
{
    struct digest digest = fixture_digest(content);

    CU_ASSERT_EQUAL_FATAL(blob_file_write(store.files, &digest, slice_from_cstr(content), NULL), 0);
}

static void set_up(void)
{
    const struct store_options options = {
        .path = path,
        .kv = {.map_size_bytes = 256u << 20, .readers_max = 8, .queue_max = 64},
        .uploads = {.buffer_total_bytes = 1u << 20, .count_max = 1, .idle_expire_s = 3600},
        .cpu_threads = 1,
        .io_threads = 1,
    };
    const char *seed = getenv("TEST_SEED");

    random_state = seed != NULL ? strtoull(seed, NULL, 10) : SEED;
    fixture_make_dir(path);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, NULL), 0);
    fixture_kv = store.kv;
    for (int i = 0; i < IMAGES; i++)
        make_image(i);
    make_index(IMAGES, 0, 1);
    make_index(IMAGES + 1, 1, 2);
    make_index(IMAGES + 2, IMAGES, 3);
    for (int r = 0; r < REPOS; r++)
        for (int t = 0; t < TAGS; t++)
            model[r].tag[t] = -1;
}

static void tear_down(void)
{
    store_close(&store);
    fixture_kv = NULL;
    fixture_remove_dir(path);
}

/* --- What the model says ---------------------------------------------------------------------- */

static bool is_used(int r, int blob, int manifest)
{
    for (int m = 0; m < MANIFESTS; m++)
        if (model[r].manifest[m] &&
            ((blob >= 0 && needs_blob[m][blob]) || (manifest >= 0 && needs_manifest[m][manifest])))
            return true;
    return false;
}

static bool has_needs(int r, int m)
{
    for (int b = 0; b < BLOBS; b++)
        if (needs_blob[m][b] && !model[r].blob[b])
            return false;
    for (int c = 0; c < MANIFESTS; c++)
        if (needs_manifest[m][c] && !model[r].manifest[c])
            return false;
    return true;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static void step_blob_put(int r)
{
    int b = (int)pick(BLOBS);

    CU_ASSERT_EQUAL(fixture_blob_put(repos[r], blobs[b]), 0);
    model[r].exists = model[r].blob[b] = true;
}

static void step_blob_mount(int r)
{
    int b = (int)pick(BLOBS), other = 1 - r;
    bool named = pick(2) == 0;
    bool can = model[r].blob[b] || model[other].blob[b];

    CU_ASSERT_EQUAL(fixture_blob_mount(repos[r], named ? repos[other] : "", blobs[b]),
                    can ? 0 : ERR_BLOB_UNKNOWN);
    if (can)
        model[r].exists = model[r].blob[b] = true;
}

static void step_blob_delete(int r)
{
    int b = (int)pick(BLOBS);
    int expected = !model[r].exists    ? ERR_NAME_UNKNOWN
                   : !model[r].blob[b] ? ERR_BLOB_UNKNOWN
                   : is_used(r, b, -1) ? ERR_BLOB_IN_USE
                                       : 0;

    CU_ASSERT_EQUAL(fixture_blob_delete(repos[r], blobs[b], NULL), expected);
    if (expected == 0)
        model[r].blob[b] = false;
}

static void step_manifest_put(int r)
{
    int m = (int)pick(MANIFESTS), t = (int)pick(TAGS + 1);
    bool can = model[r].manifest[m] || has_needs(r, m);

    CU_ASSERT_EQUAL(fixture_manifest_put(repos[r], t < TAGS ? tags[t] : NULL, texts[m], NULL),
                    can ? 0 : ERR_MANIFEST_BLOB_UNKNOWN);
    if (!can)
        return;
    model[r].exists = model[r].manifest[m] = true;
    if (t < TAGS)
        model[r].tag[t] = m;
}

static void step_manifest_delete(int r)
{
    int m = (int)pick(MANIFESTS);
    int expected = !model[r].exists        ? ERR_NAME_UNKNOWN
                   : !model[r].manifest[m] ? ERR_MANIFEST_UNKNOWN
                   : is_used(r, -1, m)     ? ERR_MANIFEST_IN_USE
                                           : 0;

    CU_ASSERT_EQUAL(fixture_manifest_delete(repos[r], texts[m], NULL, NULL), expected);
    if (expected != 0)
        return;
    model[r].manifest[m] = false;
    for (int t = 0; t < TAGS; t++)
        if (model[r].tag[t] == m)
            model[r].tag[t] = -1;
}

static void step_tag_delete(int r)
{
    int t = (int)pick(TAGS);
    int expected = !model[r].exists ? ERR_NAME_UNKNOWN : model[r].tag[t] < 0 ? ERR_TAG_UNKNOWN : 0;

    CU_ASSERT_EQUAL(fixture_tag_delete(repos[r], tags[t]), expected);
    model[r].tag[t] = -1;
}

static void check_repository(int r)
{
    for (int b = 0; b < BLOBS; b++)
        CU_ASSERT_EQUAL(fixture_blob_get(repos[r], blobs[b]) == 0, model[r].blob[b]);
    for (int m = 0; m < MANIFESTS; m++)
        CU_ASSERT_EQUAL(fixture_manifest_get(repos[r], NULL, texts[m]) == 0, model[r].manifest[m]);
    for (int t = 0; t < TAGS; t++) {
        int m = model[r].tag[t];

        CU_ASSERT_EQUAL(fixture_manifest_get(repos[r], tags[t], texts[m >= 0 ? m : 0]) == 0,
                        m >= 0);
    }
}

static void step(void)
{
    static void (*const steps[])(int r) = {
        step_blob_put,     step_blob_put,     step_blob_put,        step_blob_mount,
        step_blob_delete,  step_blob_delete,  step_manifest_put,    step_manifest_put,
        step_manifest_put, step_manifest_put, step_manifest_delete, step_manifest_delete,
        step_tag_delete};

    steps[pick(ARRAY_LENGTH(steps))]((int)pick(REPOS));
}

static void print_finding(enum fsck_level level, const char *text, void *arg)
{
    (void)arg;
    if (level == FSCK_ERROR)
        printf("# %s\n", text);
}

static void test_model(void)
{
    struct fsck_summary summary;

    for (int b = 0; b < BLOBS; b++)
        put_file(blobs[b]);
    for (int i = 0; i < STEPS && CU_get_number_of_failures() == 0; i++) {
        step();
        if (i % 10 == 0)
            for (int r = 0; r < REPOS; r++)
                check_repository(r);
        if (i % 500 == 0)
            CU_ASSERT_EQUAL(fsck_run(&store, print_finding, NULL, &summary, NULL), 0);
    }
    CU_ASSERT_EQUAL(fsck_run(&store, print_finding, NULL, &summary, NULL), 0);
    CU_ASSERT_EQUAL(summary.repositories, REPOS);
    CU_ASSERT_TRUE(summary.events > STEPS / 4); /* it was not refused all the way */
}

void test_suites(void)
{
    CU_pSuite suite =
        CU_add_suite_with_setup_and_teardown("registry_model", NULL, NULL, set_up, tear_down);

    CU_add_test(suite, "a random run", test_model);
}
