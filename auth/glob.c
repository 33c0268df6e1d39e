/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one pass with two places to go back to, that of the last `*` and that of the last `**`.
 * What stands before a star needs no second look: if the rest fits behind a later place, it fits
 * whichever way the part before was matched. A `*` that cannot take more (it has come to a '/')
 * leaves it to the `**` before it.
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

struct retry {
    bool is_set;
    size_t pattern; /* where to go on in the pattern */
    size_t text;    /* how much the star has taken, to its end */
};

static size_t stars_at(struct slice pattern, size_t at)
{
    size_t n = 0;

    while (at + n < pattern.n && n < 2 && pattern.p[at + n] == '*')
        n++;
    return n;
}

/* Let the last star take one byte more. */
static bool take_more(struct slice text, struct retry *one, struct retry *any, size_t *at_pattern,
                      size_t *at_text)
{
    struct retry *star = NULL;

    if (one->is_set && one->text < text.n && text.p[one->text] != '/') {
        star = one;
    } else if (any->is_set && any->text < text.n) {
        star = any;
        one->is_set = false;
    } else {
        return false;
    }
    star->text++;
    *at_pattern = star->pattern;
    *at_text = star->text;
    return true;
}

bool glob_match(struct slice pattern, struct slice text)
{
    struct retry one = {0}, any = {0};
    size_t p = 0, t = 0;

    for (;;) {
        size_t stars = stars_at(pattern, p);

        if (stars > 0) {
            p += stars;
            *(stars == 1 ? &one : &any) = (struct retry){true, p, t};
            if (stars == 2)
                one.is_set = false;
        } else if (p == pattern.n && t == text.n) {
            return true;
        } else if (p < pattern.n && t < text.n && pattern.p[p] == text.p[t]) {
            p++;
            t++;
        } else if (!take_more(text, &one, &any, &p, &t)) {
            return false;
        }
    }
}
