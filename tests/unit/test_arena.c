/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/arena.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_filled(const char *p, size_t n, char with)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != with)
            return false;
    }
    return true;
}

static void test_alloc(void)
{
    static const size_t sizes[] = {1, 7, 16, 100, 1024, 1025, 4096, 5000, 100000, 3 << 20};
    char *all[ARRAY_LENGTH(sizes) * 20];
    struct arena arena;
    size_t count = 0;

    arena_init(&arena, 256 << 20);
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
            char *p = arena_alloc(&arena, sizes[i]);

            CU_ASSERT_PTR_NOT_NULL_FATAL(p);
            CU_ASSERT_EQUAL((uintptr_t)p % _Alignof(max_align_t), 0);
            CU_ASSERT_TRUE(is_filled(p, sizes[i], 0));
            memset(p, (char)(count + 1), sizes[i]);
            all[count++] = p;
        }
    }
    for (size_t i = 0; i < count; i++) /* nobody wrote over anybody */
        CU_ASSERT_TRUE(is_filled(all[i], sizes[i % ARRAY_LENGTH(sizes)], (char)(i + 1)));
    arena_fini(&arena);
    CU_ASSERT_PTR_NULL(arena.blocks);
    CU_ASSERT_EQUAL(arena.used_bytes, 0);
}

static void test_alloc_of_nothing(void)
{
    struct arena arena;
    void *a, *b;

    arena_init(&arena, 1000);
    a = arena_alloc(&arena, 0);
    b = arena_alloc(&arena, 0);
    CU_ASSERT_PTR_NOT_NULL(a);
    CU_ASSERT_PTR_NOT_EQUAL(a, b);
    arena_fini(&arena);
}

static void test_maximum(void)
{
    struct arena arena;

    arena_init(&arena, 10000);
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, 10001));
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, SIZE_MAX));
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, SIZE_MAX - 16));
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&arena, 10000));
    CU_ASSERT_EQUAL(arena.used_bytes, 10000);
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, 1));
    CU_ASSERT_PTR_NULL(arena_dup(&arena, SLICE("")).p);
    CU_ASSERT_PTR_NULL(arena_printf(&arena, "%d", 1).p);
    arena_reset(&arena);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&arena, 5000));
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&arena, 4976));
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, 1000));
    arena_fini(&arena);

    arena_init(&arena, SIZE_MAX);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&arena, 100));
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, SIZE_MAX));
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, SIZE_MAX - 100));
    CU_ASSERT_PTR_NULL(arena_dup(&arena, slice_make("", SIZE_MAX)).p);
    arena_fini(&arena);

    arena_init(&arena, 0);
    CU_ASSERT_PTR_NULL(arena_alloc(&arena, 0));
    arena_fini(&arena);
}

static void test_used_never_passes_the_maximum(void)
{
    struct arena arena;

    arena_init(&arena, 5003);
    for (size_t i = 1; i < 3000; i++) {
        if (i % 3 == 0)
            (void)!arena_alloc(&arena, i % 50);
        else
            (void)!arena_dup(&arena, slice_make("0123456789", i % 10)).p;
        CU_ASSERT_TRUE(arena.used_bytes <= arena.max_bytes);
    }
    arena_fini(&arena);
}

static void test_reset(void)
{
    struct arena arena;
    struct arena_block *kept;
    char *p;

    arena_init(&arena, 64 << 20);
    arena_reset(&arena); /* nothing there yet */
    CU_ASSERT_PTR_NULL(arena.blocks);

    for (int i = 0; i < 1000; i++) {
        p = arena_alloc(&arena, 1000);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        memset(p, 0xaa, 1000);
    }
    arena_reset(&arena);
    CU_ASSERT_EQUAL(arena.used_bytes, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(arena.blocks);
    kept = arena.blocks;
    p = arena_alloc(&arena, 1000);
    CU_ASSERT_TRUE(is_filled(p, 1000, 0)); /* zeroed in a block used before, too */
    CU_ASSERT_PTR_EQUAL(arena.blocks, kept);
    arena_fini(&arena);

    /* A lone large block is not worth keeping on an idle connection. */
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&arena, 1 << 20));
    arena_reset(&arena);
    CU_ASSERT_PTR_NULL(arena.blocks);
    arena_fini(&arena);
}

