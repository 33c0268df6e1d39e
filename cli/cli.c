/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a verb's options are a list in its row of the table. getopt_long gets them from there,
 * and apply() knows what each name means, whichever verb takes it; so an option is described once
 * and means the same everywhere.
 */
#include "config.h"
#include "cli/cli.h"

#include "base/fetch.h"
#include "base/mem.h"
#include "base/slice.h"
#include "cli/text.h"
#include "cli/verb.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 16

#define COMMON_OPTIONS                                                                             \
    {"server", 0, "URL", "the registry, in place of TIDEMARK_SERVER or http://127.0.0.1:5000"},    \
        {"output", 0, "text|json", "what to print: for people, or one JSON document"},             \
        {"quiet", 'q', NULL, "print no progress and only what a script needs"},                    \
        {"help", 'h', NULL, "print this"},                                                         \
    {                                                                                              \
        NULL, 0, NULL, NULL                                                                        \
    }

static const struct cli_option common_options[] = {COMMON_OPTIONS};

static const struct cli_option pull_options[] = {
    {"directory", 'o', "DIR", "where the files go, in place of the current folder"},
    {"force", 0, NULL, "replace files that are there and differ"},
    COMMON_OPTIONS,
};

static const struct cli_option events_options[] = {
    {"follow", 'f', NULL, "wait for more, until interrupted"},
    {"after", 0, "NUMBER", "only events after this one"},
    {"types", 0, "TYPE,...", "only events of these types"},
    {"repo", 0, "REPO", "only events of this repository"},
    COMMON_OPTIONS,
};

static const struct cli_option login_options[] = {
    {"user", 'u', "NAME", "who; asked for when it is missing"},
    {"password-stdin", 0, NULL, "read the password or token from standard input"},
    COMMON_OPTIONS,
};

static const struct cli_option user_options[] = {
    {"groups", 0, "NAME,...", "the groups it is in, in place of those before"},
    {"description", 0, "TEXT", "what it is for"},
    {"password-stdin", 0, NULL, "read the new password from standard input"},
    {"external", 0, NULL, "the password is in the htpasswd file of the registry"},
    {"disable", 0, NULL, "let nobody log in as it"},
    {"enable", 0, NULL, "the opposite"},
    {"token-file", 0, "FILE", "add the first one with the token that a first start wrote there"},
    COMMON_OPTIONS,
};

static const struct cli_option group_options[] = {
    {"description", 0, "TEXT", "what it is for"},
    COMMON_OPTIONS,
};

static const struct cli_option robot_options[] = {
    {"groups", 0, "NAME,...", "the groups it is in, in place of those before"},
    {"description", 0, "TEXT", "what it is for"},
    {"expires", 0, "TIME", "how long the secret lives: 90d, 12h, never"},
    {"verbs", 0, "VERB,...", "the secret is good for these verbs only"},
    {"repositories", 0, "GLOB,...", "the secret is good in these repositories only"},
    {"disable", 0, NULL, "let nobody log in as it"},
    {"enable", 0, NULL, "the opposite"},
    COMMON_OPTIONS,
};

static const struct cli_option token_options[] = {
    {"description", 0, "TEXT", "what it is for"},
    {"expires", 0, "TIME", "how long it lives: 90d, 12h, never"},
    {"verbs", 0, "VERB,...", "it is good for these verbs only"},
    {"repositories", 0, "GLOB,...", "it is good in these repositories only"},
    {"approve", 0, NULL, "it may approve, for at most 12 hours"},
    {"account", 0, "NAME", "list the tokens of somebody else"},
    COMMON_OPTIONS,
};

static const struct cli_option completion_options[] = {
    {"help", 'h', NULL, "print this"},
    {NULL, 0, NULL, NULL},
};

