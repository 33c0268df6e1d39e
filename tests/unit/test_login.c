/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "auth/account.h"
#include "auth/group.h"
#include "auth/login.h"
#include "auth/token.h"
#include "auth/token_secret.h"
#include "base/clock.h"
#include "base/mem.h"
#include "storage/event.h"
#include "tests/support/store_fixture.h"

#include <CUnit/CUnit.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define COST     4
#define DAY_MS   ((int64_t)24 * 3600 * 1000)
#define PARALLEL 8

static const struct slice root = {"root", 4};
static const struct slice here = {"192.0.2.1", 9};

static struct login_options options;
static struct login *login;
static struct queue *queue;
static struct kv_client *client;
static char directory[256], htpasswd[300];

/*
 * A login and its end.
 */

struct attempt {
    struct login_request request;
    struct identity *identity;
    int err;
    bool is_done;
};

static void done(void *arg, int err, struct identity *identity)
{
    struct attempt *attempt = arg;

    CU_ASSERT_FALSE(attempt->is_done);
    CU_ASSERT_EQUAL(identity != NULL, err == 0);
    attempt->is_done = true;
    attempt->err = err;
    attempt->identity = identity;
}

static void begin(struct attempt *attempt, const char *user, struct slice secret)
{
    *attempt = (struct attempt){.request = {
                                    .kv = client,
                                    .user = slice_from_cstr(user),
                                    .secret = secret,
                                    .address = here,
                                    .done = done,
                                    .arg = attempt,
                                }};
    login_check(login, &attempt->request);
}

static void wait_for(struct attempt *attempt)
{
    while (!attempt->is_done) {
        struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};

        CU_ASSERT_TRUE_FATAL(poll(&fd, 1, 60000) == 1);
        pool_run_replies(queue);
    }
    kv_turn_end(client);
}

/* The last attempt; its identity ends with the next. */
static struct attempt last;

static int try_slice(const char *user, struct slice secret)
{
    identity_unref(last.identity);
    begin(&last, user, secret);
    wait_for(&last);
    CU_ASSERT_EQUAL(last.request.reason != NULL,
                    last.err == ERR_UNAUTHORIZED || last.err == ERR_HTTP_TOO_MANY_REQUESTS);
    return last.err;
}

static int try(const char *user, const char *secret)
{
    return try_slice(user, slice_from_cstr(secret));
}

