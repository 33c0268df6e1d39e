/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/access_token.h"
#include "auth/jwt.h"
#include "base/base64url.h"
#include "base/mem.h"
#include "tests/support/tempdir.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1800000000500)

static struct tempdir temp;
static struct datadir dir;
static struct server_keys *keys;
static struct fault fault;
static struct arena arena;
static struct buf text;

static const struct slice groups[] = {{"team-a", 6}, {"ops \"x\"", 7}};
static const struct slice globs[] = {{"acme/**", 7}};
static const struct slice actions[] = {{"pull", 4}, {"push", 4}};
static const struct access_grant grants[] = {
    {{"repository", 10}, {"acme/app", 8}, actions, 2},
    {{"registry", 8}, {"catalog", 7}, actions, 0},
};

static struct identity sample(void)
{
    return (struct identity){
        .kind = IDENTITY_WORKLOAD,
        .name = SLICE("github:acme/app"),
        .groups = groups,
        .groups_n = 2,
        .issuer = SLICE("github"),
        .limit = VERB_BIT(VERB_PULL) | VERB_BIT(VERB_PUSH),
        .globs = globs,
        .globs_n = 1,
        .may_approve = true,
    };
}

static int start(void)
{
    static const struct server_keys_options options = {.keep_ms = 1000};
    char path[128];

    tempdir_make(&temp);
    snprintf(path, sizeof(path), "%s/data", temp.path);
    arena_init(&arena, ACCESS_ARENA_MAX);
    buf_init(&text, ACCESS_TOKEN_MAX);
    return datadir_open(path, &dir, &fault) == 0 &&
                   server_keys_open(&dir, &options, NOW, &keys, &fault) == 0
               ? 0
               : 1;
}

static int finish(void)
{
    server_keys_close(keys);
    datadir_close(&dir);
    tempdir_remove(&temp);
    arena_fini(&arena);
    buf_fini(&text);
    return 0;
}

static int mint(const struct identity *identity, const char *service)
{
    const struct access_token_options options = {
        .service = slice_from_cstr(service), .now_ms = NOW, .ttl_s = 300};

    buf_reset(&text);
    fault = (struct fault)FAULT_INIT;
    return access_token_mint(keys, &options, identity, grants, 2, &text, &fault);
}

static int verify(int64_t now_ms, unsigned skew_s, struct access_token *token)
{
    arena_fini(&arena);
    arena_init(&arena, ACCESS_ARENA_MAX);
    fault = (struct fault)FAULT_INIT;
    return access_token_verify(keys, buf_slice(&text), SLICE("registry.example"), now_ms, skew_s,
                               &arena, token, &fault);
}

static void test_round_trip(void)
{
    struct identity from = sample();
    struct access_token token;

    CU_ASSERT_EQUAL_FATAL(mint(&from, "registry.example"), 0);
    CU_ASSERT_EQUAL_FATAL(verify(NOW, 0, &token), 0);
    const struct identity *got = token.identity;

    CU_ASSERT_EQUAL(got->kind, IDENTITY_WORKLOAD);
    CU_ASSERT_TRUE(slice_eq(got->name, from.name));
    CU_ASSERT_TRUE(slice_eq(got->issuer, from.issuer));
    CU_ASSERT_EQUAL(got->limit, from.limit);
    CU_ASSERT_EQUAL_FATAL(got->groups_n, 2);
    CU_ASSERT_TRUE(slice_eq(got->groups[1], groups[1]));
    CU_ASSERT_EQUAL_FATAL(got->globs_n, 1);
    CU_ASSERT_TRUE(slice_eq(got->globs[0], globs[0]));
    CU_ASSERT_EQUAL(got->expires_ms, INT64_C(1800000300000));
    CU_ASSERT_FALSE(got->may_approve); /* never by a token */
    CU_ASSERT_EQUAL_FATAL(token.grants_n, 2);
    CU_ASSERT_TRUE(slice_eq(token.grants[0].type, SLICE("repository")));
    CU_ASSERT_TRUE(slice_eq(token.grants[0].name, SLICE("acme/app")));
    CU_ASSERT_EQUAL_FATAL(token.grants[0].actions_n, 2);
    CU_ASSERT_TRUE(slice_eq(token.grants[0].actions[1], SLICE("push")));
    CU_ASSERT_EQUAL(token.grants[1].actions_n, 0);
    identity_unref(token.identity);
}

