/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/account.h"
#include "auth/group.h"
#include "auth/token.h"
#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

static const struct slice root = {"root", 4};
static const struct slice some_hash = {
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", 60};

/* Groups separated by commas. */
static unsigned split(const char *text, struct slice groups[8])
{
    struct slice rest = slice_from_cstr(text);
    unsigned n = 0;

    while (n < 8 && slice_split(&rest, ',', &groups[n]))
        n++;
    return n;
}

static int make(const char *name, enum account_kind kind, const char *groups)
{
    struct slice list[8];
    struct account_create create = {
        .name = slice_from_cstr(name),
        .kind = kind,
        .groups = list,
        .groups_n = split(groups, list),
        .description = SLICE("for tests"),
        .actor = root,
    };
    int err = fixture_write(account_create, &create);

    CU_ASSERT_EQUAL(create.unknown_group.n > 0, err == ERR_GROUP_UNKNOWN);
    return err;
}

static int make_group(const char *name)
{
    struct group_put put = {.name = slice_from_cstr(name), .actor = root};

    return fixture_write(group_put, &put);
}

/* The account as "kind flags groups", or its error. */
static const char *show(const char *name)
{
    static char text[512];
    struct account_get get = {.name = slice_from_cstr(name)};
    struct arena arena;

    arena_init(&arena, 1u << 20);
    get.arena = &arena;
    int err = fixture_read(account_get, &get);
    const struct row_account *row = &get.account.row;
    if (err != 0) {
        snprintf(text, sizeof(text), "%s", err_name(err));
    } else {
        int n =
            snprintf(text, sizeof(text), "%s%s%s%s", row->kind == ACCOUNT_ROBOT ? "robot" : "user",
                     row->disabled ? " disabled" : "", row->external ? " external" : "",
                     row->bcrypt.n > 0 ? " password" : "");
        for (unsigned i = 0; i < row->groups_n; i++)
            n += snprintf(text + n, sizeof(text) - (size_t)n, " " SLICE_FMT,
                          SLICE_ARG(row->groups[i]));
        CU_ASSERT_TRUE(row->created_ms > 0);
    }
    arena_fini(&arena);
    return text;
}

static void test_create(void)
{
    CU_ASSERT_EQUAL(make_group("team-a"), 0);
    CU_ASSERT_EQUAL(make_group("team-b"), 0);
    CU_ASSERT_EQUAL(make("alice", ACCOUNT_USER, "team-b,team-a,team-b"), 0);
    CU_ASSERT_EQUAL(make("ci", ACCOUNT_ROBOT, ""), 0);
    CU_ASSERT_STRING_EQUAL(show("alice"), "user team-b team-a");
    CU_ASSERT_STRING_EQUAL(show("ci"), "robot");
    CU_ASSERT_STRING_EQUAL(show("bob"), "ACCOUNT_UNKNOWN");
    CU_ASSERT_EQUAL(make("alice", ACCOUNT_USER, ""), ERR_EXISTS);
    CU_ASSERT_EQUAL(make("ci", ACCOUNT_USER, ""), ERR_EXISTS);
    CU_ASSERT_EQUAL(make("bob", ACCOUNT_USER, "team-a,nobody"), ERR_GROUP_UNKNOWN);
    CU_ASSERT_EQUAL(make("bob", ACCOUNT_USER, "not a name"), ERR_GROUP_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(show("bob"), "ACCOUNT_UNKNOWN");
    CU_ASSERT_STRING_EQUAL(fixture_events(0),
                           "group.changed group.changed account.created account.created");
}

static void test_create_kinds(void)
{
    struct account_create create = {
        .name = SLICE("ci"), .kind = ACCOUNT_ROBOT, .bcrypt = some_hash, .actor = root};

    CU_ASSERT_EQUAL(fixture_write(account_create, &create), ERR_INVALID);
    create.bcrypt = SLICE("");
    create.external = true;
    CU_ASSERT_EQUAL(fixture_write(account_create, &create), ERR_INVALID);
    create.kind = ACCOUNT_USER;
    CU_ASSERT_EQUAL(fixture_write(account_create, &create), 0);
    CU_ASSERT_STRING_EQUAL(show("ci"), "user external");
    create = (struct account_create){
        .name = SLICE("bob"), .kind = ACCOUNT_USER, .bcrypt = some_hash, .external = true};
    CU_ASSERT_EQUAL(fixture_write(account_create, &create), ERR_INVALID);
    create.external = false;
    create.actor = root;
    CU_ASSERT_EQUAL(fixture_write(account_create, &create), 0);
    CU_ASSERT_STRING_EQUAL(show("bob"), "user password");
}

static void test_change(void)
{
    const bool yes = true, no = false;
    const struct slice groups[] = {SLICE("team-a")}, bad[] = {SLICE("nobody")};
    struct account_change change = {.name = SLICE("alice"), .actor = root, .disabled = &yes};
    uint64_t before;

    CU_ASSERT_EQUAL(fixture_write(account_change, &change), ERR_ACCOUNT_UNKNOWN);
    CU_ASSERT_EQUAL(make_group("team-a"), 0);
    CU_ASSERT_EQUAL(make("alice", ACCOUNT_USER, ""), 0);
    before = fixture_event_last();
    CU_ASSERT_EQUAL(fixture_write(account_change, &change), 0);
    CU_ASSERT_STRING_EQUAL(show("alice"), "user disabled");
    /* The same once more is no change and has no event. */
    CU_ASSERT_EQUAL(fixture_write(account_change, &change), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(before), "account.changed");
    change.disabled = &no;
    change.bcrypt = &some_hash;
    change.groups = groups;
    change.groups_n = 1;
    CU_ASSERT_EQUAL(fixture_write(account_change, &change), 0);
    CU_ASSERT_STRING_EQUAL(show("alice"), "user password team-a");
    change = (struct account_change){.name = SLICE("alice"), .groups = bad, .groups_n = 1};
    CU_ASSERT_EQUAL(fixture_write(account_change, &change), ERR_GROUP_UNKNOWN);
    CU_ASSERT_TRUE(slice_eq(change.unknown_group, SLICE("nobody")));
    CU_ASSERT_STRING_EQUAL(show("alice"), "user password team-a");
    CU_ASSERT_EQUAL(make("ci", ACCOUNT_ROBOT, ""), 0);
    change = (struct account_change){.name = SLICE("ci"), .bcrypt = &some_hash};
    CU_ASSERT_EQUAL(fixture_write(account_change, &change), ERR_INVALID);
}

static void test_delete(void)
{
    struct account_delete del = {.name = SLICE("ci"), .kind = ACCOUNT_USER, .actor = root};
    struct token_create token = {.kind = TOKEN_ROBOT, .account = SLICE("ci"), .actor = root};

    CU_ASSERT_EQUAL(fixture_write(account_delete, &del), ERR_ACCOUNT_UNKNOWN);
    CU_ASSERT_EQUAL(make("ci", ACCOUNT_ROBOT, ""), 0);
    CU_ASSERT_EQUAL(make("ci-2", ACCOUNT_ROBOT, ""), 0);
    token.id = 1;
    CU_ASSERT_EQUAL(fixture_write(token_create, &token), 0);
    token.id = 2;
    CU_ASSERT_EQUAL(fixture_write(token_create, &token), 0);
    token.id = 3;
    token.account = SLICE("ci-2");
    CU_ASSERT_EQUAL(fixture_write(token_create, &token), 0);
    CU_ASSERT_EQUAL(fixture_write(account_delete, &del), ERR_ACCOUNT_UNKNOWN);
    del.kind = ACCOUNT_ROBOT;
    CU_ASSERT_EQUAL(fixture_write(account_delete, &del), 0);
    CU_ASSERT_EQUAL(del.tokens, 2);
    CU_ASSERT_STRING_EQUAL(show("ci"), "ACCOUNT_UNKNOWN");
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TOKEN)), 1);
    CU_ASSERT_EQUAL(fixture_count_rows(key_prefix(KV_TOKENOF)), 1);
}

