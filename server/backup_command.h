/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs `backup` and `restore` have in common: their command line, and what they hand to
 * storage/backup.h. Main thread.
 */
#ifndef SERVER_BACKUP_COMMAND_H
#define SERVER_BACKUP_COMMAND_H

#include "server/backup_report.h"
#include "server/settings.h"

struct backup_arguments {
    const char *directory; /* the backup */
    bool has_flag, quiet;
};

struct backup_command {
    const char *verb;
    const char *directory, *directory_is; /* the option that names the backup; what to say of it */
    const char *flag;                     /* the option that is the verb's own */
    int (*run)(const struct backup_arguments *arguments, const struct settings *settings);
};

/* Reads the command line and the settings, and returns what `run` makes of them; 1 when the
 * settings are wrong, 2 when the command line is. */
int backup_command_main(const struct backup_command *command, int argc, char **argv);

/* With progress and damage told by `report`, which must outlive them. */
struct backup_options backup_command_options(const struct settings *settings,
                                             struct backup_report *report, bool verify);

#endif
