/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the kinds of secrets are told apart by their looks, so that a request takes one way only.
 *
 * A password: the row of the account gives the bcrypt text (or the htpasswd file does); unless the
 * cache knows that this password fits this text, it goes to the password thread. There the lockout
 * is asked again and the failure is counted, on the one thread that compares: many guesses sent at
 * once gain nothing. Afterwards the row is read once more, since it may have changed in that long
 * time.
 *
 * A secret of ours has too many random bits to be guessed, so it is neither counted nor delayed: a
 * job that goes on with an old secret must not lock out the others of its address.
 */
#include "config.h"
#include "auth/login.h"

#include "auth/account.h"
#include "auth/login_internal.h"
#include "auth/token.h"
#include "auth/token_secret.h"
#include "base/clock.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <stdio.h>

static const char wrong_text[] = "the user name, or the password or token, is wrong";

static void finish(struct login_request *r, int err, struct identity *identity)
{
    r->done(r->arg, err, identity);
}

/* `text` is for the client. */
static void refuse(struct login_request *r, const char *reason, const char *text)
{
    r->reason = reason;
    finish(r, fault_set(&r->fault, ERR_UNAUTHORIZED, "%s", text), NULL);
}

static void refuse_for_now(struct login_request *r, const char *reason, uint64_t wait_ms)
{
    r->reason = reason;
    r->retry_after_s = (unsigned)((wait_ms + 999) / 1000);
    finish(r,
           fault_set(&r->fault, ERR_HTTP_TOO_MANY_REQUESTS,
                     "too many logins failed or are under way; try again in %u s",
                     r->retry_after_s),
           NULL);
}

/*
 * Rows.
 */

