/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed run of bytes, passed by value. Not NUL-terminated; may be empty with p == NULL.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

/* printf("name " SLICE_FMT, SLICE_ARG(s)) */
#define SLICE_FMT    "%.*s"
#define SLICE_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct slice slice_make(const void *p, size_t n)
{
    return (struct slice){(const char *)p, n};
}

static inline struct slice slice_from_cstr(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytewise unsigned order, shorter first on a common prefix: -1, 0 or 1. */
int slice_cmp(struct slice a, struct slice b);

/* ASCII case-insensitive equality. */
bool slice_eq_nocase(struct slice a, struct slice b);

bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_ends_with(struct slice s, struct slice suffix);

/* Bytes [from, from+n) of s, clipped to s. */
struct slice slice_sub(struct slice s, size_t from, size_t n);

/* Position of the first `c`, or s.n. */
size_t slice_find_char(struct slice s, char c);

/* Without leading and trailing SP and HTAB. */
struct slice slice_trim(struct slice s);

/* A byte below SP other than HTAB, or DEL. */
bool slice_has_control(struct slice s);

/* Take the part before the next `separator` off the front of *rest (the whole rest when there is
 * none). False when *rest is exhausted (empty): "a,,b" gives "a", "", "b", and "a," only "a". */
bool slice_split(struct slice *rest, char separator, struct slice *part);

/* Digits only, no sign, no space, at least one; false on anything else or on overflow. */
bool slice_parse_u64(struct slice s, uint64_t *value);

/* Sorts the pointers (shorter slices first) and returns an i > 0 whose slice equals the one before
 * it, or 0 when all differ. n log n comparisons whatever a client puts into the names. */
size_t slice_find_duplicate(struct slice **slices, size_t n);

#endif
