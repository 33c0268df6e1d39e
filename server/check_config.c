/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/check_config.h"

#include "base/buf.h"
#include "server/open_store.h"
#include "server/settings.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_INVALID     1
#define EXIT_USAGE       2

#define OUTPUT_MAX_BYTES ((size_t)4 << 20)

enum action { ACTION_CHECK, ACTION_DUMP, ACTION_SCHEMA, ACTION_HELP };

struct options {
    const char *file; /* NULL: the usual one, if it is there */
    enum action action;
};

#define USAGE_FORMAT                                                                               \
    "Usage: tidemark check-config [--config FILE] [--dump-config | --schema]\n"                    \
    "\n"                                                                                           \
    "  -c, --config FILE   check FILE, not %s\n"                                                   \
    "  -d, --dump-config   print every key with the value it has, as YAML\n"                       \
    "  -s, --schema        print the JSON Schema of the file, and check nothing\n"                 \
    "  -h, --help          print this\n"                                                           \
    "\n"                                                                                           \
    "Environment variables TIDEMARK_<SECTION>_<KEY> count as they do for `tidemark serve`.\n"      \
    "Exit status: 0 valid, 1 invalid, 2 wrong usage. Keys: tidemark.yaml(5).\n"

/* False when an action was already chosen. */
static bool choose(struct options *options, enum action action)
{
    if (options->action != ACTION_CHECK && options->action != action) {
        fputs("tidemark check-config: --dump-config and --schema exclude each other\n", stderr);
        return false;
    }
    options->action = action;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"dump-config", no_argument, NULL, 'd'},
        {"schema", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool is_good = true;
    int c;

    optind = 0; /* glibc: start over, whatever was parsed before */
    while (is_good && (c = getopt_long(argc, argv, "c:dsh", known, NULL)) != -1) {
        switch (c) {
        case 'c':
            options->file = optarg;
            break;
        case 'd':
            is_good = choose(options, ACTION_DUMP);
            break;
        case 's':
            is_good = choose(options, ACTION_SCHEMA);
            break;
        case 'h':
            options->action = ACTION_HELP;
            return true;
        default: /* getopt_long has said what is wrong */
            is_good = false;
            break;
        }
    }
    if (is_good && optind < argc) {
        fprintf(stderr, "tidemark check-config: '%s' is too much; did you mean --config %s?\n",
                argv[optind], argv[optind]);
        is_good = false;
    }
    return is_good;
}

/* A full disk or a closed pipe must not look like a complete document. */
static int print(const struct buf *text)
{
    if (text->overflow) {
        fputs("tidemark check-config: out of memory\n", stderr);
        return EXIT_INVALID;
    }
    if (fwrite(text->p, 1, text->n, stdout) != text->n || fflush(stdout) != 0) {
        fputs("tidemark check-config: standard output could not be written\n", stderr);
        return EXIT_INVALID;
    }
    return EXIT_SUCCESS;
}

static int print_usage(void)
{
    struct buf out;
    int status;

    buf_init(&out, OUTPUT_MAX_BYTES);
    buf_addf(&out, USAGE_FORMAT, TIDEMARK_CONFIG_FILE);
    status = print(&out);
    buf_fini(&out);
    return status;
}

static int print_schema(void)
{
    struct buf out;
    int status;

    buf_init(&out, OUTPUT_MAX_BYTES);
    settings_schema(&out);
    buf_add_char(&out, '\n');
    status = print(&out);
    buf_fini(&out);
    return status;
}

static int check(const struct options *options)
{
    const char *file = config_path(options->file);
    const struct settings *settings;
    struct fault fault = FAULT_INIT;
    struct buf out;
    int status;

    if (settings_load(file, NULL, &settings, &fault) < 0) {
        fprintf(stderr, "%s\n", fault_text(&fault, ERR_CONFIG));
        return EXIT_INVALID;
    }
    buf_init(&out, OUTPUT_MAX_BYTES);
    if (options->action == ACTION_DUMP)
        settings_dump(settings, &out);
    else
        buf_addf(&out, "%s: valid\n", file ? file : "defaults and environment");
    status = print(&out);
    buf_fini(&out);
    settings_unref(settings);
    return status;
}

int check_config_run(int argc, char **argv)
{
    struct options options = {.action = ACTION_CHECK};

    if (!parse_options(argc, argv, &options)) {
        fputs("Try `tidemark check-config --help`.\n", stderr);
        return EXIT_USAGE;
    }
    switch (options.action) {
    case ACTION_HELP:
        return print_usage();
    case ACTION_SCHEMA:
        return print_schema();
    case ACTION_CHECK:
    case ACTION_DUMP:
        break;
    }
    return check(&options);
}
