/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "registry/reference.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <string.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A text of `n` times the same character. */
static struct slice repeat(char c, size_t n)
{
    static char text[1024];

    memset(text, c, n);
    return slice_make(text, n);
}

static void check_name(struct slice name, int code)
{
    struct fault fault = FAULT_INIT;
    int err = repository_name_check(name, &fault);

    CU_ASSERT_EQUAL(err, code);
    CU_ASSERT_EQUAL(fault.code, code);
    CU_ASSERT_EQUAL(fault.text[0] != '\0', code != 0);
    CU_ASSERT_EQUAL(repository_name_check(name, NULL), code);
    if (err != code)
        printf("# \"" SLICE_FMT "\": %s\n", SLICE_ARG(name), fault.text);
}

static void test_names(void)
{
    static const char *const good[] = {
        "a",        "0",       "library/alpine", "a/b/c/d/e/f", "a.b",     "a_b",
        "a__b",     "a-b",     "a--b",           "a------b",    "0.1_2-3", "team/app-1.2_x__y",
        "a/b.c/d0", "v2/blobs"};
    static const char *const bad[] = {"",     "/",    "/a",    "a/",       "a//b", "A",    "a/B",
                                      "a.",   ".a",   "a..b",  "a___b",    "a_",   "_a",   "-a",
                                      "a-",   "a.-b", "a-.b",  "a_-b",     "a b",  "a:b",  "a@b",
                                      "a/..", "../a", "a/./b", "\xc3\xa9", "a\n",  "a\\b", "a?b",
                                      "a%2f", "a/-b", "a/b-",  "a/b_/c"};

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        check_name(slice_from_cstr(good[i]), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        check_name(slice_from_cstr(bad[i]), ERR_NAME_INVALID);
    check_name(SLICE("a\0b"), ERR_NAME_INVALID);
    check_name(repeat('a', REPOSITORY_NAME_MAX), 0);
    check_name(repeat('a', REPOSITORY_NAME_MAX + 1), ERR_NAME_INVALID);
}

static void test_name_faults(void)
{
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(repository_name_check(SLICE("team/App/x"), &fault), ERR_NAME_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "component 2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "\"App\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "lower-case"));
    CU_ASSERT_EQUAL(repository_name_check(repeat('a', 300), &fault), ERR_NAME_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "300"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "255"));
}

static void check_tag(struct slice tag, int code)
{
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(tag_check(tag, &fault), code);
    CU_ASSERT_EQUAL(fault.code, code);
    CU_ASSERT_EQUAL(fault.text[0] != '\0', code != 0);
    CU_ASSERT_EQUAL(tag_check(tag, NULL), code);
}

static void test_tags(void)
{
    static const char *const good[] = {
        "a", "A", "0", "_", "latest", "v1.2.3", "1.4-rc.1_x", "_.-", "sha256-" HEX64 ".sig"};
    static const char *const bad[] = {"",    ".",   "-",   ".a",  "-a",       "a/b", "a:b",
                                      "a b", "a+b", "a@b", "a\n", "\xc3\xa9", "a%",  "a~"};

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        check_tag(slice_from_cstr(good[i]), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        check_tag(slice_from_cstr(bad[i]), ERR_TAG_INVALID);
    check_tag(SLICE("a\0b"), ERR_TAG_INVALID);
    check_tag(repeat('t', TAG_MAX), 0);
    check_tag(repeat('t', TAG_MAX + 1), ERR_TAG_INVALID);
}

static void test_references(void)
{
    struct reference reference;
    struct fault fault = FAULT_INIT;
    char text[DIGEST_TEXT_MAX];

    CU_ASSERT_EQUAL(reference_parse(SLICE("v1.2"), &reference, &fault), 0);
    CU_ASSERT_FALSE(reference.is_digest);
    CU_ASSERT_TRUE(slice_eq(reference.tag, SLICE("v1.2")));
    CU_ASSERT_EQUAL(reference_parse(SLICE("sha256:" HEX64), &reference, &fault), 0);
    CU_ASSERT_TRUE(reference.is_digest);
    CU_ASSERT_TRUE(slice_eq(digest_format(&reference.digest, text), SLICE("sha256:" HEX64)));
    CU_ASSERT_EQUAL(reference_parse(SLICE("sha512:" HEX64 HEX64), &reference, &fault), 0);
    CU_ASSERT_EQUAL(reference.digest.algorithm, DIGEST_SHA512);
    CU_ASSERT_EQUAL(fault.code, 0);

    CU_ASSERT_EQUAL(reference_parse(SLICE("sha256:baddigeststring"), &reference, &fault),
                    ERR_DIGEST_INVALID);
    CU_ASSERT_EQUAL(reference_parse(SLICE("sha256:" HEX64 HEX64), &reference, &fault),
                    ERR_DIGEST_INVALID);
    CU_ASSERT_EQUAL(reference_parse(SLICE("md5:00112233"), &reference, &fault),
                    ERR_DIGEST_UNSUPPORTED);
    CU_ASSERT_EQUAL(reference_parse(SLICE(":"), &reference, &fault) != 0, 1);
    CU_ASSERT_EQUAL(reference_parse(SLICE(""), &reference, &fault), ERR_TAG_INVALID);
    CU_ASSERT_EQUAL(reference_parse(SLICE("a/b"), &reference, &fault), ERR_TAG_INVALID);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("reference", NULL, NULL);

    CU_add_test(suite, "repository names", test_names);
    CU_add_test(suite, "what is wrong with a repository name", test_name_faults);
    CU_add_test(suite, "tags", test_tags);
    CU_add_test(suite, "references", test_references);
}
