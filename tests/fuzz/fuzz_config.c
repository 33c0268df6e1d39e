/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A settings file is taken or refused with a reason on one line without control characters. What
 * was taken, dumped and loaded again is the same, and so is its dump. The bytes also do as the text
 * of every single key, and as an environment variable.
 */
#include "config.h"
#include "server/settings_parse.h"
#include "server/settings_table.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(const struct fault *fault)
{
    struct slice text = slice_from_cstr(fault->text);

    if (fault->code != ERR_CONFIG || text.n == 0)
        abort();
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            abort();
    }
}

static void check_range(const struct settings *settings)
{
#define STRING(section, key, field, def, reloadable, help)                                         \
    if (!settings->field || (settings->field[0] == '\0' && sizeof(def) > 1))                       \
        abort();
#define BOOL(section, key, field, def, reloadable, help)
#define COUNT(section, key, field, def, min, max, reloadable, help)                                \
    if (settings->field + 1 < (min) + 1ull || settings->field > (max))                             \
        abort();
#define SIZE(...) COUNT(__VA_ARGS__)
#define TIME(...) COUNT(__VA_ARGS__)
#define CHOICE(section, key, field, choices, def, reloadable, help)                                \
    if (settings->field > 3)                                                                       \
        abort();
#include "server/config.def"
}

static void check_round_trip(const struct settings *settings)
{
    const struct settings *again;
    struct buf first, second;

    buf_init(&first, (size_t)64 << 20);
    buf_init(&second, (size_t)64 << 20);
    settings_dump(settings, &first);
    /* An escaped text may be too long for a file. */
    if (first.n <= SETTINGS_FILE_MAX_BYTES) {
        if (first.overflow || settings_load_text(buf_slice(&first), "f", &again, NULL) < 0)
            abort();
        settings_dump(again, &second);
        if (!slice_eq(buf_slice(&first), buf_slice(&second)))
            abort();
        for (size_t i = 0; i < settings_table_n; i++) {
            if (!setting_eq(&settings_table[i], settings, again))
                abort();
        }
        settings_unref(again);
    }
    buf_fini(&first);
    buf_fini(&second);
}

static void check_file(struct slice text)
{
    const struct settings *settings;
    struct fault fault = FAULT_INIT;

    if (settings_load_text(text, "f", &settings, &fault) < 0) {
        if (settings)
            abort();
        check_fault(&fault);
        return;
    }
    if (fault.code != 0)
        abort();
    check_range(settings);
    check_round_trip(settings);
    settings_unref(settings);
}

/* What is taken as the text of a key is written back as a text that is taken as the same value. */
static void check_value(const struct setting *setting, struct slice text)
{
    struct settings a = {0}, b = {0};
    struct fault fault = FAULT_INIT;
    struct arena arena;
    struct buf out;

    arena_init(&arena, (size_t)64 << 20);
    buf_init(&out, (size_t)64 << 20);
    if (setting_parse(setting, text, &arena, &a, &fault) < 0) {
        check_fault(&fault);
    } else {
        setting_format(setting, &a, &out);
        if (setting_parse(setting, buf_slice(&out), &arena, &b, NULL) < 0 ||
            !setting_eq(setting, &a, &b))
            abort();
    }
    buf_fini(&out);
    arena_fini(&arena);
}

static void check_variable(struct slice text)
{
    struct settings values = {0};
    struct fault fault = FAULT_INIT;
    struct arena arena;
    char *variable = malloc(text.n + 1);
    char *environment[] = {variable, NULL};

    if (!variable)
        abort();
    if (text.n)
        memcpy(variable, text.p, text.n);
    variable[text.n] = '\0';
    arena_init(&arena, (size_t)64 << 20);
    if (settings_apply_environment(environment, &arena, &values, &fault) < 0)
        check_fault(&fault);
    arena_fini(&arena);
    free(variable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(size ? data : NULL, size);

    check_file(text);
    for (size_t i = 0; i < settings_table_n; i++)
        check_value(&settings_table[i], text);
    check_variable(text);
    return 0;
}
