/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the cache is asked first, by a hash of the whole field value. What it does not know is
 * verified: an access token of ours here, where it costs one signature, everything else by the
 * log-in, which may need its password thread, a read of the index, or the keys of an issuer. The
 * generation is taken before, so that what was revoked meanwhile is cached for nobody.
 */
#include "config.h"

#include "server/authenticate.h"

#include "auth/account.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/bearer.h"
#include "server/client_address.h"
#include "server/gate.h"

/* The generation of what was made of a certificate: it never changes, and no Authorization value is
 * looked up under it. */
#define CERTIFICATES UINT64_MAX

struct authentication {
    struct request *r;
    struct login_request login;
    char address[CLIENT_ADDRESS_TEXT_MAX];
    struct credential_key key;
    bool is_cached; /* `key` is set, and the result is to be kept */
    uint64_t generation;
    struct authenticate_secret *given; /* NULL: the Authorization field */
    struct credential *token;          /* an access token, until its account was looked at */
    struct account_get account;
    authenticate_done_fn done;
};

static void take_credential(struct request *r, struct credential *credential)
{
    credential_ref(credential);
    credential_unref(r->credential);
    r->credential = credential;
    r->identity = credential_identity(credential);
    r->actor = r->identity->name;
}

/* How long what was found may be relied on without asking again. */
static int64_t cached_until(const struct request *r, const struct identity *identity,
                            bool is_scoped)
{
    int64_t until_ms = INT64_MAX;

    /* An access token says itself how long; a password or secret may be changed behind our back (in
     * the htpasswd file). */
    if (!is_scoped)
        until_ms = clock_wall_ms() + (int64_t)r->worker->settings->auth_password_cache_ms;
    if (identity->expires_ms != 0 && identity->expires_ms < until_ms)
        until_ms = identity->expires_ms;
    return until_ms;
}

static void keep(struct authentication *a, struct credential *credential)
{
    struct request *r = a->r;

    if (a->is_cached)
        credential_cache_put(
            r->worker->gate->cache, &a->key, a->generation,
            cached_until(r, credential_identity(credential), credential->is_scoped), credential);
}

static void logged_in(void *arg, int err, struct identity *identity)
{
    struct authentication *a = arg;
    struct request *r = a->r;

    if (err != 0)
        log_info("login.refused", "a credential was refused", LOG_CSTR("error", err_name(err)),
                 LOG_CSTR("reason", a->login.reason != NULL ? a->login.reason : ""),
                 LOG_STR("user", a->login.user), LOG_CSTR("address", a->address));
    r->retry_after_s = a->login.retry_after_s;
    if (a->given != NULL)
        a->given->means = a->login.means;
    if (err == 0) {
        struct credential *credential = credential_create_take(identity);
        credential->is_password = a->login.means == LOGIN_PASSWORD;
        keep(a, credential);
        take_credential(r, credential);
        credential_unref(credential);
    }
    if (!r->gone)
        a->done(r, err, &a->login.fault);
    request_release(r);
}

static void log_in(struct authentication *a, struct slice user, struct slice secret)
{
    struct request *r = a->r;

    client_address_format(&r->client, a->address); /* failures are counted by it */
    a->login = (struct login_request){
        .kv = r->worker->kv,
        .user = user,
        .secret = secret,
        .address = slice_from_cstr(a->address),
        .takes_refresh = a->given != NULL && a->given->takes_refresh,
        .done = logged_in,
        .arg = a,
    };
    request_hold(r);
    login_check(r->worker->server->gate->login, &a->login);
}

static struct authentication *begin(struct request *r, authenticate_done_fn done)
{
    struct authentication *a = arena_alloc(&r->arena, sizeof(*a));