/* Names of the accounts, page by page. */
static const char *list(enum account_kind kind, const char *group, unsigned limit)
{
    static char text[1024];
    char after[64] = "";
    size_t n = 0;

    text[0] = '\0';
    for (unsigned pages = 0; pages < 20; pages++) {
        struct account_list page = {.kind = kind,
                                    .group = slice_from_cstr(group),
                                    .after = slice_from_cstr(after),
                                    .limit = limit};
        struct arena arena;

        arena_init(&arena, 1u << 20);
        page.arena = &arena;
        CU_ASSERT_EQUAL_FATAL(fixture_read(account_list, &page), 0);
        CU_ASSERT_TRUE(page.accounts_n <= limit);
        for (unsigned i = 0; i < page.accounts_n; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, SLICE_FMT " ",
                                  SLICE_ARG(page.accounts[i].name));
        snprintf(after, sizeof(after), SLICE_FMT, SLICE_ARG(page.next));
        arena_fini(&arena);
        if (after[0] == '\0')
            return text;
    }
    CU_FAIL("the pages do not end");
    return text;
}

static void test_list(void)
{
    CU_ASSERT_STRING_EQUAL(list(ACCOUNT_USER, "", 10), "");
    CU_ASSERT_EQUAL(make_group("ops"), 0);
    CU_ASSERT_EQUAL(make("dora", ACCOUNT_USER, ""), 0);
    CU_ASSERT_EQUAL(make("bob", ACCOUNT_USER, "ops"), 0);
    CU_ASSERT_EQUAL(make("ci", ACCOUNT_ROBOT, "ops"), 0);
    CU_ASSERT_EQUAL(make("alice", ACCOUNT_USER, "ops"), 0);
    for (unsigned limit = 1; limit <= 4; limit++) {
        CU_ASSERT_STRING_EQUAL(list(ACCOUNT_USER, "", limit), "alice bob dora ");
        CU_ASSERT_STRING_EQUAL(list(ACCOUNT_ROBOT, "", limit), "ci ");
        CU_ASSERT_STRING_EQUAL(list(ACCOUNT_USER, "ops", limit), "alice bob ");
        CU_ASSERT_STRING_EQUAL(list(ACCOUNT_USER, "op", limit), "");
    }
}

