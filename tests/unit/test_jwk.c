/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/jwk.h"
#include "base/buf.h"
#include "base/mem.h"
#include "tests/unit/jwt_vectors.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>

static struct arena arena;
static struct jwk_set *set;
static struct fault fault;

static int parse(const char *json)
{
    jwk_set_destroy(set);
    set = NULL;
    arena_fini(&arena);
    arena_init(&arena, 1024 * 1024);
    fault = (struct fault)FAULT_INIT;
    return jwk_set_parse(&arena, slice_from_cstr(json), &set, &fault);
}

static int finish(void)
{
    jwk_set_destroy(set);
    set = NULL;
    arena_fini(&arena);
    return 0;
}

static bool finds(const char *kid, const char *alg)
{
    return jwk_set_find(set, slice_from_cstr(kid), slice_from_cstr(alg)) != NULL;
}

static void test_kinds(void)
{
    CU_ASSERT_EQUAL_FATAL(parse(KEYS), 0);
    CU_ASSERT_EQUAL(jwk_set_count(set), 5);
    CU_ASSERT_EQUAL(jwk_set_skipped(set), 0);
    CU_ASSERT_TRUE(finds("rsa", "RS256"));
    CU_ASSERT_TRUE(finds("rsa", "PS256"));
    CU_ASSERT_TRUE(finds("rs-only", "RS256"));
    CU_ASSERT_TRUE(finds("p256", "ES256"));
    CU_ASSERT_TRUE(finds("p384", "ES384"));
    CU_ASSERT_TRUE(finds("ed", "EdDSA"));
    CU_ASSERT_TRUE(finds("ed", "Ed25519"));
    CU_ASSERT_TRUE(
        slice_eq(jwk_kid(jwk_set_find(set, SLICE("p384"), SLICE("ES384"))), SLICE("p384")));
}

/* The algorithm is the key's: a name of another one finds nothing. */
static void test_other_algorithms(void)
{
    static const char *const none[][2] = {
        {"rsa", "ES256"},  {"rsa", "HS256"}, {"rsa", "none"},   {"rsa", "rs256"},
        {"rsa", "RS512"},  {"rsa", ""},      {"p256", "ES384"}, {"p384", "ES256"},
        {"p256", "RS256"}, {"ed", "ES256"},  {"RSA", "RS256"},  {"rs-only", "PS256"},
    };

    CU_ASSERT_EQUAL_FATAL(parse(KEYS), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++)
        CU_ASSERT_FALSE(finds(none[i][0], none[i][1]));
}

/* Without a name only what leaves no choice. */
static void test_no_name(void)
{
    CU_ASSERT_EQUAL_FATAL(parse(KEYS), 0);
    CU_ASSERT_TRUE(finds("", "ES256"));
    CU_ASSERT_TRUE(finds("", "PS256"));
    CU_ASSERT_FALSE(finds("", "RS256"));
}

static void test_one_name_twice(void)
{
    CU_ASSERT_EQUAL_FATAL(parse("{\"keys\":[" KEY_P256 "," KEY_P256 "]}"), 0);
    CU_ASSERT_FALSE(finds("p256", "ES256"));
    CU_ASSERT_EQUAL_FATAL(parse("{\"keys\":[" KEY_P256 "," KEY_RSA "]}"), 0);
    CU_ASSERT_TRUE(finds("p256", "ES256"));
}

#define X_ED "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define XY_P256                                                                                    \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                       \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""

/* RFC 8037 appendix A.2, RFC 7515 appendix A.3.1. */
static void test_keys_of_the_rfcs(void)
{
    CU_ASSERT_EQUAL_FATAL(parse("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\"," X_ED "},"
                                "{\"kty\":\"EC\",\"crv\":\"P-256\"," XY_P256 "}]}"),
                          0);
    CU_ASSERT_EQUAL(jwk_set_count(set), 2);
}

static void test_skipped(void)
{
    static const char *const bad[] = {
        KEY_P521,
        KEY_WEAK,
        KEY_PRIVATE,
        KEY_SECRET,
        "7",
        "{}",
        "{\"kty\":7}",
        "{\"kty\":\"rsa\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\"," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHUR\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHURoA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS/"
        "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\"," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":7," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\"," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"none\"," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":null," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"encrypt\"]," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":\"verify\"," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":7," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"\"," X_ED "}",
        "{\"kty\":\"OKP\",\"crv\":\"P-256\"," XY_P256 "}",
        "{\"kty\":\"EC\",\"crv\":\"Ed25519\"," XY_P256 "}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\"," XY_P256 "}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\"," XY_P256 "}",
        /* Not on the curve. */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char json[8192];

        snprintf(json, sizeof(json), "{\"keys\":[%s," KEY_P256 "]}", bad[i]);
        CU_ASSERT_EQUAL_FATAL(parse(json), 0);
        if (jwk_set_skipped(set) != 1)
            printf("# taken: %s\n", bad[i]);
        CU_ASSERT_EQUAL(jwk_set_skipped(set), 1);
        CU_ASSERT_EQUAL(jwk_set_count(set), 1);
        CU_ASSERT_TRUE(finds("p256", "ES256"));
    }
}

static void test_no_set(void)
{
    static const struct {
        const char *json, *word;
        int err;
    } bad[] = {
        {"", "empty", ERR_SYNTAX},
        {"<html>", "line 1", ERR_SYNTAX},
        {"[]", "'keys'", ERR_INVALID},
        {"{}", "'keys'", ERR_INVALID},
        {"{\"keys\":{}}", "'keys'", ERR_INVALID},
        {"{\"keys\":[],\"keys\":[]}", "keys", ERR_SYNTAX},
        {"{\"keys\":[]} x", "line 1", ERR_SYNTAX},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        CU_ASSERT_EQUAL(parse(bad[i].json), bad[i].err);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, bad[i].word));
        CU_ASSERT_PTR_NULL(set);
    }
    CU_ASSERT_EQUAL_FATAL(parse("{\"keys\":[]}"), 0);
    CU_ASSERT_EQUAL(jwk_set_count(set), 0);
}

static void test_too_much(void)
{
    struct buf json;

    buf_init(&json, 2 * JWK_SET_MAX);
    buf_add(&json, SLICE("{\"keys\":["));
    for (unsigned i = 0; i < JWK_KEYS_MAX; i++)
        buf_add(&json, SLICE("7,"));
    buf_add(&json, SLICE("7]}"));
    buf_add_char(&json, '\0');
    CU_ASSERT_EQUAL(parse(json.p), ERR_LIMIT);
    buf_reset(&json);
    buf_add(&json, SLICE("{\"keys\":[]"));
    while (json.n <= JWK_SET_MAX)
        buf_add_char(&json, ' ');
    buf_add(&json, slice_make("}", 2));
    CU_ASSERT_EQUAL(parse(json.p), ERR_LIMIT);
    buf_fini(&json);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("jwk", NULL, finish);

    CU_add_test(suite, "keys of every kind are found by name and algorithm", test_kinds);
    CU_add_test(suite, "a key is not found for an algorithm of another kind",
                test_other_algorithms);
    CU_add_test(suite, "without a name only the one key for an algorithm", test_no_name);
    CU_add_test(suite, "a name that two keys have finds none of them", test_one_name_twice);
    CU_add_test(suite, "the keys in the RFCs", test_keys_of_the_rfcs);
    CU_add_test(suite, "what is no public key for us is skipped, the rest is used", test_skipped);
    CU_add_test(suite, "what is no set of keys is refused with the reason", test_no_set);
    CU_add_test(suite, "too many keys, too many bytes", test_too_much);
}
