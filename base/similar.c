/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/similar.h"

#define SIMILAR_MAX 48 /* bytes of a name that is compared */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    if (b < a)
        a = b;
    return c < a ? c : a;
}

static bool is_swapped(struct slice a, struct slice b, size_t i, size_t j)
{
    return i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1];
}

/* Letters to insert, remove, change or swap with their neighbour. Both at most SIMILAR_MAX long. */
static unsigned edit_distance(struct slice a, struct slice b)
{
    unsigned rows[3][SIMILAR_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned *spare = before;

        before = last;
        last = row;
        row = spare;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a.p[i - 1] != b.p[j - 1]));
            if (is_swapped(a, b, i, j) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
    }
    return row[b.n];
}

unsigned similar_distance(struct slice given, struct slice name)
{
    unsigned distance;

    if (given.n > SIMILAR_MAX || name.n > SIMILAR_MAX)
        return SIMILAR_NOT;
    distance = edit_distance(given, name);
    return distance <= 1 + name.n / 4 ? distance : SIMILAR_NOT;
}
