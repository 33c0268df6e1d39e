/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "server/credential_cache.h"
#include "server/token_scope.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static struct credential *credential_of(const char *name)
{
    return credential_create_take(identity_create(&(struct identity){
        .kind = IDENTITY_USER, .name = slice_from_cstr(name), .limit = VERB_BITS_ALL}));
}

static struct credential_key key_of(struct credential_cache *cache, const char *value)
{
    struct credential_key key;

    CU_ASSERT_TRUE_FATAL(credential_cache_key(cache, slice_from_cstr(value), &key));
    return key;
}

static void put(struct credential_cache *cache, const char *value, uint64_t generation,
                int64_t until_ms)
{
    struct credential *credential = credential_of(value);
    struct credential_key key = key_of(cache, value);

    credential_cache_put(cache, &key, generation, until_ms, credential);
    credential_unref(credential);
}

static bool has(struct credential_cache *cache, const char *value, uint64_t generation,
                int64_t now_ms)
{
    struct credential_key key = key_of(cache, value);
    struct credential *found = credential_cache_find(cache, &key, generation, now_ms);

    if (found != NULL)
        CU_ASSERT_TRUE(slice_eq(credential_identity(found)->name, slice_from_cstr(value)));
    return found != NULL;
}

static void test_cache(void)
{
    struct credential_cache *cache = credential_cache_create(16);

    put(cache, "a", 1, 100);
    CU_ASSERT_TRUE(has(cache, "a", 1, 99));
    CU_ASSERT_FALSE(has(cache, "b", 1, 99));
    CU_ASSERT_FALSE(has(cache, "a", 1, 100)); /* over */
    CU_ASSERT_FALSE(has(cache, "a", 1, 99));  /* and forgotten */
    put(cache, "a", 1, 100);
    CU_ASSERT_FALSE(has(cache, "a", 2, 99)); /* something changed */
    put(cache, "a", 2, 100);
    put(cache, "a", 3, 200);
    CU_ASSERT_TRUE(has(cache, "a", 3, 150));
    credential_cache_destroy(cache);
}

/* One set of four: what was used longest ago goes. */
static void test_room(void)
{
    struct credential_cache *cache = credential_cache_create(1);
    static const char *const five[] = {"a", "b", "c", "d", "e"};

    for (int i = 0; i < 4; i++)
        put(cache, five[i], 1, 100);
    CU_ASSERT_TRUE(has(cache, "a", 1, 0));
    put(cache, "e", 1, 100);
    CU_ASSERT_TRUE(has(cache, "a", 1, 0));
    CU_ASSERT_FALSE(has(cache, "b", 1, 0));
    CU_ASSERT_TRUE(has(cache, "e", 1, 0));
    credential_cache_destroy(cache);
}

/* A key of each process: who knows the program cannot make two values meet. */
static void test_keyed(void)
{
    struct credential_cache *one = credential_cache_create(1), *two = credential_cache_create(1);
    struct credential_key a = key_of(one, "a"), again = key_of(one, "a"), other = key_of(two, "a");

    CU_ASSERT_EQUAL(memcmp(&a, &again, sizeof(a)), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(&a, &other, sizeof(a)), 0);
    credential_cache_destroy(one);
    credential_cache_destroy(two);
}

static void test_scope(void)
{
    const struct grant grants[] = {{SLICE("a"), VERB_BIT(VERB_PULL)},
                                   {SLICE("b"), VERB_BIT(VERB_PUSH)},
                                   {SLICE("a"), VERB_BIT(VERB_DELETE)}};
    struct credential *all = credential_of("all"), *scoped = credential_of("scoped");

    credential_scope(scoped, grants, 3);
    CU_ASSERT_EQUAL(credential_scope_verbs(all, SLICE("a")), VERB_BITS_ALL);
    CU_ASSERT_EQUAL(credential_scope_verbs(scoped, SLICE("a")),
                    VERB_BIT(VERB_PULL) | VERB_BIT(VERB_DELETE));
    CU_ASSERT_EQUAL(credential_scope_verbs(scoped, SLICE("c")), 0);
    CU_ASSERT_EQUAL(credential_scope_verbs(scoped, SLICE("")), 0);
    credential_unref(all);
    credential_unref(scoped);
    /* Nobody is anonymous; a token for nothing is for nothing. */
    struct credential *nobody = credential_create_take(NULL);
    CU_ASSERT_EQUAL(credential_identity(nobody)->kind, IDENTITY_ANONYMOUS);
    credential_scope(nobody, NULL, 0);
    CU_ASSERT_EQUAL(credential_scope_verbs(nobody, SLICE("a")), 0);
    credential_unref(nobody);
    credential_unref(NULL);
}

static void test_scope_text(void)
{
    static const struct {
        const char *text;
        int err;
        const char *name;
        verb_bits verbs;
    } cases[] = {
        {"repository:a/b:pull", 0, "a/b", VERB_BIT(VERB_PULL)},
        {"repository:a:push", 0, "a", VERB_BIT(VERB_PUSH) | VERB_BIT(VERB_MOVE_TAG)},
        {"repository:a:delete,pull", 0, "a", VERB_BIT(VERB_DELETE) | VERB_BIT(VERB_PULL)},
        {"repository(plugin):a:pull", 0, "a", VERB_BIT(VERB_PULL)},
        {"repository:a:", 0, "a", 0},
        {"repository:a:admin", 0, "a", 0},
        {"registry:catalog:*", 0, "", VERB_BIT(VERB_PULL)},
        {"registry:other:*", 0, "", 0},
        {"thing:a:pull", 0, "", 0},
        {"repository", ERR_HTTP_BAD_REQUEST, "", 0},
        {"repository:a", ERR_HTTP_BAD_REQUEST, "", 0},
        {":a:pull", ERR_HTTP_BAD_REQUEST, "", 0},
        {"repository::pull", ERR_HTTP_BAD_REQUEST, "", 0},
        {"repository:A:pull", ERR_HTTP_BAD_REQUEST, "", 0},
        {"repository:a:5000/b:pull", ERR_HTTP_BAD_REQUEST, "", 0},
        {"", ERR_HTTP_BAD_REQUEST, "", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct grant grant;
        int err = token_scope_parse(slice_from_cstr(cases[i].text), &grant, NULL);
        if (err != cases[i].err || (err == 0 && grant.verbs != cases[i].verbs))
            printf("# %s\n", cases[i].text);
        CU_ASSERT_EQUAL(err, cases[i].err);
        if (err == 0) {
            CU_ASSERT_EQUAL(grant.verbs, cases[i].verbs);
            CU_ASSERT_TRUE(slice_eq(grant.repository, slice_from_cstr(cases[i].name)));
        }
    }
    struct grant all;
    CU_ASSERT_EQUAL(token_scope_parse(SLICE("repository:a:*"), &all, NULL), 0);
    CU_ASSERT_EQUAL(all.verbs, VERB_BIT(VERB_PULL) | VERB_BIT(VERB_PUSH) | VERB_BIT(VERB_MOVE_TAG) |
                                   VERB_BIT(VERB_DELETE));
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("credential", NULL, NULL);

    CU_add_test(suite, "found until it is over or something changed", test_cache);
    CU_add_test(suite, "the one used longest ago makes room", test_room);
    CU_add_test(suite, "hashes under a key of the process", test_keyed);
    CU_add_test(suite, "what a token is for", test_scope);
    CU_add_test(suite, "scopes as text", test_scope_text);
}
