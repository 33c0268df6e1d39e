/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "server/forwarded.h"
#include "server/networks.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define TRUSTED SLICE("10.0.0.0/8, 2001:db8:1::/48, 192.0.2.7")

struct row {
    const char *fields[6]; /* name, value, ... */
    const char *client;    /* NULL: refused; "": unknown */
    const char *scheme, *host;
};

static const struct row rows[] = {
    {{NULL}, "", NULL, NULL},
    {{"x-real-ip", "203.0.113.9"}, "", NULL, NULL},
    {{"x-forwarded-for", "203.0.113.9"}, "203.0.113.9", NULL, NULL},
    {{"x-forwarded-for", "203.0.113.9:4711"}, "203.0.113.9", NULL, NULL},
    {{"x-forwarded-for", "2001:db8::9"}, "2001:db8::9", NULL, NULL},
    {{"x-forwarded-for", "[2001:db8::9]:4711"}, "2001:db8::9", NULL, NULL},
    /* The client wrote the left one. */
    {{"x-forwarded-for", "198.51.100.1, 203.0.113.9"}, "203.0.113.9", NULL, NULL},
    {{"x-forwarded-for", "198.51.100.1", "x-forwarded-for", "203.0.113.9"},
     "203.0.113.9",
     NULL,
     NULL},
    {{"x-forwarded-for", "rubbish\", 203.0.113.9"}, "203.0.113.9", NULL, NULL},
    /* Over a second trusted proxy. */
    {{"x-forwarded-for", "203.0.113.9, 10.1.2.3"}, "203.0.113.9", NULL, NULL},
    {{"x-forwarded-for", "198.51.100.1, 203.0.113.9, 2001:db8:1::5, 10.1.2.3"},
     "203.0.113.9",
     NULL,
     NULL},
    {{"x-forwarded-for", "10.1.2.3"}, "10.1.2.3", NULL, NULL},
    {{"x-forwarded-for", "unknown"}, "", NULL, NULL},
    {{"x-forwarded-for", "203.0.113.9, unknown"}, "", NULL, NULL},
    {{"x-forwarded-for", "rubbish"}, NULL, NULL, NULL},
    {{"x-forwarded-for", "203.0.113.9, 10.1.2"}, NULL, NULL, NULL},
    {{"x-forwarded-for", "203.0.113.9,"}, "203.0.113.9", NULL, NULL},
    {{"x-forwarded-for", "10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,"
                         "10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,10.0.0.1,"
                         "10.0.0.1"},
     NULL,
     NULL,
     NULL},
    {{"x-forwarded-for", "203.0.113.9", "x-forwarded-proto", "https", "x-forwarded-host",
      "a.example"},
     "203.0.113.9",
     "https",
     "a.example"},
    {{"x-forwarded-proto", "http, HTTPS"}, "", "https", NULL},
    {{"x-forwarded-proto", "gopher"}, NULL, NULL, NULL},
    {{"x-forwarded-host", "a.example:5000"}, "", NULL, "a.example:5000"},
    {{"x-forwarded-host", "a.example/path"}, NULL, NULL, NULL},
    {{"x-forwarded-host", ""}, "", NULL, NULL},
    {{"forwarded", "for=203.0.113.9"}, "203.0.113.9", NULL, NULL},
    {{"forwarded", "for=203.0.113.9;proto=https;host=a.example;by=10.0.0.1"},
     "203.0.113.9",
     "https",
     "a.example"},
    {{"forwarded", "For=\"[2001:db8::9]:4711\" ; Proto=http"}, "2001:db8::9", "http", NULL},
    {{"forwarded", "for=\"203.0.113.9:_hidden\""}, "203.0.113.9", NULL, NULL},
    {{"forwarded", "for=[2001:db8::9]"}, "2001:db8::9", NULL, NULL},
    {{"forwarded", "for=198.51.100.1;proto=http, for=203.0.113.9;proto=https"},
     "203.0.113.9",
     "https",
     NULL},
    /* What the proxy nearer to us says of another proxy is not of the client. */
    {{"forwarded", "for=203.0.113.9;proto=https;host=a.example, for=10.0.0.2;proto=http;host=b"},
     "203.0.113.9",
     "https",
     "a.example"},
    {{"forwarded", "for=_hidden;proto=https"}, "", "https", NULL},
    {{"forwarded", "for=unknown"}, "", NULL, NULL},
    {{"forwarded", "proto=https"}, "", "https", NULL},
    {{"forwarded", ""}, NULL, NULL, NULL},
    {{"forwarded", "203.0.113.9"}, NULL, NULL, NULL},
    {{"forwarded", "for="}, NULL, NULL, NULL},
    {{"forwarded", "for=\"203.0.113.9"}, NULL, NULL, NULL},
    {{"forwarded", "for=\"203.0.113.\\9\""}, NULL, NULL, NULL},
    {{"forwarded", "for=203.0.113.9;for=203.0.113.8"}, NULL, NULL, NULL},
    {{"forwarded", "for=203.0.113.9 for=203.0.113.8"}, NULL, NULL, NULL},
    {{"forwarded", "for=203.0.113.9;"}, NULL, NULL, NULL},
    {{"forwarded", "for=203.0.113.9,"}, NULL, NULL, NULL},
    {{"forwarded", "for=203.0.113.9;host=\"a b\""}, NULL, NULL, NULL},
    {{"forwarded", "for=203.0.113.9;proto=ftp"}, NULL, NULL, NULL},
    {{"forwarded", "for=2001:db8::9:xyz"}, NULL, NULL, NULL},
    /* Both kinds: one of them is the client's own when they differ. */
    {{"forwarded", "for=203.0.113.9", "x-forwarded-for", "198.51.100.1, 203.0.113.9"},
     "203.0.113.9",
     NULL,
     NULL},
    {{"forwarded", "for=198.51.100.1", "x-forwarded-for", "203.0.113.9"}, NULL, NULL, NULL},
};

