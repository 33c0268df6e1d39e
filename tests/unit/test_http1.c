/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "server/http1.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

/* A body as the codec hands it out, whatever the sizes of what it is given. */
struct reading {
    int err;
    size_t used; /* of head and body together */
    char body[256];
    size_t body_n;
    bool complete, keep_alive;
};

static struct reading read_message(struct http1 *codec, struct slice text, size_t portion)
{
    struct reading reading = {0};
    struct http_head_limits limits = {4096, 50};
    struct http_head_scan scan = {0};
    struct http_head head;
    struct http1_step step;
    struct arena arena;
    size_t head_n = 0;

    arena_init(&arena, 1u << 20);
    reading.err = http_head_scan(&scan, text, &limits, &head_n, NULL);
    CU_ASSERT_EQUAL_FATAL(reading.err, 0);
    struct slice copy = arena_dup(&arena, slice_sub(text, 0, head_n));
    reading.err =
        http_head_parse(&arena, (char *)(uintptr_t)copy.p, head_n, scan.lines, &head, NULL);
    if (reading.err == 0)
        reading.err = http1_begin(codec, copy, &head, &reading.keep_alive, NULL);
    reading.used = head_n;
    size_t end = head_n;
    while (reading.err == 0 && !reading.complete) {
        reading.err =
            http1_body(codec, slice_sub(text, reading.used, end - reading.used), &step, NULL);
        if (reading.err != 0)
            break;
        reading.used += step.used;
        CU_ASSERT_FATAL(step.piece.n <= sizeof(reading.body) - reading.body_n);
        if (step.piece.n > 0)
            memcpy(reading.body + reading.body_n, step.piece.p, step.piece.n);
        reading.body_n += step.piece.n;
        reading.complete = step.complete;
        if (!step.complete && step.used == 0) {
            if (end == text.n)
                break;
            end = end + portion < text.n ? end + portion : text.n;
        }
    }
    arena_fini(&arena);
    return reading;
}

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static void test_bodies(void)
{
    static const struct {
        struct slice text, body;
        size_t rest; /* bytes of the next message */
    } cases[] = {
        {SLICE(POST "\r\n"), SLICE(""), 0},
        {SLICE(POST "\r\nGET /"), SLICE(""), 5},
        {SLICE(POST "Content-Length: 0\r\n\r\nGET /"), SLICE(""), 5},
        {SLICE(POST "Content-Length: 5\r\n\r\nhello"), SLICE("hello"), 0},
        {SLICE(POST "Content-Length: 5\r\n\r\nhelloGET /"), SLICE("hello"), 5},
        {SLICE(POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), SLICE(""), 0},
        {SLICE(POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nGET"),
         SLICE("abcde"), 3},
        {SLICE(POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\n\r\nGET"), SLICE("a"),
         3},
    };
    struct http1 *codec = http1_create();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t portion = 1; portion < 8; portion++) {
            struct reading reading = read_message(codec, cases[i].text, portion);
            CU_ASSERT_EQUAL(reading.err, 0);
            CU_ASSERT_TRUE(reading.complete);
            CU_ASSERT_TRUE(reading.keep_alive);
            CU_ASSERT_TRUE(slice_eq(slice_make(reading.body, reading.body_n), cases[i].body));
            CU_ASSERT_EQUAL(reading.used, cases[i].text.n - cases[i].rest);
        }
    }
    http1_destroy(codec);
}

static void test_broken(void)
{
#define CHUNKED(text) SLICE(POST "Transfer-Encoding: chunked\r\n\r\n" text)
    static const struct slice cases[] = {
        CHUNKED("x\r\n"),
        CHUNKED("1\r\na\r\n0\r\nA: b\r\n c\r\n\r\n"),
        CHUNKED("1\r\na\r\n0\r\nA: b\r\n\tc\r\n\r\n"),
        CHUNKED("-1\r\n"),
        CHUNKED("0x1\r\na\r\n0\r\n\r\n"),
        CHUNKED("11111111111111111\r\n"),
        CHUNKED("1\r\nab\r\n"),
        CHUNKED("1\r\na0\r\n\r\n"),
        CHUNKED("1\na\r\n0\r\n\r\n"),
        CHUNKED("1\r\na\n0\r\n\r\n"),
        CHUNKED("1\r\na\r\n0\r\n b\r\n\r\n"),
    };
#undef CHUNKED
    struct http1 *codec = http1_create();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reading reading = read_message(codec, cases[i], 1);
        if (reading.err != ERR_HTTP_BAD_REQUEST)
            printf("# %s: " SLICE_FMT "\n", err_name(reading.err), SLICE_ARG(cases[i]));
        CU_ASSERT_EQUAL(reading.err, ERR_HTTP_BAD_REQUEST);
    }
    /* It can be used again after each. */
    CU_ASSERT_EQUAL(read_message(codec, SLICE(POST "\r\n"), 1).err, 0);
    http1_destroy(codec);
}

/* Extensions and trailers without end are a way to keep a server busy for nothing. */
static void test_overhead(void)
{
    struct http1 *codec = http1_create();
    struct slice head = SLICE(POST "Transfer-Encoding: chunked\r\n\r\n");
    struct http1_step step;
    int err = 0;

    CU_ASSERT_EQUAL(read_message(codec, head, 1).err, 0);
    CU_ASSERT_EQUAL(http1_body(codec, SLICE("1;"), &step, NULL), 0);
    for (int i = 0; i < 10000 && err == 0; i++)
        err = http1_body(codec, SLICE("xxxxxxxx"), &step, NULL);
    CU_ASSERT_EQUAL(err, ERR_HTTP_BAD_REQUEST);
    /* Also when it comes at once, together with a piece. */
    static char text[9000] = "1;";
    memset(text + 2, 'x', sizeof(text) - 2);
    memcpy(text + sizeof(text) - 3, "\r\na", 3);
    CU_ASSERT_EQUAL(read_message(codec, head, 1).err, 0);
    CU_ASSERT_EQUAL(http1_body(codec, slice_make(text, sizeof(text)), &step, NULL),
                    ERR_HTTP_BAD_REQUEST);
    http1_destroy(codec);
}

static void test_keep_alive(void)
{
    struct http1 *codec = http1_create();

    CU_ASSERT_FALSE(
        read_message(codec, SLICE("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 1)
            .keep_alive);
    CU_ASSERT_FALSE(read_message(codec, SLICE("GET / HTTP/1.0\r\n\r\n"), 1).keep_alive);
    CU_ASSERT_TRUE(read_message(codec, SLICE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 1)
                       .keep_alive);
    /* Upgrades are not taken, and do no harm. */
    CU_ASSERT_TRUE(
        read_message(
            codec,
            SLICE("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"), 1)
            .complete);
    http1_destroy(codec);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("http1", NULL, NULL);

    CU_add_test(suite, "bodies", test_bodies);
    CU_add_test(suite, "broken framing", test_broken);
    CU_add_test(suite, "overhead", test_overhead);
    CU_add_test(suite, "keep-alive", test_keep_alive);
}