/* Docker's members, as others read them. */
static void test_claims(void)
{
    static const char *const numbers[] = {"exp", "nbf", "iat"};
    struct identity from = sample();
    struct jwt jwt;

    CU_ASSERT_EQUAL_FATAL(mint(&from, "registry.example"), 0);
    CU_ASSERT_EQUAL_FATAL(jwt_parse(&arena, buf_slice(&text), &jwt, &fault), 0);
    CU_ASSERT_TRUE(slice_eq(jwt_claim_text(&jwt, SLICE("sub")), from.name));
    CU_ASSERT_TRUE(slice_eq(jwt_claim_text(&jwt, SLICE("aud")), SLICE("registry.example")));
    CU_ASSERT_TRUE(slice_eq(jwt_claim_text(&jwt, SLICE("iss")), SLICE("registry.example")));
    CU_ASSERT_EQUAL(jwt_claim_text(&jwt, SLICE("jti")).n, 22);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        const struct json *claim = jwt_claim(&jwt, slice_from_cstr(numbers[i]));

        CU_ASSERT_PTR_NOT_NULL_FATAL(claim);
        CU_ASSERT_EQUAL(claim->integer, i == 0 ? 1800000300 : 1800000000);
    }
    CU_ASSERT_PTR_NOT_NULL(jwt_claim(&jwt, SLICE("access")));
    CU_ASSERT_TRUE(slice_eq(jwt.alg, SLICE("EdDSA")));
    CU_ASSERT_EQUAL(jwt.kid.n, SERVER_KEY_KID_SIZE);
}

static void test_times(void)
{
    struct identity from = sample();
    struct access_token token;

    CU_ASSERT_EQUAL_FATAL(mint(&from, "registry.example"), 0);
    CU_ASSERT_EQUAL(verify(INT64_C(1800000299999), 0, &token), 0);
    identity_unref(token.identity);
    CU_ASSERT_EQUAL(verify(INT64_C(1800000300000), 0, &token), ERR_UNAUTHORIZED);
    CU_ASSERT_PTR_NULL(token.identity);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "expired"));
    CU_ASSERT_EQUAL(verify(INT64_C(1799999999999), 0, &token), ERR_UNAUTHORIZED);
    CU_ASSERT_EQUAL(verify(INT64_C(1799999999999), 30, &token), 0);
    identity_unref(token.identity);
}

/* A token does not outlive the credential that it was made for. */
static void test_credential_ends_first(void)
{
    struct identity from = sample();
    struct access_token token;

    from.expires_ms = NOW + 60000;
    CU_ASSERT_EQUAL_FATAL(mint(&from, "registry.example"), 0);
    CU_ASSERT_EQUAL_FATAL(verify(NOW, 0, &token), 0);
    CU_ASSERT_EQUAL(token.identity->expires_ms, INT64_C(1800000060000));
    identity_unref(token.identity);
    from.expires_ms = NOW;
    CU_ASSERT_EQUAL(mint(&from, "registry.example"), ERR_UNAUTHORIZED);
}

static void test_refused(void)
{
    struct identity from = sample();
    struct access_token token;

    CU_ASSERT_EQUAL_FATAL(mint(&from, "other.example"), 0);
    CU_ASSERT_EQUAL(verify(NOW, 0, &token), ERR_UNAUTHORIZED);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "another service"));

    CU_ASSERT_EQUAL_FATAL(mint(&from, "registry.example"), 0);
    for (size_t at = 0; at < text.n; at += 3) {
        text.p[at] ^= 1;
        CU_ASSERT_EQUAL(verify(NOW, 0, &token), ERR_UNAUTHORIZED);
        text.p[at] ^= 1;
    }
    CU_ASSERT_EQUAL(verify(NOW, 0, &token), 0);
    identity_unref(token.identity);
}

/* Signed by our key, but not what we write: a later version's, or a mistake. */
static void sign_claims(const char *claims)
{
    uint8_t signature[SERVER_KEY_SIGNATURE_SIZE];
    struct server_key *key = server_keys_newest(keys);
    char header[128];

    buf_reset(&text);
    snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"" SLICE_FMT "\"}",
             SLICE_ARG(server_key_kid(key)));
    base64url_encode(&text, slice_from_cstr(header));
    buf_add_char(&text, '.');
    base64url_encode(&text, slice_from_cstr(claims));
    CU_ASSERT_EQUAL_FATAL(server_key_sign(key, buf_slice(&text), signature, NULL), 0);
    buf_add_char(&text, '.');
    base64url_encode(&text, slice_make(signature, sizeof(signature)));
    server_key_unref(key);
}

#define OURS "\"iss\":\"registry.example\",\"aud\":\"registry.example\",\"exp\":1800000300,"
#define SUB  "\"sub\":\"a\","
#define OWN  "\"tidemark\":{\"kind\":\"user\",\"verbs\":1}"

