/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside server/settings: config.def as data, and the values of one key as text. Any thread.
 */
#ifndef SERVER_SETTINGS_TABLE_H
#define SERVER_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/slice.h"
#include "server/settings.h"

enum setting_type {
    SETTING_STRING,
    SETTING_BOOL,
    SETTING_COUNT,
    SETTING_SIZE,
    SETTING_TIME,
    SETTING_CHOICE
};

struct setting {
    enum setting_type type;
    const char *name; /* "server.listen" */
    const char *section, *key;
    size_t offset;       /* in struct settings */
    const char *text;    /* the default: STRING, CHOICE */
    uint64_t value;      /* the default: BOOL, COUNT, SIZE, TIME */
    uint64_t min, max;   /* COUNT, SIZE, TIME */
    const char *choices; /* CHOICE: "a|b|c" */
    bool is_reloadable;
    const char *help;
};

/* In the order of config.def: the keys of a section stand together. */
extern const struct setting settings_table[];
extern const size_t settings_table_n;

/* NULL when there is none. */
const struct setting *setting_find(struct slice section, struct slice key);
bool setting_has_section(struct slice section);

/* The name most like `section.key`, for "did you mean"; NULL when none is. With an empty key only
 * sections are looked at. */
const char *setting_find_similar(struct slice section, struct slice key);

/* Put the value which `text` stands for into `values`; strings are copied into the arena. The fault
 * is about the value alone ("must be ..."). */
int setting_parse(const struct setting *setting, struct slice text, struct arena *arena,
                  struct settings *values, struct fault *fault) MUST_CHECK;
int setting_set_default(const struct setting *setting, struct arena *arena,
                        struct settings *values) MUST_CHECK;

/* The value as setting_parse takes it. */
void setting_format(const struct setting *setting, const struct settings *values, struct buf *out);

/* A number in the unit of the type ("64KiB", "30s"). */
void setting_format_number(enum setting_type type, uint64_t value, struct buf *out);

bool setting_eq(const struct setting *setting, const struct settings *a, const struct settings *b);

/* Check "address:port,..." and write it without spaces into `out`. */
int setting_check_listen(struct slice text, struct buf *out, struct fault *fault) MUST_CHECK;

#endif
