/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/htpasswd.h"
#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* "U*U" and "U*U*". */
#define HASH  "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define OTHER "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"

static char directory[256], path[300];

static void set_up(void)
{
    fixture_make_dir(directory);
    snprintf(path, sizeof(path), "%s/htpasswd", directory);
}

static void tear_down(void)
{
    fixture_remove_dir(directory);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

/* As a tool that is careful does it. */
static void replace_file(const char *text)
{
    char aside[320];

    snprintf(aside, sizeof(aside), "%s.new", path);
    write_file(aside, text);
    CU_ASSERT_EQUAL_FATAL(rename(aside, path), 0);
}

static struct htpasswd *open_file(const char *text)
{
    struct htpasswd *htpasswd = NULL;
    struct fault fault = FAULT_INIT;

    write_file(path, text);
    int err = htpasswd_open(path, &htpasswd, &fault);
    if (err != 0)
        printf("# %s\n", fault.text);
    CU_ASSERT_EQUAL_FATAL(err, 0);
    return htpasswd;
}

static void check_hash(struct htpasswd *htpasswd, const char *user, const char *wanted)
{
    char hash[PASSWORD_HASH_SIZE + 1] = "";
    bool is_there = htpasswd_find(htpasswd, slice_from_cstr(user), hash);

    CU_ASSERT_EQUAL(is_there, wanted != NULL);
    if (is_there && wanted != NULL)
        CU_ASSERT_STRING_EQUAL(hash, wanted);
}

static void check_refresh(struct htpasswd *htpasswd, int wanted, bool wanted_changed)
{
    struct fault fault = FAULT_INIT;
    bool changed;
    int err = htpasswd_refresh(htpasswd, &changed, &fault);

    CU_ASSERT_EQUAL(err, wanted);
    if (err != wanted)
        printf("# %d: %s\n", err, fault.text);
    CU_ASSERT_EQUAL(changed, wanted_changed);
}

static void test_find(void)
{
    struct htpasswd *htpasswd =
        open_file("# people\n\nbob:" HASH "\nalice:" OTHER "\r\n  \na.l-i_ce+x@example.org:" HASH);

    CU_ASSERT_EQUAL(htpasswd_users(htpasswd), 3);
    CU_ASSERT_EQUAL(htpasswd_cost(htpasswd), 5);
    check_hash(htpasswd, "bob", HASH);
    check_hash(htpasswd, "alice", OTHER);
    check_hash(htpasswd, "a.l-i_ce+x@example.org", HASH);
    check_hash(htpasswd, "Bob", NULL);
    check_hash(htpasswd, "bo", NULL);
    check_hash(htpasswd, "", NULL);
    htpasswd_close(htpasswd);
}

static void test_empty(void)
{
    struct htpasswd *htpasswd = open_file("");

    CU_ASSERT_EQUAL(htpasswd_users(htpasswd), 0);
    CU_ASSERT_EQUAL(htpasswd_cost(htpasswd), 0);
    check_hash(htpasswd, "bob", NULL);
    htpasswd_close(htpasswd);
}

static void test_broken(void)
{
    static const struct {
        const char *text, *complaint;
    } files[] = {
        {"bob\n", "line 1: there is no colon"},
        {"bob:" HASH "\n\nalice\n", "line 3: there is no colon"},
        {":" HASH "\n", "line 1: the name is empty"},
        {"b b:" HASH "\n", "of the name"},
        {"robot:ci:" HASH "\n", "line 1: the hash is not one of bcrypt"},
        {" bob:" HASH "\n", "of the name"},
        {".bob:" HASH "\n", "line 1: the name begins"},
        {"Anonymous:" HASH "\n", "means something else"},
        {"b\xc3\xb6"
         "b:" HASH "\n",
         "of the name"},
        {"b\x01"
         "b:" HASH "\n",
         "of the name"},
        {"bob:\n", "line 1: the hash is not one of bcrypt"},
        {"bob:secret\n", "line 1: the hash is not one of bcrypt"},
        {"bob:$apr1$h3xM4rHn$YHtlLLz1c7sUcIQhZ9nlP1\n", "htpasswd -B"},
        {"bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", "htpasswd -B"},
        {"bob:" HASH " \n", "line 1: the bcrypt hash is cut off or has something after it"},
        {"bob:" HASH ":x\n", "line 1: the bcrypt hash is cut off or has something after it"},
        {"bob:$2y$05$CCCCCCCCCCCCCCCCCCCCC\n", "line 1: the bcrypt hash is cut off"},
        {"bob:$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n",
         "line 1: the cost of the bcrypt hash is 31"},
        {"bob:" HASH "\nalice:" HASH "\nbob:" OTHER "\n", "line 3: the name is that of line 1"},
        {"bob\nalice\n:\n", "(and 2 more broken lines)"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        struct fault fault = FAULT_INIT, of_file = FAULT_INIT;
        struct htpasswd *htpasswd = NULL;
        unsigned users = 99;

        CU_ASSERT_EQUAL(htpasswd_check(slice_from_cstr(files[i].text), &users, &fault), ERR_CONFIG);
        CU_ASSERT_EQUAL(users, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, files[i].complaint));
        if (strstr(fault.text, files[i].complaint) == NULL)
            printf("# file %zu: %s\n", i, fault.text);
        /* Nothing of a line is shown: it may have a secret in it. */
        CU_ASSERT_PTR_NULL(strstr(fault.text, "secret"));
        CU_ASSERT_PTR_NULL(strstr(fault.text, "CCCC"));
        write_file(path, files[i].text);
        CU_ASSERT_EQUAL(htpasswd_open(path, &htpasswd, &of_file), ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(of_file.text, path));
    }
}

static void test_no_file(void)
{
    struct htpasswd *htpasswd = NULL;
    struct fault fault = FAULT_INIT;

    CU_ASSERT_NOT_EQUAL(htpasswd_open(path, &htpasswd, &fault), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, path));
    CU_ASSERT_EQUAL(htpasswd_open(directory, &htpasswd, &fault), ERR_CONFIG);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0); /* and does not wait for a writer */
    CU_ASSERT_EQUAL(htpasswd_open(path, &htpasswd, &fault), ERR_CONFIG);
}