/*
 * Groups.
 */

static void test_groups(void)
{
    struct group_put put = {.name = SLICE("ops"), .description = SLICE("on call"), .actor = root};
    struct group_list page = {.limit = 1};
    struct group_get get = {.name = SLICE("ops")};
    struct arena arena;

    arena_init(&arena, 1u << 20);
    page.arena = get.arena = &arena;
    CU_ASSERT_EQUAL(fixture_read(group_get, &get), ERR_GROUP_UNKNOWN);
    CU_ASSERT_EQUAL(fixture_write(group_put, &put), 0);
    CU_ASSERT_TRUE(put.created);
    CU_ASSERT_EQUAL(fixture_write(group_put, &put), 0);
    CU_ASSERT_FALSE(put.created);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "group.changed");
    put.description = SLICE("day and night");
    CU_ASSERT_EQUAL(fixture_write(group_put, &put), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "group.changed group.changed");
    CU_ASSERT_EQUAL(fixture_read(group_get, &get), 0);
    CU_ASSERT_TRUE(slice_eq(get.group.row.description, put.description));
    CU_ASSERT_EQUAL(make_group("dev"), 0);
    CU_ASSERT_EQUAL(fixture_read(group_list, &page), 0);
    CU_ASSERT_EQUAL_FATAL(page.groups_n, 1);
    CU_ASSERT_TRUE(slice_eq(page.groups[0].name, SLICE("dev")));
    page.after = page.next;
    CU_ASSERT_EQUAL(fixture_read(group_list, &page), 0);
    CU_ASSERT_EQUAL_FATAL(page.groups_n, 1);
    CU_ASSERT_TRUE(slice_eq(page.groups[0].name, SLICE("ops")));
    CU_ASSERT_EQUAL(page.next.n, 0);
    arena_fini(&arena);
}

static void test_group_in_use(void)
{
    struct group_delete del = {.name = SLICE("ops"), .actor = root};
    struct account_delete account = {.name = SLICE("bob"), .kind = ACCOUNT_USER, .actor = root};

    CU_ASSERT_EQUAL(fixture_write(group_delete, &del), ERR_GROUP_UNKNOWN);
    CU_ASSERT_EQUAL(make_group("ops"), 0);
    CU_ASSERT_EQUAL(make("alice", ACCOUNT_USER, ""), 0);
    CU_ASSERT_EQUAL(make("bob", ACCOUNT_USER, "ops"), 0);
    CU_ASSERT_EQUAL(fixture_write(group_delete, &del), ERR_GROUP_IN_USE);
    CU_ASSERT_EQUAL(fixture_write(account_delete, &account), 0);
    CU_ASSERT_EQUAL(fixture_write(group_delete, &del), 0);
    CU_ASSERT_EQUAL(make("bob", ACCOUNT_USER, "ops"), ERR_GROUP_UNKNOWN);
}

/*
 * Names.
 */

static void check_name(const char *name, enum account_kind kind, bool is_good)
{
    struct fault fault = FAULT_INIT;
    int err = account_name_check(slice_from_cstr(name), kind, &fault);

    CU_ASSERT_EQUAL(err, is_good ? 0 : ERR_ACCOUNT_INVALID);
    CU_ASSERT_EQUAL(fault.text[0] != '\0', !is_good);
    if ((err == 0) != is_good)
        printf("# \"%s\": %s\n", name, fault.text);
}

