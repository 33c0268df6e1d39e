/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/backup_command.h"

#include "base/clock.h"
#include "server/open_store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2

struct line {
    const char *config;
    struct settings_overrides overrides;
    struct backup_arguments arguments;
};

static int parse(const struct backup_command *command, int argc, char **argv, struct line *line)
{
    const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"data", required_argument, NULL, 'd'},
        {"quiet", no_argument, NULL, 'q'},
        {command->directory, required_argument, NULL, 'b'},
        {command->flag, no_argument, NULL, 'f'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "q", options, NULL)) != -1) {
        if (option == 'c')
            line->config = optarg;
        else if (option == 'd')
            line->overrides.data = optarg;
        else if (option == 'q')
            line->arguments.quiet = true;
        else if (option == 'b')
            line->arguments.directory = optarg;
        else if (option == 'f')
            line->arguments.has_flag = true;
        else
            return EXIT_USAGE;
    }
    if (optind < argc)
        fprintf(stderr, "tidemark %s: '%s' is one word too many\n", command->verb, argv[optind]);
    else if (line->arguments.directory == NULL)
        fprintf(stderr, "tidemark %s: --%s DIR is missing: %s\n", command->verb, command->directory,
                command->directory_is);
    return optind < argc || line->arguments.directory == NULL ? EXIT_USAGE : 0;
}

int backup_command_main(const struct backup_command *command, int argc, char **argv)
{
    struct line line = {0};
    const struct settings *settings;
    struct fault fault = FAULT_INIT;

    int status = parse(command, argc, argv, &line);
    if (status != 0)
        return status;
    int err = load_settings(line.config, &line.overrides, &settings, &fault);
    if (err != 0) {
        fprintf(stderr, "tidemark: %s\n", fault_text(&fault, err));
        return EXIT_FAILURE;
    }
    status = command->run(&line.arguments, settings);
    settings_unref(settings);
    return status;
}

struct backup_options backup_command_options(const struct settings *settings,
                                             struct backup_report *report, bool verify)
{
    return (struct backup_options){
        .version = PACKAGE_VERSION,
        .begun_ms = clock_wall_ms(),
        .verify = verify,
        .map_size_bytes = settings->index_map_size_bytes,
        .progress = backup_report_progress,
        .damaged = backup_report_damaged,
        .arg = report,
    };
}
