/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that another implementation made (jwt_vectors.py), those of the RFCs, and everything that
 * must be refused. What is refused for its claims carries a good signature, and the other way
 * round, so that each is refused for the reason it stands here for.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/jwt.h"
#include "base/mem.h"
#include "tests/unit/jwt_vectors.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>

#define BEGIN_S 1800000000 /* nbf and iat of the tokens */
#define END_S   1800003600 /* exp */
#define NOW_MS  ((int64_t)(BEGIN_S + 60) * 1000)

static struct arena key_arena, arena;
static struct jwk_set *set;
static struct fault fault;
static struct jwt jwt;

static int use_keys(const char *json)
{
    jwk_set_destroy(set);
    arena_fini(&key_arena);
    arena_init(&key_arena, 256 * 1024);
    return jwk_set_parse(&key_arena, slice_from_cstr(json), &set, &fault);
}

static int start(void)
{
    return use_keys(KEYS);
}

static int finish(void)
{
    jwk_set_destroy(set);
    set = NULL;
    arena_fini(&key_arena);
    arena_fini(&arena);
    return 0;
}

static int parse(struct slice text)
{
    arena_fini(&arena);
    arena_init(&arena, 64 * 1024);
    fault = (struct fault)FAULT_INIT;
    return jwt_parse(&arena, text, &jwt, &fault);
}

/* As who checks a token does it. */
static int check(struct slice text)
{
    int err = parse(text);

    if (err == 0)
        err = jwt_verify(&jwt, jwk_set_find(set, jwt.kid, jwt.alg), &fault);
    return err;
}

static bool refused(const char *text, const char *word)
{
    int err = check(slice_from_cstr(text));

    if (err == ERR_UNAUTHORIZED && strstr(fault.text, word) != NULL)
        return true;
    printf("# '%s' expected, got %d: %s\n", word, err, fault.text);
    return false;
}

static void test_good(void)
{
    static const char *const good[] = {
        TOKEN_RS256, TOKEN_PS256,   TOKEN_ES256,  TOKEN_ES384,
        TOKEN_EDDSA, TOKEN_ED25519, TOKEN_NO_KID, TOKEN_RS_ONLY,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        CU_ASSERT_TRUE(jwt_is_one(slice_from_cstr(good[i])));
        CU_ASSERT_EQUAL(check(slice_from_cstr(good[i])), 0);
        if (fault.code != 0)
            printf("# %zu: %s\n", i, fault.text);
        CU_ASSERT_TRUE(slice_eq(jwt_claim_text(&jwt, SLICE("sub")), SLICE("repo:acme/app")));
        CU_ASSERT_TRUE(slice_eq(jwt_claim_text(&jwt, SLICE("iss")), SLICE("https://ci.example")));
        CU_ASSERT_EQUAL(jwt_check_times(&jwt, NOW_MS, 0, &fault), 0);
        CU_ASSERT_TRUE(jwt_audience_has(&jwt, SLICE("tidemark")));
    }
}

/* RFC 8037 appendix A.4: its payload is no object, so only the signature is looked at. RFC 7515
 * appendix A.3: ES256, with claims. */
static void test_rfc(void)
{
    static const char token[] =
        "eyJhbGciOiJFUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ"
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const struct jwk *key;

    CU_ASSERT_EQUAL_FATAL(use_keys("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                                   "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
                                   "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"8037\","
                                   "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"),
                          0);
    CU_ASSERT_EQUAL(check(slice_from_cstr(token)), 0);
    CU_ASSERT_TRUE(slice_eq(jwt_claim_text(&jwt, SLICE("iss")), SLICE("joe")));
    CU_ASSERT_EQUAL(jwt_check_times(&jwt, INT64_C(1300819379000), 0, NULL), 0);
    CU_ASSERT_EQUAL(jwt_check_times(&jwt, INT64_C(1300819380000), 0, NULL), ERR_UNAUTHORIZED);

    static const uint8_t signature[64] = {
        0x86, 0x0c, 0x98, 0xd2, 0x29, 0x7f, 0x30, 0x60, 0xa3, 0x3f, 0x42, 0x73, 0x96,
        0x72, 0xd6, 0x1b, 0x53, 0xcf, 0x3a, 0xde, 0xfe, 0xd3, 0xd3, 0xc6, 0x72, 0xf3,
        0x20, 0xdc, 0x02, 0x1b, 0x41, 0x1e, 0x9d, 0x59, 0xb8, 0x62, 0x8d, 0xc3, 0x51,
        0xe2, 0x48, 0xb8, 0x8b, 0x29, 0x46, 0x8e, 0x0e, 0x41, 0x85, 0x5b, 0x0f, 0xb7,
        0xd8, 0x3b, 0xb1, 0x5b, 0xe9, 0x02, 0xbf, 0xcc, 0xb8, 0xcd, 0x0a, 0x02};
    key = jwk_set_find(set, SLICE("8037"), SLICE("EdDSA"));
    CU_ASSERT_EQUAL(jwk_verify(key, JWK_EDDSA,
                               SLICE("eyJhbGciOiJFZERTQSJ9."
                                     "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"),
                               slice_make(signature, sizeof(signature)), NULL),
                    0);
    CU_ASSERT_EQUAL_FATAL(use_keys(KEYS), 0);
}