static const struct cli_verb verbs[] = {
    {{"push", "FILE... REF", "push files as one artifact and tag it", common_options},
     push_run,
     2,
     -1},
    {{"pull", "REF", "pull the files of an artifact", pull_options}, pull_run, 1, 1},
    {{"ls", "[REPO]", "list the repositories, or the tags of one", common_options}, ls_run, 0, 1},
    {{"show", "REF", "show what a tag or digest names", common_options}, show_run, 1, 1},
    {{"tree", "REF", "show what refers to it: signatures, bills of material", common_options},
     tree_run,
     1,
     1},
    {{"events", NULL, "print what happened, oldest first", events_options}, events_run, 0, 0},
    {{"login", "[SERVER]", "store a user and a password or token for a registry", login_options},
     login_run,
     0,
     1},
    {{"logout", "[SERVER]", "forget them", common_options}, logout_run, 0, 1},
    {{"whoami", NULL, "print who you are for the registry, and what you may do", common_options},
     whoami_run,
     0,
     0},
    {{"user", "list|show|add|change|password|delete [NAME]", "the people of the registry",
      user_options},
     user_run,
     1,
     2},
    {{"group", "list|add|delete [NAME]", "the groups of the registry", group_options},
     group_run,
     1,
     2},
    {{"robot", "list|show|add|rotate|change|revoke|delete [NAME]", "accounts of programs",
      robot_options},
     robot_run,
     1,
     2},
    {{"token", "list|create|revoke [ID]", "your own access tokens", token_options},
     token_run,
     1,
     2},
    {{"access", "show|apply|explain [ARGUMENT]...", "the policy: who may do what", common_options},
     access_run,
     1,
     4},
    {{"completion", "bash|zsh", "print the completion for a shell", completion_options},
     completion_run,
     1,
     1},
};

const struct cli_verb *cli_verbs(size_t *n)
{
    *n = ARRAY_LENGTH(verbs);
    return verbs;
}

const struct cli_verb *cli_find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(verbs); i++)
        if (strcmp(verbs[i].usage.name, name) == 0)
            return &verbs[i];
    return NULL;
}

int cli_flush(struct fault *fault)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return fault_set_errno(fault, errno, "writing to standard output");
}

/* ---- Options ----------------------------------------------------------------------------------
 */

static int usage_error(const char *verb, const char *words, const char *word)
{
    fprintf(stderr, "tidemark %s: ", verb);
    fprintf(stderr, "%s%s%s\n", word ? word : "", word ? ": " : "", words);
    fprintf(stderr, "  `tidemark %s --help` says how it is used.\n", verb);
    return ERR_INVALID;
}

/* Those of the verbs about accounts. */
static void apply_account(struct cli_call *call, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        bool *flag;
    } all[] = {
        {"user", &call->user, NULL},
        {"groups", &call->groups, NULL},
        {"description", &call->description, NULL},
        {"expires", &call->expires, NULL},
        {"verbs", &call->verbs, NULL},
        {"repositories", &call->repositories, NULL},
        {"account", &call->account, NULL},
        {"token-file", &call->token_file, NULL},
        {"password-stdin", NULL, &call->password_stdin},
        {"external", NULL, &call->external},
        {"enable", NULL, &call->enable},
        {"disable", NULL, &call->disable},
        {"approve", NULL, &call->approve},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        if (strcmp(all[i].name, name) != 0)
            continue;
        if (all[i].text)
            *all[i].text = value;
        else
            *all[i].flag = true;
    }
}

static int apply(struct cli_call *call, const char *verb, const char *name, const char *value)
{
    if (strcmp(name, "server") == 0) {
        call->server = value;
    } else if (strcmp(name, "output") == 0) {
        call->json = strcmp(value, "json") == 0;
        if (!call->json && strcmp(value, "text") != 0)
            return usage_error(verb, "the output is text or json", value);
    } else if (strcmp(name, "quiet") == 0) {
        call->quiet = true;
    } else if (strcmp(name, "directory") == 0) {
        call->directory = value;
    } else if (strcmp(name, "force") == 0) {
        call->force = true;
    } else if (strcmp(name, "follow") == 0) {
        call->follow = true;
    } else if (strcmp(name, "after") == 0) {
        if (!slice_parse_u64(slice_from_cstr(value), &call->after))
            return usage_error(verb, "the number of an event is written with digits", value);
    } else if (strcmp(name, "types") == 0) {
        call->types = value;
    } else if (strcmp(name, "repo") == 0) {
        call->repo = value;
    } else {
        apply_account(call, name, value);
    }
    return 0;
}

