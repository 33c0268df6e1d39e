/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/password.h"
#include "auth/password_cache.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>

#include <crypt.h>
#include <stdio.h>

#define COST      4
#define MINUTE_MS 60000

/* What bcrypt is made to do: one hash of cost c is 2^c. */
static uint64_t work;

char *__real_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);

char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
    uint64_t cost = 0;

    CU_ASSERT_TRUE(slice_parse_u64(slice_sub(slice_from_cstr(setting), 4, 2), &cost));
    work += UINT64_C(1) << cost;
    return __real_crypt_r(phrase, setting, data);
}

static void check_work(const char *hash, const char *password, unsigned cost, uint64_t wanted)
{
    work = 0;
    (void)password_matches(slice_from_cstr(hash), slice_from_cstr(password), cost);
    CU_ASSERT_EQUAL(work, wanted);
}

/* An unknown user, a wrong password and a cheap hash take as long as each other. */
static void test_same_work(void)
{
    static const char hash[] = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    static char long_one[CRYPT_MAX_PASSPHRASE_SIZE + 1];

    memset(long_one, 'x', sizeof(long_one) - 1);
    for (unsigned cost = 5; cost < 9; cost++) {
        check_work("", "guess", cost, UINT64_C(1) << cost);
        check_work("no hash", "guess", cost, UINT64_C(1) << cost);
        check_work(hash, "guess", cost, UINT64_C(1) << cost);
        check_work(hash, long_one, cost, UINT64_C(1) << cost);
        check_work(hash, "U*U", cost, UINT64_C(1) << 5); /* the right one may be quicker */
    }
}

