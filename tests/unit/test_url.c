/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/url.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <string.h>

static int parse(struct arena *arena, const char *text, struct url *url)
{
    struct fault fault = FAULT_INIT;
    int err = url_parse(arena, slice_from_cstr(text), url, &fault);

    CU_ASSERT_EQUAL(err != 0, fault.text[0] != '\0');
    return err;
}

static void test_parts(void)
{
    static const struct {
        const char *text, *host, *path;
        unsigned port;
        bool is_https, has_user, has_query, has_fragment;
    } cases[] = {
        {"https://ci.example", "ci.example", "/", 443, true, false, false, false},
        {"HTTPS://CI.Example/", "ci.example", "/", 443, true, false, false, false},
        {"http://ci.example/a/b", "ci.example", "/a/b", 80, false, false, false, false},
        {"http://127.0.0.1:8080", "127.0.0.1", "/", 8080, false, false, false, false},
        {"https://[::1]:8443/a", "[::1]", "/a", 8443, true, false, false, false},
        {"https://a@ci.example", "ci.example", "/", 443, true, true, false, false},
        {"https://:a@ci.example", "ci.example", "/", 443, true, true, false, false},
        {"https://ci.example/?", "ci.example", "/", 443, true, false, true, false},
        {"https://ci.example/?a#b", "ci.example", "/", 443, true, false, true, true},
        {"https://ci.example/#b?a", "ci.example", "/", 443, true, false, false, true},
        {"https://ci.example#", "ci.example", "/", 443, true, false, false, true},
        {"https://good.example#@evil.example", "good.example", "/", 443, true, false, false, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena;
        struct url url;

        arena_init(&arena, 10000);
        CU_ASSERT_EQUAL_FATAL(parse(&arena, cases[i].text, &url), 0);
        CU_ASSERT_TRUE(slice_eq(url.host, slice_from_cstr(cases[i].host)));
        CU_ASSERT_TRUE(slice_eq(url.path, slice_from_cstr(cases[i].path)));
        CU_ASSERT_EQUAL(url.port, cases[i].port);
        CU_ASSERT_EQUAL(url.is_https, cases[i].is_https);
        CU_ASSERT_EQUAL(url.has_user, cases[i].has_user);
        CU_ASSERT_EQUAL(url.has_query, cases[i].has_query);
        CU_ASSERT_EQUAL(url.has_fragment, cases[i].has_fragment);
        arena_fini(&arena);
    }
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        "ci.example",
        "/a",
        "https:",
        "https://",
        "ftp://ci.example",
        "file:/a",
        "https://ci.example:0",
        "https://ci.example:65536",
        "https://ci example",
        "https://ci.example/\n",
        "https://ci.example/\xc3\xa4",
        "javascript:alert(1)",
    };
    char text[URL_TEXT_MAX + 2];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct arena arena;
        struct url url;

        arena_init(&arena, 10000);
        CU_ASSERT_EQUAL(parse(&arena, texts[i], &url), ERR_SYNTAX);
        arena_fini(&arena);
    }
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://ci.example/", 19);
    for (size_t cut = 1; cut <= 2; cut++) {
        struct arena arena;
        struct url url;

        arena_init(&arena, 10000);
        text[sizeof(text) - cut] = '\0';
        CU_ASSERT_EQUAL(parse(&arena, text, &url), cut == 1 ? ERR_SYNTAX : 0);
        arena_fini(&arena);
    }
}

static void test_no_memory(void)
{
    for (size_t max = 0; max < 40; max++) {
        struct arena arena;
        struct url url;

        arena_init(&arena, max);
        int err = parse(&arena, "https://ci.example/a", &url);
        CU_ASSERT_TRUE(err == 0 || err == ERR_NO_MEMORY);
        arena_fini(&arena);
    }
}

static void test_origin(void)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"https://a.example/x", "https://A.example:443/y", true},
        {"https://a.example", "http://a.example:443", false},
        {"https://a.example", "https://a.example:444", false},
        {"https://a.example", "https://a.example.", false},
        {"https://a.example", "https://b.a.example", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena;
        struct url a, b;

        arena_init(&arena, 10000);
        CU_ASSERT_EQUAL(parse(&arena, cases[i].a, &a), 0);
        CU_ASSERT_EQUAL(parse(&arena, cases[i].b, &b), 0);
        CU_ASSERT_EQUAL(url_is_same_origin(&a, &b), cases[i].same);
        arena_fini(&arena);
    }
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("url", NULL, NULL);

    CU_add_test(suite, "parts", test_parts);
    CU_add_test(suite, "refused", test_refused);
    CU_add_test(suite, "no memory", test_no_memory);
    CU_add_test(suite, "origin", test_origin);
}
