/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/lockout.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define MINUTE_MS UINT64_C(60000)
#define START     UINT64_C(1000000)

static const struct lockout_options options = {
    .failures = 5, .address_failures = 20, .time_ms = 10 * MINUTE_MS};
static const struct slice alice = {"alice", 5}, bob = {"bob", 3}, here = {"192.0.2.1", 9},
                          there = {"192.0.2.2", 9};

static struct lockout *lockout;
static uint64_t now_ms;

static void set_up(void)
{
    lockout = lockout_create();
    now_ms = START;
}

static void tear_down(void)
{
    lockout_destroy(lockout);
}

static uint64_t wait_of(struct slice account, struct slice address)
{
    return lockout_wait(lockout, &options, account, address, now_ms);
}

static struct lockout_verdict fail(struct slice account, struct slice address)
{
    return lockout_failed(lockout, &options, account, address, now_ms);
}

static void test_waits(void)
{
    static const uint64_t waits[] = {0, 0, 1000, 2000};

    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct lockout_verdict verdict = fail(alice, here);

        CU_ASSERT_EQUAL(verdict.failures, i + 1);
        CU_ASSERT_FALSE(verdict.account_locked);
        CU_ASSERT_EQUAL(wait_of(alice, here), waits[i]);
        now_ms += waits[i];
        CU_ASSERT_EQUAL(wait_of(alice, here), 0);
    }
    CU_ASSERT_EQUAL(wait_of(bob, here), 0);
    CU_ASSERT_EQUAL(wait_of(alice, there), 0);
}

static void lock_alice(void)
{
    for (unsigned i = 0; i < options.failures; i++)
        CU_ASSERT_EQUAL(fail(alice, here).account_locked, i + 1 == options.failures);
}

static void test_locks(void)
{
    lock_alice();
    CU_ASSERT_EQUAL(wait_of(alice, here), options.time_ms);
    CU_ASSERT_EQUAL(wait_of(bob, here), 0);
    CU_ASSERT_EQUAL(wait_of(alice, there), 0);
    now_ms += options.time_ms;
    CU_ASSERT_EQUAL(wait_of(alice, here), 0);
    /* And one begins anew. */
    CU_ASSERT_EQUAL(fail(alice, here).failures, 1);
}

static void test_success_forgets(void)
{
    fail(alice, here);
    fail(alice, here);
    lockout_succeeded(lockout, alice, here);
    CU_ASSERT_EQUAL(fail(alice, here).failures, 1);
    CU_ASSERT_EQUAL(fail(alice, there).failures, 1);
}

static void test_time_forgets(void)
{
    fail(alice, here);
    fail(alice, here);
    now_ms += options.time_ms;
    CU_ASSERT_EQUAL(fail(alice, here).failures, 1);
}

/* Many accounts from one address; a right password in between buys nothing. */
static void test_address(void)
{
    char name[16];

    for (unsigned i = 0; i < options.address_failures; i++) {
        snprintf(name, sizeof(name), "user%u", i);
        CU_ASSERT_EQUAL(wait_of(bob, here), 0);
        CU_ASSERT_EQUAL(fail(slice_from_cstr(name), here).address_locked,
                        i + 1 == options.address_failures);
        lockout_succeeded(lockout, bob, here);
    }
    CU_ASSERT_EQUAL(wait_of(bob, here), options.time_ms);
    CU_ASSERT_EQUAL(wait_of(bob, there), 0);
}

static void test_subscribers(void)
{
    lock_alice();
    CU_ASSERT_NOT_EQUAL(wait_of(alice, SLICE("::ffff:192.0.2.1")), 0);
    for (unsigned i = 0; i < options.failures; i++)
        fail(alice, SLICE("2001:db8:1:2::1"));
    CU_ASSERT_NOT_EQUAL(wait_of(alice, SLICE("2001:db8:1:2:ffff::9")), 0);
    CU_ASSERT_EQUAL(wait_of(alice, SLICE("2001:db8:1:3::1")), 0);
}

static void test_events(void)
{
    CU_ASSERT_TRUE(fail(alice, here).is_new);
    CU_ASSERT_FALSE(fail(alice, here).is_new);
    CU_ASSERT_TRUE(fail(bob, here).is_new);
    now_ms += MINUTE_MS;
    CU_ASSERT_TRUE(fail(alice, here).is_new);
    CU_ASSERT_FALSE(fail(alice, here).is_new);
    CU_ASSERT_TRUE(fail(alice, here).account_locked);
    CU_ASSERT_FALSE(fail(alice, SLICE("")).is_new);
}

static void test_off(void)
{
    const struct lockout_options off = {.time_ms = MINUTE_MS};

    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_FALSE(lockout_failed(lockout, &off, alice, here, now_ms).account_locked);
    CU_ASSERT_EQUAL(lockout_wait(lockout, &off, alice, here, now_ms), 0);
    CU_ASSERT_EQUAL(wait_of(alice, SLICE("")), 0);
}

/* Names of any length and any number of them. */
static void test_flood(void)
{
    static char text[1000];

    memset(text, 'a', sizeof(text));
    for (unsigned i = 0; i < 50000; i++) {
        memcpy(text, &i, sizeof(i));
        lockout_failed(lockout, &options, slice_make(text, i % sizeof(text)),
                       slice_make(text, i % 100), now_ms++);
    }
    lock_alice();
    CU_ASSERT_NOT_EQUAL(wait_of(alice, here), 0);
}

void test_suites(void)
{
    CU_pSuite suite =
        CU_add_suite_with_setup_and_teardown("lockout", NULL, NULL, set_up, tear_down);

    CU_add_test(suite, "waits grow", test_waits);
    CU_add_test(suite, "locks", test_locks);
    CU_add_test(suite, "a right password forgets", test_success_forgets);
    CU_add_test(suite, "time forgets", test_time_forgets);
    CU_add_test(suite, "an address", test_address);
    CU_add_test(suite, "what one subscriber has", test_subscribers);
    CU_add_test(suite, "what is worth an event", test_events);
    CU_add_test(suite, "off", test_off);
    CU_add_test(suite, "flood", test_flood);
}
