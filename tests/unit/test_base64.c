/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/base64.h"

#include <CUnit/CUnit.h>

/* RFC 4648 section 10. */
static const struct {
    const char *plain, *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void test_vectors(void)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct slice plain = slice_from_cstr(vectors[i].plain);
        struct slice text = slice_from_cstr(vectors[i].text);
        struct buf out;

        buf_init(&out, 64);
        base64_encode(&out, plain);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), text));
        buf_reset(&out);
        CU_ASSERT_EQUAL(base64_decode(&out, text), 0);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), plain));
        buf_fini(&out);
    }
}

static void test_what_is_none(void)
{
    static const char *const bad[] = {"Zg",   "Zg=",      "Z===", "====",  "Zm9v ",
                                      "Zm 9", "Zg==Zg==", "Zm9-", "Zm\n9", "Z=g="};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct buf out;

        buf_init(&out, 64);
        CU_ASSERT_EQUAL(base64_decode(&out, slice_from_cstr(bad[i])), ERR_SYNTAX);
        buf_fini(&out);
    }
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("base64", NULL, NULL);

    CU_add_test(suite, "vectors", test_vectors);
    CU_add_test(suite, "what is none", test_what_is_none);
}
