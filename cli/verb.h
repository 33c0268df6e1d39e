/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client verb is and what it gets. Each returns an error whose words are in the fault; the
 * caller prints them. ERR_INVALID is kept for mistakes on the command line (exit status 2). Main
 * thread only.
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "cli/cli.h"

struct cli_call {
    const struct cli_table *table;
    int argc; /* what is left of the options */
    char **argv;
    const char *server, *directory, *types, *repo;
    const char *user, *groups, *description, *expires, *verbs, *repositories, *account, *token_file;
    uint64_t after;
    bool json, quiet, force, follow;
    bool password_stdin, external, enable, disable, approve;
};

struct cli_verb {
    struct cli_usage usage;
    int (*run)(const struct cli_call *call, struct fault *fault);
    int least, most; /* arguments; most < 0: any number */
};

const struct cli_verb *cli_verbs(size_t *n);
const struct cli_verb *cli_find_verb(const char *name);

/* The page of one verb. */
void cli_print_usage(const struct cli_usage *usage, FILE *out);

/* Prints the words of a failure, without control characters. */
void cli_print_fault(const char *verb, const char *words);

/* Flushes standard output. ERR_IO when it could not be written, which a full disk does. */
int cli_flush(struct fault *fault) MUST_CHECK;

int push_run(const struct cli_call *call, struct fault *fault);
int pull_run(const struct cli_call *call, struct fault *fault);
int ls_run(const struct cli_call *call, struct fault *fault);
int show_run(const struct cli_call *call, struct fault *fault);
int tree_run(const struct cli_call *call, struct fault *fault);
int events_run(const struct cli_call *call, struct fault *fault);
int login_run(const struct cli_call *call, struct fault *fault);
int logout_run(const struct cli_call *call, struct fault *fault);
int whoami_run(const struct cli_call *call, struct fault *fault);
int user_run(const struct cli_call *call, struct fault *fault);
int group_run(const struct cli_call *call, struct fault *fault);
int robot_run(const struct cli_call *call, struct fault *fault);
int token_run(const struct cli_call *call, struct fault *fault);
int access_run(const struct cli_call *call, struct fault *fault);
int completion_run(const struct cli_call *call, struct fault *fault);

#endif