static void test_algorithms(void)
{
    CU_ASSERT_TRUE(refused(TOKEN_NONE, "three parts"));
    CU_ASSERT_TRUE(refused(TOKEN_NONE_SIGNED, "'None' is none of"));
    CU_ASSERT_TRUE(refused(TOKEN_CONFUSED, "'HS256' is none of"));
    CU_ASSERT_TRUE(refused(TOKEN_ES512, "'ES512' is none of"));
    CU_ASSERT_TRUE(refused(TOKEN_PS_OF_RS_ONLY, "no key 'rs-only' for PS256"));
    CU_ASSERT_TRUE(refused(TOKEN_UNKNOWN_KID, "no key 'another'"));
    CU_ASSERT_TRUE(refused(TOKEN_OTHER_KID, "no key 'rsa' for ES256"));
    CU_ASSERT_TRUE(refused(TOKEN_RSA_NO_KID, "names no key"));
    CU_ASSERT_TRUE(refused(TOKEN_OWN_KEY, "no key 'x'"));
    CU_ASSERT_TRUE(refused(TOKEN_FOREIGN, "signature is wrong"));
}

/* Also when the caller looked it up by other means than jwk_set_find. */
static void test_key_decides(void)
{
    CU_ASSERT_EQUAL_FATAL(parse(SLICE(TOKEN_PS_OF_RS_ONLY)), 0);
    CU_ASSERT_EQUAL(jwt_verify(&jwt, jwk_set_find(set, SLICE("rs-only"), SLICE("RS256")), &fault),
                    ERR_UNAUTHORIZED);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "not for the algorithm PS256"));
    CU_ASSERT_EQUAL_FATAL(parse(SLICE(TOKEN_ES256)), 0);
    CU_ASSERT_EQUAL(jwt_verify(&jwt, jwk_set_find(set, SLICE("ed"), SLICE("EdDSA")), &fault),
                    ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(jwt_verify(&jwt, NULL, &fault), ERR_UNAUTHORIZED);
}

static void test_form(void)
{
    CU_ASSERT_TRUE(refused("", "three parts"));
    CU_ASSERT_TRUE(refused("a.b", "three parts"));
    CU_ASSERT_TRUE(refused("a.b.c.d", "three parts"));
    CU_ASSERT_TRUE(refused("a.b.c.d.e", "three parts"));
    CU_ASSERT_TRUE(refused(".e30.AA", "three parts"));
    CU_ASSERT_TRUE(refused("e30..AA", "three parts"));
    CU_ASSERT_TRUE(refused("e30.e30.AA", "(alg)"));
    CU_ASSERT_TRUE(refused("e3s.e30.AA", "header is not a JSON object"));
    CU_ASSERT_TRUE(refused("W10.e30.AA", "header is not a JSON object"));
    CU_ASSERT_TRUE(refused("e30=.e30.AA", "base64url"));
    CU_ASSERT_TRUE(refused("eyJhbGciOjd9.e30.AA", "(alg)"));
    CU_ASSERT_TRUE(refused("eyJhbGciOiJFZERTQSIsImtpZCI6N30.e30.AA", "(kid)"));
    CU_ASSERT_TRUE(refused("eyJhbGciOiJFZERTQSIsImtpZCI6IiJ9.e30.AA", "(kid)"));
    CU_ASSERT_TRUE(refused("eyJhbGciOiJFZERTQSJ9.bnVsbA.AA", "payload is not a JSON object"));
    CU_ASSERT_TRUE(refused("eyJhbGciOiJFZERTQSJ9.e30.A+", "base64url"));
    CU_ASSERT_TRUE(refused(TOKEN_CRIT, "(crit)"));
    CU_ASSERT_TRUE(refused(TOKEN_TWICE, "payload is not a JSON object in which each name"));
    CU_ASSERT_TRUE(refused(TOKEN_HEADER_TWICE, "header is not a JSON object in which each name"));
    CU_ASSERT_TRUE(refused(TOKEN_ARRAY, "payload is not a JSON object"));
    CU_ASSERT_FALSE(jwt_is_one(SLICE("tmk_p_AAAAAAAAAAE_secret")));
    CU_ASSERT_FALSE(jwt_is_one(SLICE("a.b.c")));
    CU_ASSERT_FALSE(jwt_is_one(SLICE("")));
}

