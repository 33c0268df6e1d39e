/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/account.h"
#include "auth/group.h"
#include "auth/token.h"
#include "base/mem.h"
#include "registry/fsck.h"
#include "tests/support/store_fixture.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <string.h>

#define HASH "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

static const struct slice none = {NULL, 0};
static const struct slice root = {"root", 4};

static char path[256];
static struct store store;
static char errors[4096];

static void make_group(const char *name)
{
    struct group_put put = {.name = slice_from_cstr(name), .actor = root};

    CU_ASSERT_EQUAL_FATAL(fixture_write(group_put, &put), 0);
}

static void make_account(const char *name, enum account_kind kind, const char *bcrypt)
{
    const struct slice groups[] = {SLICE("ops")};
    struct account_create create = {
        .name = slice_from_cstr(name),
        .kind = kind,
        .bcrypt = slice_from_cstr(bcrypt),
        .groups = groups,
        .groups_n = 1,
        .actor = root,
    };

    CU_ASSERT_EQUAL_FATAL(fixture_write(account_create, &create), 0);
}

static void make_token(enum token_kind kind, const char *account, uint64_t id)
{
    struct token_create create = {
        .kind = kind, .account = slice_from_cstr(account), .id = id, .actor = root};

    CU_ASSERT_EQUAL_FATAL(fixture_write(token_create, &create), 0);
}

static void set_up(void)
{
    struct store_options options = {
        .path = path,
        .kv = {.map_size_bytes = 64u << 20, .readers_max = 8, .queue_max = 64},
        .uploads = {.buffer_total_bytes = 1u << 20, .count_max = 8, .idle_expire_s = 3600},
        .cpu_threads = 1,
        .io_threads = 1,
    };

    fixture_make_dir(path);
    CU_ASSERT_EQUAL_FATAL(store_open(&options, &store, NULL), 0);
    fixture_kv = store.kv;
    make_group("ops");
    make_account("alice", ACCOUNT_USER, HASH);
    make_account("ci", ACCOUNT_ROBOT, "");
    make_token(TOKEN_PERSONAL, "alice", 1);
    make_token(TOKEN_REFRESH, "alice", 2);
    make_token(TOKEN_ROBOT, "ci", 3);
    make_token(TOKEN_BOOTSTRAP, "", 4);
}

static void tear_down(void)
{
    store_close(&store);
    fixture_kv = NULL;
    fixture_remove_dir(path);
}

static void add_finding(enum fsck_level level, const char *text, void *arg)
{
    size_t n = strlen(errors);

    (void)arg;
    if (level == FSCK_ERROR)
        snprintf(errors + n, sizeof(errors) - n, "%s\n", text);
}

static int run(void)
{
    struct fsck_summary summary;

    errors[0] = '\0';
    return fsck_run(&store, add_finding, NULL, &summary, NULL);
}

static void check_clean(void)
{
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_STRING_EQUAL(errors, "");
}

/* With this value of the row (p == NULL: without it) the text is reported; with the old one nothing
 * is. */
static void check_error(struct key key, struct slice value, const char *text)
{
    struct buf before;

    buf_init(&before, KV_VALUE_MAX);
    int had = fixture_get_row(key, &before);
    CU_ASSERT_EQUAL(fixture_put_row(key, value), 0);
    CU_ASSERT_EQUAL(run(), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(errors, text));
    if (strstr(errors, text) == NULL)
        printf("# wanted: %s\n# found: %s\n", text, errors);
    if (had != 0)
        CU_ASSERT_EQUAL(fixture_put_row(key, none), 0)
    else
        CU_ASSERT_EQUAL(fixture_put_row(key, before.n > 0 ? buf_slice(&before) : SLICE("")), 0);
    buf_fini(&before);
    check_clean();
}

static void check_account(const char *name, struct row_account row, const char *text)
{
    struct buf value;

    buf_init(&value, KV_VALUE_MAX);
    row_account_encode(&value, &row);
    check_error(key_account(slice_from_cstr(name)), buf_slice(&value), text);
    buf_fini(&value);
}

static void check_token(uint64_t id, struct row_token row, const char *text)
{
    struct buf value;

    buf_init(&value, KV_VALUE_MAX);
    row_token_encode(&value, &row);
    check_error(key_token(id), buf_slice(&value), text);
    buf_fini(&value);
}

static void test_decode(void)
{
    const struct slice bad = SLICE("\xee!");
    const struct key key = {.n = 2, .bytes = {KV_TOKEN, 0xff}};
    const struct key of = {.n = 2, .bytes = {KV_TOKENOF, 'a'}};

    check_clean();
    check_error(key_group(SLICE("ops")), bad, "the group row of ops does not decode");
    check_error(key_account(SLICE("alice")), bad, "the account row of alice does not decode");
    check_error(key_token(1), bad, "the token row of AAAAAAAAAAE does not decode");
    check_error(key, SLICE("x"), "a key of family token does not decode");
    check_error(of, SLICE("x"), "a key of family tokenof does not decode");
}

static void test_missing(void)
{
    check_error(key_group(SLICE("ops")), none, "account ci is in group ops, which does not exist");
    check_error(key_account(SLICE("ci")), none,
                "token AAAAAAAAAAM is of account ci, which does not exist");
    check_error(key_token(1), none,
                "a tokenof row of account alice names token AAAAAAAAAAE, which does not exist");
    check_error(key_tokenof(SLICE("alice"), 2), none,
                "the tokenof row of token AAAAAAAAAAI is missing");
}

static void test_wrong(void)
{
    const struct row_token of_alice = {.kind = TOKEN_PERSONAL, .account = SLICE("alice")};

    check_account("alice", (struct row_account){.kind = ACCOUNT_USER, .bcrypt = SLICE("secret")},
                  "the password of account alice: the hash is not one of bcrypt");
    check_account("ci", (struct row_account){.kind = ACCOUNT_ROBOT, .bcrypt = SLICE(HASH)},
                  "account ci has a password, and must not have one");
    check_account("a b", (struct row_account){.kind = ACCOUNT_USER}, "an account row: byte 2");
    check_account(
        "bob",
        (struct row_account){.kind = ACCOUNT_USER, .groups = {SLICE("not a name")}, .groups_n = 1},
        "account bob is in a group whose name cannot be one");
    check_token(3, of_alice, "a tokenof row of account ci names token AAAAAAAAAAM, which is");
    check_token(9, of_alice, "the tokenof row of token AAAAAAAAAAk is missing");
    check_token(9, (struct row_token){.kind = TOKEN_PERSONAL, .account = SLICE("a b")},
                "is of an account whose name cannot be one");
    check_token(4, (struct row_token){.kind = TOKEN_BOOTSTRAP, .account = SLICE("alice")},
                "token AAAAAAAAAAQ is one for bootstrap, and has an account");
    check_error(key_tokenof(SLICE("alice"), 1), SLICE("x"), "is not empty");
    check_error(key_group(SLICE("-")), SLICE(""), "a group row: byte 1");
}

void test_suites(void)
{
    CU_pSuite suite =
        CU_add_suite_with_setup_and_teardown("fsck_account", NULL, NULL, set_up, tear_down);

    CU_add_test(suite, "rows that do not decode", test_decode);
    CU_add_test(suite, "rows that are missing", test_missing);
    CU_add_test(suite, "rows that are wrong", test_wrong);
}
