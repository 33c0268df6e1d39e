/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/issuer_hosts.h"

#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

static const struct issuer_hosts hosts = {
    {" ci.example,gitlab.example:8443, 127.0.0.1,[::1]:7,", 52},
    {"127.0.0.1,other.example,[::1]", 29},
};

static void test_issuers(void)
{
    static const struct {
        const char *url;
        int err;
    } cases[] = {
        {"https://ci.example", 0},
        {"https://CI.example:444/path", 0},
        {"https://gitlab.example:8443", 0},
        {"https://gitlab.example", ERR_HTTP_FORBIDDEN},
        {"https://gitlab.example:443", ERR_HTTP_FORBIDDEN},
        {"https://ci.example.", ERR_HTTP_FORBIDDEN},
        {"https://xci.example", ERR_HTTP_FORBIDDEN},
        {"https://ci.example.evil.example", ERR_HTTP_FORBIDDEN},
        {"https://evil.example/ci.example", ERR_HTTP_FORBIDDEN},
        {"http://ci.example", ERR_HTTP_FORBIDDEN},
        {"http://127.0.0.1:8080", 0},
        {"https://127.0.0.1:8080", 0},
        {"http://127.0.0.2:8080", ERR_HTTP_FORBIDDEN},
        {"http://[::1]:7", 0},
        {"http://[::1]:8", ERR_HTTP_FORBIDDEN},
        {"http://other.example", ERR_HTTP_FORBIDDEN}, /* may be http, but may not be asked */
        {"https://ci.example@evil.example", ERR_SYNTAX},
        {"https://evil.example@ci.example", ERR_SYNTAX},
        {"https://ci.example#a", ERR_SYNTAX},
        {"https://ci.example?a", ERR_SYNTAX},
        {"ci.example", ERR_SYNTAX},
        {"", ERR_SYNTAX},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        int err = issuer_hosts_check(&hosts, slice_from_cstr(cases[i].url), &fault);

        if (err != cases[i].err)
            CU_FAIL("another answer");
        CU_ASSERT_EQUAL(err != 0, fault.text[0] != '\0');
    }
}

static void test_keys(void)
{
    static const struct {
        const char *issuer, *keys;
        int err;
    } cases[] = {
        {"https://a.example/x", "https://a.example/keys?v=1", 0}, /* its own origin */
        {"https://a.example", "https://ci.example/keys", 0},
        {"https://a.example", "https://a.example:444/keys", ERR_HTTP_FORBIDDEN},
        {"https://a.example", "https://b.example/keys", ERR_HTTP_FORBIDDEN},
        {"https://a.example", "https://keys.a.example/keys", ERR_HTTP_FORBIDDEN},
        {"https://a.example", "http://a.example/keys", ERR_HTTP_FORBIDDEN},
        {"http://127.0.0.1:1", "http://127.0.0.1:2/keys", 0},
        {"https://a.example", "http://other.example/keys", ERR_HTTP_FORBIDDEN},
        {"https://a.example", "https://u@a.example/keys", ERR_SYNTAX},
        {"https://a.example", "/keys", ERR_SYNTAX},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = FAULT_INIT;
        int err = issuer_hosts_check_keys(&hosts, slice_from_cstr(cases[i].issuer),
                                          slice_from_cstr(cases[i].keys), &fault);

        if (err != cases[i].err)
            CU_FAIL("another answer");
        CU_ASSERT_EQUAL(err != 0, fault.text[0] != '\0');
    }
}

static void test_nothing_listed(void)
{
    const struct issuer_hosts none = {{NULL, 0}, {NULL, 0}};

    CU_ASSERT_EQUAL(issuer_hosts_check(&none, SLICE("https://ci.example"), NULL),
                    ERR_HTTP_FORBIDDEN);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("issuer_hosts", NULL, NULL);

    CU_add_test(suite, "issuers", test_issuers);
    CU_add_test(suite, "keys", test_keys);
    CU_add_test(suite, "nothing listed", test_nothing_listed);
}
