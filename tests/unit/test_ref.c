/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/ref.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define HEX     "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define DIGEST  "sha256:" HEX

#define REF_ANY (REF_TAG | REF_DIGEST | REF_REPOSITORY | REF_SERVER_ONLY)

static bool is(struct slice s, const char *text)
{
    return slice_eq(s, slice_from_cstr(text));
}

static void test_good(void)
{
    static const struct {
        const char *text, *server, *repository, *tag, *digest;
    } cases[] = {
        {"a", "", "a", "", ""},
        {"a:1", "", "a", "1", ""},
        {"team/app:1.2.3", "", "team/app", "1.2.3", ""},
        {"a-b.c_d__e/0:_x-Y.z", "", "a-b.c_d__e/0", "_x-Y.z", ""},
        {"a@" DIGEST, "", "a", "", DIGEST},
        {"http://h/a:1", "http://h", "a", "1", ""},
        {"http://127.0.0.1:5000/team/app:1", "http://127.0.0.1:5000", "team/app", "1", ""},
        {"https://[::1]:443/a@" DIGEST, "https://[::1]:443", "a", "", DIGEST},
        {"http://h:1", "http://h:1", "", "", ""},
        {"http://h:1/", "http://h:1", "", "", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        struct ref ref;

        CU_ASSERT_EQUAL(ref_parse(slice_from_cstr(cases[i].text), REF_ANY, &ref, &fault), 0);
        CU_ASSERT_TRUE(is(ref.server, cases[i].server));
        CU_ASSERT_TRUE(is(ref.repository, cases[i].repository));
        CU_ASSERT_TRUE(is(ref.tag, cases[i].tag));
        CU_ASSERT_TRUE(is(ref.digest, cases[i].digest));
        CU_ASSERT_TRUE(is(ref_version(&ref), cases[i].tag[0] ? cases[i].tag : cases[i].digest));
        CU_ASSERT_EQUAL(fault.code, 0);
    }
}

static void test_bad(void)
{
    static const char *const cases[] = {
        "",
        ":",
        ":1",
        "@" DIGEST,
        "a:",
        "a@",
        "a@sha256:",
        "a@sha256:44",
        "a@md5:00",
        "a@" DIGEST "0",
        "a:1@" DIGEST,
        "a:1:2",
        "A:1",
        "a/:1",
        "/a:1",
        "a//b:1",
        "-a:1",
        "a-:1",
        "a/../b:1",
        "a b:1",
        "a?x=1:1",
        "a%2f:1",
        "a#:1",
        "a:.x",
        "a:-x",
        "a:x y",
        "a:\xc3\xbc",
        "a\n:1",
        "localhost:5000/a:1",
        "localhost:5000/a",
        "http://",
        "http:///a:1",
        "http://h",
        "http://u@h/a:1",
        "http://u:p@h/a:1",
        "http://h h/a:1",
        "http://:5000/a:1",
        "http://-h/a:1",
        "http://h?/a:1",
        "http://h#/a:1",
        "http://h\\@g/a:1",
        "ftp://h/a:1",
        "HTTP://h/a:1",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        struct ref ref;
        int err = ref_parse(slice_from_cstr(cases[i]), REF_TAG | REF_DIGEST | REF_REPOSITORY, &ref,
                            &fault);

        CU_ASSERT_EQUAL(err, ERR_INVALID);
        CU_ASSERT_TRUE(fault.text[0] != '\0');
        if (err != ERR_INVALID)
            printf("# taken: %s\n", cases[i]);
        for (const char *c = fault.text; *c != '\0'; c++)
            CU_ASSERT_TRUE(*c >= ' ' && *c <= '~');
    }
}

static int parse(const char *text, unsigned want)
{
    struct ref ref;

    return ref_parse(slice_from_cstr(text), want, &ref, NULL);
}

static void test_wanted(void)
{
    CU_ASSERT_EQUAL(parse("a:1", REF_TAG), 0);
    CU_ASSERT_EQUAL(parse("a", REF_TAG), ERR_INVALID);
    CU_ASSERT_EQUAL(parse("a@" DIGEST, REF_TAG), ERR_INVALID);
    CU_ASSERT_EQUAL(parse("a@" DIGEST, REF_TAG | REF_DIGEST), 0);
    CU_ASSERT_EQUAL(parse("a:1", REF_DIGEST), ERR_INVALID);
    CU_ASSERT_EQUAL(parse("a", REF_REPOSITORY), 0);
    CU_ASSERT_EQUAL(parse("a:1", REF_REPOSITORY), ERR_INVALID);
    CU_ASSERT_EQUAL(parse("a@" DIGEST, REF_REPOSITORY), ERR_INVALID);
    CU_ASSERT_EQUAL(parse("http://h", REF_REPOSITORY), ERR_INVALID);
    CU_ASSERT_EQUAL(parse("http://h", REF_REPOSITORY | REF_SERVER_ONLY), 0);
}

static void test_lengths(void)
{
    char text[600];
    struct ref ref;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = 'a';
    CU_ASSERT_EQUAL(ref_parse(slice_make(text, 255), REF_ANY, &ref, NULL), 0);
    CU_ASSERT_EQUAL(ref_parse(slice_make(text, 256), REF_ANY, &ref, NULL), ERR_INVALID);
    text[1] = ':';
    CU_ASSERT_EQUAL(ref_parse(slice_make(text, 2 + 128), REF_ANY, &ref, NULL), 0);
    CU_ASSERT_EQUAL(ref_parse(slice_make(text, 2 + 129), REF_ANY, &ref, NULL), ERR_INVALID);
}

static void test_server(void)
{
    static const char *const bad[] = {"",         "h",          "h:1",        "http://",
                                      "http:///", "http://h/x", "http://h//", "http://u@h",
                                      "ftp://h",  "http://h?x", "http://h\n"};
    struct slice server;

    CU_ASSERT_EQUAL(ref_parse_server(SLICE("http://h:1"), &server, NULL), 0);
    CU_ASSERT_TRUE(is(server, "http://h:1"));
    CU_ASSERT_EQUAL(ref_parse_server(SLICE("https://h.example/"), &server, NULL), 0);
    CU_ASSERT_TRUE(is(server, "https://h.example"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(ref_parse_server(slice_from_cstr(bad[i]), &server, NULL), ERR_INVALID);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("ref", NULL, NULL);

    CU_add_test(suite, "good ones", test_good);
    CU_add_test(suite, "bad ones", test_bad);
    CU_add_test(suite, "what may be written", test_wanted);
    CU_add_test(suite, "lengths", test_lengths);
    CU_add_test(suite, "server", test_server);
}
