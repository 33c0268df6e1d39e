/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/settings_table.h"

#include "base/mem.h"
#include "base/similar.h"

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

static unsigned key_similarity(struct slice section, struct slice key,
                               const struct setting *setting)
{
    struct slice its_key = slice_from_cstr(setting->key);
    unsigned distance;

    if (slice_eq(section, slice_from_cstr(setting->section)))
        return similar_distance(key, its_key);
    if (slice_eq(key, its_key))
        return 2; /* in the wrong section */
    distance = similar_distance(section, slice_from_cstr(setting->section));
    if (distance == SIMILAR_NOT || similar_distance(key, its_key) == SIMILAR_NOT)
        return SIMILAR_NOT;
    return distance + similar_distance(key, its_key);
}

const char *setting_find_similar(struct slice section, struct slice key)
{
    unsigned least = SIMILAR_NOT;
    const char *name = NULL;

    for (size_t i = 0; i < settings_table_n; i++) {
        const struct setting *setting = &settings_table[i];
        unsigned distance = key.n ? key_similarity(section, key, setting)
                                  : similar_distance(section, slice_from_cstr(setting->section));

        if (distance < least) {
            least = distance;
            name = key.n ? setting->name : setting->section;
        }
    }
    return name;
}
