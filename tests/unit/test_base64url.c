/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/base64url.h"

#include <CUnit/CUnit.h>

/* RFC 4648 section 10, without the padding; then what sets the two last characters of the alphabet
 * apart. */
static void test_vectors(void)
{
    static const struct {
        struct slice bytes, text;
    } vectors[] = {
        {{"", 0}, {"", 0}},
        {{"f", 1}, {"Zg", 2}},
        {{"fo", 2}, {"Zm8", 3}},
        {{"foo", 3}, {"Zm9v", 4}},
        {{"foob", 4}, {"Zm9vYg", 6}},
        {{"fooba", 5}, {"Zm9vYmE", 7}},
        {{"foobar", 6}, {"Zm9vYmFy", 8}},
        {{"\xfb\xff\xfe", 3}, {"-__-", 4}},
    };

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t bytes[8];
        struct buf out;

        buf_init(&out, 16);
        base64url_encode(&out, vectors[i].bytes);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&out), vectors[i].text));
        CU_ASSERT_EQUAL(BASE64URL_SIZE(vectors[i].bytes.n), vectors[i].text.n);
        buf_fini(&out);
        CU_ASSERT_EQUAL(base64url_decode(vectors[i].text, bytes, sizeof(bytes)), 0);
        CU_ASSERT_EQUAL(base64url_decoded_size(vectors[i].text), vectors[i].bytes.n);
        CU_ASSERT_TRUE(slice_eq(slice_make(bytes, vectors[i].bytes.n), vectors[i].bytes));
    }
}

/* One text for some bytes: no padding, no space, no bits left over. */
static void test_refused(void)
{
    static const struct slice bad[] = {
        {"Z", 1},    {"Zm9vY", 5}, {"Zh", 2},   {"Zm9", 3},   {"Zg==", 4},       {"Zg=", 3},
        {"Zm 8", 4}, {"Zm8\n", 4}, {"+//+", 4}, {"Zm\0v", 4}, {"Z\xc3\xa4v", 4},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t bytes[8];

        CU_ASSERT_EQUAL(base64url_decode(bad[i], bytes, sizeof(bytes)), ERR_SYNTAX);
    }
}

static void test_no_room(void)
{
    uint8_t bytes[3] = {0, 0, 77};

    CU_ASSERT_EQUAL(base64url_decode(SLICE("Zm9v"), bytes, 2), ERR_LIMIT);
    CU_ASSERT_EQUAL(base64url_decode(SLICE("Zm8"), bytes, 2), 0);
    CU_ASSERT_EQUAL(bytes[2], 77);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("base64url", NULL, NULL);

    CU_add_test(suite, "the vectors of RFC 4648, both ways", test_vectors);
    CU_add_test(suite, "a second text for the same bytes is refused", test_refused);
    CU_add_test(suite, "no more is written than there is room for", test_no_room);
}