/* What is refused has this reason. */
static void check_refused(const char *user, const char *secret, const char *reason)
{
    CU_ASSERT_EQUAL(try(user, secret), ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(last.request.reason == NULL ? "none" : last.request.reason, reason);
}

static void write_htpasswd(const char *user, const char *password)
{
    char hash[PASSWORD_HASH_SIZE + 1], aside[320];
    FILE *file;

    snprintf(aside, sizeof(aside), "%s.new", htpasswd);
    CU_ASSERT_EQUAL_FATAL(password_hash(slice_from_cstr(password), COST, hash, NULL), 0);
    file = fopen(aside, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fprintf(file, "%s:%s\n", user, hash);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
    CU_ASSERT_EQUAL_FATAL(rename(aside, htpasswd), 0);
}

static void close_login(void)
{
    identity_unref(last.identity);
    last.identity = NULL;
    login_stop(login);
    kv_client_destroy(client);
    login_destroy(login);
    queue_destroy(queue);
    fixture_remove_dir(directory);
}

static void open_login(void)
{
    fixture_make_dir(directory);
    snprintf(htpasswd, sizeof(htpasswd), "%s/htpasswd", directory);
    write_htpasswd("fred", "from the file");
    options = (struct login_options){
        .htpasswd = htpasswd,
        .bcrypt_cost = COST,
        .cache_ms = 60000,
        .queue_max = 64,
        .warn_ms = 14 * (uint64_t)DAY_MS,
        .lockout = {.failures = 5, .address_failures = 100, .time_ms = 600000},
    };
    CU_ASSERT_EQUAL_FATAL(login_create(&options, &login, NULL), 0);
    queue = queue_create();
    client = kv_client_create(fixture_kv, queue);
}

static void make_user(const char *name, const char *password)
{
    char hash[PASSWORD_HASH_SIZE + 1];
    struct account_create create = {
        .name = slice_from_cstr(name), .kind = ACCOUNT_USER, .actor = root};

    CU_ASSERT_EQUAL_FATAL(password_hash(slice_from_cstr(password), COST, hash, NULL), 0);
    create.bcrypt = slice_from_cstr(hash);
    CU_ASSERT_EQUAL_FATAL(fixture_write(account_create, &create), 0);
}

static void make_account(const char *name, enum account_kind kind, bool external)
{
    struct account_create create = {
        .name = slice_from_cstr(name), .kind = kind, .external = external, .actor = root};

    CU_ASSERT_EQUAL_FATAL(fixture_write(account_create, &create), 0);
}

static void set_disabled(const char *name, bool disabled)
{
    struct account_change change = {
        .name = slice_from_cstr(name), .disabled = &disabled, .actor = root};

    CU_ASSERT_EQUAL_FATAL(fixture_write(account_change, &change), 0);
}

static void make_token(enum token_kind kind, const char *account, int64_t life_ms,
                       struct token_secret *secret)
{
    static const struct slice globs[] = {{"team-a/**", 9}};
    struct token_create create = {
        .kind = kind,
        .account = slice_from_cstr(account),
        .life_ms = life_ms,
        .verbs = VERB_BIT(VERB_PULL),
        .globs = globs,
        .globs_n = 1,
        .actor = root,
    };

    CU_ASSERT_EQUAL_FATAL(token_secret_make(kind, secret), 0);
    create.id = secret->id;
    memcpy(create.sha256, secret->sha256, sizeof(create.sha256));
    CU_ASSERT_EQUAL_FATAL(fixture_write(token_create, &create), 0);
}

/* Until the writes nobody waits for are done. */
static void settle(void)
{
    kv_client_destroy(client);
    client = kv_client_create(fixture_kv, queue);
}

/*
 * Passwords.
 */

static void test_password(void)
{
    const struct slice groups[] = {SLICE("ops")};
    struct group_put put = {.name = SLICE("ops"), .actor = root};
    struct account_change change = {
        .name = SLICE("alice"), .groups = groups, .groups_n = 1, .actor = root};

    open_login();
    make_user("alice", "correct horse");
    CU_ASSERT_EQUAL(fixture_write(group_put, &put), 0);
    CU_ASSERT_EQUAL(fixture_write(account_change, &change), 0);
    CU_ASSERT_EQUAL_FATAL(try("alice", "correct horse"), 0);
    CU_ASSERT_EQUAL(last.request.means, LOGIN_PASSWORD);
    CU_ASSERT_EQUAL(last.identity->kind, IDENTITY_USER);
    CU_ASSERT_TRUE(slice_eq(last.identity->name, SLICE("alice")));
    CU_ASSERT_TRUE(identity_in_group(last.identity, SLICE("ops")));
    CU_ASSERT_EQUAL(last.identity->limit, VERB_BITS_ALL);
    CU_ASSERT_EQUAL(last.identity->globs_n, 0);
    CU_ASSERT_FALSE(last.identity->may_approve);
    CU_ASSERT_EQUAL(try("alice", "correct horse"), 0); /* remembered */
    check_refused("alice", "correct horsf", "wrong-password");
    check_refused("Alice", "correct horse", "unknown-user");
    close_login();
}

/* The client is told the same, whatever was wrong. */
static void test_refusals_look_alike(void)
{
    char first[FAULT_TEXT_MAX];

    open_login();
    make_user("alice", "correct horse");
    make_account("nopw", ACCOUNT_USER, false);
    make_account("ci", ACCOUNT_ROBOT, false);
    make_account("gone", ACCOUNT_USER, true);
    check_refused("alice", "wrong", "wrong-password");
    snprintf(first, sizeof(first), "%s", last.request.fault.text);
    static const char *const users[][2] = {{"bob", "unknown-user"},    {"nopw", "no-password"},
                                           {"ci", "no-password"},      {"gone", "no-password"},
                                           {"fred", "wrong-password"}, {"", "no-password-given"}};
    for (size_t i = 0; i < ARRAY_LENGTH(users); i++) {
        check_refused(users[i][0], "wrong", users[i][1]);
        CU_ASSERT_STRING_EQUAL(last.request.fault.text, first);
    }
    check_refused("alice", "", "no-password-given");
    close_login();
}

static void test_disabled(void)
{
    open_login();
    make_user("alice", "correct horse");
    CU_ASSERT_EQUAL(try("alice", "correct horse"), 0);
    set_disabled("alice", true);
    check_refused("alice", "correct horse", "disabled");
    set_disabled("alice", false);
    CU_ASSERT_EQUAL(try("alice", "correct horse"), 0);
    close_login();
}

/* What is remembered ends with the password. */
static void test_new_password(void)
{
    char hash[PASSWORD_HASH_SIZE + 1];
    struct slice bcrypt = slice_make(hash, PASSWORD_HASH_SIZE);
    struct account_change change = {.name = SLICE("alice"), .bcrypt = &bcrypt, .actor = root};

    open_login();
    make_user("alice", "correct horse");
    CU_ASSERT_EQUAL(try("alice", "correct horse"), 0);
    CU_ASSERT_EQUAL_FATAL(password_hash(SLICE("battery staple"), COST, hash, NULL), 0);
    CU_ASSERT_EQUAL(fixture_write(account_change, &change), 0);
    check_refused("alice", "correct horse", "wrong-password");
    CU_ASSERT_EQUAL(try("alice", "battery staple"), 0);
    close_login();
}

static void test_no_cache(void)
{
    open_login();
    options.cache_ms = 0;
    login_configure(login, &options);
    make_user("alice", "correct horse");
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(try("alice", "correct horse"), 0);
    close_login();
}

static void test_sizes(void)
{
    static char text[LOGIN_SECRET_MAX + 2];

    open_login();
    make_user("alice", "correct horse");
    memset(text, 'x', sizeof(text) - 1);
    check_refused("alice", text, "too-long");
    text[LOGIN_SECRET_MAX] = '\0';
    check_refused("alice", text, "wrong-password");
    check_refused(text, "x", "too-long");
    text[LOGIN_USER_MAX] = '\0';
    check_refused(text, "x", "unknown-user");
    CU_ASSERT_EQUAL(try_slice("alice", SLICE("correct horse\0")), ERR_UNAUTHORIZED);
    close_login();
}

/*
 * The htpasswd file.
 */

static void poll_file(uint64_t generation)
{
    login_poll(login);
    /* The password thread has done it when it has done what comes after. */
    check_refused("nobody", "wrong", "unknown-user");
    CU_ASSERT_NOT_EQUAL(login_generation(login), generation);
}

static void test_htpasswd(void)
{
    uint64_t generation;

    open_login();
    CU_ASSERT_EQUAL(try("fred", "from the file"), 0);
    CU_ASSERT_EQUAL(last.identity->groups_n, 0);
    CU_ASSERT_TRUE(login_has_external(login, SLICE("fred")));
    generation = login_generation(login);
    write_htpasswd("fred", "another one");
    poll_file(generation);
    check_refused("fred", "from the file", "wrong-password");
    CU_ASSERT_EQUAL(try("fred", "another one"), 0);
    generation = login_generation(login);
    write_htpasswd("dora", "another one");
    poll_file(generation);
    check_refused("fred", "another one", "unknown-user");
    CU_ASSERT_EQUAL(try("dora", "another one"), 0);
    close_login();
}

/* An account of Tidemark's own stands before a line of the file. */
static void test_htpasswd_and_account(void)
{
    open_login();
    make_user("fred", "of the account");
    CU_ASSERT_EQUAL(try("fred", "of the account"), 0);
    check_refused("fred", "from the file", "wrong-password");
    close_login();
}

static void test_htpasswd_external(void)
{
    struct token_secret secret;
    uint64_t generation;

    open_login();
    make_account("fred", ACCOUNT_USER, true);
    make_token(TOKEN_PERSONAL, "fred", DAY_MS, &secret);
    CU_ASSERT_EQUAL(try("fred", "from the file"), 0);
    CU_ASSERT_EQUAL(try("fred", secret.text), 0);
    set_disabled("fred", true);
    check_refused("fred", "from the file", "disabled");
    check_refused("fred", secret.text, "disabled");
    set_disabled("fred", false);
    generation = login_generation(login);
    write_htpasswd("dora", "from the file"); /* fred left */
    poll_file(generation);
    check_refused("fred", "from the file", "no-password");
    check_refused("fred", secret.text, "not-in-htpasswd");
    close_login();
}

static void test_htpasswd_broken(void)
{
    struct login *none = NULL;
    struct fault fault = FAULT_INIT;
    FILE *file;

    open_login();
    file = fopen(htpasswd, "w");
    fputs("fred:plain\n", file);
    fclose(file);
    CU_ASSERT_EQUAL(login_create(&options, &none, &fault), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "line 1"));
    login_poll(login);
    check_refused("nobody", "wrong", "unknown-user");
    CU_ASSERT_EQUAL(try("fred", "from the file"), 0); /* the old content */
    close_login();
}

/*
 * Too many.
 */

static void check_locked(const char *user, const char *secret)
{
    CU_ASSERT_EQUAL(try(user, secret), ERR_HTTP_TOO_MANY_REQUESTS);
    CU_ASSERT_STRING_EQUAL(last.request.reason, "locked");
    CU_ASSERT_TRUE(last.request.retry_after_s > 0);
}

static void lock_alice(void)
{
    options.lockout = (struct lockout_options){.failures = 2, .time_ms = 600000};
    login_configure(login, &options);
    check_refused("alice", "wrong 1", "wrong-password");
    check_refused("alice", "wrong 2", "wrong-password");
}

static void test_lockout(void)
{
    struct token_secret secret;

    open_login();
    make_user("alice", "correct horse");
    make_user("bob", "battery staple");
    make_token(TOKEN_PERSONAL, "alice", DAY_MS, &secret);
    CU_ASSERT_EQUAL(try("alice", "correct horse"), 0);
    CU_ASSERT_EQUAL(login_wait_ms(login, SLICE("alice"), here), 0);
    lock_alice();
    CU_ASSERT_TRUE(login_wait_ms(login, SLICE("alice"), here) > 0);
    CU_ASSERT_EQUAL(login_wait_ms(login, SLICE("bob"), here), 0);
    /* Also the right one, also when it is remembered: else one could go on guessing. */
    check_locked("alice", "correct horse");
    CU_ASSERT_TRUE(last.request.retry_after_s > 590);
    CU_ASSERT_EQUAL(try("bob", "battery staple"), 0);
    CU_ASSERT_EQUAL(try("alice", secret.text), 0);
    close_login();
}

/* Guesses that are sent at once are counted like those that come one after the other. */
static void test_lockout_parallel(void)
{
    struct attempt attempts[PARALLEL];
    unsigned refused = 0, locked = 0;

    open_login();
    make_user("alice", "correct horse");
    options.lockout = (struct lockout_options){.failures = 2, .time_ms = 600000};
    login_configure(login, &options);
    for (unsigned i = 0; i < PARALLEL; i++)
        begin(&attempts[i], "alice", SLICE("guess"));
    for (unsigned i = 0; i < PARALLEL; i++) {
        wait_for(&attempts[i]);
        refused += attempts[i].err == ERR_UNAUTHORIZED;
        locked += attempts[i].err == ERR_HTTP_TOO_MANY_REQUESTS;
    }
    CU_ASSERT_EQUAL(refused, 2);
    CU_ASSERT_EQUAL(locked, PARALLEL - 2);
    close_login();
}

static void test_queue_full(void)
{
    struct attempt attempts[PARALLEL];
    unsigned accepted = 0, busy = 0;

    open_login();
    options.queue_max = 1;
    options.bcrypt_cost = 9; /* long enough for all to be there together */
    options.lockout.failures = 0;
    login_configure(login, &options);
    for (unsigned i = 0; i < PARALLEL; i++)
        begin(&attempts[i], "nobody", SLICE("guess"));
    for (unsigned i = 0; i < PARALLEL; i++) {
        wait_for(&attempts[i]);
        accepted += attempts[i].err == ERR_UNAUTHORIZED;
        if (attempts[i].err == ERR_HTTP_TOO_MANY_REQUESTS) {
            CU_ASSERT_STRING_EQUAL(attempts[i].request.reason, "busy");
            CU_ASSERT_EQUAL(attempts[i].request.retry_after_s, 1);
            busy++;
        }
    }
    CU_ASSERT_TRUE(accepted > 0);
    CU_ASSERT_EQUAL(accepted + busy, PARALLEL);
    close_login();
}

static void test_failure_events(void)
{
    open_login();
    make_user("alice", "correct horse");
    const uint64_t before = fixture_event_last();
    lock_alice();
    for (unsigned i = 0; i < 5; i++)
        check_locked("alice", "wrong");
    for (unsigned i = 0; i < 3; i++)
        check_refused("", "tmk_nonsense", "malformed-token");
    settle();
    /* One of a kind a minute, and the lockout. */
    CU_ASSERT_STRING_EQUAL(fixture_events(before), "login.failed login.locked login.failed");
    close_login();
}

/*
 * Secrets of ours.
 */

static void test_token(void)
{
    struct token_secret secret;

    open_login();
    make_user("alice", "correct horse");
    make_token(TOKEN_PERSONAL, "alice", DAY_MS, &secret);
    CU_ASSERT_EQUAL_FATAL(try("whoever", secret.text), 0);
    CU_ASSERT_EQUAL(last.request.means, LOGIN_TOKEN);
    CU_ASSERT_EQUAL(last.identity->kind, IDENTITY_USER);
    CU_ASSERT_TRUE(slice_eq(last.identity->name, SLICE("alice")));
    CU_ASSERT_EQUAL(last.identity->limit, VERB_BIT(VERB_PULL));
    CU_ASSERT_EQUAL_FATAL(last.identity->globs_n, 1);
    CU_ASSERT_TRUE(slice_eq(last.identity->globs[0], SLICE("team-a/**")));
    CU_ASSERT_TRUE(last.identity->expires_ms > clock_wall_ms());
    CU_ASSERT_EQUAL(last.identity->warn_expires_ms, 0); /* only robots */
    set_disabled("alice", true);
    check_refused("alice", secret.text, "disabled");
    close_login();
}

static void test_robot(void)
{
    struct token_secret soon, later;

    open_login();
    make_account("ci-app", ACCOUNT_ROBOT, false);
    make_token(TOKEN_ROBOT, "ci-app", DAY_MS, &soon);
    make_token(TOKEN_ROBOT, "ci-app", 90 * DAY_MS, &later);
    CU_ASSERT_EQUAL_FATAL(try("robot:ci-app", soon.text), 0);
    CU_ASSERT_EQUAL(last.identity->kind, IDENTITY_ROBOT);
    CU_ASSERT_TRUE(slice_eq(last.identity->name, SLICE("robot:ci-app")));
    CU_ASSERT_EQUAL(last.identity->warn_expires_ms, last.identity->expires_ms);
    CU_ASSERT_EQUAL_FATAL(try("ci-app", later.text), 0);
    CU_ASSERT_EQUAL(last.identity->warn_expires_ms, 0);
    close_login();
}

static void test_token_last_used(void)
{
    struct token_secret secret;
    struct row_token row;
    struct buf value;

    open_login();
    make_user("alice", "correct horse");
    make_token(TOKEN_PERSONAL, "alice", DAY_MS, &secret);
    CU_ASSERT_EQUAL(try("alice", secret.text), 0);
    settle();
    buf_init(&value, KV_VALUE_MAX);
    CU_ASSERT_EQUAL_FATAL(fixture_get_row(key_token(secret.id), &value), 0);
    CU_ASSERT_EQUAL_FATAL(row_token_decode(buf_slice(&value), &row), 0);
    CU_ASSERT_NOT_EQUAL(row.last_used_ms, 0);
    buf_fini(&value);
    const struct fixture_rows before = fixture_rows_now();
    CU_ASSERT_EQUAL(try("alice", secret.text), 0);
    settle();
    CU_ASSERT_EQUAL(fixture_rows_since(&before).total, 0);
    close_login();
}

static void test_token_refused(void)
{
    struct token_secret secret, other;
    struct token_revoke revoke = {.actor = root};
    char text[TOKEN_TEXT_SIZE + 1];

    open_login();
    make_user("alice", "correct horse");
    make_token(TOKEN_PERSONAL, "alice", DAY_MS, &secret);
    CU_ASSERT_EQUAL_FATAL(token_secret_make(TOKEN_PERSONAL, &other), 0);
    check_refused("alice", other.text, "unknown-token");
    memcpy(text, secret.text, sizeof(text));
    text[30] = text[30] == 'A' ? 'B' : 'A'; /* the id is right */
    check_refused("alice", text, "unknown-token");
    memcpy(text, secret.text, sizeof(text));
    text[4] = 'r'; /* another kind, so another hash */
    check_refused("alice", text, "unknown-token");
    check_refused("alice", "tmk_p_short", "malformed-token");
    revoke.id = secret.id;
    CU_ASSERT_EQUAL(fixture_write(token_revoke, &revoke), 0);
    check_refused("alice", secret.text, "unknown-token");
    close_login();
}

static void test_token_expired(void)
{
    struct token_secret secret;

    open_login();
    make_user("alice", "correct horse");
    make_token(TOKEN_PERSONAL, "alice", 1, &secret);
    while (clock_wall_ms() < 0 || try("alice", secret.text) == 0)
        ;
    CU_ASSERT_EQUAL(last.err, ERR_UNAUTHORIZED);
    CU_ASSERT_STRING_EQUAL(last.request.reason, "expired");
    CU_ASSERT_PTR_NOT_NULL(strstr(last.request.fault.text, "the token expired at 20"));
    close_login();
}

static void test_refresh(void)
{
    struct token_secret secret;

    open_login();
    make_user("alice", "correct horse");
    make_token(TOKEN_REFRESH, "alice", DAY_MS, &secret);
    check_refused("alice", secret.text, "refresh-token");
    last.is_done = false;
    last.request.takes_refresh = true;
    login_check(login, &last.request);
    wait_for(&last);
    CU_ASSERT_EQUAL(last.err, 0);
    CU_ASSERT_EQUAL(last.request.means, LOGIN_REFRESH);
    close_login();
}

static void test_bootstrap(void)
{
    struct token_secret secret, another;

    open_login();
    make_token(TOKEN_BOOTSTRAP, "", 3600 * 1000, &secret);
    make_token(TOKEN_BOOTSTRAP, "", 3600 * 1000, &another);
    check_refused("", secret.text, "bootstrap-over");
    login_set_bootstrap(login, true);
    CU_ASSERT_EQUAL_FATAL(try("", secret.text), 0);
    CU_ASSERT_EQUAL(last.identity->kind, IDENTITY_BOOTSTRAP);
    CU_ASSERT_EQUAL(last.identity->limit, VERB_BITS_ALL);
    CU_ASSERT_TRUE(last.identity->expires_ms > clock_wall_ms());
    check_refused("", secret.text, "unknown-token"); /* once */
    login_set_bootstrap(login, false);
    check_refused("", another.text, "bootstrap-over");
    close_login();
}

/*
 * Others.
 */

static bool takes_x(struct login_verifier *verifier, struct slice secret)
{
    (void)verifier;
    return slice_starts_with(secret, SLICE("x."));
}

static void verify_x(struct login_verifier *verifier, struct login_request *request)
{
    const struct identity from = {.kind = IDENTITY_WORKLOAD, .name = SLICE("github:acme/app")};

    (void)verifier;
    if (slice_eq(request->secret, SLICE("x.good")))
        login_verified(request, 0, identity_create(&from), NULL);
    else
        login_verified(request, fault_set(&request->fault, ERR_UNAUTHORIZED, "a bad token"), NULL,
                       "bad-x");
}

static void test_verifier(void)
{
    static struct login_verifier verifier = {.takes = takes_x, .verify = verify_x};

    open_login();
    login_add_verifier(login, &verifier);
    CU_ASSERT_EQUAL_FATAL(try("anybody", "x.good"), 0);
    CU_ASSERT_EQUAL(last.request.means, LOGIN_VERIFIED);
    CU_ASSERT_TRUE(slice_eq(last.identity->name, SLICE("github:acme/app")));
    check_refused("anybody", "x.bad", "bad-x");
    CU_ASSERT_STRING_EQUAL(last.request.fault.text, "a bad token");
    close_login();
}

static void hashed(struct login_hash *request)
{
    *(bool *)request->arg = true;
}

static void test_hash(void)
{
    bool is_done = false;
    struct login_hash request;

    open_login();
    request = (struct login_hash){
        .password = SLICE("battery staple"), .reply = queue, .done = hashed, .arg = &is_done};
    login_hash(login, &request);
    while (!is_done) {
        struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};

        CU_ASSERT_TRUE_FATAL(poll(&fd, 1, 60000) == 1);
        pool_run_replies(queue);
    }
    CU_ASSERT_EQUAL(request.err, 0);
    CU_ASSERT_TRUE(password_matches(slice_from_cstr(request.hash), SLICE("battery staple"), COST));
    const uint64_t generation = login_generation(login);
    login_changed(login);
    CU_ASSERT_NOT_EQUAL(login_generation(login), generation);
    close_login();
}

void test_suites(void)
{
    static const CU_TestInfo tests[] = {
        {"a password", test_password},
        {"refusals look alike", test_refusals_look_alike},
        {"a disabled account", test_disabled},
        {"a new password", test_new_password},
        {"nothing is remembered", test_no_cache},
        {"sizes", test_sizes},
        {"htpasswd", test_htpasswd},
        {"htpasswd and an account", test_htpasswd_and_account},
        {"htpasswd, known here", test_htpasswd_external},
        {"htpasswd, broken", test_htpasswd_broken},
        {"lockout", test_lockout},
        {"lockout of guesses at once", test_lockout_parallel},
        {"too many wait", test_queue_full},
        {"events of failures", test_failure_events},
        {"a personal token", test_token},
        {"a robot", test_robot},
        {"last used", test_token_last_used},
        {"no such token", test_token_refused},
        {"an expired token", test_token_expired},
        {"a refresh token", test_refresh},
        {"bootstrap", test_bootstrap},
        {"a verifier", test_verifier},
        {"hash and generation", test_hash},
        CU_TEST_INFO_NULL,
    };

    fixture_add_suites("login", tests);
}