/* getopt's table, and its letters, from ours. A value is the index of the option + 1. */
static void make_getopt(const struct cli_option *options, struct option longs[OPTIONS_MAX + 1],
                        char letters[2 * OPTIONS_MAX + 1])
{
    size_t at = 0, n = 0;

    for (; n < OPTIONS_MAX && options[n].name; n++) {
        longs[n] =
            (struct option){options[n].name, options[n].argument ? required_argument : no_argument,
                            NULL, (int)n + 1};
        if (options[n].letter == 0)
            continue;
        letters[at++] = options[n].letter;
        if (options[n].argument)
            letters[at++] = ':';
    }
    longs[n] = (struct option){0};
    letters[at] = '\0';
}

static const struct cli_option *find_option(const struct cli_option *options, int value)
{
    for (size_t i = 0; options[i].name; i++)
        if (value == (int)i + 1 || (options[i].letter != 0 && value == options[i].letter))
            return &options[i];
    return NULL;
}

/* 1 when help was asked for. getopt has said by itself what it did not like. */
static int read_options(const struct cli_verb *verb, int argc, char **argv, struct cli_call *call)
{
    const struct cli_option *options = verb->usage.options;
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 1];
    int value;

    make_getopt(options, longs, letters);
    optind = 0; /* begin anew: main has parsed, or a test has called before */
    while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct cli_option *option = find_option(options, value);

        if (!option) {
            fprintf(stderr, "  `tidemark %s --help` lists the options.\n", verb->usage.name);
            return ERR_INVALID;
        }
        if (strcmp(option->name, "help") == 0)
            return 1;
        if (apply(call, verb->usage.name, option->name, optarg) != 0)
            return ERR_INVALID;
    }
    call->argc = argc - optind;
    call->argv = argv + optind;
    if (call->argc < verb->least)
        return usage_error(verb->usage.name, "something is missing", NULL);
    if (verb->most >= 0 && call->argc > verb->most)
        return usage_error(verb->usage.name, "one word too many", call->argv[verb->most]);
    return 0;
}

/* ---- Running ----------------------------------------------------------------------------------
 */

/* Words may quote what a registry sent; only the ends of lines in them are ours. */
void cli_print_fault(const char *verb, const char *words)
{
    struct slice rest = slice_from_cstr(words), line;

    fprintf(stderr, "tidemark %s: ", verb);
    while (slice_split(&rest, '\n', &line)) {
        text_print(stderr, line);
        fputc('\n', stderr);
    }
}

static int run(const struct cli_verb *verb, const struct cli_call *call)
{
    struct fault fault = FAULT_INIT;
    int err = fetch_global_init(&fault);

    if (err == 0) {
        err = verb->run(call, &fault);
        fetch_global_fini();
    }
    if (err == 0)
        err = cli_flush(&fault);
    if (err == 0)
        return EXIT_SUCCESS;
    cli_print_fault(verb->usage.name, fault_text(&fault, err));
    return err == ERR_INVALID ? CLI_EXIT_USAGE : EXIT_FAILURE;
}

int cli_run(const struct cli_table *table, int argc, char **argv)
{
    const struct cli_verb *verb = cli_find_verb(argv[0]);
    struct cli_call call = {.table = table};

    if (!verb) {
        fprintf(stderr, "tidemark: no verb '%s'; `tidemark help` lists them\n", argv[0]);
        return CLI_EXIT_USAGE;
    }
    /* For the characters of `tree`; nothing else here depends on the locale. */
    setlocale(LC_CTYPE, "");
    int outcome = read_options(verb, argc, argv, &call);
    if (outcome < 0)
        return CLI_EXIT_USAGE;
    if (outcome > 0) {
        cli_print_usage(&verb->usage, stdout);
        return EXIT_SUCCESS;
    }
    return run(verb, &call);
}