    if (a == NULL) {
        done(r, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    a->r = r;
    a->done = done;
    a->generation = gate_generation(r->worker->server->gate);
    return a;
}

void authenticate_secret(struct request *r, struct authenticate_secret *secret,
                         authenticate_done_fn done)
{
    struct authentication *a = begin(r, done);

    if (a == NULL)
        return;
    a->given = secret;
    log_in(a, secret->user, secret->secret);
}

void authenticate_nobody(struct request *r)
{
    take_credential(r, r->worker->gate->nobody);
}

/* Who shows a certificate of an authority in tls.client_ca and no other credential is a user of the
 * name that stands in it, "cert:" before it: no account can have that name. */
static bool authenticate_certificate(struct request *r)
{
    struct credential_cache *cache = r->worker->gate->cache;
    struct credential_key key;

    if (r->client_certificate.n == 0)
        return false;
    struct slice name =
        arena_printf(&r->arena, "cert:" SLICE_FMT, SLICE_ARG(r->client_certificate));
    if (name.p == NULL || name.n > LOGIN_USER_MAX)
        return false;
    bool has_key = credential_cache_key(cache, name, &key);
    struct credential *known =
        has_key ? credential_cache_find(cache, &key, CERTIFICATES, clock_wall_ms()) : NULL;
    if (known != NULL) {
        take_credential(r, known);
        return true;
    }
    struct credential *credential = credential_create_take(identity_create(
        &(struct identity){.kind = IDENTITY_USER, .name = name, .limit = VERB_BITS_ALL}));
    if (has_key)
        credential_cache_put(cache, &key, CERTIFICATES, INT64_MAX, credential);
    take_credential(r, credential);
    credential_unref(credential);
    return true;
}

/* p == NULL without one. Two are refused: who looks at the first and who looks at the last would
 * see two different clients. */
static int find_field(const struct request *r, struct slice *value, struct fault *fault)
{
    *value = slice_make(NULL, 0);
    for (unsigned i = 0; i < r->fields_n; i++) {
        if (!slice_eq(r->fields[i].name, SLICE("authorization")))
            continue;
        if (value->p != NULL)
            return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                             "there is more than one Authorization field");
        *value = r->fields[i].value;
    }
    return 0;
}

int authenticate_field(struct request *r, struct authorization *authorization, struct fault *fault)
{
    struct slice value;
    int err = find_field(r, &value, fault);

    *authorization = (struct authorization){.scheme = AUTHORIZATION_NONE};
    return err == 0 && value.p != NULL ? authorization_parse(&r->arena, value, authorization, fault)
                                       : err;
}

/*
 * Access tokens.
 */

static void token_accepted(struct authentication *a)
{
    keep(a, a->token);
    take_credential(a->r, a->token);
    credential_unref(a->token);
    if (!a->r->gone)
        a->done(a->r, 0, NULL);
}

static void token_refused(struct authentication *a, int err, const char *why)
{
    struct fault fault = FAULT_INIT;

    fault_set(&fault, err, "%s", why);
    credential_unref(a->token);
    if (!a->r->gone)
        a->done(a->r, err, &fault);
}

/* The groups that count are those of now. */
static void renew_groups(struct credential *token, const struct row_account *row)
{
    struct identity identity = *token->identity;

    identity.groups = row->groups;
    identity.groups_n = row->groups_n;
    struct identity *renewed = identity_create(&identity);
    identity_unref(token->identity);
    token->identity = renewed;
}

/* Another account of the same name, made since. */
static bool is_newer(const struct row_account *row, const struct credential *token)
{
    return row->created_ms / 1000 > token->issued_s;
}

/* `row` NULL: there is none, which a user of the htpasswd file need not have. */
static bool is_alive(const struct authentication *a, const struct row_account *row)
{
    bool is_robot = a->token->identity->kind == IDENTITY_ROBOT;

    if (row != NULL && (row->disabled || (row->kind == ACCOUNT_ROBOT) != is_robot ||
                        (!row->external && is_newer(row, a->token))))
        return false;
    return (row != NULL && !row->external) ||
           (!is_robot && login_has_external(a->r->worker->gate->gate->login, a->account.name));
}

static void account_read(void *arg, int err)
{
    static const struct row_account none;
    struct authentication *a = CONTAINER_OF(arg, struct authentication, account);

    if (err != 0 && err != ERR_ACCOUNT_UNKNOWN) {
        token_refused(a, err, err_text(err));
    } else if (!is_alive(a, err == 0 ? &a->account.account.row : NULL)) {
        token_refused(a, ERR_UNAUTHORIZED, "the account of this token is disabled or gone");
    } else {
        renew_groups(a->token, err == 0 ? &a->account.account.row : &none);
        token_accepted(a);
    }
    request_release(a->r);
}

/* A token says who its owner was when it was made. What happened to the account since then counts
 * at once: its change was a new generation, so no cache has the answer. */
static void look_at_account(struct authentication *a)
{
    const struct identity *identity = credential_identity(a->token);
    struct slice name = identity->name;

    if (identity->kind == IDENTITY_ROBOT) {
        name = slice_sub(name, sizeof("robot:") - 1, SIZE_MAX);
    } else if (identity->kind != IDENTITY_USER) {
        token_accepted(a);
        return;
    }
    a->account = (struct account_get){.name = name, .arena = &a->r->arena};
    request_hold(a->r);
    kv_read(a->r->worker->kv, account_get, &a->account, account_read);
}

static void verify(struct authentication *a, const struct authorization *authorization)
{
    struct request *r = a->r;
    struct credential *credential;
    struct fault fault = FAULT_INIT;

    if (authorization->scheme == AUTHORIZATION_BASIC) {
        log_in(a, authorization->user, authorization->secret);
        return;
    }
    int err = bearer_verify(r->worker->server->gate, r->worker->settings, authorization->secret,
                            &r->arena, &credential, &fault);
    if (err == ERR_NOT_FOUND) {
        /* None of ours: a secret of Tidemark, or the token of an issuer. */
        log_in(a, slice_make(NULL, 0), authorization->secret);
        return;
    }
    if (err != 0) {
        a->done(r, err, &fault);
        return;
    }
    a->token = credential;
    look_at_account(a);
}

/* A password that is known does not open while its account is locked out: or guesses would go on,
 * and the right one would show. */
static struct credential *find_known(const struct request *r, const struct credential_key *key)
{
    struct gate_client *client = r->worker->gate;
    char address[CLIENT_ADDRESS_TEXT_MAX];
    struct credential *known =
        credential_cache_find(client->cache, key, gate_generation(client->gate), clock_wall_ms());

