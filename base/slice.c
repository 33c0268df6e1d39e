/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/slice.h"

#include <stdlib.h>

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    if (order == 0)
        return (a.n > b.n) - (a.n < b.n);
    return order < 0 ? -1 : 1;
}

/* Not tolower(): that one follows the locale. */
static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    }
    return true;
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_ends_with(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_eq(slice_sub(s, s.n - suffix.n, suffix.n), suffix);
}

struct slice slice_sub(struct slice s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    /* No arithmetic on NULL, not even + 0. */
    return slice_make(from ? s.p + from : s.p, n);
}

size_t slice_find_char(struct slice s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    while (s.n && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Eight bytes at once: whether one of them is below SP (HTAB too) or DEL. The carries of the
 * subtractions can only mark a byte beside one that is. */
static bool word_has_control(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    uint64_t del = w ^ ones * 0x7f;
    return (((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high;
}

bool slice_has_control(struct slice s)
{
    size_t i = 0;

    while (i < s.n) {
        if (s.n - i >= 8 && !word_has_control(s.p + i)) {
            i += 8;
            continue;
        }
        unsigned char c = (unsigned char)s.p[i++];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

bool slice_split(struct slice *rest, char separator, struct slice *part)
{
    size_t at;

    if (rest->n == 0)
        return false;
    at = slice_find_char(*rest, separator);
    *part = slice_sub(*rest, 0, at);
    *rest = slice_sub(*rest, at < rest->n ? at + 1 : at, SIZE_MAX);
    return true;
}

bool slice_parse_u64(struct slice s, uint64_t *value)
{
    uint64_t sum = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(s.p[i] - '0'), &sum))
            return false;
    }
    *value = sum;
    return true;
}

/* Lengths first: names of different length, the usual case, are told apart without their bytes. */
static int compare_for_duplicates(const void *a, const void *b)
{
    const struct slice *x = *(const struct slice *const *)a;
    const struct slice *y = *(const struct slice *const *)b;

    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return x->n ? memcmp(x->p, y->p, x->n) : 0;
}

size_t slice_find_duplicate(struct slice **slices, size_t n)
{
    if (n < 2)
        return 0;
    qsort(slices, n, sizeof(*slices), compare_for_duplicates);
    for (size_t i = 1; i < n; i++) {
        if (slice_eq(*slices[i - 1], *slices[i]))
            return i;
    }
    return 0;
}