static void test_too_large(void)
{
    struct htpasswd *htpasswd = NULL;
    struct fault fault = FAULT_INIT;

    write_file(path, "bob:" HASH "\n");
    CU_ASSERT_EQUAL_FATAL(truncate(path, HTPASSWD_FILE_MAX + 1), 0);
    CU_ASSERT_NOT_EQUAL(htpasswd_open(path, &htpasswd, &fault), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, path));
}

static void test_refresh(void)
{
    struct htpasswd *htpasswd = open_file("bob:" HASH "\n");

    check_refresh(htpasswd, 0, false);
    replace_file("bob:" OTHER "\n");
    check_refresh(htpasswd, 0, true);
    check_hash(htpasswd, "bob", OTHER);
    write_file(path, "bob:" OTHER "\nalice:" HASH "\n"); /* in place */
    check_refresh(htpasswd, 0, true);
    check_hash(htpasswd, "alice", HASH);
    check_refresh(htpasswd, 0, false);
    htpasswd_close(htpasswd);
}

static void test_refresh_broken(void)
{
    struct htpasswd *htpasswd = open_file("bob:" HASH "\n");

    replace_file("bob:" HASH "\nalice\n");
    check_refresh(htpasswd, ERR_CONFIG, false);
    check_hash(htpasswd, "bob", HASH); /* the old content goes on */
    check_refresh(htpasswd, 0, false); /* and it is said once */
    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
    check_refresh(htpasswd, ERR_NOT_FOUND, false);
    check_refresh(htpasswd, 0, false);
    check_hash(htpasswd, "bob", HASH);
    replace_file("alice:" HASH "\n");
    check_refresh(htpasswd, 0, true);
    check_hash(htpasswd, "bob", NULL);
    check_hash(htpasswd, "alice", HASH);
    htpasswd_close(htpasswd);
}

/* As Kubernetes mounts a secret: the name is a link that is moved. */
static void test_refresh_link(void)
{
    char one[320], two[320], link_path[320];
    struct htpasswd *htpasswd = NULL;

    snprintf(one, sizeof(one), "%s/one", directory);
    snprintf(two, sizeof(two), "%s/two", directory);
    snprintf(link_path, sizeof(link_path), "%s/link", directory);
    write_file(one, "bob:" HASH "\n");
    write_file(two, "bob:" OTHER "\n");
    CU_ASSERT_EQUAL_FATAL(symlink("one", path), 0);
    CU_ASSERT_EQUAL_FATAL(htpasswd_open(path, &htpasswd, NULL), 0);
    check_hash(htpasswd, "bob", HASH);
    CU_ASSERT_EQUAL_FATAL(symlink("two", link_path), 0);
    CU_ASSERT_EQUAL_FATAL(rename(link_path, path), 0);
    check_refresh(htpasswd, 0, true);
    check_hash(htpasswd, "bob", OTHER);
    htpasswd_close(htpasswd);
}

void test_suites(void)
{
    CU_pSuite suite =
        CU_add_suite_with_setup_and_teardown("htpasswd", NULL, NULL, set_up, tear_down);

    CU_add_test(suite, "find", test_find);
    CU_add_test(suite, "empty", test_empty);
    CU_add_test(suite, "broken lines", test_broken);
    CU_add_test(suite, "no file", test_no_file);
    CU_add_test(suite, "too large", test_too_large);
    CU_add_test(suite, "read again when it changed", test_refresh);
    CU_add_test(suite, "broken or gone later", test_refresh_broken);
    CU_add_test(suite, "a link that is moved", test_refresh_link);
}