    if (known == NULL || !known->is_password)
        return known;
    client_address_format(&r->client, address);
    return login_wait_ms(client->gate->login, known->identity->name, slice_from_cstr(address)) == 0
               ? known
               : NULL;
}

void authenticate(struct request *r, authenticate_done_fn done)
{
    struct gate_client *client = r->worker->gate;
    struct authorization authorization;
    struct credential_key key;
    struct fault fault = FAULT_INIT;
    struct slice value;

    int err = find_field(r, &value, &fault);
    if (err == 0 && value.p == NULL && !authenticate_certificate(r))
        authenticate_nobody(r);
    if (err != 0 || value.p == NULL) {
        done(r, err, &fault);
        return;
    }
    bool has_key = credential_cache_key(client->cache, value, &key);
    struct credential *known = has_key ? find_known(r, &key) : NULL;
    if (known != NULL) {
        take_credential(r, known);
        done(r, 0, NULL);
        return;
    }
    err = authorization_parse(&r->arena, value, &authorization, &fault);
    if (err == 0 && authorization.scheme == AUTHORIZATION_NONE)
        authenticate_nobody(r);
    if (err != 0 || authorization.scheme == AUTHORIZATION_NONE) {
        done(r, err, &fault);
        return;
    }
    struct authentication *a = begin(r, done);
    if (a == NULL)
        return;
    a->is_cached = has_key;
    a->key = key;
    verify(a, &authorization);
}
