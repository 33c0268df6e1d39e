/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "registry/artifact.h"
#include "registry/manifest.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>

#define OCI_IMAGE "application/vnd.oci.image.manifest.v1+json"

static const struct artifact_limits limits = {
    .max_depth = 32, .max_descriptors = 1024, .max_path = 64};

static struct arena arena;

static int init(void)
{
    arena_init(&arena, (size_t)64 << 20);
    return 0;
}

static int fini(void)
{
    arena_fini(&arena);
    return 0;
}

/*
 * Names.
 */

static void test_path_check(void)
{
    static const char *const good[] = {
        "a",   "a/b",      "a.b/c d", "...",  "..a",  ".a",
        "a..", "\xc3\xa4", "a:b@c",   "a\\b", "a%2e", "<b>",
    };
    static const char *const bad[] = {
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/..",
        "a/./b",
        "../a",
        "a\nb",
        "\x7f",
        "a\tb",
        "\xc2\x85",
        "\xff",
        "a\xc3",
        "\xc0\xaf",
        "\xed\xa0\x80",
        "\xf5\x80\x80\x80",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        CU_ASSERT_EQUAL(file_path_check(slice_from_cstr(good[i]), 64, NULL), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct fault fault = FAULT_INIT;

        CU_ASSERT_EQUAL(file_path_check(slice_from_cstr(bad[i]), 64, &fault),
                        ERR_FILE_PATH_INVALID);
        CU_ASSERT_NOT_EQUAL(fault.text[0], '\0');
    }
    CU_ASSERT_EQUAL(file_path_check(SLICE("a\0b"), 64, NULL), ERR_FILE_PATH_INVALID);
    CU_ASSERT_EQUAL(file_path_check(SLICE("abcd"), 4, NULL), 0);
    CU_ASSERT_EQUAL(file_path_check(SLICE("abcde"), 4, NULL), ERR_FILE_PATH_INVALID);
}

static void test_path_decode(void)
{
    static const struct {
        const char *url, *path; /* NULL: refused */
    } cases[] = {
        {"a/b.tar.gz", "a/b.tar.gz"},
        {"a%20b", "a b"},
        {"%c3%A4", "\xc3\xa4"},
        {"a+b", "a+b"},
        {"a%2Fb", "a/b"},
        {"%25", "%"},
        {"%2e%2E/a", NULL},
        {"a%00", NULL},
        {"a%0a", NULL},
        {"%ff", NULL},
        {"a%", NULL},
        {"a%2", NULL},
        {"a%2g", NULL},
        {"a%%41", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct slice path;
        int err = file_path_decode(&arena, slice_from_cstr(cases[i].url), 64, &path, NULL);

        CU_ASSERT_EQUAL(err, cases[i].path != NULL ? 0 : ERR_FILE_PATH_INVALID);
        if (cases[i].path != NULL)
            CU_ASSERT_TRUE(slice_eq(path, slice_from_cstr(cases[i].path)));
    }
}

static void test_path_encode(void)
{
    struct buf out;

    buf_init(&out, 256);
    file_path_encode(&out, SLICE("d/a-._~Z9 \"<'%?#\xc3\xa4"));
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), SLICE("d/a-._~Z9%20%22%3C%27%25%3F%23%C3%A4")));
    buf_fini(&out);
}

static void test_media_type(void)
{
    static const struct {
        const char *text, *type;
    } cases[] = {
        {"text/plain", "text/plain"},
        {" Text/Plain ; charset=utf-8", "text/plain"},
        {"application/vnd.x+json", "application/vnd.x+json"},
        {"", ""},
        {"text", ""},
        {"text/", ""},
        {"/plain", ""},
        {"text/pl ain", ""},
        {"text/plain/x", ""},
        {"text/\"x\"", ""},
        {"*/*", ""},
        {"+x/y", ""},
        {"application/x-www-form-urlencoded", ""},
        {OCI_IMAGE, ""},
        {"application/vnd.docker.distribution.manifest.list.v2+json", ""},
        {"application/vnd.oci.image.config.v1+json", ""},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar", ""},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        CU_ASSERT_TRUE(slice_eq(file_media_type(&arena, slice_from_cstr(cases[i].text)),
                                slice_from_cstr(cases[i].type)));
}

