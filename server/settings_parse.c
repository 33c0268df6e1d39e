/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the file has two levels, sections and keys. Whatever is not in the table is refused with
 * the place and the name that was probably meant: a key that is silently ignored is one that
 * somebody relies on. For the same reason a variable TIDEMARK_<SECTION>_... with an unknown key is
 * refused. The exception are the variables which Kubernetes sets in every container for a service
 * that happens to be called "tidemark-<section>".
 */
#include "config.h"
#include "server/settings_parse.h"

#include "base/utf8.h"
#include "base/yaml.h"
#include "server/settings_table.h"

#include <stdio.h>

#define NAME_MAX_BYTES  64
#define TREE_MAX_BYTES  ((size_t)32 << 20)
#define VARIABLE_PREFIX "TIDEMARK_"
#define VARIABLE_MAX    80

struct parse {
    const char *file;
    struct arena *arena;
    struct settings *values;
    struct fault *fault;
};

/* A name for a message: short, and nothing in it that a terminal would obey. */
static const char *printable(struct slice name, char out[NAME_MAX_BYTES])
{
    struct slice part = slice_sub(name, 0, NAME_MAX_BYTES - 1);

    part.n = utf8_valid_prefix(part);
    for (size_t i = 0; i < part.n; i++)
        out[i] = (unsigned char)part.p[i] < ' ' || part.p[i] == 0x7f ? '?' : part.p[i];
    out[part.n] = '\0';
    return out;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* "server.listen: x", or "listen: x": keys outside their section. */
static const char *find_misplaced(const struct yaml *node)
{
    struct slice section = slice_sub(node->key, 0, slice_find_char(node->key, '.'));
    const struct setting *setting =
        setting_find(section, slice_sub(node->key, section.n + 1, SIZE_MAX));

    if (setting)
        return setting->name;
    return node->type == YAML_SCALAR && node->key.n ? setting_find_similar(SLICE(""), node->key)
                                                    : NULL;
}

static int fail_unknown_section(const struct parse *p, const struct yaml *node)
{
    const char *misplaced = find_misplaced(node);
    const char *similar = setting_find_similar(node->key, SLICE(""));
    char name[NAME_MAX_BYTES];

    printable(node->key, name);
    if (misplaced)
        return fault_set(
            p->fault, ERR_CONFIG,
            "%s:%d:%d: unknown section '%s'; did you mean '%s'? A key stands below its "
            "section, on a line of its own",
            p->file, node->key_line, node->key_column, name, misplaced);
    return fault_set(p->fault, ERR_CONFIG, "%s:%d:%d: unknown section '%s'%s%s%s", p->file,
                     node->key_line, node->key_column, name, similar ? "; did you mean '" : "",
                     similar ? similar : "", similar ? "'?" : "");
}

static int fail_unknown_key(const struct parse *p, struct slice section, const struct yaml *node)
{
    const char *similar = setting_find_similar(section, node->key);
    char name[NAME_MAX_BYTES];

    return fault_set(p->fault, ERR_CONFIG, "%s:%d:%d: unknown key '" SLICE_FMT ".%s'%s%s%s",
                     p->file, node->key_line, node->key_column, SLICE_ARG(section),
                     printable(node->key, name), similar ? "; did you mean '" : "",
                     similar ? similar : "", similar ? "'?" : "");
}

/* YAML's ways of saying nothing. */
static bool is_null(const struct yaml *node)
{
    return node->type == YAML_SCALAR && !node->quoted &&
           (node->text.n == 0 || slice_eq(node->text, SLICE("~")) ||
            slice_eq(node->text, SLICE("null")));
}

static int fail_value(const struct parse *p, const struct setting *setting, const struct yaml *node,
                      const char *why)
{
    return fault_set(p->fault, ERR_CONFIG, "%s:%d:%d: %s %s", p->file, node->line, node->column,
                     setting->name, why);
}

static int apply_value(const struct parse *p, const struct setting *setting,
                       const struct yaml *node)
{
    struct fault why = FAULT_INIT;

    if (node->type == YAML_SEQUENCE)
        return fail_value(p, setting, node,
                          setting->type == SETTING_STRING
                              ? "must be one text, not a list (separate by commas within it)"
                              : "must be one value, not a list");
    if (node->type == YAML_MAPPING)
        return fail_value(p, setting, node, "must be one value, not a section");
    if (is_null(node))
        return fail_value(p, setting, node, "has no value; leave out the key for the default");
    if (node->quoted && setting->type == SETTING_COUNT)
        return fail_value(p, setting, node, "must be a whole number, not text in quotes");
    if (node->quoted && setting->type == SETTING_BOOL)
        return fail_value(p, setting, node, "must be true or false, not text in quotes");
    if (setting_parse(setting, node->text, p->arena, p->values, &why) < 0)
        return fail_value(p, setting, node, why.text);
    return 0;
}

static int apply_section(const struct parse *p, const struct yaml *section)
{
    int err = 0;

    if (!setting_has_section(section->key))
        return fail_unknown_section(p, section);
    if (is_null(section)) /* all its keys are commented out */
        return 0;
    if (section->type != YAML_MAPPING)
        return fault_set(p->fault, ERR_CONFIG,
                         "%s:%d:%d: the section '" SLICE_FMT "' must have keys below it", p->file,
                         section->line, section->column, SLICE_ARG(section->key));
    for (const struct yaml *node = section->first; node && err == 0; node = node->next) {
        const struct setting *setting = setting_find(section->key, node->key);

        err = setting ? apply_value(p, setting, node) : fail_unknown_key(p, section->key, node);
    }
    return err;
}

static int apply_tree(const struct parse *p, const struct yaml *root)
{
    int err = 0;

    if (root->type != YAML_MAPPING)
        return fault_set(p->fault, ERR_CONFIG,
                         "%s:%d:%d: the file must have sections ('server:') with keys below them",
                         p->file, root->line, root->column);
    for (const struct yaml *section = root->first; section && err == 0; section = section->next)
        err = apply_section(p, section);
    return err;
}

int settings_apply_text(struct slice text, const char *name, struct arena *arena,
                        struct settings *values, struct fault *fault)
{
    const struct parse parse = {name, arena, values, fault};
    struct fault why = FAULT_INIT;
    struct arena tree;
    struct yaml *root;
    int err;

    arena_init(&tree, TREE_MAX_BYTES);
    if (yaml_parse(&tree, text, &root, &why) < 0) {
        bool has_place = why.text[0] >= '0' && why.text[0] <= '9';

        err = fault_set(fault, ERR_CONFIG, "%s:%s%s", name, has_place ? "" : " ", why.text);
    } else {
        err = apply_tree(&parse, root);
    }
    arena_fini(&tree);
    return err;
}

/* ---- The environment ------------------------------------------------------------------------- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* "server.listen" becomes TIDEMARK_SERVER_LISTEN. */
static struct slice variable_name(const char *name, char out[VARIABLE_MAX])
{
    int n = snprintf(out, VARIABLE_MAX, VARIABLE_PREFIX "%s", name);

    for (int i = (int)sizeof(VARIABLE_PREFIX) - 1; i < n; i++)
        out[i] = out[i] == '.' ? '_' : upper(out[i]);
    return slice_make(out, (size_t)n);
}

static const struct setting *find_variable(struct slice variable)
{
    char name[VARIABLE_MAX];

    for (size_t i = 0; i < settings_table_n; i++) {
        if (slice_eq(variable, variable_name(settings_table[i].name, name)))
            return &settings_table[i];
    }
    return NULL;
}

/* The section whose name, and '_', the variable starts with; and what follows, in lower case. */
static bool split_variable(struct slice variable, struct slice *section, char key[NAME_MAX_BYTES])
{
    char name[VARIABLE_MAX];
    size_t n = 0;

    for (size_t i = 0; i < settings_table_n; i++) {
        struct slice prefix = variable_name(settings_table[i].section, name);

        if (variable.n <= prefix.n || !slice_starts_with(variable, prefix) ||
            variable.p[prefix.n] != '_')
            continue;
        *section = slice_from_cstr(settings_table[i].section);
        variable = slice_sub(variable, prefix.n + 1, NAME_MAX_BYTES - 1);
        for (; n < variable.n; n++)
            key[n] = variable.p[n] >= 'A' && variable.p[n] <= 'Z'
                         ? (char)(variable.p[n] - 'A' + 'a')
                         : variable.p[n];
        key[n] = '\0';
        return true;
    }
    return false;
}

/* What Kubernetes sets for a service: ..._SERVICE_HOST, ..._SERVICE_PORT[_NAME], and ..._PORT[...],
 * whose values are URLs or parts of one. */
static bool is_service_link(const char *key, struct slice value)
{
    struct slice name = slice_from_cstr(key);

    if (slice_eq(name, SLICE("service_host")) || slice_eq(name, SLICE("service_port")) ||
        slice_starts_with(name, SLICE("service_port_")))
        return true;
    if (slice_eq(name, SLICE("port")))
        return slice_starts_with(value, SLICE("tcp://")) ||
               slice_starts_with(value, SLICE("udp://"));
    return slice_starts_with(name, SLICE("port_"));
}

static int refuse_variable(struct slice variable, struct slice value, struct fault *fault)
{
    char key[NAME_MAX_BYTES], name[NAME_MAX_BYTES], suggestion[VARIABLE_MAX];
    struct slice section;
    const char *similar;

    if (!split_variable(variable, &section, key) || is_service_link(key, value))
        return 0;
    similar = setting_find_similar(section, slice_from_cstr(key));
    if (similar)
        variable_name(similar, suggestion);
    return fault_set(
        fault, ERR_CONFIG,
        "environment variable '%s': there is no key '%s' in the section '" SLICE_FMT "'%s%s%s",
        printable(variable, name), printable(slice_from_cstr(key), key), SLICE_ARG(section),
        similar ? "; did you mean '" : "", similar ? suggestion : "", similar ? "'?" : "");
}

int settings_apply_environment(char *const *environment, struct arena *arena,
                               struct settings *values, struct fault *fault)
{
    int err = 0;

    for (; *environment && err == 0; environment++) {
        struct slice value = slice_from_cstr(*environment);
        struct slice variable = slice_sub(value, 0, slice_find_char(value, '='));
        const struct setting *setting;
        struct fault why = FAULT_INIT;

        if (!slice_starts_with(variable, SLICE(VARIABLE_PREFIX)))
            continue;
        value = slice_sub(value, variable.n + 1, SIZE_MAX);
        setting = find_variable(variable);
        if (!setting)
            err = refuse_variable(variable, value, fault);
        else if (setting_parse(setting, value, arena, values, &why) < 0)
            err = fault_set(fault, ERR_CONFIG, "environment variable " SLICE_FMT ": %s %s",
                            SLICE_ARG(variable), setting->name, why.text);
    }
    return err;
}
