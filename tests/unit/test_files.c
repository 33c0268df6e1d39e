/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/files.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <string.h>

#define EMPTY "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define NONE  "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define TITLE "\"org.opencontainers.image.title\""

static struct file of(const char *title, struct slice content)
{
    struct file file = {
        .title = slice_from_cstr(title),
        .media_type = SLICE(FILES_MEDIA_TYPE),
        .size = content.n,
    };

    digest_compute(DIGEST_SHA256, content, &file.digest);
    return file;
}

static void test_write(void)
{
    struct file list[] = {of("b", SLICE("{}")), of("a\"", SLICE(""))};
    struct files files = {.list = list, .n = 2};
    struct buf out;

    buf_init(&out, 4096);
    CU_ASSERT_EQUAL(files_sort(&files, NULL), 0);
    files_write(&files, &out);
    CU_ASSERT_TRUE(slice_eq(
        buf_slice(&out),
        SLICE("{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
              "\"artifactType\":\"application/vnd.tidemark.files.v1\",\"config\":{\"mediaType\":"
              "\"application/vnd.oci.empty.v1+json\",\"digest\":\"" EMPTY
              "\",\"size\":2,\"data\":\"e30=\"},"
              "\"layers\":[{\"mediaType\":\"application/octet-stream\",\"digest\":\"" NONE
              "\",\"size\":0,\"annotations\":{" TITLE ":\"a\\\"\"}},{\"mediaType\":"
              "\"application/octet-stream\",\"digest\":\"" EMPTY
              "\",\"size\":2,\"annotations\":{" TITLE ":\"b\"}}]}")));
    buf_fini(&out);
}

static void test_sort(void)
{
    struct file list[] = {of("b", SLICE("")), of("a", SLICE("")), of("a/b", SLICE("")),
                          of("b", SLICE("x"))};
    struct files files = {.list = list, .n = 3};

    CU_ASSERT_EQUAL(files_sort(&files, NULL), 0);
    CU_ASSERT_TRUE(slice_eq(list[0].title, SLICE("a")));
    CU_ASSERT_TRUE(slice_eq(list[1].title, SLICE("a/b")));
    CU_ASSERT_TRUE(slice_eq(list[2].title, SLICE("b")));
    files.n = 4;
    CU_ASSERT_EQUAL(files_sort(&files, NULL), ERR_EXISTS);
}

static int read_text(struct arena *arena, const char *text, struct files *files)
{
    struct fault fault = FAULT_INIT;
    int err = files_read(arena, slice_from_cstr(text), files, &fault);

    CU_ASSERT_TRUE(err == 0 || fault.text[0] != '\0');
    return err;
}

static void test_read_own(void)
{
    struct file list[] = {of("a", SLICE("one")), of("d/b", SLICE(""))};
    struct files files = {.list = list, .n = 2}, again;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 1 << 20);
    buf_init(&out, 4096);
    files_write(&files, &out);
    CU_ASSERT_EQUAL_FATAL(files_read(&arena, buf_slice(&out), &again, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(again.n, 2);
    CU_ASSERT_EQUAL(again.unnamed, 0);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_TRUE(slice_eq(again.list[i].title, list[i].title));
        CU_ASSERT_TRUE(digest_eq(&again.list[i].digest, &list[i].digest));
        CU_ASSERT_EQUAL(again.list[i].size, list[i].size);
        CU_ASSERT_FALSE(again.list[i].is_packed);
    }
    buf_fini(&out);
    arena_fini(&arena);
}

#define LAYER(more) "{\"mediaType\":\"a/b\",\"digest\":\"" NONE "\",\"size\":7" more "}"
#define NAMED(name) LAYER(",\"annotations\":{" TITLE ":\"" name "\"}")

static void test_read(void)
{
    struct files files;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    CU_ASSERT_EQUAL(read_text(&arena, "{\"layers\":[" LAYER("") "," NAMED("f") "]}", &files), 0);
    CU_ASSERT_EQUAL(files.n, 1);
    CU_ASSERT_EQUAL(files.unnamed, 1);
    CU_ASSERT_EQUAL(files.list[0].size, 7);
    CU_ASSERT_EQUAL(read_text(&arena, "{\"blobs\":[" NAMED("f") "]}", &files), 0);
    CU_ASSERT_EQUAL(
        read_text(&arena,
                  "{\"layers\":[" LAYER(",\"annotations\":{" TITLE ":\"d\","
                                        "\"io.deis.oras.content.unpack\":\"true\"}") "]}",
                  &files),
        0);
    CU_ASSERT_TRUE(files.list[0].is_packed);
    arena_fini(&arena);
}

static void test_read_bad(void)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"7", ERR_SYNTAX},
        {"{}", ERR_SYNTAX},
        {"{\"layers\":{}}", ERR_SYNTAX},
        {"{\"layers\":[7]}", ERR_SYNTAX},
        {"{\"layers\":[{}]}", ERR_SYNTAX},
        {"{\"layers\":[{\"digest\":\"" NONE "\"}]}", ERR_SYNTAX},
        {"{\"layers\":[{\"digest\":\"" NONE "\",\"size\":-1}]}", ERR_SYNTAX},
        {"{\"layers\":[{\"digest\":\"" NONE "\",\"size\":1.5}]}", ERR_SYNTAX},
        {"{\"layers\":[{\"digest\":\"" NONE "\",\"size\":99999999999999999999}]}", ERR_SYNTAX},
        {"{\"layers\":[{\"digest\":\"sha256:0\",\"size\":1}]}", ERR_SYNTAX},
        {"{\"layers\":[{\"digest\":7,\"size\":1}]}", ERR_SYNTAX},
        {"{\"layers\":[]}", ERR_NOT_FOUND},
        {"{\"layers\":[" LAYER("") "]}", ERR_NOT_FOUND},
        {"{\"layers\":[" LAYER(",\"annotations\":[]") "]}", ERR_NOT_FOUND},
        {"{\"layers\":[" LAYER(",\"annotations\":{" TITLE ":7}") "]}", ERR_NOT_FOUND},
        {"{\"layers\":[" NAMED("") "]}", ERR_NOT_FOUND},
        {"{\"manifests\":[],\"layers\":[" NAMED("f") "]}", ERR_NOT_FOUND},
    };
    struct files files;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CU_ASSERT_EQUAL(read_text(&arena, cases[i].text, &files), cases[i].err);
    arena_fini(&arena);
    arena_init(&arena, 64); /* no room */
    CU_ASSERT_EQUAL(read_text(&arena, "{\"layers\":[" NAMED("f") "]}", &files), ERR_SYNTAX);
    arena_fini(&arena);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("files", NULL, NULL);

    CU_add_test(suite, "write", test_write);
    CU_add_test(suite, "sort", test_sort);
    CU_add_test(suite, "read what we wrote", test_read_own);
    CU_add_test(suite, "read", test_read);
    CU_add_test(suite, "read what is none", test_read_bad);
}
