/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the scripts are written from the tables of verbs, so that a new option completes the day
 * it is added. What an argument looks like says how it is completed: FILE and DIR are paths, "a|b"
 * are words, everything else is left to the user.
 */
#include "config.h"
#include "cli/verb.h"

#include "base/slice.h"

#include <stdio.h>
#include <string.h>

typedef void (*each_fn)(const struct cli_usage *usage);

static void for_each(const struct cli_table *table, each_fn each)
{
    size_t n;
    const struct cli_verb *verbs = cli_verbs(&n);

    for (size_t i = 0; i < table->n; i++)
        each(&table->verbs[i].usage);
    for (size_t i = 0; i < n; i++)
        each(&verbs[i].usage);
}

static bool is_choice(const char *argument)
{
    return argument && strchr(argument, '|') != NULL;
}

static bool has_word(const char *arguments, const char *word)
{
    return arguments && strncmp(arguments, word, strlen(word)) == 0;
}

/* "text|json" as "text json"; what follows after a space is no choice. */
static void print_choices(const char *argument)
{
    for (; *argument != '\0' && *argument != ' '; argument++)
        putchar(*argument == '|' ? ' ' : *argument);
}

/* ---- bash -------------------------------------------------------------------------------------
 */

static void print_name(const struct cli_usage *usage)
{
    printf(" %s", usage->name);
}

static void print_bash_value(const struct cli_option *option)
{
    printf("\t\t");
    if (option->letter)
        printf("-%c|", option->letter);
    printf("--%s) ", option->name);
    if (strcmp(option->argument, "FILE") == 0) {
        printf("_tidemark_paths -f ;;\n");
    } else if (strcmp(option->argument, "DIR") == 0) {
        printf("_tidemark_paths -d ;;\n");
    } else if (is_choice(option->argument)) {
        printf("_tidemark_words '");
        print_choices(option->argument);
        printf("' ;;\n");
    } else {
        printf(";;\n");
    }
}

static void print_bash_verb(const struct cli_usage *usage)
{
    const struct cli_option *o;

    printf("\t%s)\n\t\tcase $prev in\n", usage->name);
    for (o = usage->options; o && o->name; o++)
        if (o->argument)
            print_bash_value(o);
    printf("\t\t*)\n\t\t\tcase $cur in\n\t\t\t-*) _tidemark_words '");
    for (o = usage->options; o && o->name; o++)
        printf("%s--%s", o == usage->options ? "" : " ", o->name);
    printf("' ;;\n\t\t\t*) ");
    if (has_word(usage->arguments, "FILE")) {
        printf("_tidemark_paths -f ");
    } else if (is_choice(usage->arguments)) {
        printf("_tidemark_words '");
        print_choices(usage->arguments);
        printf("' ");
    }
    printf(";;\n\t\t\tesac\n\t\t\t;;\n\t\tesac\n\t\t;;\n");
}

static void print_bash(const struct cli_table *table)
{
    fputs("# bash completion of tidemark, written by `tidemark completion bash`\n"
          "\n"
          "_tidemark_words()\n"
          "{\n"
          "\tmapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n"
          "}\n"
          "\n"
          "_tidemark_paths()\n"
          "{\n"
          "\tcompopt -o filenames 2>/dev/null\n"
          "\tmapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
          "}\n"
          "\n"
          "_tidemark()\n"
          "{\n"
          "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "\tCOMPREPLY=()\n"
          "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "\t\t_tidemark_words '",
          stdout);
    for_each(table, print_name);
    fputs("'\n"
          "\t\treturn\n"
          "\tfi\n"
          "\tcase ${COMP_WORDS[1]} in\n",
          stdout);
    for_each(table, print_bash_verb);
    fputs("\tesac\n"
          "}\n"
          "\n"
          "complete -F _tidemark tidemark\n",
          stdout);
}

/* ---- zsh --------------------------------------------------------------------------------------
 */

/* Inside of single quotes, where _arguments and _describe give a meaning to ':', '[' and ']'. */
static void print_zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr(":[]\\", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void print_zsh_summary(const struct cli_usage *usage)
{
    printf("\t\t'%s:", usage->name);
    print_zsh_text(usage->summary);
    printf("'\n");
}

/* ":FORMAT:(text json)" */
static void print_zsh_argument(const char *argument)
{
    putchar(':');
    print_zsh_text(is_choice(argument) ? "word" : argument);
    putchar(':');
    if (has_word(argument, "FILE")) {
        fputs("_files", stdout);
    } else if (strcmp(argument, "DIR") == 0) {
        fputs("_files -/", stdout);
    } else if (is_choice(argument)) {
        putchar('(');
        print_choices(argument);
        putchar(')');
    } else {
        putchar(' ');
    }
}

static void print_zsh_verb(const struct cli_usage *usage)
{
    printf("\t%s)\n\t\t_arguments", usage->name);
    for (const struct cli_option *o = usage->options; o && o->name; o++) {
        if (o->letter)
            printf(" \\\n\t\t\t'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
        else
            printf(" \\\n\t\t\t'--%s[", o->name);
        print_zsh_text(o->help);
        putchar(']');
        if (o->argument)
            print_zsh_argument(o->argument);
        putchar('\'');
    }
    if (usage->arguments) {
        fputs(" \\\n\t\t\t'*", stdout);
        print_zsh_argument(usage->arguments);
        putchar('\'');
    }
    printf("\n\t\t;;\n");
}

static void print_zsh(const struct cli_table *table)
{
    fputs("#compdef tidemark\n"
          "# zsh completion of tidemark, written by `tidemark completion zsh`\n"
          "\n"
          "_tidemark()\n"
          "{\n"
          "\tlocal -a verbs\n"
          "\tverbs=(\n",
          stdout);
    for_each(table, print_zsh_summary);
    fputs("\t)\n"
          "\tif (( CURRENT == 2 )); then\n"
          "\t\t_describe verb verbs\n"
          "\t\treturn\n"
          "\tfi\n"
          "\tshift words\n"
          "\t(( CURRENT-- ))\n"
          "\tcase $words[1] in\n",
          stdout);
    for_each(table, print_zsh_verb);
    fputs("\tesac\n"
          "}\n"
          "\n"
          "if [ \"$funcstack[1]\" = _tidemark ]; then\n"
          "\t_tidemark \"$@\"\n"
          "else\n"
          "\tcompdef _tidemark tidemark\n"
          "fi\n",
          stdout);
}

int completion_run(const struct cli_call *call, struct fault *fault)
{
    if (strcmp(call->argv[0], "bash") == 0)
        print_bash(call->table);
    else if (strcmp(call->argv[0], "zsh") == 0)
        print_zsh(call->table);
    else
        return fault_set(fault, ERR_INVALID, "there is a completion for bash and one for zsh");
    return 0;
}
