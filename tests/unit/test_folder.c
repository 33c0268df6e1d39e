/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/folder.h"

#include "tests/support/cunit_main.h"
#include "tests/support/tempdir.h"

#include <CUnit/CUnit.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_titles(void)
{
    static const char *const good[] = {
        "f", "a/b", "a/b/c.tar.gz", "...", "a..b", ".hidden", "a b", "\xc3\xbc", "a\\b", "-f", "~",
    };
    static const char *const bad[] = {
        "",
        "/",
        "/f",
        "f/",
        "a//b",
        ".",
        "..",
        "./f",
        "../f",
        "a/..",
        "a/../b",
        "a/./b",
        "a\n",
        "\x1b[m",
        "a\x7f",
        "\xc2\x85",
        "\xff",
        "\xc3",
        "a\xc0\xaf"
        "b",
        ".tidemark-1",
        "\xed\xa0\x80",
    };
    char longest[TITLE_MAX + 2];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT_EQUAL(title_check(slice_from_cstr(good[i]), NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fault fault = FAULT_INIT;

        CU_ASSERT_EQUAL(title_check(slice_from_cstr(bad[i]), &fault), ERR_NAME_INVALID);
        for (const char *c = fault.text; *c != '\0'; c++)
            CU_ASSERT_TRUE((unsigned char)*c >= ' ');
    }
    CU_ASSERT_EQUAL(title_check(SLICE("a\0b"), NULL), ERR_NAME_INVALID);
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i % 2 == 0 ? 'a' : '/';
    CU_ASSERT_EQUAL(title_check(slice_make(longest, TITLE_MAX - 1), NULL), 0);
    CU_ASSERT_EQUAL(title_check(slice_make(longest, TITLE_MAX + 1), NULL), ERR_NAME_INVALID);
    memset(longest, 'a', sizeof(longest));
    CU_ASSERT_EQUAL(title_check(slice_make(longest, 255), NULL), 0);
    CU_ASSERT_EQUAL(title_check(slice_make(longest, 256), NULL), ERR_NAME_INVALID);
}

struct place {
    struct tempdir dir;
    char path[96];
    struct folder folder;
    struct digest digest; /* of "new" */
};

static void setup(struct place *p)
{
    tempdir_make(&p->dir);
    snprintf(p->path, sizeof(p->path), "%s/out", p->dir.path);
    CU_ASSERT_EQUAL_FATAL(folder_open(p->path, &p->folder, NULL), 0);
    digest_compute(DIGEST_SHA256, SLICE("new"), &p->digest);
}

static void teardown(struct place *p)
{
    folder_close(&p->folder, true);
    tempdir_remove(&p->dir);
}

static void put(const struct place *p, const char *name, const char *content)
{
    int fd = openat(p->folder.fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

static bool holds(const struct place *p, const char *name, const char *content)
{
    char found[64];
    int fd = openat(p->folder.fd, name, O_RDONLY | O_NOFOLLOW);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, found, sizeof(found));
    close(fd);
    return n >= 0 && slice_eq(slice_make(found, (size_t)n), slice_from_cstr(content));
}

static int place_new(const struct place *p, const char *title, bool force)
{
    char name[PARTIAL_MAX];
    int fd;

    CU_ASSERT_EQUAL_FATAL(folder_partial_open(&p->folder, &p->digest, name, &fd, NULL), 0);
    CU_ASSERT_EQUAL(write(fd, "new", 3), 3);
    int err = folder_place(&p->folder, name, slice_from_cstr(title), force, NULL);
    close(fd);
    if (err != 0)
        folder_partial_remove(&p->folder, name);
    return err;
}

static enum folder_state look(const struct place *p, const char *title, int wanted_err)
{
    enum folder_state state;
    int err = folder_look(&p->folder, slice_from_cstr(title), &p->digest, 3, &state, NULL);

    CU_ASSERT_EQUAL(err, wanted_err);
    return state;
}

static void test_place(void)
{
    struct place p;

    setup(&p);
    CU_ASSERT_EQUAL(look(&p, "a/b/f", 0), FOLDER_FREE);
    CU_ASSERT_TRUE(faccessat(p.folder.fd, "a", F_OK, 0) != 0); /* looking makes nothing */
    CU_ASSERT_EQUAL(place_new(&p, "a/b/f", false), 0);
    CU_ASSERT_TRUE(holds(&p, "a/b/f", "new"));
    CU_ASSERT_EQUAL(look(&p, "a/b/f", 0), FOLDER_SAME);
    put(&p, "old", "old");
    put(&p, "older", "older");
    CU_ASSERT_EQUAL(look(&p, "old", 0), FOLDER_OTHER);
    CU_ASSERT_EQUAL(look(&p, "older", 0), FOLDER_OTHER);
    CU_ASSERT_EQUAL(place_new(&p, "old", false), ERR_EXISTS);
    CU_ASSERT_TRUE(holds(&p, "old", "old"));
    CU_ASSERT_EQUAL(place_new(&p, "old", true), 0);
    CU_ASSERT_TRUE(holds(&p, "old", "new"));
    CU_ASSERT_EQUAL(place_new(&p, "old/f", true), ERR_EXISTS); /* "old" is a file */
    look(&p, "old/f", ERR_EXISTS);
    look(&p, "a/b", ERR_EXISTS); /* a folder */
    CU_ASSERT_TRUE(place_new(&p, "a/b", true) != 0);
    teardown(&p);
}

static void test_links(void)
{
    struct place p;

    setup(&p);
    CU_ASSERT_EQUAL_FATAL(mkdirat(p.folder.fd, "../elsewhere", 0777), 0);
    CU_ASSERT_EQUAL_FATAL(symlinkat("../elsewhere", p.folder.fd, "d"), 0);
    CU_ASSERT_EQUAL_FATAL(symlinkat("../elsewhere/f", p.folder.fd, "f"), 0);
    look(&p, "d/f", ERR_EXISTS);
    look(&p, "d/e/f", ERR_EXISTS);
    look(&p, "f", ERR_EXISTS);
    CU_ASSERT_EQUAL(place_new(&p, "d/f", true), ERR_EXISTS);
    CU_ASSERT_EQUAL(place_new(&p, "d/e/f", true), ERR_EXISTS);
    CU_ASSERT_EQUAL(place_new(&p, "f", false), ERR_EXISTS);
    CU_ASSERT_TRUE(faccessat(p.folder.fd, "../elsewhere/f", F_OK, 0) != 0);
    CU_ASSERT_TRUE(faccessat(p.folder.fd, "../elsewhere/e", F_OK, 0) != 0);
    CU_ASSERT_EQUAL(place_new(&p, "f", true), 0); /* the link is replaced, not followed */
    CU_ASSERT_TRUE(holds(&p, "f", "new"));
    CU_ASSERT_TRUE(faccessat(p.folder.fd, "../elsewhere/f", F_OK, 0) != 0);
    teardown(&p);
}

static void test_partial(void)
{
    struct place p;
    char name[PARTIAL_MAX], other[PARTIAL_MAX];
    int fd, second;

    setup(&p);
    CU_ASSERT_EQUAL(folder_partial_open(&p.folder, &p.digest, name, &fd, NULL), 0);
    CU_ASSERT_EQUAL(folder_partial_open(&p.folder, &p.digest, other, &second, NULL), ERR_LOCKED);
    CU_ASSERT_EQUAL(write(fd, "ne", 2), 2);
    close(fd);
    CU_ASSERT_EQUAL(folder_partial_open(&p.folder, &p.digest, other, &fd, NULL), 0);
    CU_ASSERT_STRING_EQUAL(name, other);
    CU_ASSERT_TRUE(holds(&p, name, "ne")); /* kept */
    close(fd);
    CU_ASSERT_EQUAL(linkat(p.folder.fd, name, p.folder.fd, "linked", 0), 0);
    CU_ASSERT_EQUAL(folder_partial_open(&p.folder, &p.digest, other, &fd, NULL), ERR_LOCKED);
    CU_ASSERT_EQUAL(fd, -1);
    folder_partial_remove(&p.folder, name);
    CU_ASSERT_EQUAL(symlinkat("linked", p.folder.fd, name), 0);
    CU_ASSERT_TRUE(folder_partial_open(&p.folder, &p.digest, other, &fd, NULL) != 0);
    teardown(&p);
}

static void test_close(void)
{
    struct tempdir dir;
    struct folder folder;
    struct fault fault = FAULT_INIT;
    char path[96];

    tempdir_make(&dir);
    snprintf(path, sizeof(path), "%s/out", dir.path);
    CU_ASSERT_EQUAL(folder_open(path, &folder, NULL), 0);
    CU_ASSERT_TRUE(folder.is_new);
    folder_close(&folder, false);
    CU_ASSERT_TRUE(access(path, F_OK) != 0);
    CU_ASSERT_EQUAL(folder_open(path, &folder, NULL), 0);
    folder_close(&folder, true);
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    CU_ASSERT_EQUAL(folder_open(path, &folder, NULL), 0);
    CU_ASSERT_FALSE(folder.is_new);
    folder_close(&folder, false); /* it was there before */
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    snprintf(path, sizeof(path), "%s/not/there", dir.path);
    CU_ASSERT_EQUAL(folder_open(path, &folder, &fault), ERR_NOT_FOUND);
    folder_close(&folder, false);
    tempdir_remove(&dir);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("folder", NULL, NULL);

    CU_add_test(suite, "titles", test_titles);
    CU_add_test(suite, "place", test_place);
    CU_add_test(suite, "symbolic links", test_links);
    CU_add_test(suite, "partial", test_partial);
    CU_add_test(suite, "close", test_close);
}