static bool is_text(struct slice got, const char *wanted)
{
    return wanted == NULL ? got.p == NULL : got.p != NULL && slice_eq(got, slice_from_cstr(wanted));
}

static bool check_row(const struct row *row)
{
    struct http_field fields[3];
    struct forwarded forwarded;
    struct fault fault = FAULT_INIT;
    char client[CLIENT_ADDRESS_TEXT_MAX];
    unsigned n = 0;

    while (n < 3 && row->fields[2 * n] != NULL) {
        fields[n] = (struct http_field){slice_from_cstr(row->fields[2 * n]),
                                        slice_from_cstr(row->fields[2 * n + 1])};
        n++;
    }
    int err = forwarded_read(fields, n, TRUSTED, &forwarded, &fault);
    if (row->client == NULL)
        return err == ERR_HTTP_BAD_REQUEST && fault.text[0] != '\0';
    client_address_format(&forwarded.client, client);
    return err == 0 && strcmp(client, row->client) == 0 && is_text(forwarded.scheme, row->scheme) &&
           is_text(forwarded.host, row->host);
}

static void test_table(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        CU_ASSERT_TRUE(check_row(&rows[i]));
        if (!check_row(&rows[i]))
            printf("# row %zu: %s: %s\n", i, rows[i].fields[0], rows[i].fields[1]);
    }
}

static bool contains(const char *list, const char *address)
{
    struct client_address parsed;

    CU_ASSERT_TRUE_FATAL(client_address_parse(slice_from_cstr(address), false, &parsed));
    return networks_contain(slice_from_cstr(list), &parsed);
}

static void test_networks(void)
{
    const struct client_address unknown = {{0}};

    CU_ASSERT_TRUE(contains("10.0.0.0/8", "10.255.1.2"));
    CU_ASSERT_FALSE(contains("10.0.0.0/8", "11.0.0.1"));
    CU_ASSERT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    CU_ASSERT_TRUE(contains("192.0.2.0/25", "192.0.2.127"));
    CU_ASSERT_FALSE(contains("192.0.2.0/25", "192.0.2.128"));
    CU_ASSERT_TRUE(contains("192.0.2.7", "192.0.2.7"));
    CU_ASSERT_FALSE(contains("192.0.2.7", "192.0.2.6"));
    CU_ASSERT_TRUE(contains("192.0.2.7 , 2001:db8::/33", "2001:db8:7fff::1"));
    CU_ASSERT_FALSE(contains("192.0.2.7 , 2001:db8::/33", "2001:db8:8000::1"));
    CU_ASSERT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
    CU_ASSERT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
    CU_ASSERT_TRUE(contains("::/0", "203.0.113.9"));
    CU_ASSERT_FALSE(networks_contain(SLICE("::/0"), &unknown));
    CU_ASSERT_FALSE(networks_contain(SLICE(""), &unknown));
}

static void test_network_errors(void)
{
    static const char *const bad[] = {
        "10.0.0.0/33", "10.0.0.1/8",     "::/129",    "10.0.0",  "a.example",      "", "10.0.0.0/",
        "10.0.0.0/-1", "2001:db8::1/32", "1.2.3.4:5", "[::1]:5", "10.0.0.0/8,,::1"};
    struct fault fault;

    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        fault = (struct fault)FAULT_INIT;
        struct slice list = slice_from_cstr(bad[i]);
        bool is_refused = networks_check(list, &fault) == ERR_CONFIG && fault.text[0] != '\0';
        CU_ASSERT_TRUE(is_refused || list.n == 0);
        if (!is_refused && list.n > 0)
            printf("# taken: %s\n", bad[i]);
    }
    CU_ASSERT_EQUAL(networks_check(SLICE("10.0.0.0/8, ::1,[2001:db8::]/32 "), &fault), 0);
}

static void test_address_numbers(void)
{
    struct client_address a, b;

    CU_ASSERT_TRUE(client_address_parse(SLICE("2001:db8::1"), false, &a));
    CU_ASSERT_TRUE(client_address_parse(SLICE("2001:db8::ffff:1"), false, &b));
    CU_ASSERT_EQUAL(client_address_number(&a), client_address_number(&b));
    CU_ASSERT_TRUE(client_address_parse(SLICE("192.0.2.1"), false, &a));
    CU_ASSERT_TRUE(client_address_parse(SLICE("::ffff:192.0.2.1"), false, &b));
    CU_ASSERT_EQUAL(client_address_number(&a), client_address_number(&b));
    CU_ASSERT_FALSE(client_address_parse(SLICE("192.0.2.1:80"), false, &a));
    CU_ASSERT_EQUAL(client_address_number(&a), 0);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("forwarded", NULL, NULL);

    CU_add_test(suite, "what proxies say, and what clients pretend they say", test_table);
    CU_add_test(suite, "an address is in its networks", test_networks);
    CU_add_test(suite, "what is no network is refused", test_network_errors);
    CU_add_test(suite, "limits count a client once", test_address_numbers);
}
