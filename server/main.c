/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the program is a table of verbs. Those that work on a data directory are here; every
 * other one is a client's, of which cli/ has the table. Help and completion come from both tables,
 * so that a verb cannot be left out of them.
 */
#include "config.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "server/backup_verb.h"
#include "server/check_config.h"
#include "server/fsck_verb.h"
#include "server/restore_verb.h"
#include "server/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_help(int argc, char **argv);
static int run_version(int argc, char **argv);

static const struct cli_option serve_options[] = {
    {"config", 0, "FILE", "the configuration"},
    {"data", 0, "DIR", "the data directory, made when missing"},
    {"listen", 0, "ADDRESS:PORT", "where to listen"},
    {0},
};

static const struct cli_option check_config_options[] = {
    {"config", 0, "FILE", "the configuration"},
    {"dump-config", 0, NULL, "print every key with its value"},
    {"schema", 0, NULL, "print the JSON Schema of the configuration"},
    {0},
};

static const struct cli_option fsck_options[] = {
    {"config", 0, "FILE", "the configuration"},
    {"data", 0, "DIR", "the data directory"},
    {0},
};

static const struct cli_option backup_options[] = {
    {"config", 0, "FILE", "the configuration"},
    {"data", 0, "DIR", "the data directory"},
    {"quiet", 'q', NULL, "print no progress and no result"},
    {"to", 0, "DIR", "where the backup goes, made when missing"},
    {"verify", 0, NULL, "read again the blobs that earlier backups copied"},
    {0},
};

static const struct cli_option restore_options[] = {
    {"config", 0, "FILE", "the configuration"},
    {"data", 0, "DIR", "the data directory, empty or made when missing"},
    {"from", 0, "DIR", "the backup"},
    {"no-verify", 0, NULL, "do not recompute the digests of the blobs"},
    {"quiet", 'q', NULL, "print no progress and no result"},
    {0},
};

static const struct cli_process_verb verbs[] = {
    {{"serve", NULL, "serve a data directory", serve_options}, serve_run},
    {{"check-config", NULL, "check a configuration, print it or its schema", check_config_options},
     check_config_run},
    {{"fsck", NULL, "check a data directory, also while it is served", fsck_options},
     fsck_verb_run},
    {{"backup", NULL, "back up a data directory, also while it is served", backup_options},
     backup_verb_run},
    {{"restore", NULL, "make a data directory out of a backup", restore_options}, restore_verb_run},
    {{"help", NULL, "print this list", NULL}, run_help},
    {{"version", NULL, "print the version", NULL}, run_version},
};

static const struct cli_table table = {verbs, ARRAY_LENGTH(verbs)};

static int run_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    cli_print_help(&table, stdout);
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
static const struct cli_process_verb *find_verb(const char *name)
{
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        name = "help";
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++) {
        if (strcmp(verbs[i].usage.name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const struct cli_process_verb *verb;

    if (argc < 2) {
        cli_print_help(&table, stderr);
        return CLI_EXIT_USAGE;
    }
    verb = find_verb(argv[1]);
    if (!verb)
        return cli_run(&table, argc - 1, argv + 1);
    return verb->run(argc - 1, argv + 1);
}
