/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/account.h"
#include "auth/token.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/support/store_fixture.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS  (24 * HOUR_MS)

static const struct slice root = {"root", 4};

static void make_account(const char *name, enum account_kind kind)
{
    struct account_create create = {.name = slice_from_cstr(name), .kind = kind, .actor = root};

    CU_ASSERT_EQUAL_FATAL(fixture_write(account_create, &create), 0);
}

static struct token_create token_of(enum token_kind kind, const char *account, uint64_t id)
{
    return (struct token_create){
        .kind = kind,
        .id = id,
        .account = slice_from_cstr(account),
        .life_ms = DAY_MS,
        .verbs = 3,
        .actor = root,
    };
}

static int make(enum token_kind kind, const char *account, uint64_t id)
{
    struct token_create create = token_of(kind, account, id);

    return fixture_write(token_create, &create);
}

static int get(uint64_t id, struct arena *arena, struct token *token)
{
    struct token_get get = {.id = id, .arena = arena};
    int err = fixture_read(token_get, &get);

    *token = get.token;
    return err;
}

static bool is_there(uint64_t id)
{
    struct token token;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    int err = get(id, &arena, &token);
    arena_fini(&arena);
    CU_ASSERT_TRUE(err == 0 || err == ERR_TOKEN_UNKNOWN);
    return err == 0;
}

/* As if it had been made and had expired at these times. */
static void set_times(uint64_t id, int64_t created_ms, int64_t expires_ms)
{
    struct row_token row;
    struct buf value, changed;

    buf_init(&value, KV_VALUE_MAX);
    buf_init(&changed, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key_token(id), &value), 0);
    CU_ASSERT_EQUAL_FATAL(row_token_decode(buf_slice(&value), &row), 0);
    row.created_ms = created_ms;
    row.expires_ms = expires_ms;
    row_token_encode(&changed, &row);
    CU_ASSERT_EQUAL_FATAL(fixture_put_row(key_token(id), buf_slice(&changed)), 0);
    buf_fini(&value);
    buf_fini(&changed);
}

static void expire(uint64_t id)
{
    set_times(id, 1, clock_wall_ms() - 1);
}

static unsigned rows(enum kv_family family)
{
    return fixture_count_rows(key_prefix(family));
}

static void test_create(void)
{
    const struct slice globs[] = {SLICE("team-a/**"), SLICE("base/*")};
    struct token_create create = token_of(TOKEN_PERSONAL, "alice", 7);
    struct token token;
    struct arena arena;

    create.globs = globs;
    create.globs_n = 2;
    create.may_approve = true;
    create.life_ms = TOKEN_APPROVE_MAX_MS;
    create.description = SLICE("laptop");
    memset(create.sha256, 0xab, sizeof(create.sha256));
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), ERR_ACCOUNT_UNKNOWN);
    make_account("alice", ACCOUNT_USER);
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), 0);
    const struct token_create made = create;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), ERR_EXISTS);
    arena_init(&arena, 1u << 20);
    CU_ASSERT_EQUAL_FATAL(get(7, &arena, &token), 0);
    CU_ASSERT_EQUAL(token.row.kind, TOKEN_PERSONAL);
    CU_ASSERT_TRUE(token.row.may_approve);
    CU_ASSERT_EQUAL(memcmp(token.row.sha256, create.sha256, sizeof(create.sha256)), 0);
    CU_ASSERT_EQUAL(token.row.created_ms, made.created_ms);
    CU_ASSERT_EQUAL(token.row.expires_ms, made.expires_ms);
    CU_ASSERT_EQUAL(token.row.expires_ms - token.row.created_ms, TOKEN_APPROVE_MAX_MS);
    CU_ASSERT_EQUAL(token.row.last_used_ms, 0);
    CU_ASSERT_EQUAL(token.row.verbs, 3);
    CU_ASSERT_EQUAL_FATAL(token.row.globs_n, 2);
    CU_ASSERT_TRUE(slice_eq(token.row.globs[1], SLICE("base/*")));
    CU_ASSERT_TRUE(slice_eq(token.row.account, SLICE("alice")));
    CU_ASSERT_TRUE(slice_eq(token.row.description, SLICE("laptop")));
    arena_fini(&arena);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "account.created token.created");
    CU_ASSERT_EQUAL(rows(KV_TOKENOF), 1);
}

static void test_create_refused(void)
{
    struct token_create create;

    make_account("alice", ACCOUNT_USER);
    make_account("ci", ACCOUNT_ROBOT);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "alice", 1), ERR_INVALID);
    CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "ci", 1), ERR_INVALID);
    CU_ASSERT_EQUAL(make(TOKEN_BOOTSTRAP, "alice", 1), ERR_INVALID);
    CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "", 1), ERR_INVALID);
    CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "alice", 0), ERR_INVALID);
    create = token_of(TOKEN_PERSONAL, "alice", 1);
    create.may_approve = true;
    create.life_ms = TOKEN_APPROVE_MAX_MS + 1;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), ERR_INVALID);
    create.life_ms = 0;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), ERR_INVALID);
    create = token_of(TOKEN_ROBOT, "ci", 1);
    create.may_approve = true;
    create.life_ms = 1;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), ERR_INVALID);
    create = token_of(TOKEN_REFRESH, "alice", 1);
    create.may_approve = true;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), ERR_INVALID);
    CU_ASSERT_EQUAL(rows(KV_TOKEN), 0);
}