static int get_row(struct kv_tx *tx, struct key key, struct slice *value, bool *has)
{
    int err = kv_get(tx, key_slice(&key), value);

    *has = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* 0, and whether there is one; ERR_CORRUPT. */
static int decode_account(const struct login_request *r, struct row_account *row)
{
    memset(row, 0, sizeof(*row));
    return r->has_account ? row_account_decode(r->account_row, row) : 0;
}

/*
 * Passwords.
 */

static int read_account(struct kv_tx *tx, void *arg)
{
    struct login_request *r = arg;

    return get_row(tx, key_account(r->user), &r->account_row, &r->has_account);
}

/* What the password has to fit: empty when there is nothing, which is known to nobody but the log.
 */
static void find_hash(const struct login_request *r, const struct row_account *row,
                      char hash[PASSWORD_HASH_SIZE + 1])
{
    struct login *login = r->login;

    hash[0] = '\0';
    if (r->has_account && !row->external) {
        if (row->kind == ACCOUNT_USER && row->bcrypt.n == PASSWORD_HASH_SIZE) {
            memcpy(hash, row->bcrypt.p, PASSWORD_HASH_SIZE);
            hash[PASSWORD_HASH_SIZE] = '\0';
        }
        return;
    }
    if (login->htpasswd != NULL && !htpasswd_find(login->htpasswd, r->user, hash))
        hash[0] = '\0';
}

static void accept_password(struct login_request *r, const struct row_account *row)
{
    const struct identity from = {
        .kind = IDENTITY_USER,
        .name = r->user,
        .groups = row->groups,
        .groups_n = row->groups_n,
        .limit = VERB_BITS_ALL,
    };

    if (r->has_account && row->disabled) {
        r->reason = "disabled";
        login_record_failure(r, r->user);
        refuse(r, "disabled", "the account is disabled");
        return;
    }
    r->means = LOGIN_PASSWORD;
    finish(r, 0, identity_create(&from));
}

static bool is_cached(struct login_request *r)
{
    return password_cache_has(r->login->cache, slice_from_cstr(r->hash), r->secret,
                              clock_mono_ms());
}

/* On the password thread: one after the other. */
static void compare(struct pool_job *job)
{
    struct login_request *r = CONTAINER_OF(job, struct login_request, job);
    const struct login_options options = login_options_now(r->login);
    const struct slice hash = slice_from_cstr(r->hash);

    r->wait_ms = login_wait_ms(r->login, r->user, r->address);
    if (r->wait_ms > 0)
        return;
    /* The same password may have waited here several times. */
    r->is_right = is_cached(r) || password_matches(hash, r->secret, login_cost(r->login));
    if (r->is_right)
        password_cache_add(r->login->cache, hash, r->secret, clock_mono_ms(), options.cache_ms);
    else
        r->verdict = lockout_failed(r->login->lockout, &options.lockout, r->user, r->address,
                                    clock_mono_ms());
}

static void account_read(void *arg, int err);

static void compared(struct pool_job *job)
{
    struct login_request *r = CONTAINER_OF(job, struct login_request, job);

    if (r->wait_ms > 0) {
        refuse_for_now(r, "locked", r->wait_ms);
    } else if (!r->is_right) {
        r->reason = r->hash[0] != '\0' ? "wrong-password"
                    : r->has_account   ? "no-password"
                                       : "unknown-user";
        login_record_failure(r, r->hash[0] != '\0' || r->has_account ? r->user : SLICE(""));
        refuse(r, r->reason, wrong_text);
    } else {
        lockout_succeeded(r->login->lockout, r->user, r->address);
        r->is_checked = true;
        kv_read(r->kv, read_account, r, account_read);
    }
}

static void begin_comparing(struct login_request *r)
{
    r->job = (struct pool_job){.run = compare, .done = compared, .reply = kv_client_queue(r->kv)};
    if (!login_submit(r->login, &r->job))
        refuse_for_now(r, "busy", 1000);
}

static void account_read(void *arg, int err)
{
    struct login_request *r = arg;
    char hash[PASSWORD_HASH_SIZE + 1];
    struct row_account row;

    if (err == 0)
        err = decode_account(r, &row);
    if (err != 0) {
        finish(r, err, NULL);
        return;
    }
    find_hash(r, &row, hash);
    if (r->is_checked && strcmp(hash, r->hash) != 0) {
        refuse(r, "changed-meanwhile", wrong_text);
        return;
    }
    memcpy(r->hash, hash, strlen(hash) + 1);
    if (r->is_checked || is_cached(r))
        accept_password(r, &row);
    else
        begin_comparing(r);
}

static void check_password(struct login_request *r)
{
    uint64_t wait_ms;

    if (r->user.n == 0 || r->secret.n == 0) {
        refuse(r, "no-password-given", wrong_text);
        return;
    }
    wait_ms = login_wait_ms(r->login, r->user, r->address);
    if (wait_ms > 0)
        refuse_for_now(r, "locked", wait_ms);
    else
        kv_read(r->kv, read_account, r, account_read);
}

/*
 * Secrets of ours.
 */

static int read_token(struct kv_tx *tx, void *arg)
{
    struct login_request *r = arg;
    struct row_token row;
    int err = get_row(tx, key_token(r->token_id), &r->token_row, &r->has_token);

    r->has_account = false;
    r->now_ms = kv_now(tx);
    if (err != 0 || !r->has_token)
        return err;
    err = row_token_decode(r->token_row, &row);
    if (err == 0 && row.account.n > 0)
        err = get_row(tx, key_account(row.account), &r->account_row, &r->has_account);
    return err;
}

/* `account` is the token's, or empty. */
static void refuse_token(struct login_request *r, const char *reason, struct slice account,
                         const char *text)
{
    r->reason = reason;
    login_record_failure(r, account);
    refuse(r, reason, text);
}

static void refuse_expired(struct login_request *r, const struct row_token *row)
{
    char when[CLOCK_RFC3339_MAX], text[96];

    clock_format_rfc3339(row->expires_ms, when);
    snprintf(text, sizeof(text), "the token expired at %s; make a new one", when);
    refuse_token(r, "expired", row->account, text);
}

static void accept_token(struct login_request *r, const struct row_token *row,
                         const struct row_account *account)
{
    const uint64_t warn_ms = login_options_now(r->login).warn_ms;
    char name[sizeof("robot:") + ACCOUNT_NAME_MAX];
    struct identity from = {
        .kind = account->kind == ACCOUNT_ROBOT ? IDENTITY_ROBOT : IDENTITY_USER,
        .groups = account->groups,
        .groups_n = account->groups_n,
        .limit = row->verbs & VERB_BITS_ALL,
        .globs = row->globs,
        .globs_n = row->globs_n,
        .may_approve = row->may_approve,
        .expires_ms = row->expires_ms,
    };
    int n = snprintf(name, sizeof(name), "%s" SLICE_FMT,
                     account->kind == ACCOUNT_ROBOT ? "robot:" : "", SLICE_ARG(row->account));

    from.name = slice_make(name, (size_t)n < sizeof(name) ? (size_t)n : 0);
    if (row->kind == TOKEN_ROBOT && row->expires_ms != 0 && warn_ms != 0 &&
        row->expires_ms - r->now_ms < (int64_t)warn_ms)
        from.warn_expires_ms = row->expires_ms;
    r->means = row->kind == TOKEN_REFRESH ? LOGIN_REFRESH : LOGIN_TOKEN;
    if (row->last_used_ms == 0 || r->now_ms - row->last_used_ms >= TOKEN_USED_EVERY_MS)
        login_record_use(r);
    finish(r, 0, identity_create(&from));
}

/* One use: the row goes, in the transaction that decides who was first. */
static int use_bootstrap(struct kv_tx *tx, void *arg)
{
    struct login_request *r = arg;
    struct token_revoke revoke = {
        .id = r->token_id, .actor = SLICE("bootstrap"), .reason = SLICE("used")};

    return token_revoke(tx, &revoke);
}

static void used_bootstrap(void *arg, int err)
{
    struct login_request *r = arg;
    const struct identity from = {
        .kind = IDENTITY_BOOTSTRAP,
        .name = SLICE("bootstrap"),
        .limit = VERB_BITS_ALL,
        .expires_ms = r->expires_ms,
    };

    if (err == ERR_TOKEN_UNKNOWN) {
        refuse_token(r, "used", SLICE(""), wrong_text);
        return;
    }
    if (err != 0) {
        finish(r, err, NULL);
        return;
    }
    login_changed(r->login);
    r->means = LOGIN_TOKEN;
    finish(r, 0, identity_create(&from));
}

static void accept_bootstrap(struct login_request *r, const struct row_token *row)
{
    if (!atomic_load(&r->login->is_bootstrap_open)) {
        refuse_token(r, "bootstrap-over", SLICE(""),
                     "there is an administrator: the bootstrap token does not open any more");
        return;
    }
    r->expires_ms = row->expires_ms;
    kv_write(r->kv, KV_FRONT, use_bootstrap, r, used_bootstrap);
}

static void judge_account(struct login_request *r, const struct row_token *row)
{
    struct row_account account;
    int err = decode_account(r, &account);

    if (err != 0)
        finish(r, err, NULL);
    else if (!r->has_account)
        refuse_token(r, "no-account", row->account, wrong_text);
    else if (account.disabled)
        refuse_token(r, "disabled", row->account, "the account is disabled");
    else if (account.external && !login_has_external(r->login, row->account))
        refuse_token(r, "not-in-htpasswd", row->account, wrong_text);
    else if (row->kind == TOKEN_REFRESH && !r->takes_refresh)
        refuse_token(r, "refresh-token", row->account,
                     "a refresh token is only taken where it is exchanged");
    else
        accept_token(r, row, &account);
}

static void token_was_read(void *arg, int err)
{
    struct login_request *r = arg;
    struct row_token row;

    if (err == 0 && r->has_token)
        err = row_token_decode(r->token_row, &row);
    if (err != 0)
        finish(r, err, NULL);
    else if (!r->has_token || CRYPTO_memcmp(row.sha256, r->sha256, TOKEN_HASH_SIZE) != 0)
        refuse_token(r, "unknown-token", SLICE(""), wrong_text);
    else if (row.expires_ms != 0 && row.expires_ms <= r->now_ms)
        refuse_expired(r, &row);
    else if (row.kind == TOKEN_BOOTSTRAP)
        accept_bootstrap(r, &row);
    else
        judge_account(r, &row);
}

static void check_token(struct login_request *r)
{
    struct token_secret secret;

    if (token_secret_parse(r->secret, &secret) != 0) {
        refuse_token(r, "malformed-token", SLICE(""), wrong_text);
        return;
    }
    r->token_id = secret.id;
    memcpy(r->sha256, secret.sha256, sizeof(r->sha256));
    kv_read(r->kv, read_token, r, token_was_read);
}

/*
 * Others.
 */

void login_verified(struct login_request *r, int err, struct identity *identity, const char *reason)
{
    if (err == 0) {
        r->means = LOGIN_VERIFIED;
        finish(r, 0, identity);
        return;
    }
    r->reason = reason;
    if (err == ERR_UNAUTHORIZED)
        login_record_failure(r, SLICE(""));
    finish(r, err, NULL);
}

static struct login_verifier *find_verifier(struct login *login, struct slice secret)
{
    for (struct login_verifier *v = login->verifiers; v != NULL; v = v->next)
        if (v->takes(v, secret))
            return v;
    return NULL;
}

void login_check(struct login *login, struct login_request *r)
{
    struct login_verifier *verifier;

    r->login = login;
    r->means = LOGIN_NONE;
    r->reason = NULL;
    r->retry_after_s = 0;
    r->fault = (struct fault)FAULT_INIT;
    r->has_account = r->has_token = r->is_checked = r->is_right = false;
    r->wait_ms = 0;
    r->verdict = (struct lockout_verdict){0};
    r->hash[0] = '\0';
    if (r->user.n > LOGIN_USER_MAX || r->secret.n > LOGIN_SECRET_MAX)
        refuse(r, "too-long", wrong_text);
    else if (token_secret_is_one(r->secret))
        check_token(r);
    else if ((verifier = find_verifier(login, r->secret)) != NULL)
        verifier->verify(verifier, r);
    else
        check_password(r);
}