static void test_odd_claims(void)
{
    static const char *const bad[] = {
        "{" OURS SUB "\"access\":[]}",
        "{" OURS "\"access\":[]," OWN "}",
        "{" OURS SUB OWN "}",
        "{" OURS SUB "\"access\":{}," OWN "}",
        "{" OURS SUB "\"access\":[7]," OWN "}",
        "{" OURS SUB "\"access\":[{\"type\":\"repository\",\"name\":7,\"actions\":[]}]," OWN "}",
        "{" OURS SUB "\"access\":[{\"type\":\"repository\",\"name\":\"a\",\"actions\":[7]}]," OWN
        "}",
        "{" OURS SUB "\"access\":[{\"type\":\"repository\",\"name\":\"a\",\"actions\":{}}]," OWN
        "}",
        "{" OURS SUB "\"access\":[],\"tidemark\":{\"kind\":\"god\",\"verbs\":1}}",
        "{" OURS SUB "\"access\":[],\"tidemark\":{\"kind\":\"user\",\"verbs\":-1}}",
        "{" OURS SUB "\"access\":[],\"tidemark\":{\"kind\":\"user\",\"verbs\":4294967296}}",
        "{" OURS SUB "\"access\":[],\"tidemark\":{\"kind\":\"user\",\"verbs\":1,\"groups\":7}}",
        "{" OURS SUB "\"access\":[],\"tidemark\":{\"kind\":\"user\",\"verbs\":1,\"globs\":[7]}}",
        "{" OURS SUB "\"access\":[],\"tidemark\":[]}",
        "{\"iss\":\"x\",\"aud\":\"registry.example\",\"exp\":1800000300," SUB "\"access\":[]," OWN
        "}",
        "{\"iss\":\"registry.example\",\"exp\":1800000300," SUB "\"access\":[]," OWN "}",
        "{\"iss\":\"registry.example\",\"aud\":\"registry.example\"," SUB "\"access\":[]," OWN "}",
    };
    struct access_token token;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        sign_claims(bad[i]);
        CU_ASSERT_EQUAL(verify(NOW, 0, &token), ERR_UNAUTHORIZED);
        CU_ASSERT_PTR_NULL(token.identity);
    }
    sign_claims("{" OURS SUB "\"access\":[]," OWN "}");
    CU_ASSERT_EQUAL(verify(NOW, 0, &token), 0);
    identity_unref(token.identity);
}

static void test_too_much(void)
{
    struct slice many[ACCESS_GROUPS_MAX + 1];
    char name[512];
    struct identity from = sample();

    memset(name, 'g', sizeof(name));
    for (size_t i = 0; i < ARRAY_LENGTH(many); i++)
        many[i] = slice_make(name, sizeof(name));
    from.groups = many;
    from.groups_n = ACCESS_GROUPS_MAX + 1;
    CU_ASSERT_EQUAL(mint(&from, "registry.example"), ERR_LIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "groups"));
    from.groups_n = ACCESS_GROUPS_MAX;
    CU_ASSERT_EQUAL(mint(&from, "registry.example"), ERR_LIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "too large"));
}

/* The old key verifies until it is dropped; then the token names a key that is unknown. Last, since
 * it ages the keys. */
static void test_rotation(void)
{
    struct identity from = sample();
    struct access_token token;
    bool made;

    CU_ASSERT_EQUAL_FATAL(mint(&from, "registry.example"), 0);
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW + 1, true, &made, &fault), 0);
    CU_ASSERT_EQUAL(verify(NOW, 0, &token), 0);
    identity_unref(token.identity);
    CU_ASSERT_EQUAL(server_keys_rotate(keys, NOW + 2000, false, &made, &fault), 0);
    CU_ASSERT_EQUAL(verify(NOW, 0, &token), ERR_UNAUTHORIZED);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "there is no key"));
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("access_token", start, finish);

    CU_add_test(suite, "a token makes the identity and its grants again", test_round_trip);
    CU_add_test(suite, "the members of Docker's format", test_claims);
    CU_add_test(suite, "it ends, and a clock may differ", test_times);
    CU_add_test(suite, "it does not outlive the credential", test_credential_ends_first);
    CU_add_test(suite, "for another service, or changed anywhere", test_refused);
    CU_add_test(suite, "claims that this version does not write", test_odd_claims);
    CU_add_test(suite, "more than a token can hold", test_too_much);
    CU_add_test(suite, "it is good under the key before, until that one goes", test_rotation);
}
