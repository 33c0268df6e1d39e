/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: most patterns are a name, or a name and then stars: what stands before the first star and
 * behind the last one is compared, and what is left mostly stars alone. Where more is left, all
 * places of the pattern at which the match may stand are kept as a set of bits and moved on
 * together, one byte of the text after the other. Going back to the last star would be shorter to
 * write, but `**a*b` then tries each a with each end: claims of a token, which somebody else wrote,
 * could hold a worker for seconds.
 */
#include "config.h"

#include "auth/glob.h"

int glob_check(struct slice pattern, struct fault *fault)
{
    unsigned stars = 0, run = 0;

    if (pattern.n == 0)
        return fault_set(fault, ERR_INVALID, "a glob cannot be empty; ** stands for everything");
    if (pattern.n > GLOB_MAX)
        return fault_set(fault, ERR_INVALID, "a glob has at most %d bytes", GLOB_MAX);
    if (slice_has_control(pattern) || slice_find_char(pattern, '\t') < pattern.n)
        return fault_set(fault, ERR_INVALID, "a glob cannot hold control characters");
    for (size_t i = 0; i < pattern.n; i++) {
        run = pattern.p[i] == '*' ? run + 1 : 0;
        stars += run == 1;
        if (run > 2)
            return fault_set(fault, ERR_INVALID,
                             "a glob has * for a part of a name and ** for any, not more stars");
    }
    if (stars > GLOB_STARS_MAX)
        return fault_set(fault, ERR_INVALID, "a glob has at most %d stars", GLOB_STARS_MAX);
    return 0;
}

#define WORD_BITS 64

/* Bit i: what is left of the text is to match the pattern from i on. The places from the end of the
 * pattern's words on stay 0. */
struct places {
    uint64_t words[GLOB_MAX / WORD_BITS + 1];
};

/* How many stars stand at a place: 0, 1 or 2. */
static size_t stars_at(struct slice pattern, size_t at)
{
    size_t n = 0;

    while (at + n < pattern.n && n < 2 && pattern.p[at + n] == '*')
        n++;
    return n;
}

/* And what follows, as far as stars may stand for nothing. */
static void add_place(struct slice pattern, struct places *places, size_t at)
{
    size_t stars;

    do {
        places->words[at / WORD_BITS] |= UINT64_C(1) << at % WORD_BITS;
        stars = stars_at(pattern, at);
        at += stars;
    } while (stars > 0);
}

/* The places after `c`, from the one at `at`. */
static void move_on(struct slice pattern, size_t at, char c, struct places *after)
{
    size_t stars = stars_at(pattern, at);

    if (stars == 2 || (stars == 1 && c != '/'))
        add_place(pattern, after, at);
    else if (stars == 0 && at < pattern.n && pattern.p[at] == c)
        add_place(pattern, after, at + 1);
}

/* False when there is no place left. */
static bool move_all(struct slice pattern, struct places *places, char c)
{
    struct places after = {{0}};
    uint64_t any = 0;

    for (size_t word = 0; word <= pattern.n / WORD_BITS; word++) {
        for (uint64_t bits = places->words[word]; bits != 0; bits &= bits - 1)
            move_on(pattern, word * WORD_BITS + (size_t)__builtin_ctzll(bits), c, &after);
    }
    for (size_t word = 0; word <= pattern.n / WORD_BITS; word++)
        any |= after.words[word];
    *places = after;
    return any != 0;
}

/* A pattern that begins and ends with stars. */
static bool match_places(struct slice pattern, struct slice text)
{
    struct places places = {{0}};

    add_place(pattern, &places, 0);
    for (size_t i = 0; i < text.n; i++) {
        if (!move_all(pattern, &places, text.p[i]))
            return false;
    }
    return (places.words[pattern.n / WORD_BITS] >> pattern.n % WORD_BITS & 1) != 0;
}

bool glob_match(struct slice pattern, struct slice text)
{
    size_t head = slice_find_char(pattern, '*'), tail = 0;

    if (pattern.n > GLOB_MAX)
        return false;
    if (head == pattern.n)
        return slice_eq(pattern, text);
    while (pattern.p[pattern.n - 1 - tail] != '*')
        tail++;
    if (text.n < head + tail || !slice_starts_with(text, slice_sub(pattern, 0, head)) ||
        !slice_ends_with(text, slice_sub(pattern, pattern.n - tail, tail)))
        return false;
    pattern = slice_sub(pattern, head, pattern.n - head - tail);
    text = slice_sub(text, head, text.n - head - tail);
    if (stars_at(pattern, 0) == pattern.n)
        return pattern.n == 2 || slice_find_char(text, '/') == text.n;
    return match_places(pattern, text);
}
