/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb is run in this process, with files in the place of standard output and error.
 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "base/json.h"
#include "base/mem.h"
#include "server/check_config.h"
#include "server/settings_parse.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char good_file[] = "/tmp/test_check_config_good_XXXXXX";
static char bad_file[] = "/tmp/test_check_config_bad_XXXXXX";

static void create_file(char *path, const char *text)
{
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
        abort();
}

static int set_up(void)
{
    create_file(good_file, "server:\n  listen: \"[::1]:5000\"\nlog: {level: debug}\n");
    create_file(bad_file, "server:\n  listn: 1\n");
    return 0;
}

static int tear_down(void)
{
    unlink(good_file);
    unlink(bad_file);
    return 0;
}

/* What one of the two streams received; free() it. */
static char *read_back(FILE *file)
{
    struct buf out;
    char part[4096];
    size_t n;

    buf_init(&out, 1 << 20);
    rewind(file);
    while ((n = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(&out, slice_make(part, n));
    fclose(file);
    buf_add_char(&out, '\0');
    return buf_take(&out, NULL);
}

static int replace(FILE *stream, int fd)
{
    int saved;

    fflush(stream);
    saved = dup(fileno(stream));
    if (saved < 0 || dup2(fd, fileno(stream)) < 0)
        abort();
    return saved;
}

static void restore(FILE *stream, int saved)
{
    fflush(stream);
    if (dup2(saved, fileno(stream)) < 0 || close(saved) < 0)
        abort();
    clearerr(stream);
}

/* Runs the verb with up to two arguments; *out and *err are the caller's. */
static int run(const char *first, const char *second, char **out, char **err)
{
    char *argv[] = {xstrdup("check-config"), first ? xstrdup(first) : NULL,
                    second ? xstrdup(second) : NULL, NULL};
    char *given[] = {argv[0], argv[1], argv[2]}; /* getopt_long sorts argv */
    FILE *files[] = {tmpfile(), tmpfile()};
    int saved[2], status;

    if (!files[0] || !files[1])
        abort();
    saved[0] = replace(stdout, fileno(files[0]));
    saved[1] = replace(stderr, fileno(files[1]));
    status = check_config_run(1 + (first != NULL) + (second != NULL), argv);
    restore(stdout, saved[0]);
    restore(stderr, saved[1]);
    *out = read_back(files[0]);
    *err = read_back(files[1]);
    for (size_t i = 0; i < ARRAY_LENGTH(given); i++)
        free(given[i]);
    return status;
}

/* The status, and words on one stream only: that is what scripts rely on. */
static void check_run(const char *first, const char *second, int expected, const char *in_out,
                      const char *in_err)
{
    char *out, *err;
    int status = run(first, second, &out, &err);

    CU_ASSERT_EQUAL(status, expected);
    if (in_out)
        CU_ASSERT_PTR_NOT_NULL(strstr(out, in_out));
    if (in_err)
        CU_ASSERT_PTR_NOT_NULL(strstr(err, in_err));
    CU_ASSERT_EQUAL(in_out != NULL, out[0] != '\0');
    CU_ASSERT_EQUAL(in_err != NULL, err[0] != '\0');
    if (CU_get_number_of_failures())
        printf("# out: %.200s\n# err: %.200s\n", out, err);
    free(out);
    free(err);
}

static void test_valid(void)
{
    check_run("--config", good_file, 0, ": valid\n", NULL);
    check_run("-c", good_file, 0, good_file, NULL);
    check_run(NULL, NULL, 0, ": valid\n", NULL);
}

static void test_invalid(void)
{
    char place[100];

    snprintf(place, sizeof(place), "%s:2:3: unknown key 'server.listn'; did you mean", bad_file);
    check_run("--config", bad_file, 1, NULL, place);
    check_run("--config", "/nonexistent.yaml", 1, NULL, "cannot read /nonexistent.yaml: No such");
    setenv("TIDEMARK_LOG_LEVEL", "loud", 1);
    check_run("--config", good_file, 1, NULL, "environment variable TIDEMARK_LOG_LEVEL");
    unsetenv("TIDEMARK_LOG_LEVEL");
}

static void test_usage(void)
{
    check_run("--nonsense", NULL, 2, NULL, "--nonsense");
    check_run("--config", NULL, 2, NULL, "requires an argument");
    check_run("file.yaml", NULL, 2, NULL, "did you mean --config file.yaml?");
    check_run("--schema", "--dump-config", 2, NULL, "exclude each other");
    check_run("--help", NULL, 0, "Usage: tidemark check-config", NULL);
}

static void test_dump(void)
{
    char config[100];
    const struct settings *settings;
    char *out, *err;

    snprintf(config, sizeof(config), "--config=%s", good_file);
    CU_ASSERT_EQUAL(run("--dump-config", config, &out, &err), 0);
    CU_ASSERT_STRING_EQUAL(err, "");
    CU_ASSERT_EQUAL(settings_load_text(slice_from_cstr(out), "f", &settings, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_STRING_EQUAL(settings->server_listen, "[::1]:5000");
    CU_ASSERT_EQUAL(settings->log_level, 0);
    settings_unref(settings);
    free(out);
    free(err);
}

static void test_schema(void)
{
    const struct json_limits limits = {.max_depth = 16, .max_values = 10000};
    struct arena arena;
    struct json *root;
    char *out, *err;

    arena_init(&arena, 4 << 20);
    CU_ASSERT_EQUAL(run("--schema", NULL, &out, &err), 0);
    CU_ASSERT_STRING_EQUAL(err, "");
    CU_ASSERT_EQUAL(json_parse(&arena, slice_from_cstr(out), &limits, &root, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL(json_member(root, SLICE("$schema")));
    free(out);
    free(err);
    arena_fini(&arena);
}

/* Output that is lost is a failure, not a short success. */
static void test_full_disk(void)
{
    char name[] = "check-config", option[] = "--schema";
    char *argv[] = {name, option, NULL};
    FILE *full = fopen("/dev/full", "w"), *errors = tmpfile();
    int saved_out, saved_err, status;
    char *err;

    CU_ASSERT_TRUE_FATAL(full && errors);
    saved_out = replace(stdout, fileno(full));
    saved_err = replace(stderr, fileno(errors));
    status = check_config_run(2, argv);
    restore(stdout, saved_out);
    restore(stderr, saved_err);
    err = read_back(errors);
    CU_ASSERT_EQUAL(status, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "could not be written"));
    free(err);
    fclose(full);
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("check_config", set_up, tear_down);

    CU_add_test(suite, "valid", test_valid);
    CU_add_test(suite, "invalid", test_invalid);
    CU_add_test(suite, "usage", test_usage);
    CU_add_test(suite, "dump", test_dump);
    CU_add_test(suite, "schema", test_schema);
    CU_add_test(suite, "full disk", test_full_disk);
}
