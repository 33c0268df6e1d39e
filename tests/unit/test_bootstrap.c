/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/bootstrap.h"
#include "auth/token.h"
#include "auth/token_secret.h"
#include "tests/support/store_fixture.h"

#include <CUnit/CUnit.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[256];
static int dir_fd;

static void open_directory(void)
{
    fixture_make_dir(directory);
    dir_fd = open(directory, O_RDONLY | O_DIRECTORY);
    CU_ASSERT_FATAL(dir_fd >= 0);
}

static void close_directory(void)
{
    close(dir_fd);
    fixture_remove_dir(directory);
}

/* The secret in the file, without the newline; "" when there is no file. */
static const char *read_file(void)
{
    static char text[128];
    int fd = openat(dir_fd, BOOTSTRAP_FILE, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    if (n > 0 && text[n - 1] == '\n')
        n--;
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static unsigned tokens(void)
{
    return fixture_count_rows(key_prefix(KV_TOKEN));
}

static void test_offer(void)
{
    struct token_secret secret;
    struct row_token row;
    struct buf value;
    struct stat st;

    open_directory();
    CU_ASSERT_EQUAL_FATAL(bootstrap_offer(fixture_kv, dir_fd, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(fstatat(dir_fd, BOOTSTRAP_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL_FATAL(token_secret_parse(slice_from_cstr(read_file()), &secret), 0);
    CU_ASSERT_EQUAL(secret.kind, TOKEN_BOOTSTRAP);
    buf_init(&value, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key_token(secret.id), &value), 0);
    CU_ASSERT_EQUAL_FATAL(row_token_decode(buf_slice(&value), &row), 0);
    CU_ASSERT_TRUE(token_secret_matches(&secret, row.sha256));
    CU_ASSERT_EQUAL(row.expires_ms - row.created_ms, BOOTSTRAP_LIFE_MS);
    buf_fini(&value);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "token.created");
    close_directory();
}

/* Each start makes a new one, and the old one is dead. */
static void test_offer_again(void)
{
    char first[128];

    open_directory();
    CU_ASSERT_EQUAL_FATAL(bootstrap_offer(fixture_kv, dir_fd, NULL), 0);
    snprintf(first, sizeof(first), "%s", read_file());
    CU_ASSERT_EQUAL_FATAL(bootstrap_offer(fixture_kv, dir_fd, NULL), 0);
    CU_ASSERT_STRING_NOT_EQUAL(read_file(), first);
    CU_ASSERT_EQUAL(tokens(), 1);
    close_directory();
}

/* Neither the file nor what is made aside follows a link that somebody laid. */
static void test_links(void)
{
    struct stat st;

    open_directory();
    CU_ASSERT_EQUAL_FATAL(symlinkat("elsewhere", dir_fd, BOOTSTRAP_FILE), 0);
    CU_ASSERT_EQUAL_FATAL(symlinkat("elsewhere", dir_fd, BOOTSTRAP_FILE ".new"), 0);
    CU_ASSERT_EQUAL(bootstrap_offer(fixture_kv, dir_fd, NULL), 0);
    CU_ASSERT_NOT_EQUAL(fstatat(dir_fd, "elsewhere", &st, 0), 0);
    CU_ASSERT_EQUAL(strlen(read_file()), TOKEN_TEXT_SIZE);
    close_directory();
}

static void test_withdraw(void)
{
    struct stat st;

    open_directory();
    CU_ASSERT_EQUAL(bootstrap_withdraw(fixture_kv, dir_fd, NULL), 0); /* there is none */
    CU_ASSERT_EQUAL_FATAL(bootstrap_offer(fixture_kv, dir_fd, NULL), 0);
    CU_ASSERT_EQUAL(bootstrap_withdraw(fixture_kv, dir_fd, NULL), 0);
    CU_ASSERT_NOT_EQUAL(fstatat(dir_fd, BOOTSTRAP_FILE, &st, 0), 0);
    CU_ASSERT_EQUAL(tokens(), 0);
    close_directory();
}

static void test_no_directory(void)
{
    struct fault fault = FAULT_INIT;

    open_directory();
    fixture_remove_dir(directory);
    CU_ASSERT_NOT_EQUAL(bootstrap_offer(fixture_kv, dir_fd, &fault), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "bootstrap-token"));
    close(dir_fd);
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"offer", test_offer},       {"offer again", test_offer_again},   {"links", test_links},
        {"withdraw", test_withdraw}, {"no directory", test_no_directory}, CU_TEST_INFO_NULL,
    };

    fixture_add_suites("bootstrap", tests);
}
