/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the program is a table of verbs. It finds the one named by the first argument, hands it
 * the rest, and prints the help from the same rows, so that a verb cannot be left out of it.
 */
#include "config.h"

#include "base/mem.h"
#include "server/check_config.h"
#include "server/fsck_verb.h"
#include "server/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

struct verb {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit status */
    const char *summary;
};

static int run_help(int argc, char **argv);
static int run_version(int argc, char **argv);

static const struct verb verbs[] = {
    {"serve", serve_run, "serve a data directory"},
    {"check-config", check_config_run, "check a configuration, print it or its schema"},
    {"fsck", fsck_verb_run, "check a data directory, also while it is served"},
    {"help", run_help, "print this list"},
    {"version", run_version, "print the version"},
};

static void print_help(FILE *out)
{
    fputs("Usage: tidemark VERB [OPTION]...\n\n", out);
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        fprintf(out, "  %-14s %s\n", verbs[i].name, verbs[i].summary);
}

static int run_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    print_help(stdout);
    return EXIT_SUCCESS;
}

static int run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("tidemark " PACKAGE_VERSION);
    return EXIT_SUCCESS;
}

/* `--help` and `--version` are what people try first. */
static const struct verb *find_verb(const char *name)
{
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        name = "help";
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const struct verb *verb;

    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    verb = find_verb(argv[1]);
    if (!verb) {
        fprintf(stderr, "tidemark: no verb '%s'; `tidemark help` lists them\n", argv[1]);
        return EXIT_USAGE;
    }
    return verb->run(argc - 1, argv + 1);
}