/*
 * Reading.
 */

/* A manifest with a layer for each title (NULL: none); `more` stands before the layers. Freed by
 * the caller. */
static char *make_manifest(const char *more, const char *const *titles, size_t n)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, 1u << 20);
    json_writer_init(&w, &out);
    buf_add(&out, SLICE("{\"schemaVersion\":2,"));
    buf_add(&out, slice_from_cstr(more));
    buf_add(&out, SLICE("\"layers\":"));
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        struct digest digest;
        char text[DIGEST_TEXT_MAX];

        digest_compute(DIGEST_SHA256, slice_make(&i, sizeof(i)), &digest);
        json_object_begin(&w);
        json_name(&w, SLICE("mediaType"));
        json_string(&w, SLICE("a/b"));
        json_name(&w, SLICE("digest"));
        json_string(&w, digest_format(&digest, text));
        json_name(&w, SLICE("size"));
        json_u64(&w, i);
        if (titles[i] != NULL) {
            json_name(&w, SLICE("annotations"));
            json_object_begin(&w);
            json_name(&w, SLICE("org.opencontainers.image.title"));
            json_string(&w, slice_from_cstr(titles[i]));
            json_object_end(&w);
        }
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_add_char(&out, '}');
    return buf_take(&out, NULL);
}

#define EMPTY_CONFIG                                                                               \
    "\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:"         \
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2},"

static struct artifact *read_text(const char *text, const char *media_type)
{
    struct artifact *artifact = NULL;
    struct fault fault = FAULT_INIT;
    int err = artifact_read(&arena, slice_from_cstr(text), slice_from_cstr(media_type), &limits,
                            &artifact, &fault);

    if (err != 0)
        printf("# %s\n", fault_text(&fault, err));
    CU_ASSERT_EQUAL_FATAL(err, 0);
    return artifact;
}

static void test_read(void)
{
    static const char *const titles[] = {
        "dist.tar.gz", NULL, "docs/a", "../x", "dist.tar.gz", "", "layer-1", "layer-1.1", "a\nb",
    };
    static const char *const names[] = {
        "dist.tar.gz", "layer-1.2", "docs/a",    "layer-3", "layer-4",
        "layer-5",     "layer-1",   "layer-1.1", "layer-8",
    };
    char *text = make_manifest(EMPTY_CONFIG, titles, ARRAY_LENGTH(titles));
    struct artifact *artifact = read_text(text, OCI_IMAGE);

    CU_ASSERT_FALSE(artifact->is_index);
    CU_ASSERT_EQUAL_FATAL(artifact->files_n, ARRAY_LENGTH(names));
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct artifact_file *file = artifact_find(artifact, slice_from_cstr(names[i]));

        CU_ASSERT_PTR_EQUAL(file, &artifact->files[i]);
        CU_ASSERT_EQUAL(artifact->files[i].size, i);
        CU_ASSERT_TRUE(slice_eq(artifact->files[i].media_type, SLICE("a/b")));
    }
    CU_ASSERT_PTR_NULL(artifact_find(artifact, SLICE("../x")));
    free(text);
}

static void test_read_kinds(void)
{
    static const char index[] = "{\"schemaVersion\":2,\"manifests\":[]}";
    static const char blobs[] =
        "{\"artifactType\":\"a/b\",\"blobs\":[{\"mediaType\":\"a/"
        "b\",\"size\":2,\"digest\":\"sha256:"
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}]}";
    struct artifact *artifact = read_text(index, "application/vnd.oci.image.index.v1+json");

    CU_ASSERT_TRUE(artifact->is_index);
    CU_ASSERT_EQUAL(artifact->files_n, 0);
    CU_ASSERT_EQUAL(artifact_check_open(artifact, NULL), ERR_NOT_FILES);
    artifact = read_text(index, "application/vnd.docker.distribution.manifest.list.v2+json");
    CU_ASSERT_TRUE(artifact->is_index);
    artifact = read_text(blobs, "application/vnd.oci.artifact.manifest.v1+json");
    CU_ASSERT_EQUAL(artifact->files_n, 1);
    CU_ASSERT_TRUE(slice_eq(artifact->files[0].path, SLICE("layer-0")));
    CU_ASSERT_EQUAL(artifact_check_open(artifact, NULL), ERR_NOT_FILES);
    artifact = read_text("{\"config\":{},\"layers\":null}", OCI_IMAGE);
    CU_ASSERT_EQUAL(artifact->files_n, 0);
}

