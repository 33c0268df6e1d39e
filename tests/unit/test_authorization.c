/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/login.h"
#include "server/authorization.h"
#include "server/form.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static struct arena arena;

static int parse(const char *value, struct authorization *got)
{
    struct fault fault = FAULT_INIT;

    arena_fini(&arena);
    arena_init(&arena, 1u << 20);
    int err = authorization_parse(&arena, slice_from_cstr(value), got, &fault);
    if (err != 0 && fault.text[0] == '\0')
        CU_FAIL("a refusal without words");
    return err;
}

static void test_basic(void)
{
    struct authorization got;

    CU_ASSERT_EQUAL_FATAL(parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &got), 0);
    CU_ASSERT_EQUAL(got.scheme, AUTHORIZATION_BASIC);
    CU_ASSERT_TRUE(slice_eq(got.user, SLICE("Aladdin")));
    CU_ASSERT_TRUE(slice_eq(got.secret, SLICE("open sesame")));
    CU_ASSERT_EQUAL_FATAL(parse("bASIC  YTpiOmM=", &got), 0); /* a:b:c */
    CU_ASSERT_TRUE(slice_eq(got.user, SLICE("a")));
    CU_ASSERT_TRUE(slice_eq(got.secret, SLICE("b:c")));
    CU_ASSERT_EQUAL_FATAL(parse("Basic Og==", &got), 0); /* ":" */
    CU_ASSERT_EQUAL(got.scheme, AUTHORIZATION_NONE);
}

static void test_bearer(void)
{
    struct authorization got;

    CU_ASSERT_EQUAL_FATAL(parse("Bearer aZ0-._~+/==", &got), 0);
    CU_ASSERT_EQUAL(got.scheme, AUTHORIZATION_BEARER);
    CU_ASSERT_TRUE(slice_eq(got.secret, SLICE("aZ0-._~+/==")));
    CU_ASSERT_EQUAL(got.user.n, 0);
}

static void test_refused(void)
{
    static const char *const bad[] = {
        "Basic",
        "Basic ",
        "Basic YTpi=",     /* too much padding */
        "Basic YTpiYy==",  /* bits that no byte has */
        "Basic YTpi YTpi", /* two */
        "Basic YTp\x80",
        "Basic _-__",
        "Basic YQ==",         /* a */
        "Basic ZGV2DQp4OnB3", /* dev\r\nx:pw */
        "Basic ZAB2OnB3",     /* a NUL in the name */
        "Basic ZH92OnB3",     /* DEL */
        "Basic ZP92OnB3",     /* no UTF-8 */
        "Basic ZGV2OmEAYg==", /* a NUL in the password */
        "Bearer",
        "Bearer a b",
        "Bearer \"a\"",
        "Bearer ==",
        "Bearer a=b",
    };
    struct authorization got;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int err = parse(bad[i], &got);
        if (err != ERR_HTTP_BAD_REQUEST)
            printf("# %s: %s\n", bad[i], err_name(err));
        CU_ASSERT_EQUAL(err, ERR_HTTP_BAD_REQUEST);
    }
    CU_ASSERT_EQUAL(parse("Digest username=\"a\"", &got), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(parse("", &got), ERR_UNAUTHORIZED);
}

static void test_no_memory(void)
{
    struct authorization got;
    struct arena small;

    arena_init(&small, 1);
    CU_ASSERT_EQUAL(authorization_parse(&small, SLICE("Basic YTpi"), &got, NULL), ERR_NO_MEMORY);
    arena_fini(&small);
}

static void test_form(void)
{
    const struct slice form = SLICE("a=1&b=x+y%2Bz&a=2&c&d=%41");
    struct slice value;

    CU_ASSERT_EQUAL(form_value(&arena, form, SLICE("a"), 1, &value, NULL), 0);
    CU_ASSERT_TRUE(slice_eq(value, SLICE("2")));
    CU_ASSERT_EQUAL(form_value(&arena, form, SLICE("a"), 2, &value, NULL), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(form_single(&arena, form, SLICE("b"), &value, NULL), 0);
    CU_ASSERT_TRUE(slice_eq(value, SLICE("x y+z")));
    CU_ASSERT_EQUAL(form_single(&arena, form, SLICE("a"), &value, NULL), ERR_HTTP_BAD_REQUEST);
    CU_ASSERT_EQUAL(form_single(&arena, form, SLICE("c"), &value, NULL), 0);
    CU_ASSERT_EQUAL(value.n, 0);
    CU_ASSERT_EQUAL(form_single(&arena, form, SLICE("e"), &value, NULL), 0);
    CU_ASSERT_EQUAL(value.n, 0);
    CU_ASSERT_EQUAL(form_value(&arena, SLICE("a=%0"), SLICE("a"), 0, &value, NULL),
                    ERR_HTTP_BAD_REQUEST);
    CU_ASSERT_EQUAL(form_value(&arena, SLICE("a=%00"), SLICE("a"), 0, &value, NULL),
                    ERR_HTTP_BAD_REQUEST);
}

static int fini(void)
{
    arena_fini(&arena);
    return 0;
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("authorization", NULL, fini);

    CU_add_test(suite, "Basic", test_basic);
    CU_add_test(suite, "Bearer", test_bearer);
    CU_add_test(suite, "what is refused", test_refused);
    CU_add_test(suite, "no memory", test_no_memory);
    CU_add_test(suite, "forms", test_form);
}
