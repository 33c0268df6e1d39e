/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What needs no other end: where a Location may lead, and what is no request at all. Transfers are
 * in tests/integration/client_verbs.t, against servers that lie.
 */
#include "config.h"
#include "base/fetch.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <string.h>

static void test_resolve(void)
{
    static const struct {
        const char *base, *location, *query, *url;
    } cases[] = {
        {"http://h:1/v2/a/", "/up", NULL, "http://h:1/up"},
        {"http://h:1/v2/a/", "up", NULL, "http://h:1/v2/a/up"},
        {"http://h:1/v2/a/", "/up?x=1", "digest=sha256:0", "http://h:1/up?x=1&digest=sha256:0"},
        {"http://h:1/v2/a/", "/up", "digest=sha256:0", "http://h:1/up?digest=sha256:0"},
        {"http://h:1/a", "http://h:1/b", NULL, "http://h:1/b"},
        {"http://h:1/a", "HTTP://H:1/b", NULL, "http://H:1/b"},
        {"http://h/a", "http://h:80/b", NULL, "http://h:80/b"},
        {"https://h:443/a", "https://h/b", NULL, "https://h/b"},
    };
    struct buf url;

    buf_init(&url, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(fetch_resolve(cases[i].base, slice_from_cstr(cases[i].location),
                                      cases[i].query, &url, NULL),
                        0);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&url), slice_from_cstr(cases[i].url)));
    }
    buf_fini(&url);
}

static void test_resolve_refuses(void)
{
    static const struct {
        const char *location;
        int err;
    } cases[] = {
        {"http://g:1/b", ERR_HTTP_FORBIDDEN},
        {"http://h:2/b", ERR_HTTP_FORBIDDEN},
        {"https://h:1/b", ERR_HTTP_FORBIDDEN},
        {"http://h/b", ERR_HTTP_FORBIDDEN},
        {"//g:1/b", ERR_HTTP_FORBIDDEN},
        {"ftp://h:1/b", ERR_HTTP_FORBIDDEN},
        {"http://h:1@g:1/b", ERR_HTTP_FORBIDDEN},
        {"http://h.:1/b", ERR_HTTP_FORBIDDEN},
        {"", ERR_SYNTAX},
        {"http://", ERR_SYNTAX},
        {"http://h:99999/b", ERR_SYNTAX},
    };
    struct buf url;

    buf_init(&url, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;

        CU_ASSERT_EQUAL(
            fetch_resolve("http://h:1/a", slice_from_cstr(cases[i].location), NULL, &url, &fault),
            cases[i].err);
        CU_ASSERT_TRUE(fault.text[0] != '\0');
    }
    buf_fini(&url);
}

static int run(const char *url)
{
    struct fetch_request request = {.method = FETCH_GET, .url = url, .max_bytes = 10};
    struct fault fault = FAULT_INIT;
    struct fetch *fetch;
    int status;

    CU_ASSERT_EQUAL_FATAL(fetch_create("test", &fetch, NULL), 0);
    int err = fetch_run(fetch, &request, &status, &fault);
    CU_ASSERT_TRUE(err != 0 && fault.text[0] != '\0');
    fetch_destroy(fetch);
    return err;
}

static void test_no_request(void)
{
    char url[9000];

    memset(url, 'a', sizeof(url));
    memcpy(url, "http://127.0.0.1:1/", 19);
    url[sizeof(url) - 1] = '\0';
    CU_ASSERT_EQUAL_FATAL(fetch_global_init(NULL), 0);
    CU_ASSERT_EQUAL(run("file:///etc/passwd"), ERR_SYNTAX);
    CU_ASSERT_EQUAL(run("gopher://127.0.0.1:1/"), ERR_SYNTAX);
    CU_ASSERT_EQUAL(run("http://"), ERR_SYNTAX);
    CU_ASSERT_EQUAL(run(url), ERR_SYNTAX);
    CU_ASSERT_EQUAL(run("http://127.0.0.1:1/"), ERR_UNAVAILABLE); /* nobody listens there */
    fetch_global_fini();
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("fetch", NULL, NULL);

    CU_add_test(suite, "resolve", test_resolve);
    CU_add_test(suite, "resolve refuses", test_resolve_refuses);
    CU_add_test(suite, "no request", test_no_request);
}
