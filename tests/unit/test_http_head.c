/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "server/http_head.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>

static const struct http_head_limits limits = {.max_bytes = 1024, .max_fields = 5};

/* Scan and parse a copy of `text`; the head is left in `arena`. */
static int read_head(struct arena *arena, struct slice text, struct http_head *head)
{
    struct http_head_scan scan = {0};
    size_t n = 0;
    int err = http_head_scan(&scan, text, &limits, &n, NULL);

    if (err != 0)
        return err;
    struct slice copy = arena_dup(arena, slice_sub(text, 0, n));
    return http_head_parse(arena, (char *)(uintptr_t)copy.p, copy.n, scan.lines, head, NULL);
}

static int status_of(struct slice text)
{
    struct arena arena;
    struct http_head head;

    arena_init(&arena, 1u << 20);
    int err = read_head(&arena, text, &head);
    arena_fini(&arena);
    return err;
}

#define HOST "Host: localhost\r\n"

static void test_good(void)
{
    struct arena arena;
    struct http_head head;

    arena_init(&arena, 1u << 20);
    CU_ASSERT_EQUAL(read_head(&arena,
                              SLICE("PUT /v2/a/manifests/b?tag=c HTTP/1.1\r\nHoSt:  Example:5000 \t"
                                    "\r\nX-Y:\r\nContent-Length: 42\r\n\r\nbody"),
                              &head),
                    0);
    CU_ASSERT_TRUE(slice_eq(head.method, SLICE("PUT")));
    CU_ASSERT_TRUE(slice_eq(head.target, SLICE("/v2/a/manifests/b?tag=c")));
    CU_ASSERT_TRUE(slice_eq(head.host, SLICE("Example:5000")));
    CU_ASSERT_EQUAL(head.fields_n, 3);
    CU_ASSERT_TRUE(slice_eq(head.fields[0].name, SLICE("host")));
    CU_ASSERT_TRUE(slice_eq(head.fields[1].name, SLICE("x-y")));
    CU_ASSERT_EQUAL(head.fields[1].value.n, 0);
    CU_ASSERT_TRUE(head.has_length);
    CU_ASSERT_EQUAL(head.content_length, 42);
    CU_ASSERT_FALSE(head.is_chunked);
    CU_ASSERT_FALSE(head.is_http_10);

    CU_ASSERT_EQUAL(read_head(&arena, SLICE("GET / HTTP/1.0\r\n\r\n"), &head), 0);
    CU_ASSERT_TRUE(head.is_http_10);
    CU_ASSERT_EQUAL(head.fields_n, 0);
    CU_ASSERT_EQUAL(read_head(&arena,
                              SLICE("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"),
                              &head),
                    0);
    CU_ASSERT_TRUE(head.is_chunked);
    CU_ASSERT_FALSE(head.has_length);
    arena_fini(&arena);
}

