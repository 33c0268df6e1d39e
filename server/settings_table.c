/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/settings_table.h"

#include "base/mem.h"

#include <string.h>

/* clang-format off */
#define NAMES(section_, key_, field_)                                                              \
    .name = #section_ "." #key_, .section = #section_, .key = #key_,                               \
    .offset = offsetof(struct settings, field_)

#define STRING(section_, key_, field_, def_, reloadable_, help_)                                   \
    {.type = SETTING_STRING, NAMES(section_, key_, field_), .text = (def_),                        \
     .is_reloadable = (reloadable_), .help = (help_)},
#define BOOL(section_, key_, field_, def_, reloadable_, help_)                                     \
    {.type = SETTING_BOOL, NAMES(section_, key_, field_), .value = (def_), .max = 1,               \
     .is_reloadable = (reloadable_), .help = (help_)},
#define NUMBER(type_, section_, key_, field_, def_, min_, max_, reloadable_, help_)                \
    {.type = (type_), NAMES(section_, key_, field_), .value = (def_), .min = (min_),               \
     .max = (max_), .is_reloadable = (reloadable_), .help = (help_)},
#define COUNT(...) NUMBER(SETTING_COUNT, __VA_ARGS__)
#define SIZE(...)  NUMBER(SETTING_SIZE, __VA_ARGS__)
#define TIME(...)  NUMBER(SETTING_TIME, __VA_ARGS__)
#define CHOICE(section_, key_, field_, choices_, def_, reloadable_, help_)                         \
    {.type = SETTING_CHOICE, NAMES(section_, key_, field_), .text = (def_),                        \
     .choices = (choices_), .is_reloadable = (reloadable_), .help = (help_)},
/* clang-format on */

const struct setting settings_table[] = {
#include "server/config.def"
};

const size_t settings_table_n = ARRAY_LENGTH(settings_table);

const struct setting *setting_find(struct slice section, struct slice key)
{
    for (size_t i = 0; i < settings_table_n; i++) {
        const struct setting *setting = &settings_table[i];

        if (slice_eq(section, slice_from_cstr(setting->section)) &&
            slice_eq(key, slice_from_cstr(setting->key)))
            return setting;
    }
    return NULL;
}

bool setting_has_section(struct slice section)
{
    for (size_t i = 0; i < settings_table_n; i++) {
        if (slice_eq(section, slice_from_cstr(settings_table[i].section)))
            return true;
    }
    return false;
}

/* ---- Did you mean ---------------------------------------------------------------------------- */

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

/* The distance when it is one that a slip can explain, else UINT32_MAX. */
static unsigned similarity(struct slice given, struct slice name)
{
    unsigned distance;

    if (given.n > SIMILAR_MAX || name.n > SIMILAR_MAX)
        return UINT32_MAX;
    distance = edit_distance(given, name);
    return distance <= 1 + name.n / 4 ? distance : UINT32_MAX;
}

static unsigned key_similarity(struct slice section, struct slice key,
                               const struct setting *setting)
{
    struct slice its_key = slice_from_cstr(setting->key);
    unsigned distance;

    if (slice_eq(section, slice_from_cstr(setting->section)))
        return similarity(key, its_key);
    if (slice_eq(key, its_key))
        return 2; /* in the wrong section */
    distance = similarity(section, slice_from_cstr(setting->section));
    if (distance == UINT32_MAX || similarity(key, its_key) == UINT32_MAX)
        return UINT32_MAX;
    return distance + similarity(key, its_key);
}

const char *setting_find_similar(struct slice section, struct slice key)
{
    unsigned least = UINT32_MAX;
    const char *name = NULL;

    for (size_t i = 0; i < settings_table_n; i++) {
        const struct setting *setting = &settings_table[i];
        unsigned distance = key.n ? key_similarity(section, key, setting)
                                  : similarity(section, slice_from_cstr(setting->section));

        if (distance < least) {
            least = distance;
            name = key.n ? setting->name : setting->section;
        }
    }
    return name;
}