static void test_read_damaged(void)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{",
        "{\"layers\":[1]}",
        "{\"layers\":[{\"size\":1}]}",
        "{\"layers\":[{\"size\":-1,\"digest\":\"sha256:"
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}]}",
    };
    struct artifact *artifact;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        CU_ASSERT_EQUAL(artifact_read(&arena, slice_from_cstr(texts[i]), SLICE(OCI_IMAGE), &limits,
                                      &artifact, NULL),
                        ERR_CORRUPT);
        CU_ASSERT_PTR_NULL(artifact);
    }
}

/*
 * Adding.
 */

static struct artifact_file file_of(const char *path, const char *content)
{
    struct artifact_file file = {
        .path = slice_from_cstr(path), .media_type = SLICE("text/plain"), .size = strlen(content)};

    digest_compute(DIGEST_SHA256, slice_from_cstr(content), &file.digest);
    return file;
}

/* The bytes that adding gives, as a text in the arena; NULL when it fails with *err. */
static const char *add_n(const char *base, const struct artifact_file *files, unsigned n, int *err)
{
    const struct artifact *artifact = base != NULL ? read_text(base, OCI_IMAGE) : NULL;
    struct slice text = {NULL, 0};
    struct buf out;

    buf_init(&out, 1u << 20);
    *err = artifact_add(&arena, artifact, files, n, &limits, &out, NULL);
    if (*err == 0)
        text = arena_dup(&arena, buf_slice(&out));
    buf_fini(&out);
    return text.p;
}

static const char *add(const char *base, const char *path, const char *content)
{
    struct artifact_file file = file_of(path, content);
    int err;
    const char *text = add_n(base, &file, 1, &err);

    CU_ASSERT_EQUAL_FATAL(err, 0);
    return text;
}

static void test_new(void)
{
    struct digest digest = file_of("", "content").digest;
    char hex[DIGEST_TEXT_MAX], wanted[1024];
    const struct manifest_limits rules = {1u << 20, 100, 32, 32768};
    const char *text = add(NULL, "a \"b\"", "content");
    struct manifest *manifest;

    digest_format(&digest, hex);
    snprintf(wanted, sizeof(wanted),
             "{\"schemaVersion\":2,\"mediaType\":\"" OCI_IMAGE "\",\"artifactType\":"
             "\"application/vnd.tidemark.files.v1\",\"config\":{\"mediaType\":"
             "\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:"
             "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2,"
             "\"data\":\"e30=\"},\"layers\":[{\"mediaType\":\"text/plain\",\"digest\":\"%s\","
             "\"size\":7,\"annotations\":{\"org.opencontainers.image.title\":\"a \\\"b\\\"\"}}]}",
             hex);
    /* Byte for byte: the digest of a set of files is a promise. */
    CU_ASSERT_STRING_EQUAL(text, wanted);
    CU_ASSERT_EQUAL_FATAL(
        manifest_parse(&arena, slice_from_cstr(text), SLICE(""), &rules, &manifest, NULL), 0);
    CU_ASSERT_EQUAL(manifest->kind, MANIFEST_OCI_IMAGE);
    CU_ASSERT_TRUE(slice_eq(manifest->artifact_type, SLICE(ARTIFACT_TYPE_FILES)));
    digest_compute(DIGEST_SHA256, SLICE(ARTIFACT_EMPTY_CONFIG), &digest);
    CU_ASSERT_TRUE(digest_eq(&manifest->descriptors[0].digest, &digest));
}

static void test_stable(void)
{
    const struct artifact_file files[] = {file_of("c", "3"), file_of("a", "1"), file_of("b", "2")};
    const char *one = add(add(add(NULL, "b", "2"), "c", "3"), "a", "1");
    int err;

    CU_ASSERT_STRING_EQUAL(one, add_n(NULL, files, 3, &err));
    CU_ASSERT_STRING_EQUAL(one, add(one, "b", "2"));
    CU_ASSERT_STRING_EQUAL(one, add(add(one, "b", "other"), "b", "2"));
    const struct artifact *artifact = read_text(one, OCI_IMAGE);
    CU_ASSERT_EQUAL_FATAL(artifact->files_n, 3);
    CU_ASSERT_TRUE(slice_eq(artifact->files[0].path, SLICE("a")));
    CU_ASSERT_TRUE(slice_eq(artifact->files[2].path, SLICE("c")));
}