static void test_names(void)
{
    static const char *const users[] = {"alice",   "A.Lice", "a", "alice@example.org",
                                        "a+b_c-d", "7"};
    static const char *const robots[] = {"ci", "ci-app", "a.b_c-1", "0"};
    static const char *const neither[] = {"",
                                          " ",
                                          "-a",
                                          ".a",
                                          "_a",
                                          "@a",
                                          "a b",
                                          "a:b",
                                          "a/b",
                                          "a$b",
                                          "a\"b",
                                          "a\nb",
                                          "a\tb",
                                          "\xc3\xa4",
                                          "a\x7f",
                                          "a,b",
                                          "a\r\nX: y",
                                          "anonymous",
                                          "authenticated",
                                          "bootstrap",
                                          "system"};
    static const char *const no_robots[] = {"Ci", "ci@x", "a+b"};
    char text[ACCOUNT_NAME_MAX + 2];

    for (size_t i = 0; i < ARRAY_LENGTH(users); i++)
        check_name(users[i], ACCOUNT_USER, true);
    for (size_t i = 0; i < ARRAY_LENGTH(robots); i++)
        check_name(robots[i], ACCOUNT_ROBOT, true);
    for (size_t i = 0; i < ARRAY_LENGTH(neither); i++) {
        check_name(neither[i], ACCOUNT_USER, false);
        check_name(neither[i], ACCOUNT_ROBOT, false);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(no_robots); i++)
        check_name(no_robots[i], ACCOUNT_ROBOT, false);
    check_name("Anonymous", ACCOUNT_USER, false);
    CU_ASSERT_EQUAL(account_name_check(SLICE("a\0b"), ACCOUNT_USER, NULL), ERR_ACCOUNT_INVALID);
    memset(text, 'a', sizeof(text));
    text[ACCOUNT_NAME_MAX + 1] = '\0';
    check_name(text, ACCOUNT_USER, false);
    text[ACCOUNT_NAME_MAX] = '\0';
    check_name(text, ACCOUNT_USER, true);
    text[ACCOUNT_ROBOT_NAME_MAX + 1] = '\0';
    check_name(text, ACCOUNT_ROBOT, false);
    text[ACCOUNT_ROBOT_NAME_MAX] = '\0';
    check_name(text, ACCOUNT_ROBOT, true);
}

static void test_other_texts(void)
{
    static char text[ACCOUNT_DESCRIPTION_MAX + 1];

    memset(text, 'x', sizeof(text));
    CU_ASSERT_EQUAL(account_description_check(SLICE(""), NULL), 0);
    CU_ASSERT_EQUAL(account_description_check(SLICE("f\xc3\xbcr Tests"), NULL), 0);
    CU_ASSERT_EQUAL(account_description_check(SLICE("a\nb"), NULL), ERR_INVALID);
    CU_ASSERT_EQUAL(account_description_check(SLICE("\xff"), NULL), ERR_INVALID);
    CU_ASSERT_EQUAL(account_description_check(slice_make(text, sizeof(text)), NULL), ERR_INVALID);
    CU_ASSERT_EQUAL(account_description_check(slice_make(text, sizeof(text) - 1), NULL), 0);
    CU_ASSERT_EQUAL(group_name_check(SLICE("Team-a.1_x"), NULL), 0);
    CU_ASSERT_EQUAL(group_name_check(SLICE(""), NULL), ERR_GROUP_INVALID);
    CU_ASSERT_EQUAL(group_name_check(SLICE("-a"), NULL), ERR_GROUP_INVALID);
    CU_ASSERT_EQUAL(group_name_check(SLICE("a b"), NULL), ERR_GROUP_INVALID);
    CU_ASSERT_EQUAL(group_name_check(slice_make(text, GROUP_NAME_MAX), NULL), 0);
    CU_ASSERT_EQUAL(group_name_check(slice_make(text, GROUP_NAME_MAX + 1), NULL),
                    ERR_GROUP_INVALID);
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"create", test_create},
        {"what goes with which kind", test_create_kinds},
        {"change", test_change},
        {"delete, and its secrets with it", test_delete},
        {"list", test_list},
        {"groups", test_groups},
        {"a group in use", test_group_in_use},
        CU_TEST_INFO_NULL,
    };
    CU_pSuite names = CU_add_suite("names", NULL, NULL);

    fixture_add_suites("account", tests);
    CU_add_test(names, "of accounts", test_names);
    CU_add_test(names, "of groups; descriptions", test_other_texts);
}