static void test_too_large(void)
{
    char *text = xmalloc(JWT_MAX + 2);
    size_t n = strlen(TOKEN_EDDSA);

    memset(text, 'A', JWT_MAX + 1);
    memcpy(text, TOKEN_EDDSA, n);
    text[JWT_MAX + 1] = '\0';
    CU_ASSERT_TRUE(refused(text, "larger than 16384"));
    CU_ASSERT_FALSE(jwt_is_one(slice_from_cstr(text)));
    text[JWT_MAX] = '\0';
    CU_ASSERT_TRUE(refused(text, "signature has")); /* read, but not believed */
    free(text);
}

/* One bit, anywhere: never good. (The last character has bits that are left over; base64url refuses
 * those.) */
static void test_one_bit(void)
{
    static const char *const tokens[] = {TOKEN_RS256, TOKEN_PS256, TOKEN_ES256, TOKEN_ES384,
                                         TOKEN_EDDSA};

    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        char *text = xstrdup(tokens[i]);

        for (size_t at = 0, n = strlen(text); at < n; at += at % 7 + 1) {
            text[at] ^= 1;
            CU_ASSERT_NOT_EQUAL(check(slice_from_cstr(text)), 0);
            text[at] ^= 1;
        }
        text[strlen(text) - 1] ^= 1;
        CU_ASSERT_NOT_EQUAL(check(slice_from_cstr(text)), 0);
        free(text);
    }
}

/* A signature has one length. */
static void test_signature_length(void)
{
    static const char *const tokens[] = {TOKEN_RS256, TOKEN_PS256, TOKEN_ES256, TOKEN_ES384,
                                         TOKEN_EDDSA};

    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        CU_ASSERT_EQUAL_FATAL(check(slice_from_cstr(tokens[i])), 0);
        struct slice whole = jwt.signature;
        uint8_t longer[1200] = {0};
        const struct jwk *key = jwk_set_find(set, jwt.kid, jwt.alg);

        CU_ASSERT_FATAL(whole.n < sizeof(longer));
        memcpy(longer, whole.p, whole.n);
        for (size_t length = 0; length <= whole.n + 1; length++) {
            int err =
                jwk_verify(key, jwt.algorithm, jwt.signed_text, slice_make(longer, length), &fault);

            CU_ASSERT_EQUAL(err, length == whole.n ? 0 : ERR_UNAUTHORIZED);
        }
        memcpy(longer + 1, whole.p, whole.n); /* a zero before it is the same number, and refused */
        longer[0] = 0;
        CU_ASSERT_EQUAL(jwk_verify(key, jwt.algorithm, jwt.signed_text,
                                   slice_make(longer, whole.n + 1), &fault),
                        ERR_UNAUTHORIZED);
    }
}

/* r = s = 0 would be good for a verifier that computes on (CVE-2022-21449). */
static void test_zero_signature(void)
{
    static const uint8_t zero[96];

    CU_ASSERT_EQUAL_FATAL(check(SLICE(TOKEN_ES256)), 0);
    CU_ASSERT_EQUAL(jwk_verify(jwk_set_find(set, SLICE("p256"), SLICE("ES256")), JWK_ES256,
                               jwt.signed_text, slice_make(zero, 64), NULL),
                    ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(jwk_verify(jwk_set_find(set, SLICE("p384"), SLICE("ES384")), JWK_ES384,
                               jwt.signed_text, slice_make(zero, 96), NULL),
                    ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(jwk_verify(jwk_set_find(set, SLICE("ed"), SLICE("EdDSA")), JWK_EDDSA,
                               jwt.signed_text, slice_make(zero, 64), NULL),
                    ERR_UNAUTHORIZED);
}

static void test_times(void)
{
    static const struct {
        int64_t now_s;
        unsigned skew_s;
        const char *word; /* NULL: good */
    } cases[] = {
        {BEGIN_S, 0, NULL},          {END_S - 1, 0, NULL},
        {END_S, 0, "expired 0 s"},   {END_S + 30, 0, "expired 30 s"},
        {END_S + 59, 60, NULL},      {END_S + 60, 60, "expired 60 s"},
        {BEGIN_S - 1, 0, "in 1 s"},  {BEGIN_S - 60, 60, NULL},
        {BEGIN_S - 61, 60, "(nbf)"},
    };

    CU_ASSERT_EQUAL_FATAL(check(SLICE(TOKEN_EDDSA)), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int err = jwt_check_times(&jwt, cases[i].now_s * 1000, cases[i].skew_s, &fault);

        CU_ASSERT_EQUAL(err, cases[i].word ? ERR_UNAUTHORIZED : 0);
        if (cases[i].word)
            CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, cases[i].word));
    }
}