static void test_bad(void)
{
    static const struct {
        int err;
        struct slice text;
    } cases[] = {
#define R(text) SLICE("GET / HTTP/1.1\r\n" HOST text "\r\n")
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.1\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Host: other\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.1\nHost: a\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\rB: c\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\r\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\r\n c\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\r\n\tc\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.1\r\n Host: a\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A : b\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A\r\n")},
        {ERR_HTTP_BAD_REQUEST, R(": b\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A\xc3\xa4: b\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\0c\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\x1b\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("A: b\x7f\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 1\r\nContent-Length: 1\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 1\r\nContent-Length: 2\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 1, 1\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: +4\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: -4\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 0x4\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 4 ;x\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length:\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 9223372036854775808\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 99999999999999999999\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Transfer-Encoding: xchunked\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Transfer-Encoding: identity\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Transfer-Encoding: gzip, chunked\r\n")},
        {ERR_HTTP_BAD_REQUEST, R("Transfer-Encoding:\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET  / HTTP/1.1\r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.1 \r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET /\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET\r\n\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET /\t HTTP/1.1\r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("G@T / HTTP/1.1\r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / http/1.1\r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("GET / HTTP/1.10\r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("\r\nGET / HTTP/1.1\r\n" HOST "\r\n")},
        {ERR_HTTP_BAD_REQUEST, SLICE("\x16\x03\x01")},
        {ERR_HTTP_VERSION, SLICE("PRI * HTTP/2.0\r\n\r\n")},
        {ERR_HTTP_VERSION, SLICE("GET / HTTP/1.2\r\n" HOST "\r\n")},
        {ERR_HTTP_VERSION, SLICE("GET / HTTP/0.9\r\n" HOST "\r\n")},
        {ERR_HTTP_HEAD_TOO_LARGE, R("A:\r\nA:\r\nA:\r\nA:\r\nA:\r\n")},
        {0, R("A:\r\nA:\r\nA:\r\nA:\r\n")},
        {0, R("A: b\xc3\xa4\r\n")},
        {0, R("Content-Length: 9223372036854775807\r\n")},
        {ERR_AGAIN, SLICE("")},
        {ERR_AGAIN, SLICE("GET / HTTP/1.1\r\n" HOST)},
        {ERR_AGAIN, SLICE("GET / HTTP/1.1\r\n" HOST "\r")},
#undef R
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int err = status_of(cases[i].text);
        if (err != cases[i].err)
            printf("# %s, not %s: " SLICE_FMT "\n", err_name(err), err_name(cases[i].err),
                   SLICE_ARG(cases[i].text));
        CU_ASSERT_EQUAL(err, cases[i].err);
    }
}

/* The same answer and the same end, however the bytes arrive. */
static void test_byte_by_byte(void)
{
    struct slice text = SLICE("GET / HTTP/1.1\r\n" HOST "A: b\r\n\r\nGET / HTTP/1.1\r\n");
    struct http_head_scan scan = {0};
    size_t n = 0;
    int err = ERR_AGAIN;

    for (size_t i = 0; i <= text.n && err == ERR_AGAIN; i++)
        err = http_head_scan(&scan, slice_sub(text, 0, i), &limits, &n, NULL);
    CU_ASSERT_EQUAL(err, 0);
    CU_ASSERT_EQUAL(n, text.n - 16);
    CU_ASSERT_EQUAL(scan.lines, 3);
}

static void test_size(void)
{
    char *text = malloc(4096);
    struct http_head_scan scan = {0};
    size_t n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'a', 4096);
    CU_ASSERT_EQUAL(http_head_scan(&scan, slice_make(text, 1023), &limits, &n, NULL), ERR_AGAIN);
    CU_ASSERT_EQUAL(http_head_scan(&scan, slice_make(text, 1024), &limits, &n, NULL),
                    ERR_HTTP_URI_TOO_LONG);
    memcpy(text, "GET / HTTP/1.1\r\n", 16);
    scan = (struct http_head_scan){0};
    CU_ASSERT_EQUAL(http_head_scan(&scan, slice_make(text, 4096), &limits, &n, NULL),
                    ERR_HTTP_HEAD_TOO_LARGE);
    /* One that ends exactly at the limit is taken, one byte more is not. */
    memcpy(text + 1020, "\r\n\r\n", 4);
    scan = (struct http_head_scan){0};
    CU_ASSERT_EQUAL(http_head_scan(&scan, slice_make(text, 4096), &limits, &n, NULL), 0);
    CU_ASSERT_EQUAL(n, 1024);
    memcpy(text + 1020, "a\r\n\r\n", 5);
    scan = (struct http_head_scan){0};
    CU_ASSERT_EQUAL(http_head_scan(&scan, slice_make(text, 4096), &limits, &n, NULL),
                    ERR_HTTP_HEAD_TOO_LARGE);
    free(text);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("http_head", NULL, NULL);

    CU_add_test(suite, "good heads", test_good);
    CU_add_test(suite, "bad heads", test_bad);
    CU_add_test(suite, "byte by byte", test_byte_by_byte);
    CU_add_test(suite, "size limits", test_size);
}
