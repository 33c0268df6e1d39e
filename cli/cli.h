/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client verbs, and the help of all verbs: what there is stands in tables, from which the
 * parsing of options, the help and the completion of shells come. The verbs that are processes of
 * their own (serve, fsck, ...) are described by main, in the same form. Main thread only.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CLI_EXIT_USAGE 2

struct cli_option {
    const char *name;     /* without dashes; NULL ends a list */
    char letter;          /* or 0 */
    const char *argument; /* NULL: none. "FILE" and "DIR" complete to paths, "a|b" to its words */
    const char *help;
};

struct cli_usage {
    const char *name;
    const char *arguments; /* "FILE... REF"; NULL: none */
    const char *summary;
    const struct cli_option *options; /* NULL: none */
};

struct cli_process_verb {
    struct cli_usage usage;
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit status */
};

/* All verbs that main knows. */
struct cli_table {
    const struct cli_process_verb *verbs;
    size_t n;
};

/* The list of all verbs. */
void cli_print_help(const struct cli_table *table, FILE *out);

/* Runs the client verb argv[0]; returns the exit status: 0, 1 for a failure, 2 for a mistake on
 * the command line, an unknown verb included. */
int cli_run(const struct cli_table *table, int argc, char **argv);

#endif