/* Somebody of the htpasswd file, who had no row so far. */
static void test_external(void)
{
    struct token_create create = token_of(TOKEN_ROBOT, "fred", 1);
    struct row_account row;
    struct buf value;

    create.external = true;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), ERR_INVALID);
    create.kind = TOKEN_REFRESH;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), 0);
    create.id = 2;
    CU_ASSERT_EQUAL(fixture_write(token_create, &create), 0);
    buf_init(&value, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key_account(SLICE("fred")), &value), 0);
    CU_ASSERT_EQUAL_FATAL(row_account_decode(buf_slice(&value), &row), 0);
    CU_ASSERT_TRUE(row.kind == ACCOUNT_USER && row.external);
    buf_fini(&value);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "account.created token.created token.created");
    CU_ASSERT_EQUAL(rows(KV_TOKENOF), 2);
}

static void test_two_for_a_robot(void)
{
    struct token_revoke revoke = {.id = 1, .actor = root};

    make_account("ci", ACCOUNT_ROBOT);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 1), 0);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 2), 0);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 3), ERR_TOKEN_LIMIT);
    CU_ASSERT_EQUAL(fixture_write(token_revoke, &revoke), 0);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 3), 0);
    /* A dead one does not count, and goes. */
    expire(2);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 4), 0);
    CU_ASSERT_FALSE(is_there(2));
    CU_ASSERT_TRUE(is_there(3));
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 5), ERR_TOKEN_LIMIT);
    CU_ASSERT_EQUAL(rows(KV_TOKEN), 2);
    CU_ASSERT_EQUAL(rows(KV_TOKENOF), 2);
}

static void test_personal_limit(void)
{
    make_account("alice", ACCOUNT_USER);
    for (uint64_t id = 1; id <= TOKEN_PERSONAL_MAX; id++)
        CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "alice", id), 0);
    CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "alice", 1000), ERR_TOKEN_LIMIT);
}

/* Nobody revokes what `docker login` makes: the oldest makes room. */
static void test_refresh_limit(void)
{
    make_account("alice", ACCOUNT_USER);
    for (uint64_t id = 1; id <= TOKEN_REFRESH_MAX; id++) {
        CU_ASSERT_EQUAL(make(TOKEN_REFRESH, "alice", id), 0);
        set_times(id, (int64_t)(id == 17 ? 1 : 1000 + id), INT64_MAX);
    }
    CU_ASSERT_EQUAL(make(TOKEN_REFRESH, "alice", 1000), 0);
    CU_ASSERT_FALSE(is_there(17));
    CU_ASSERT_TRUE(is_there(1000));
    CU_ASSERT_EQUAL(rows(KV_TOKEN), TOKEN_REFRESH_MAX);
}

static void test_revoke(void)
{
    struct token_revoke revoke = {.id = 1, .account = SLICE("bob"), .actor = root};

    make_account("alice", ACCOUNT_USER);
    CU_ASSERT_EQUAL(fixture_write(token_revoke, &revoke), ERR_TOKEN_UNKNOWN);
    CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "alice", 1), 0);
    CU_ASSERT_EQUAL(fixture_write(token_revoke, &revoke), ERR_TOKEN_UNKNOWN);
    CU_ASSERT_TRUE(is_there(1));
    revoke.account = SLICE("alice");
    CU_ASSERT_EQUAL(fixture_write(token_revoke, &revoke), 0);
    CU_ASSERT_EQUAL(fixture_write(token_revoke, &revoke), ERR_TOKEN_UNKNOWN);
    CU_ASSERT_EQUAL(rows(KV_TOKEN) + rows(KV_TOKENOF), 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(0), "account.created token.created token.revoked");
}

static void test_list(void)
{
    struct token_list list = {.account = SLICE("al")};
    struct arena arena;

    make_account("alice", ACCOUNT_USER);
    make_account("al", ACCOUNT_USER);
    for (uint64_t id = 1; id <= 3; id++)
        CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, id == 2 ? "al" : "alice", id), 0);
    arena_init(&arena, 1u << 20);
    list.arena = &arena;
    CU_ASSERT_EQUAL(fixture_read(token_list, &list), 0);
    CU_ASSERT_EQUAL_FATAL(list.tokens_n, 1);
    CU_ASSERT_EQUAL(list.tokens[0].id, 2);
    list.account = SLICE("alice");
    CU_ASSERT_EQUAL(fixture_read(token_list, &list), 0);
    CU_ASSERT_EQUAL_FATAL(list.tokens_n, 2);
    CU_ASSERT_EQUAL(list.tokens[1].id, 3);
    arena_fini(&arena);
}

