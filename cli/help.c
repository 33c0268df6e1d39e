/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/cli.h"

#include "cli/verb.h"

#define SUMMARY_COLUMN 24
#define HELP_COLUMN    28

static void print_line(FILE *out, const struct cli_usage *usage)
{
    int n = fprintf(out, "  %s%s%s", usage->name, usage->arguments ? " " : "",
                    usage->arguments ? usage->arguments : "");

    fprintf(out, "%*s%s\n", n < SUMMARY_COLUMN ? SUMMARY_COLUMN - n : 1, "", usage->summary);
}

void cli_print_help(const struct cli_table *table, FILE *out)
{
    size_t n;
    const struct cli_verb *verbs = cli_verbs(&n);

    fputs("Usage: tidemark VERB [OPTION]... [ARGUMENT]...\n\nThe registry:\n", out);
    for (size_t i = 0; i < table->n; i++)
        print_line(out, &table->verbs[i].usage);
    fputs("\nIts clients:\n", out);
    for (size_t i = 0; i < n; i++)
        print_line(out, &verbs[i].usage);
    fputs("\nREF is [http://host:port/]repository:tag or repository@digest.\n"
          "`tidemark VERB --help` lists the options of a verb, tidemark(1) has the rest.\n",
          out);
}

void cli_print_usage(const struct cli_usage *usage, FILE *out)
{
    fprintf(out, "Usage: tidemark %s%s%s%s\n\n%s.\n", usage->name,
            usage->options ? " [OPTION]..." : "", usage->arguments ? " " : "",
            usage->arguments ? usage->arguments : "", usage->summary);
    for (const struct cli_option *o = usage->options; o && o->name; o++) {
        char letter[] = {'-', o->letter, ',', ' ', '\0'};
        int n = 0;

        if (o == usage->options)
            fputc('\n', out);
        n = fprintf(out, "  %s--%s%s%s", o->letter ? letter : "    ", o->name,
                    o->argument ? " " : "", o->argument ? o->argument : "");
        fprintf(out, "%*s%s\n", n < HELP_COLUMN ? HELP_COLUMN - n : 1, "", o->help);
    }
}
