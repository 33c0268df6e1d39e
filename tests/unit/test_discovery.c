/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/discovery.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

static void test_address(void)
{
    static const struct {
        const char *issuer, *url;
    } cases[] = {
        {"https://ci.example", "https://ci.example/.well-known/openid-configuration"},
        {"https://ci.example/", "https://ci.example/.well-known/openid-configuration"},
        {"https://ci.example/a", "https://ci.example/a/.well-known/openid-configuration"},
    };
    struct buf url;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_init(&url, 1000);
        discovery_url(slice_from_cstr(cases[i].issuer), &url);
        CU_ASSERT_STRING_EQUAL(url.p, cases[i].url);
        CU_ASSERT_EQUAL(url.n, strlen(cases[i].url));
        buf_fini(&url);
    }
    buf_init(&url, 20);
    discovery_url(SLICE("https://ci.example"), &url);
    CU_ASSERT_TRUE(url.overflow);
    buf_fini(&url);
}

static void test_documents(void)
{
    static const struct {
        const char *document;
        int err;
    } cases[] = {
        {"{\"issuer\":\"https://ci.example\",\"jwks_uri\":\"https://k.example/\"}", 0},
        {"{\"issuer\":\"https://ci.example\",\"jwks_uri\":\"https://k.example/\",\"x\":[{}]}", 0},
        {"{\"issuer\":\"https:\\/\\/ci.example\",\"jwks_uri\":\"https://k.example/\"}", 0},
        {"{\"issuer\":\"https://ci.example/\",\"jwks_uri\":\"https://k.example/\"}", ERR_INVALID},
        {"{\"issuer\":\"HTTPS://ci.example\",\"jwks_uri\":\"https://k.example/\"}", ERR_INVALID},
        {"{\"issuer\":\"https://ci.example\"}", ERR_SYNTAX},
        {"{\"jwks_uri\":\"https://k.example/\"}", ERR_SYNTAX},
        {"{\"issuer\":[\"https://ci.example\"],\"jwks_uri\":\"https://k.example/\"}", ERR_SYNTAX},
        {"{\"issuer\":\"https://ci.example\",\"jwks_uri\":null}", ERR_SYNTAX},
        {"{\"issuer\":\"https://ci.example\",\"jwks_uri\":\"\"}", ERR_SYNTAX},
        {"{\"issuer\":\"https://ci.example\",\"jwks_uri\":\"https://k.example/\\u0000\"}",
         ERR_SYNTAX},
        {"{\"issuer\":\"https://ci.example\",\"jwks_uri\":\"https://k.example/\\r\\nA: b\"}",
         ERR_SYNTAX},
        {"{\"issuer\":\"https://ci.example\",\"jwks_uri\":\"https://k.example/\","
         "\"jwks_uri\":\"https://evil.example/\"}",
         ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"\"https://ci.example\"", ERR_SYNTAX},
        {"<html></html>", ERR_SYNTAX},
        {"", ERR_SYNTAX},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        struct slice keys = {0};
        struct arena arena;

        arena_init(&arena, 100000);
        int err = discovery_parse(&arena, slice_from_cstr(cases[i].document),
                                  SLICE("https://ci.example"), &keys, &fault);
        if (err != cases[i].err)
            CU_FAIL("another answer");
        if (err == 0)
            CU_ASSERT_STRING_EQUAL(keys.p, "https://k.example/");
        CU_ASSERT_EQUAL(err != 0, fault.text[0] != '\0');
        arena_fini(&arena);
    }
}

static void test_deep(void)
{
    struct slice keys;
    struct arena arena;
    struct buf document;

    arena_init(&arena, 1000000);
    buf_init(&document, 100000);
    buf_add(&document, SLICE("{\"issuer\":"));
    for (unsigned i = 0; i < 1000; i++)
        buf_add_char(&document, '[');
    CU_ASSERT_EQUAL(
        discovery_parse(&arena, buf_slice(&document), SLICE("https://ci.example"), &keys, NULL),
        ERR_LIMIT);
    buf_fini(&document);
    arena_fini(&arena);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("discovery", NULL, NULL);

    CU_add_test(suite, "address", test_address);
    CU_add_test(suite, "documents", test_documents);
    CU_add_test(suite, "deep", test_deep);
}
