/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/glob.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <string.h>

/* What the header says, in as few words as can be; in time without a limit. */
static bool matches_plainly(struct slice pattern, struct slice text)
{
    bool is_any = slice_starts_with(pattern, SLICE("**"));
    struct slice rest = slice_sub(pattern, is_any ? 2 : 1, SIZE_MAX);

    if (pattern.n == 0)
        return text.n == 0;
    if (pattern.p[0] != '*')
        return text.n > 0 && text.p[0] == pattern.p[0] &&
               matches_plainly(rest, slice_sub(text, 1, SIZE_MAX));
    for (size_t i = 0; i <= text.n; i++) {
        if (matches_plainly(rest, slice_sub(text, i, SIZE_MAX)))
            return true;
        if (i < text.n && text.p[i] == '/' && !is_any)
            return false;
    }
    return false;
}

/* Word number `i` over the letters, as base-n numbers without a zero: "", "a", "b", "aa" ... */
static struct slice word_of(unsigned i, const char *letters, char word[16])
{
    unsigned letters_n = (unsigned)strlen(letters);
    size_t n = 0;

    for (; i > 0; i = (i - 1) / letters_n)
        word[n++] = letters[(i - 1) % letters_n];
    return slice_make(word, n);
}

/* Every pattern of up to 6 and every text of up to 5 letters. */
static void test_all_short_ones(void)
{
    char pattern_word[16], text_word[16];
    unsigned wrong = 0, matched = 0, patterns = 0;

    for (unsigned i = 1; i <= 5460; i++) { /* 4 + 16 + ... + 4096 */
        struct slice pattern = word_of(i, "*a/b", pattern_word);

        if (glob_check(pattern, NULL) != 0)
            continue;
        patterns++;
        for (unsigned j = 0; j <= 363; j++) { /* 3 + 9 + ... + 243 */
            struct slice text = word_of(j, "ab/", text_word);
            bool matches = glob_match(pattern, text);

            matched += matches;
            if (matches != matches_plainly(pattern, text) && wrong++ < 5)
                printf("# " SLICE_FMT " on " SLICE_FMT ": %d\n", SLICE_ARG(pattern),
                       SLICE_ARG(text), matches);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(patterns > 4000);
    CU_ASSERT_TRUE(matched > 20000);
}

/* Places beyond the first 64 bytes of a pattern. */
static void test_long_ones(void)
{
    char pattern[GLOB_MAX + 1], text[3 * GLOB_MAX];

    for (size_t n = 60; n <= GLOB_MAX; n++) {
        memset(pattern, 'a', sizeof(pattern));
        memset(text, 'a', sizeof(text));
        CU_ASSERT_TRUE(glob_match(slice_make(pattern, n), slice_make(text, n)));
        CU_ASSERT_FALSE(glob_match(slice_make(pattern, n), slice_make(text, n - 1)));
        CU_ASSERT_FALSE(glob_match(slice_make(pattern, n), slice_make(text, n + 1)));
        memcpy(pattern + n - 2, "**", 2);
        CU_ASSERT_TRUE(glob_match(slice_make(pattern, n), slice_make(text, sizeof(text))));
        CU_ASSERT_FALSE(glob_match(slice_make(pattern, n), slice_make(text, n - 3)));
        memcpy(pattern + n - 2, "*b", 2);
        CU_ASSERT_FALSE(glob_match(slice_make(pattern, n), slice_make(text, sizeof(text))));
        text[sizeof(text) - 1] = 'b';
        CU_ASSERT_TRUE(glob_match(slice_make(pattern, n), slice_make(text, sizeof(text))));
        text[sizeof(text) - 2] = '/';
        CU_ASSERT_FALSE(glob_match(slice_make(pattern, n), slice_make(text, sizeof(text))));
    }
    CU_ASSERT_FALSE(glob_match(slice_make(pattern, sizeof(pattern)), SLICE("a")));
}

static void test_check(void)
{
    static const struct {
        const char *pattern, *part; /* of the reason; NULL: good */
    } cases[] = {
        {"team/**", NULL},
        {"*", NULL},
        {"**/*/**", NULL},
        {"a*b*c*d*e*f*g*h*", NULL},
        {"a*b*c*d*e*f*g*h*i*", "at most 8"},
        {"", "empty"},
        {"***", "not more stars"},
        {"a\tb", "control"},
        {"a\nb", "control"},
        {"a\x7f", "control"},
    };
    char text[GLOB_MAX + 1];

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fault fault = FAULT_INIT;
        int err = glob_check(slice_from_cstr(cases[i].pattern), &fault);

        CU_ASSERT_EQUAL(err, cases[i].part != NULL ? ERR_INVALID : 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, cases[i].part != NULL ? cases[i].part : ""));
    }
    memset(text, 'a', sizeof(text));
    CU_ASSERT_EQUAL(glob_check(slice_make(text, GLOB_MAX), NULL), 0);
    CU_ASSERT_EQUAL(glob_check(slice_make(text, GLOB_MAX + 1), NULL), ERR_INVALID);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("glob", NULL, NULL);

    CU_add_test(suite, "all short ones", test_all_short_ones);
    CU_add_test(suite, "long ones", test_long_ones);
    CU_add_test(suite, "check", test_check);
}