/* Claims alone; what is signed does not matter here. */
static int times_of(const char *claims, int64_t now_ms)
{
    struct json_limits limits = {8, 64};
    struct json *root;

    arena_fini(&arena);
    arena_init(&arena, 64 * 1024);
    memset(&jwt, 0, sizeof(jwt));
    CU_ASSERT_EQUAL_FATAL(json_parse(&arena, slice_from_cstr(claims), &limits, &root, NULL), 0);
    jwt.claims = root;
    return jwt_check_times(&jwt, now_ms, 60, &fault);
}

static void test_odd_times(void)
{
    static const char *const bad[] = {
        "{}",
        "{\"nbf\":1}",
        "{\"exp\":\"1800003600\"}",
        "{\"exp\":1800003600.5}",
        "{\"exp\":1e300}",
        "{\"exp\":-1}",
        "{\"exp\":null}",
        "{\"exp\":9223372036854775807}",
        "{\"exp\":253402300800}",
        "{\"exp\":0}",
        "{\"exp\":1800003600,\"nbf\":\"x\"}",
        "{\"exp\":1800003600,\"nbf\":253402300799}",
        "{\"exp\":1800003600,\"iat\":[]}",
        "{\"exp\":1800003600,\"iat\":1800000200}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        CU_ASSERT_EQUAL(times_of(bad[i], NOW_MS), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(times_of("{\"exp\":253402300799}", NOW_MS), 0);
    CU_ASSERT_EQUAL(times_of("{\"exp\":1800003600,\"iat\":1800000120}", NOW_MS), 0);
}

static void test_audience(void)
{
    CU_ASSERT_EQUAL_FATAL(check(SLICE(TOKEN_EDDSA)), 0);
    CU_ASSERT_TRUE(jwt_audience_has(&jwt, SLICE("other")));
    CU_ASSERT_FALSE(jwt_audience_has(&jwt, SLICE("Tidemark")));
    CU_ASSERT_FALSE(jwt_audience_has(&jwt, SLICE("tide")));
    CU_ASSERT_FALSE(jwt_audience_has(&jwt, SLICE("")));
    CU_ASSERT_EQUAL_FATAL(check(SLICE(TOKEN_AUD_TEXT)), 0);
    CU_ASSERT_TRUE(jwt_audience_has(&jwt, SLICE("tidemark")));
    CU_ASSERT_FALSE(jwt_audience_has(&jwt, SLICE("other")));
    CU_ASSERT_EQUAL_FATAL(check(SLICE(TOKEN_AUD_NUMBER)), 0);
    CU_ASSERT_FALSE(jwt_audience_has(&jwt, SLICE("7")));
}

static void test_no_memory(void)
{
    for (size_t max = 0; max < 4096; max += 64) {
        struct arena small;
        struct jwt out;
        int err;

        arena_init(&small, max);
        err = jwt_parse(&small, SLICE(TOKEN_ES256), &out, NULL);
        CU_ASSERT_TRUE(err == 0 || err == ERR_NO_MEMORY);
        arena_fini(&small);
    }
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("jwt", start, finish);

    CU_add_test(suite, "tokens of another implementation, each algorithm", test_good);
    CU_add_test(suite, "the examples of RFC 7515 and RFC 8037", test_rfc);
    CU_add_test(suite, "none, HMAC with the public key, other keys and algorithms",
                test_algorithms);
    CU_add_test(suite, "the key decides on the algorithm", test_key_decides);
    CU_add_test(suite, "what is no signed token in compact form", test_form);
    CU_add_test(suite, "a token that is too large", test_too_large);
    CU_add_test(suite, "one bit changed anywhere", test_one_bit);
    CU_add_test(suite, "a signature of any other length", test_signature_length);
    CU_add_test(suite, "a signature of zeros", test_zero_signature);
    CU_add_test(suite, "expired, not yet valid, and clocks that differ", test_times);
    CU_add_test(suite, "times that are none", test_odd_times);
    CU_add_test(suite, "the audience is one of those named, exactly", test_audience);
    CU_add_test(suite, "no memory is said as such", test_no_memory);
}