static void test_hash(void)
{
    char hash[PASSWORD_HASH_SIZE + 1], again[PASSWORD_HASH_SIZE + 1];
    unsigned cost = 0;

    CU_ASSERT_EQUAL_FATAL(password_hash(SLICE("correct horse"), COST, hash, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(password_hash(SLICE("correct horse"), COST, again, NULL), 0);
    CU_ASSERT_STRING_NOT_EQUAL(hash, again);
    CU_ASSERT_EQUAL(password_hash_parse(slice_from_cstr(hash), &cost, NULL), 0);
    CU_ASSERT_EQUAL(cost, COST);
    CU_ASSERT_TRUE(password_matches(slice_from_cstr(hash), SLICE("correct horse"), COST));
    CU_ASSERT_TRUE(password_matches(slice_from_cstr(again), SLICE("correct horse"), COST + 1));
    CU_ASSERT_FALSE(password_matches(slice_from_cstr(hash), SLICE("correct horsf"), COST));
    CU_ASSERT_FALSE(password_matches(slice_from_cstr(hash), SLICE(""), COST));
    CU_ASSERT_FALSE(password_matches(slice_from_cstr(hash), SLICE("correct horse\0"), COST));
    CU_ASSERT_FALSE(password_matches(SLICE(""), SLICE("correct horse"), COST));
    CU_ASSERT_FALSE(password_matches(SLICE("*0"), SLICE("correct horse"), COST));
}

/* Known answers of the algorithm, from the test vectors of crypt_blowfish, which are in the public
 * domain: ours and Apache's letters. */
static void test_known(void)
{
    static const struct {
        const char *password, *hash;
    } known[] = {
        {"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
        {"U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
        {"U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
        {"U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        CU_ASSERT_TRUE(password_matches(slice_from_cstr(known[i].hash),
                                        slice_from_cstr(known[i].password), 5));
        CU_ASSERT_FALSE(password_matches(slice_from_cstr(known[i].hash), SLICE("U*V"), 5));
    }
}

static void test_new(void)
{
    char long_one[PASSWORD_MAX + 1], hash[PASSWORD_HASH_SIZE + 1];
    struct fault fault = FAULT_INIT;

    memset(long_one, 'x', sizeof(long_one));
    CU_ASSERT_EQUAL(password_check_new(slice_make(long_one, PASSWORD_MAX), &fault), 0);
    CU_ASSERT_EQUAL(password_check_new(slice_make(long_one, PASSWORD_MAX + 1), &fault),
                    ERR_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "73"));
    CU_ASSERT_EQUAL(password_check_new(SLICE("1234567"), NULL), ERR_INVALID);
    CU_ASSERT_EQUAL(password_check_new(SLICE("12345678"), NULL), 0);
    CU_ASSERT_EQUAL(password_check_new(SLICE("1234\0005678"), NULL), ERR_INVALID);
    CU_ASSERT_EQUAL(password_hash(SLICE("short"), COST, hash, NULL), ERR_INVALID);
    CU_ASSERT_EQUAL(password_hash(SLICE("long enough"), 99, hash, NULL), ERR_INTERNAL);
}

static void test_hash_texts(void)
{
    static const struct {
        const char *hash, *complaint;
    } refused[] = {
        {"", "not one of bcrypt"},
        {"$apr1$h3xM4rHn$YHtlLLz1c7sUcIQhZ9nlP1", "not one of bcrypt"},
        {"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "not one of bcrypt"},
        {"$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "not one of bcrypt"},
        {"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe", "cut off"},
        {"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW1", "cut off"},
        {"$2y$5$$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "cut off"},
        {"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO:W", "character"},
        {"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO W", "character"},
        {"$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "cost"},
        {"$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "cost"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        struct fault fault = FAULT_INIT;
        struct slice hash = slice_from_cstr(refused[i].hash);

        CU_ASSERT_EQUAL(password_hash_parse(hash, NULL, &fault), ERR_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, refused[i].complaint));
        if (strstr(fault.text, refused[i].complaint) == NULL)
            printf("# %s: %s\n", refused[i].hash, fault.text);
        CU_ASSERT_FALSE(password_matches(hash, SLICE("U*U"), COST));
    }
}

/*
 * The cache.
 */

static void test_cache(void)
{
    struct password_cache *cache = password_cache_create();
    const struct slice hash = SLICE("$2b$04$abc"), other = SLICE("$2b$04$abd");

    CU_ASSERT_FALSE(password_cache_has(cache, hash, SLICE("pw"), 1));
    password_cache_add(cache, hash, SLICE("pw"), 1, MINUTE_MS);
    CU_ASSERT_TRUE(password_cache_has(cache, hash, SLICE("pw"), 1));
    CU_ASSERT_TRUE(password_cache_has(cache, hash, SLICE("pw"), MINUTE_MS));
    CU_ASSERT_FALSE(password_cache_has(cache, hash, SLICE("pw"), MINUTE_MS + 1));
    CU_ASSERT_FALSE(password_cache_has(cache, hash, SLICE("px"), 1));
    CU_ASSERT_FALSE(password_cache_has(cache, hash, SLICE(""), 1));
    /* Another password of the account: what was remembered fits no more. */
    CU_ASSERT_FALSE(password_cache_has(cache, other, SLICE("pw"), 1));
    CU_ASSERT_FALSE(password_cache_has(cache, SLICE("$2b$04$ab"), SLICE("cpw"), 1));
    CU_ASSERT_FALSE(password_cache_has(cache, SLICE(""), SLICE("pw"), 1));
    password_cache_destroy(cache);
}

static void test_cache_off(void)
{
    struct password_cache *cache = password_cache_create();

    password_cache_add(cache, SLICE("hash"), SLICE("pw"), 1, 0);
    CU_ASSERT_FALSE(password_cache_has(cache, SLICE("hash"), SLICE("pw"), 1));
    password_cache_destroy(cache);
}

/* It has a fixed size: the newest are there, nothing fails. */
static void test_cache_full(void)
{
    struct password_cache *cache = password_cache_create();
    char text[32];

    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "password %u", i);
        password_cache_add(cache, SLICE("hash"), slice_from_cstr(text), i + 1, MINUTE_MS);
        if (!password_cache_has(cache, SLICE("hash"), slice_from_cstr(text), i + 1))
            CU_FAIL("what was just added is not there");
    }
    CU_ASSERT_FALSE(password_cache_has(cache, SLICE("hash"), SLICE("password 0"), 20000));
    password_cache_destroy(cache);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("password", NULL, NULL);
    CU_pSuite cache = CU_add_suite("password_cache", NULL, NULL);

    CU_add_test(suite, "hash", test_hash);
    CU_add_test(suite, "known answers", test_known);
    CU_add_test(suite, "a failure is always the same work", test_same_work);
    CU_add_test(suite, "new passwords", test_new);
    CU_add_test(suite, "texts of hashes", test_hash_texts);
    CU_add_test(cache, "remembers for a time", test_cache);
    CU_add_test(cache, "off", test_cache_off);
    CU_add_test(cache, "full", test_cache_full);
}