static void test_large_leaves_the_head(void)
{
    struct arena arena;
    char *a, *b;

    arena_init(&arena, 64 << 20);
    a = arena_alloc(&arena, 16);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&arena, 100000));
    b = arena_alloc(&arena, 16);
    CU_ASSERT_PTR_EQUAL(b, a + 16);
    arena_fini(&arena);
}

static void test_dup(void)
{
    struct arena arena;
    struct slice a, b;
    char *c;

    arena_init(&arena, 1 << 20);
    a = arena_dup(&arena, SLICE("a\0b"));
    CU_ASSERT_TRUE(slice_eq(a, SLICE("a\0b")));
    CU_ASSERT_EQUAL(a.p[3], '\0');
    b = arena_dup(&arena, slice_make(NULL, 0));
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.p);
    CU_ASSERT_EQUAL(b.n, 0);
    CU_ASSERT_EQUAL(b.p[0], '\0');
    c = arena_alloc(&arena, 8); /* aligned after an odd length */
    CU_ASSERT_EQUAL((uintptr_t)c % _Alignof(max_align_t), 0);
    arena_fini(&arena);
}

static void test_printf(void)
{
    struct arena arena;
    struct slice s;

    arena_init(&arena, 1 << 20);
    s = arena_printf(&arena, "%s-%05d", "x", 42);
    CU_ASSERT_TRUE(slice_eq(s, SLICE("x-00042")));
    CU_ASSERT_EQUAL(s.p[s.n], '\0');
    s = arena_printf(&arena, "%s", "");
    CU_ASSERT_PTR_NOT_NULL(s.p);
    CU_ASSERT_EQUAL(s.n, 0);
    s = arena_printf(&arena, "%10000d", 1);
    CU_ASSERT_EQUAL(s.n, 10000);
    CU_ASSERT_EQUAL(s.p[9999], '1');
    arena_fini(&arena);
}

static void test_mem(void)
{
    char *p = xmalloc(0);

    CU_ASSERT_PTR_NOT_NULL(p);
    p = xrealloc(p, 10);
    p = xrealloc(p, 0);
    CU_ASSERT_PTR_NOT_NULL(p);
    free(p);
    p = xcalloc(0, 5);
    CU_ASSERT_PTR_NOT_NULL(p);
    free(p);
    p = xcalloc(3, 5);
    CU_ASSERT_TRUE(is_filled(p, 15, 0));
    free(p);
    p = xstrdup("");
    CU_ASSERT_STRING_EQUAL(p, "");
    free(p);
    p = xstrndup("abcdef", 3);
    CU_ASSERT_STRING_EQUAL(p, "abc");
    free(p);
    p = xstrndup("ab", SIZE_MAX);
    CU_ASSERT_STRING_EQUAL(p, "ab");
    free(p);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("arena", NULL, NULL);

    CU_add_test(suite, "alloc", test_alloc);
    CU_add_test(suite, "alloc of nothing", test_alloc_of_nothing);
    CU_add_test(suite, "maximum", test_maximum);
    CU_add_test(suite, "used never passes the maximum", test_used_never_passes_the_maximum);
    CU_add_test(suite, "reset", test_reset);
    CU_add_test(suite, "large leaves the head", test_large_leaves_the_head);
    CU_add_test(suite, "dup", test_dup);
    CU_add_test(suite, "printf", test_printf);
    suite = CU_add_suite("mem", NULL, NULL);
    CU_add_test(suite, "edges", test_mem);
}
