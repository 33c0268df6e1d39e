/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/cli.h"

#include "base/slice.h"
#include "cli/verb.h"
#include "tests/support/cunit_main.h"

#include <CUnit/CUnit.h>

#include <stdlib.h>
#include <string.h>

static int run_nothing(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static const struct cli_option options[] = {
    {"data", 'd', "DIR", "it's [here]: \\"},
    {"mode", 0, "on|off", "which"},
    {"plain", 0, NULL, "plain"},
    {0},
};

static const struct cli_process_verb process_verbs[] = {
    {{"process", "FILE", "a process", options}, run_nothing},
    {{"bare", NULL, "without anything", NULL}, run_nothing},
};

static const struct cli_table table = {process_verbs, 2};

static void check_options(const struct cli_usage *usage)
{
    for (const struct cli_option *o = usage->options; o && o->name; o++) {
        CU_ASSERT_TRUE(o->name[0] != '\0' && o->name[0] != '-' && o->help[0] != '\0');
        for (const struct cli_option *other = usage->options; other != o; other++) {
            CU_ASSERT_STRING_NOT_EQUAL(o->name, other->name);
            CU_ASSERT_TRUE(o->letter == 0 || o->letter != other->letter);
        }
    }
}

static void test_table(void)
{
    size_t n;
    const struct cli_verb *verbs = cli_verbs(&n);

    CU_ASSERT_TRUE(n >= 7);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_PTR_EQUAL(cli_find_verb(verbs[i].usage.name), &verbs[i]);
        CU_ASSERT_TRUE(verbs[i].most < 0 || verbs[i].most >= verbs[i].least);
        CU_ASSERT_TRUE(verbs[i].usage.summary[0] != '\0');
        check_options(&verbs[i].usage);
    }
    CU_ASSERT_PTR_NULL(cli_find_verb("serve"));
    CU_ASSERT_PTR_NULL(cli_find_verb(""));
}

/* What `print` writes; free() it. */
static char *help_of(const struct cli_usage *usage)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (usage)
        cli_print_usage(usage, out);
    else
        cli_print_help(&table, out);
    fclose(out);
    return text;
}

static void test_help(void)
{
    size_t n;
    const struct cli_verb *verbs = cli_verbs(&n);
    char *help = help_of(NULL);
    char line[64];

    CU_ASSERT_TRUE(strstr(help, "\n  process FILE") != NULL);
    CU_ASSERT_TRUE(strstr(help, "\n  bare  ") != NULL);
    for (size_t i = 0; i < n; i++) {
        char *page = help_of(&verbs[i].usage);

        snprintf(line, sizeof(line), "\n  %s ", verbs[i].usage.name);
        CU_ASSERT_TRUE(strstr(help, line) != NULL);
        for (const struct cli_option *o = verbs[i].usage.options; o->name; o++) {
            snprintf(line, sizeof(line), "--%s", o->name);
            CU_ASSERT_TRUE(strstr(page, line) != NULL);
        }
        free(page);
    }
    struct slice rest = slice_from_cstr(help), row;
    while (slice_split(&rest, '\n', &row))
        CU_ASSERT_TRUE(row.n <= 80);
    free(help);
}

/* Standard output of a verb, for it writes TAP lines here otherwise. */
static char *output_of(int *status, int argc, const char *const *words)
{
    FILE *saved = stdout;
    char *argv[8], *text = NULL;
    size_t n = 0;

    for (int i = 0; i < argc; i++)
        argv[i] = strdup(words[i]);
    argv[argc] = NULL;
    stdout = open_memstream(&text, &n);
    *status = cli_run(&table, argc, argv);
    fclose(stdout);
    stdout = saved;
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return text;
}

static void test_completion(void)
{
    static const char *const bash[] = {"completion", "bash"};
    static const char *const zsh[] = {"completion", "zsh"};
    size_t n;
    const struct cli_verb *verbs = cli_verbs(&n);
    int status;
    char *text = output_of(&status, 2, bash);

    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(strstr(text, "-d|--data) _tidemark_paths -d ;;") != NULL);
    CU_ASSERT_TRUE(strstr(text, "--mode) _tidemark_words 'on off' ;;") != NULL);
    CU_ASSERT_TRUE(strstr(text, "-*) _tidemark_words '--data --mode --plain' ;;") != NULL);
    CU_ASSERT_TRUE(strstr(text, "\tbare)\n") != NULL);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_TRUE(strstr(text, verbs[i].usage.name) != NULL);
    free(text);
    text = output_of(&status, 2, zsh);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(
        strstr(text, "'(-d --data)'{-d,--data}'[it'\\''s \\[here\\]\\: \\\\]:DIR:_files -/'") !=
        NULL);
    CU_ASSERT_TRUE(strstr(text, "'--mode[which]:word:(on off)'") != NULL);
    CU_ASSERT_TRUE(strstr(text, "'--plain[plain]'") != NULL);
    CU_ASSERT_TRUE(strstr(text, "'process:a process'") != NULL);
    free(text);
}

static void test_usage(void)
{
    static const struct {
        const char *words[5];
        int argc;
    } cases[] = {
        {{"nonsense"}, 1},           {{"push", "a:1"}, 2},
        {{"pull", "A:1"}, 2},        {{"ls", "--output", "xml"}, 3},
        {{"ls", "--nonsense"}, 2},   {{"events", "--after", "x"}, 3},
        {{"completion", "fish"}, 2}, {{"ls", "--server", "x", "a"}, 4},
    };
    int status;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = output_of(&status, cases[i].argc, cases[i].words);

        CU_ASSERT_EQUAL(status, CLI_EXIT_USAGE);
        CU_ASSERT_STRING_EQUAL(text, "");
        free(text);
    }
    char *text = output_of(&status, 2, (const char *const[]){"ls", "-h"});
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_TRUE(strstr(text, "Usage: tidemark ls") != NULL);
    free(text);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("cli", NULL, NULL);

    CU_add_test(suite, "table", test_table);
    CU_add_test(suite, "help", test_help);
    CU_add_test(suite, "completion", test_completion);
    CU_add_test(suite, "mistakes", test_usage);
}
