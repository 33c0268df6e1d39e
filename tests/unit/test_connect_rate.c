/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "server/client_address.h"
#include "server/connect_rate.h"

#include <CUnit/CUnit.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#define SECOND_NS UINT64_C(1000000000)
#define BEGIN_NS  (12345 * SECOND_NS)

/* How many of `n` at once are admitted. */
static unsigned admitted(struct connect_rate *rate, uint64_t client, unsigned n, uint64_t now_ns)
{
    unsigned found = 0;

    while (n-- > 0)
        found += connect_rate_admit(rate, client, now_ns);
    return found;
}

static void test_burst_and_refill(void)
{
    struct connect_rate *rate = connect_rate_create();

    connect_rate_set(rate, 5);
    CU_ASSERT_EQUAL(admitted(rate, 1, 1000, BEGIN_NS), 5 * CONNECT_RATE_BURST_S);
    CU_ASSERT_EQUAL(admitted(rate, 1, 1000, BEGIN_NS + SECOND_NS), 5);
    CU_ASSERT_EQUAL(admitted(rate, 1, 1000, BEGIN_NS + SECOND_NS), 0);
    /* What is refused does not count: it is not put off by asking. */
    CU_ASSERT_EQUAL(admitted(rate, 1, 1000, BEGIN_NS + 2 * SECOND_NS), 5);
    CU_ASSERT_EQUAL(admitted(rate, 1, 1000, BEGIN_NS + 100 * SECOND_NS), 5 * CONNECT_RATE_BURST_S);
    connect_rate_destroy(rate);
}

static void test_others(void)
{
    struct connect_rate *rate = connect_rate_create();

    connect_rate_set(rate, 1);
    CU_ASSERT_EQUAL(admitted(rate, 1, 100, BEGIN_NS), CONNECT_RATE_BURST_S);
    CU_ASSERT_EQUAL(admitted(rate, 2, 100, BEGIN_NS), CONNECT_RATE_BURST_S);
    CU_ASSERT_EQUAL(admitted(rate, 0, 100, BEGIN_NS), 100);
    connect_rate_destroy(rate);
}

static void test_changes(void)
{
    struct connect_rate *rate = connect_rate_create();

    CU_ASSERT_EQUAL(admitted(rate, 1, 100000, BEGIN_NS), 100000);
    connect_rate_set(rate, 2);
    CU_ASSERT_EQUAL(admitted(rate, 1, 100, BEGIN_NS), 2 * CONNECT_RATE_BURST_S);
    connect_rate_set(rate, 1000000);
    CU_ASSERT_EQUAL(admitted(rate, 1, 1000, BEGIN_NS + SECOND_NS), 1000);
    connect_rate_set(rate, 0);
    CU_ASSERT_EQUAL(admitted(rate, 1, 1000, BEGIN_NS + SECOND_NS), 1000);
    connect_rate_destroy(rate);
}

/* More clients than there is room for: a new one is never refused for it, and those that were most
 * over it are still known. */
static void test_full(void)
{
    struct connect_rate *rate = connect_rate_create();
    const uint64_t many = 100000;

    connect_rate_set(rate, 1);
    CU_ASSERT_EQUAL(admitted(rate, 7, 100, BEGIN_NS), CONNECT_RATE_BURST_S);
    for (uint64_t client = 1000; client < 1000 + many; client++) {
        if (!connect_rate_admit(rate, client, BEGIN_NS + 1))
            CU_FAIL("a new client is refused");
    }
    CU_ASSERT_EQUAL(admitted(rate, 7, 100, BEGIN_NS + 1), 0);
    connect_rate_destroy(rate);
}

static uint64_t key_of(const char *text)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    struct sockaddr_in *four = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;

    if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
        address.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
        address.ss_family = AF_INET6;
    return client_address_key(&address);
}

static void test_addresses(void)
{
    CU_ASSERT_EQUAL(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:2:ffff::2"));
    CU_ASSERT_NOT_EQUAL(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:3::1"));
    CU_ASSERT_NOT_EQUAL(key_of("192.0.2.1"), key_of("192.0.2.2"));
    CU_ASSERT_EQUAL(key_of("192.0.2.1"), key_of("::ffff:192.0.2.1"));
    CU_ASSERT_NOT_EQUAL(key_of("::1"), 0);
    CU_ASSERT_NOT_EQUAL(key_of("0.0.0.0"), 0);
    CU_ASSERT_EQUAL(key_of("a socket in the file system"), 0);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("connect_rate", NULL, NULL);

    CU_add_test(suite, "so many at once, then as the rate adds", test_burst_and_refill);
    CU_add_test(suite, "each client has its own", test_others);
    CU_add_test(suite, "the rate changes", test_changes);
    CU_add_test(suite, "more clients than there is room for", test_full);
    CU_add_test(suite, "clients by address", test_addresses);
}
