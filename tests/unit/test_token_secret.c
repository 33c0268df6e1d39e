/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/token_secret.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static const enum token_kind kinds[] = {TOKEN_PERSONAL, TOKEN_ROBOT, TOKEN_REFRESH,
                                        TOKEN_BOOTSTRAP};

static struct slice text_of(const struct token_secret *secret)
{
    return slice_from_cstr(secret->text);
}

static void test_make_and_parse(void)
{
    struct token_secret made, parsed;

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        CU_ASSERT_EQUAL_FATAL(token_secret_make(kinds[i], &made), 0);
        CU_ASSERT_EQUAL(strlen(made.text), TOKEN_TEXT_SIZE);
        CU_ASSERT_TRUE(token_secret_is_one(text_of(&made)));
        CU_ASSERT_EQUAL_FATAL(token_secret_parse(text_of(&made), &parsed), 0);
        CU_ASSERT_EQUAL(parsed.kind, kinds[i]);
        CU_ASSERT_EQUAL(parsed.id, made.id);
        CU_ASSERT_TRUE(token_secret_matches(&parsed, made.sha256));
        CU_ASSERT_STRING_EQUAL(parsed.text, "");
    }
}

/* The form is a promise: scanners look for it, and what was given out must open for ever. */
static void test_form(void)
{
    const struct slice text =
        SLICE("tmk_p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    struct token_secret secret;
    struct digest digest;

    CU_ASSERT_EQUAL_FATAL(token_secret_parse(text, &secret), 0);
    CU_ASSERT_EQUAL(secret.kind, TOKEN_PERSONAL);
    CU_ASSERT_EQUAL(secret.id, 1);
    digest_compute(DIGEST_SHA256, text, &digest);
    CU_ASSERT_TRUE(token_secret_matches(&secret, digest.raw));
    digest.raw[31] ^= 1;
    CU_ASSERT_FALSE(token_secret_matches(&secret, digest.raw));
}

static void test_all_differ(void)
{
    struct token_secret a, b;

    CU_ASSERT_EQUAL_FATAL(token_secret_make(TOKEN_ROBOT, &a), 0);
    CU_ASSERT_EQUAL_FATAL(token_secret_make(TOKEN_ROBOT, &b), 0);
    CU_ASSERT_NOT_EQUAL(a.id, b.id);
    CU_ASSERT_STRING_NOT_EQUAL(a.text, b.text);
    CU_ASSERT_FALSE(token_secret_matches(&a, b.sha256));
    token_secret_wipe(&a);
    CU_ASSERT_STRING_EQUAL(a.text, "");
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        "tmk_",
        "tmk_p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",   /* short */
        "tmk_p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A", /* long */
        "tmk_x_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",  /* no such kind */
        "tmk-p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "tmk_p-AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "tmk_p_AAAAAAAAAAE-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "tmk_p_AAAAAAAAAAA_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", /* id 0 */
        "tmk_p_AAAAAAAAAAF_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", /* bits left over */
        "tmk_p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", /* there as well */
        "tmk_p_AAAAAAAAAA+_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", /* not base64url */
        "tmk_p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh=",
        "TMK_p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    };
    struct token_secret secret;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        CU_ASSERT_EQUAL(token_secret_parse(slice_from_cstr(texts[i]), &secret), ERR_INVALID);
        if (token_secret_parse(slice_from_cstr(texts[i]), &secret) == 0)
            printf("# taken: %s\n", texts[i]);
    }
    CU_ASSERT_EQUAL(
        token_secret_parse(SLICE("tmk_p_AAAAAAAAAAE_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh\0"),
                           &secret),
        ERR_INVALID);
}

static void test_ids(void)
{
    static const uint64_t ids[] = {1, 255, UINT64_C(0x0123456789abcdef), UINT64_MAX};
    char text[TOKEN_ID_SIZE + 1];
    uint64_t id;

    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        CU_ASSERT_EQUAL(token_id_format(ids[i], text).n, TOKEN_ID_SIZE);
        CU_ASSERT_EQUAL(token_id_parse(slice_from_cstr(text), &id), 0);
        CU_ASSERT_EQUAL(id, ids[i]);
    }
    CU_ASSERT_EQUAL(token_id_parse(SLICE(""), &id), ERR_TOKEN_UNKNOWN);
    CU_ASSERT_EQUAL(token_id_parse(SLICE("AAAAAAAAAAA"), &id), ERR_TOKEN_UNKNOWN);
    CU_ASSERT_EQUAL(token_id_parse(SLICE("AAAAAAAAAAEA"), &id), ERR_TOKEN_UNKNOWN);
    CU_ASSERT_EQUAL(token_id_parse(SLICE("../../../.."), &id), ERR_TOKEN_UNKNOWN);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("token_secret", NULL, NULL);

    CU_add_test(suite, "what is made can be parsed", test_make_and_parse);
    CU_add_test(suite, "the form stays", test_form);
    CU_add_test(suite, "no two are the same", test_all_differ);
    CU_add_test(suite, "refused", test_refused);
    CU_add_test(suite, "ids", test_ids);
}