static int64_t last_used(uint64_t id)
{
    struct row_token row = {.last_used_ms = -1};
    struct buf value;

    buf_init(&value, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key_token(id), &value), 0);
    CU_ASSERT_EQUAL(row_token_decode(buf_slice(&value), &row), 0);
    buf_fini(&value);
    return row.last_used_ms;
}

static void test_use(void)
{
    struct token_use use = {.id = 1};
    struct fixture_rows before, since;
    const int64_t begin_ms = clock_wall_ms();

    CU_ASSERT_EQUAL(fixture_write(token_use, &use), 0); /* gone meanwhile */
    make_account("alice", ACCOUNT_USER);
    CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "alice", 1), 0);
    CU_ASSERT_EQUAL(fixture_write(token_use, &use), 0);
    CU_ASSERT_TRUE(last_used(1) >= begin_ms);
    before = fixture_rows_now();
    CU_ASSERT_EQUAL(fixture_write(token_use, &use), 0);
    since = fixture_rows_since(&before);
    CU_ASSERT_EQUAL(since.total, 0); /* at most once an hour */
}

/*
 * The sweep.
 */

static struct token_sweep sweep(int64_t warn_ms, int64_t keep_ms)
{
    struct token_sweep slice = {.warn_ms = warn_ms, .keep_ms = keep_ms}, sum = {0};

    for (unsigned n = 0; n < 100; n++) {
        CU_ASSERT_EQUAL_FATAL(fixture_write(token_sweep, &slice), 0);
        sum.warned += slice.warned;
        sum.removed += slice.removed;
        slice.after_id = slice.next_id;
        if (slice.next_id == 0)
            return sum;
    }
    CU_FAIL("the sweep does not end");
    return sum;
}

static void test_sweep_warns(void)
{
    const int64_t now_ms = clock_wall_ms();
    uint64_t before;

    make_account("ci", ACCOUNT_ROBOT);
    make_account("alice", ACCOUNT_USER);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 1), 0);
    CU_ASSERT_EQUAL(make(TOKEN_ROBOT, "ci", 2), 0);
    CU_ASSERT_EQUAL(make(TOKEN_REFRESH, "alice", 3), 0);
    CU_ASSERT_EQUAL(make(TOKEN_PERSONAL, "alice", 4), 0);
    set_times(1, now_ms - 90 * DAY_MS, now_ms + 2 * DAY_MS); /* soon */
    set_times(2, now_ms - 90 * DAY_MS, now_ms + 9 * DAY_MS); /* later */
    set_times(3, now_ms - 90 * DAY_MS, now_ms + 2 * DAY_MS); /* nobody can do anything */
    set_times(4, now_ms - HOUR_MS, now_ms + HOUR_MS);        /* was never meant to live longer */
    before = fixture_event_last();
    CU_ASSERT_EQUAL(sweep(0, DAY_MS).warned, 0);
    CU_ASSERT_EQUAL(sweep(7 * DAY_MS, DAY_MS).warned, 1);
    CU_ASSERT_EQUAL(sweep(7 * DAY_MS, DAY_MS).warned, 0);
    CU_ASSERT_STRING_EQUAL(fixture_events(before), "token.expiring");
    CU_ASSERT_EQUAL(rows(KV_TOKEN), 4);
}

static void test_sweep_removes(void)
{
    const int64_t now_ms = clock_wall_ms();
    char name[16];

    for (uint64_t id = 1; id <= 150; id++) {
        snprintf(name, sizeof(name), "ci-%u", (unsigned)id);
        make_account(name, ACCOUNT_ROBOT);
        CU_ASSERT_EQUAL(make(TOKEN_ROBOT, name, id), 0);
        set_times(id, 1, now_ms - (id % 2 == 0 ? 3 : 1) * DAY_MS);
    }
    CU_ASSERT_EQUAL(sweep(DAY_MS, 2 * DAY_MS).removed, 75);
    CU_ASSERT_EQUAL(rows(KV_TOKEN), 75);
    CU_ASSERT_EQUAL(rows(KV_TOKENOF), 75);
    CU_ASSERT_TRUE(is_there(1));
    CU_ASSERT_FALSE(is_there(2));
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"create", test_create},
        {"what is no token", test_create_refused},
        {"somebody of the htpasswd file", test_external},
        {"two for a robot", test_two_for_a_robot},
        {"personal ones have a limit", test_personal_limit},
        {"refresh tokens make room", test_refresh_limit},
        {"revoke", test_revoke},
        {"list", test_list},
        {"use", test_use},
        {"the sweep warns", test_sweep_warns},
        {"the sweep removes", test_sweep_removes},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("token", tests);
}
