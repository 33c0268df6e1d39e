/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/settings.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/settings_table.h"

#include <string.h>

/* ---- YAML ------------------------------------------------------------------------------------ */

static uint32_t code_point(struct slice s)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)s.p[0] & lead_bits[s.n];

    for (size_t i = 1; i < s.n; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
    return c;
}

/* In double quotes, and ASCII: some characters beyond it are line breaks to YAML, or not allowed.
 */
static void add_text(struct buf *out, struct slice text)
{
    buf_add_char(out, '"');
    while (text.n) {
        size_t length;

        if (!utf8_next(text, &length))
            buf_add(out, SLICE("\\uFFFD")); /* no text that was parsed has these */
        else if (length > 1)
            buf_addf(out, "\\U%08X", (unsigned)code_point(slice_sub(text, 0, length)));
        else if (text.p[0] == '"' || text.p[0] == '\\')
            buf_addf(out, "\\%c", text.p[0]);
        else
            buf_add_char(out, text.p[0]);
        text = slice_sub(text, length, SIZE_MAX);
    }
    buf_add_char(out, '"');
}

void settings_dump(const struct settings *settings, struct buf *out)
{
    const char *section = "";

    for (size_t i = 0; i < settings_table_n; i++) {
        const struct setting *setting = &settings_table[i];

        if (strcmp(section, setting->section) != 0) {
            section = setting->section;
            buf_addf(out, "%s:\n", section);
        }
        buf_addf(out, "  %s: ", setting->key);
        /* Choices too: to YAML 1.1 a bare off is false. */
        if (setting->type == SETTING_STRING || setting->type == SETTING_CHOICE) {
            struct buf text;

            buf_init(&text, out->max);
            setting_format(setting, settings, &text);
            add_text(out, buf_slice(&text));
            out->overflow = out->overflow || text.overflow;
            buf_fini(&text);
        } else {
            setting_format(setting, settings, out);
        }
        buf_add_char(out, '\n');
    }
}

/* ---- JSON Schema ----------------------------------------------------------------------------- */

static void add_member(struct json_writer *w, const char *name, struct slice text)
{
    json_name(w, slice_from_cstr(name));
    json_string(w, text);
}

/* Numbers as they are written in the file. */
static void add_default(struct json_writer *w, const struct setting *setting)
{
    char memory[32];
    struct buf text = {.p = memory, .cap = sizeof(memory) - 1, .max = sizeof(memory) - 1};

    json_name(w, SLICE("default"));
    switch (setting->type) {
    case SETTING_STRING:
    case SETTING_CHOICE:
        json_string(w, slice_from_cstr(setting->text));
        break;
    case SETTING_BOOL:
        json_bool(w, setting->value != 0);
        break;
    case SETTING_COUNT:
        json_u64(w, setting->value);
        break;
    case SETTING_SIZE:
    case SETTING_TIME:
        setting_format_number(setting->type, setting->value, &text);
        json_string(w, buf_slice(&text));
        break;
    }
}

static void add_range(struct json_writer *w, const struct setting *setting)
{
    add_member(w, "type", SLICE("integer"));
    json_name(w, SLICE("minimum"));
    json_u64(w, setting->min);
    json_name(w, SLICE("maximum"));
    json_u64(w, setting->max);
}

/* A plain number of bytes, or a text with a unit. */
static void add_size(struct json_writer *w, const struct setting *setting)
{
    json_name(w, SLICE("oneOf"));
    json_array_begin(w);
    json_object_begin(w);
    add_range(w, setting);
    json_object_end(w);
    json_object_begin(w);
    add_member(w, "type", SLICE("string"));
    add_member(w, "pattern", SLICE("^[0-9]+([KMGT]iB)?$"));
    json_object_end(w);
    json_array_end(w);
}

static void add_choices(struct json_writer *w, const struct setting *setting)
{
    struct slice rest = slice_from_cstr(setting->choices);
    struct slice choice;

    json_name(w, SLICE("enum"));
    json_array_begin(w);
    while (slice_split(&rest, '|', &choice))
        json_string(w, choice);
    json_array_end(w);
}

static void add_type(struct json_writer *w, const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_STRING:
        add_member(w, "type", SLICE("string"));
        add_member(w, "pattern", SLICE("^[^\\u0000-\\u001f\\u007f-\\u009f]+$"));
        break;
    case SETTING_BOOL:
        add_member(w, "type", SLICE("boolean"));
        break;
    case SETTING_COUNT:
        add_range(w, setting);
        break;
    case SETTING_SIZE:
        add_size(w, setting);
        break;
    case SETTING_TIME:
        add_member(w, "type", SLICE("string"));
        add_member(w, "pattern", SLICE("^[0-9]+(ms|s|m|h|d)$"));
        break;
    case SETTING_CHOICE:
        add_choices(w, setting);
        break;
    }
}

static void add_key(struct json_writer *w, const struct setting *setting)
{
    json_name(w, slice_from_cstr(setting->key));
    json_object_begin(w);
    add_member(w, "description", slice_from_cstr(setting->help));
    add_type(w, setting);
    add_default(w, setting);
    json_name(w, SLICE("x-reloadable"));
    json_bool(w, setting->is_reloadable);
    json_object_end(w);
}

/* A section whose keys are all commented out is null. */
static void begin_section(struct json_writer *w, const char *section)
{
    json_name(w, slice_from_cstr(section));
    json_object_begin(w);
    json_name(w, SLICE("type"));
    json_raw(w, SLICE("[\"object\",\"null\"]"));
    json_name(w, SLICE("additionalProperties"));
    json_bool(w, false);
    json_name(w, SLICE("properties"));
    json_object_begin(w);
}

static void end_section(struct json_writer *w)
{
    json_object_end(w);
    json_object_end(w);
}

void settings_schema(struct buf *out)
{
    const char *section = NULL;
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    add_member(&w, "$schema", SLICE("https://json-schema.org/draft/2020-12/schema"));
    add_member(&w, "title", SLICE("tidemark.yaml"));
    json_name(&w, SLICE("type"));
    json_raw(&w, SLICE("[\"object\",\"null\"]"));
    json_name(&w, SLICE("additionalProperties"));
    json_bool(&w, false);
    json_name(&w, SLICE("properties"));
    json_object_begin(&w);
    for (size_t i = 0; i < settings_table_n; i++) {
        if (!section || strcmp(section, settings_table[i].section) != 0) {
            if (section)
                end_section(&w);
            section = settings_table[i].section;
            begin_section(&w, section);
        }
        add_key(&w, &settings_table[i]);
    }
    end_section(&w);
    json_object_end(&w);
    json_object_end(&w);
}