static void test_foreign(void)
{
    static const char *const titles[] = {"z", NULL, "a"};
    char *base = make_manifest("\"artifactType\":\"x/y\",\"annotations\":{\"k\":\"v\"},"
                               "\"own\":[1.50,null,true]," EMPTY_CONFIG,
                               titles, ARRAY_LENGTH(titles));
    const char *text = add(add(base, "m", "new"), "layer-1", "named");
    const struct artifact *artifact = read_text(text, OCI_IMAGE);

    /* All else stays, and the order too. */
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"artifactType\":\"x/y\",\"annotations\":{\"k\":\"v\"},"
                                        "\"own\":[1.50,null,true],\"config\":{"));
    CU_ASSERT_EQUAL_FATAL(artifact->files_n, 4);
    CU_ASSERT_TRUE(slice_eq(artifact->files[0].path, SLICE("z")));
    CU_ASSERT_TRUE(slice_eq(artifact->files[1].path, SLICE("layer-1")));
    CU_ASSERT_EQUAL(artifact->files[1].size, 5);
    CU_ASSERT_TRUE(slice_eq(artifact->files[2].path, SLICE("a")));
    CU_ASSERT_TRUE(slice_eq(artifact->files[3].path, SLICE("m")));
    free(base);
}

static void test_refused(void)
{
    static const char image[] =
        "{\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"},\"layers\":[]}";
    struct artifact_file *files = xcalloc(1024, sizeof(*files));
    char(*names)[16] = xcalloc(1024, sizeof(*names));
    int err;

    for (unsigned i = 0; i < 1024; i++) {
        snprintf(names[i], sizeof(names[i]), "f%u", i);
        files[i] = file_of(names[i], "x");
    }
    CU_ASSERT_PTR_NULL(add_n(image, files, 1, &err));
    CU_ASSERT_EQUAL(err, ERR_NOT_FILES);
    /* The config is a descriptor, too. */
    CU_ASSERT_PTR_NULL(add_n(NULL, files, 1024, &err));
    CU_ASSERT_EQUAL(err, ERR_LIMIT);
    const char *full = add_n(NULL, files, 1023, &err);
    CU_ASSERT_EQUAL_FATAL(err, 0);
    CU_ASSERT_PTR_NOT_NULL(add_n(full, files, 1023, &err));
    CU_ASSERT_PTR_NULL(add_n(full, &files[1023], 1, &err));
    CU_ASSERT_EQUAL(err, ERR_LIMIT);
    free(files);
    free(names);
}

static void test_too_large(void)
{
    struct artifact_file file = file_of("a", "x");
    struct buf out;

    buf_init(&out, 100);
    CU_ASSERT_EQUAL(artifact_add(&arena, NULL, &file, 1, &limits, &out, NULL),
                    ERR_MANIFEST_TOO_LARGE);
    buf_fini(&out);
}

void test_suites(void)
{
    CU_pSuite names = CU_add_suite("names", init, fini);
    CU_pSuite reading = CU_add_suite("reading", init, fini);
    CU_pSuite adding = CU_add_suite("adding", init, fini);

    CU_add_test(names, "allowed and refused", test_path_check);
    CU_add_test(names, "decoded", test_path_decode);
    CU_add_test(names, "encoded", test_path_encode);
    CU_add_test(names, "media types", test_media_type);
    CU_add_test(reading, "names of layers", test_read);
    CU_add_test(reading, "kinds of manifests", test_read_kinds);
    CU_add_test(reading, "damaged", test_read_damaged);
    CU_add_test(adding, "a first file", test_new);
    CU_add_test(adding, "equal files, equal bytes", test_stable);
    CU_add_test(adding, "to what somebody else made", test_foreign);
    CU_add_test(adding, "refused", test_refused);
    CU_add_test(adding, "too large", test_too_large);
}
