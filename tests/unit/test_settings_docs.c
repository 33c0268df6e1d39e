/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people read about the configuration agrees with server/config.def: the manual page names
 * every key, with its type, default, range and whether SIGHUP takes it, and nothing else; the
 * example file shows every key at its default.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/mem.h"
#include "server/settings_parse.h"
#include "server/settings_table.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>

#define ITEM ".It Ic "

/* A file of the source tree; free() it. */
static char *read_source(const char *name)
{
    const char *top = getenv("TOP_SRCDIR");
    char path[4096], part[4096];
    struct buf out;
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
    file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    buf_init(&out, SETTINGS_FILE_MAX_BYTES);
    while ((n = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(&out, slice_make(part, n));
    fclose(file);
    CU_ASSERT_FALSE(out.overflow);
    buf_add_char(&out, '\0');
    return buf_take(&out, NULL);
}

static void add_default(struct buf *out, const struct setting *setting)
{
    if (setting->text)
        buf_add(out, setting->text[0] != '\0' ? slice_from_cstr(setting->text) : SLICE("empty"));
    else if (setting->type == SETTING_BOOL)
        buf_add(out, setting->value ? SLICE("true") : SLICE("false"));
    else
        setting_format_number(setting->type, setting->value, out);
}

static void add_range(struct buf *out, const struct setting *setting)
{
    struct slice rest = slice_from_cstr(setting->choices);
    struct slice choice;

    if (setting->max > 1) {
        buf_add(out, SLICE("; "));
        setting_format_number(setting->type, setting->min, out);
        buf_add(out, SLICE(" to "));
        setting_format_number(setting->type, setting->max, out);
    }
    for (const char *comma = "; "; slice_split(&rest, '|', &choice); comma = ", ")
        buf_addf(out, "%s" SLICE_FMT, comma, SLICE_ARG(choice));
}

/* The two lines that begin the key in the page. */
static void add_item(struct buf *out, const struct setting *setting)
{
    static const char *const types[] = {
        [SETTING_STRING] = "text", [SETTING_BOOL] = "boolean", [SETTING_COUNT] = "number",
        [SETTING_SIZE] = "size",   [SETTING_TIME] = "time",    [SETTING_CHOICE] = "choice",
    };

    buf_addf(out, "\n" ITEM "%s\n.Pq %s; default ", setting->name, types[setting->type]);
    add_default(out, setting);
    add_range(out, setting);
    buf_addf(out, "; %s\n", setting->is_reloadable ? "reload" : "restart");
}

static void test_page(void)
{
    char *page = read_source("docs/tidemark.yaml.5");
    size_t items = 0;
    struct buf item;

    buf_init(&item, 4096);
    for (size_t i = 0; i < settings_table_n; i++) {
        const char *found;

        buf_reset(&item);
        add_item(&item, &settings_table[i]);
        buf_add_char(&item, '\0');
        found = strstr(page, item.p);
        CU_ASSERT_PTR_NOT_NULL(found);
        if (!found)
            printf("# missing in docs/tidemark.yaml.5:%s", item.p);
        else
            CU_ASSERT_NOT_EQUAL(found[item.n - 1], '.'); /* a sentence about the key follows */
    }
    for (const char *at = page; (at = strstr(at, "\n" ITEM)); at++)
        items++;
    CU_ASSERT_EQUAL(items, settings_table_n);
    buf_fini(&item);
    free(page);
}

static void check_defaults(const char *text)
{
    const struct settings *defaults, *settings;
    struct fault fault = FAULT_INIT;

    CU_ASSERT_EQUAL(settings_load_text(SLICE(""), "f", &defaults, NULL), 0);
    CU_ASSERT_EQUAL(
        settings_load_text(slice_from_cstr(text), "conf/tidemark.yaml", &settings, &fault), 0);
    if (!settings)
        printf("# %s\n", fault.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    for (size_t i = 0; i < settings_table_n; i++) {
        CU_ASSERT_TRUE(setting_eq(&settings_table[i], defaults, settings));
        if (!setting_eq(&settings_table[i], defaults, settings))
            printf("# %s has another default\n", settings_table[i].name);
    }
    settings_unref(defaults);
    settings_unref(settings);
}

/* "  #key: value" is a key commented out, "  # words" a comment. Returns the number of keys. */
static size_t uncomment_keys(char *text)
{
    size_t keys = 0;

    for (char *at = text; (at = strstr(at, "\n  #")); at++) {
        if (at[4] == ' ')
            continue;
        at[3] = ' ';
        keys++;
    }
    return keys;
}

/* Each key is there: their number is right, each is known, and none may be there twice. */
static void test_example(void)
{
    char *example = read_source("conf/tidemark.yaml");

    check_defaults(example);
    CU_ASSERT_EQUAL(uncomment_keys(example), settings_table_n);
    check_defaults(example);
    free(example);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("settings_docs", NULL, NULL);

    CU_add_test(suite, "the manual page has every key as it is", test_page);
    CU_add_test(suite, "the example has every key at its default", test_example);
}
