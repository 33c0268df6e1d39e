/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/tokens and /api/v1/tokens/<id>: one's own secrets, and for who has the verb admin also
 * those of others.
 *
 * DESIGN: nobody makes a token that can do more, elsewhere or longer than the credential they ask
 * with; else a token that leaked could make itself a better successor. What carries the scope
 * `approve` stands for a decision of a person, so it is made only with the password in the request
 * itself, and never by a job.
 */
#include "config.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/api_account.h"
#include "server/authenticate.h"
#include "server/authorise.h"
#include "server/credential.h"
#include "server/handlers.h"

#define ANSWER_MAX ((size_t)8 << 20)

static void refuse(struct request *r, int err, const struct fault *fault)
{
    response_send_error(r, err, fault, SLICE(""));
}

/* The account of who asks; ERR_DENIED for who has none. */
static int own_account(const struct request *r, struct slice *account, struct fault *fault)
{
    *account = r->identity->name;
    if (r->credential != NULL && r->credential->is_scoped)
        return fault_set(fault, ERR_DENIED,
                         "an access token of /token is for repositories only; send the password "
                         "or the token that you log in with");
    if (r->identity->kind == IDENTITY_USER)
        return 0;
    if (r->identity->kind == IDENTITY_ROBOT) {
        *account = slice_sub(*account, sizeof("robot:") - 1, SIZE_MAX);
        return 0;
    }
    return fault_set(fault, ERR_DENIED, SLICE_FMT " has no account and no tokens of its own",
                     SLICE_ARG(slice_sub(r->actor, 0, 100)));
}

static bool is_admin(const struct request *r)
{
    return authorise_can(r, VERB_ADMIN, SLICE(""));
}

/* Does the Authorization field hold a password? A token as the password of Basic is none. */
static bool has_password(struct request *r)
{
    struct authorization authorization;

    return r->identity->kind == IDENTITY_USER && authenticate_field(r, &authorization, NULL) == 0 &&
           authorization.scheme == AUTHORIZATION_BASIC &&
           !token_secret_is_one(authorization.secret);
}

/*
 * Reading.
 */

struct tokens_list {
    struct request *r;
    struct token_list list;
};

static void listed(void *arg, int err)
{
    struct tokens_list *call = arg;
    struct request *r = call->r;
    struct json_writer w;
    struct buf body;

    if (err != 0) {
        refuse(r, err, NULL);
    } else {
        buf_init(&body, ANSWER_MAX);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        api_text(&w, "account", call->list.account);
        api_tokens_write(&w, "tokens", call->list.tokens, call->list.tokens_n);
        json_object_end(&w);
        api_send_json(r, &body);
    }
    request_release(r);
}

static int read_list(struct kv_tx *tx, void *arg)
{
    struct tokens_list *call = arg;

    return token_list(tx, &call->list);
}

/* Whose tokens: `account` of the query, or one's own. */
static int listed_account(struct request *r, struct slice *account, struct fault *fault)
{
    struct slice own = {0}, asked = {0};
    int err = api_query_text(r, "account", ACCOUNT_NAME_MAX, &asked, fault);

    if (err != 0)
        return err;
    err = own_account(r, &own, asked.n > 0 ? NULL : fault);
    *account = asked.n > 0 ? asked : own;
    if (asked.n == 0 || (err == 0 && slice_eq(asked, own)))
        return err;
    if (!is_admin(r))
        return fault_set(fault, ERR_DENIED,
                         SLICE_FMT " may not see the tokens of others: it needs the verb admin",
                         SLICE_ARG(slice_sub(r->actor, 0, 100)));
    return account_name_check(asked, ACCOUNT_USER, fault);
}

void api_tokens_get(struct request *r)
{
    struct tokens_list *call = arena_alloc(&r->arena, sizeof(*call));
    struct fault fault = FAULT_INIT;
    struct slice account = {0};

    if (api_login(r) == NULL)
        return;
    int err = call == NULL ? ERR_NO_MEMORY : listed_account(r, &account, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    call->r = r;
    call->list = (struct token_list){.account = account, .arena = &r->arena};
    request_hold(r);
    kv_read(r->worker->kv, read_list, call, listed);
}

/*
 * A new one.
 */

struct token_write {
    struct request *r;
    struct login *login;
    struct token_create create;
    struct token_secret secret;
};

static bool has_glob(const struct identity *identity, struct slice glob)
{
    for (unsigned i = 0; i < identity->globs_n; i++)
        if (slice_eq(identity->globs[i], glob))
            return true;
    return false;
}

/* Cuts what was asked for down to what the credential has, or refuses what it does not have. */
static int inherit(const struct identity *identity, bool has_verbs, int64_t now_ms,
                   struct token_create *create, struct fault *fault)
{
    if (has_verbs && (create->verbs & ~identity->limit) != 0)
        return fault_set(fault, ERR_DENIED,
                         "verbs: the credential you ask with is itself limited to fewer");
    create->verbs &= identity->limit;
    for (unsigned i = 0; identity->globs_n > 0 && i < create->globs_n; i++)
        if (!has_glob(identity, create->globs[i]))
            return fault_set(fault, ERR_DENIED,
                             "repositories[%u]: the credential you ask with is itself limited to "
                             "others",
                             i);
    if (create->globs_n == 0 && identity->globs_n > 0) {
        create->globs = identity->globs;
        create->globs_n = identity->globs_n;
    }
    create->latest_ms = identity->expires_ms;
    if (identity->expires_ms != 0 && create->life_ms > identity->expires_ms - now_ms)
        return fault_set(fault, ERR_DENIED,
                         "expiresIn: the credential you ask with is itself over before that");
    return 0;
}

static int check_approve(struct request *r, struct token_create *create, struct fault *fault)
{
    if (!create->may_approve)
        return 0;
    if (!has_password(r))
        return fault_set(fault, ERR_DENIED,
                         "a token that may approve is made with the user name and the password in "
                         "the request itself, not with another token");
    if (create->life_ms == 0)
        create->life_ms = TOKEN_APPROVE_MAX_MS;
    if (create->life_ms > TOKEN_APPROVE_MAX_MS)
        return fault_set(fault, ERR_INVALID,
                         "a token that may approve lives for %d seconds at most: lower expiresIn",
                         (int)(TOKEN_APPROVE_MAX_MS / 1000));
    return 0;
}

static int take_new(struct token_write *write, const struct json *root, struct fault *fault)
{
    const struct json *description, *expires_in, *verbs, *repositories, *approve;
    const struct api_member members[] = {
        {"description", JSON_STRING, &description, false},
        {"expiresIn", JSON_INTEGER, &expires_in, false},
        {"verbs", JSON_ARRAY, &verbs, false},
        {"repositories", JSON_ARRAY, &repositories, false},
        {"approve", JSON_BOOL, &approve, false},
    };
    struct token_create *create = &write->create;
    struct api_token_limits limits;

    int err = api_body_members(root, members, ARRAY_LENGTH(members), fault);
    if (err == 0 && description != NULL)
        err = account_description_check(description->text, fault);
    if (err == 0)
        err = api_token_limits(write->r, expires_in, verbs, repositories, &limits, fault);
    if (err != 0)
        return err;
    create->kind = TOKEN_PERSONAL;
    create->life_ms = limits.life_ms;
    create->verbs = limits.verbs;
    create->globs = limits.globs;
    create->globs_n = limits.globs_n;
    create->may_approve = approve != NULL && approve->boolean;
    create->description = description != NULL ? description->text : SLICE("");
    create->actor = write->r->actor;
    create->external = login_has_external(write->login, create->account);
    err = check_approve(write->r, create, fault);
    return err != 0 ? err
                    : inherit(write->r->identity, verbs != NULL, clock_wall_ms(), create, fault);
}

static void send_new(struct token_write *write)
{
    const struct token_create *create = &write->create;
    struct token token = {.id = create->id};
    struct json_writer w;
    struct buf body;

    token.row.kind = create->kind;
    token.row.may_approve = create->may_approve;
    token.row.created_ms = create->created_ms;
    token.row.expires_ms = create->expires_ms;
    token.row.verbs = create->verbs;
    token.row.account = create->account;
    token.row.description = create->description;
    for (unsigned i = 0; i < create->globs_n; i++)
        token.row.globs[i] = create->globs[i];
    token.row.globs_n = create->globs_n;
    buf_init(&body, ANSWER_MAX);
    json_writer_init(&w, &body);
    api_token_write(&w, &token, slice_make(write->secret.text, TOKEN_TEXT_SIZE));
    api_send_secret(write->r, 201, &body);
}

static void created(void *arg, int err)
{
    struct token_write *write = arg;
    struct request *r = write->r;
    struct fault fault = FAULT_INIT;
    char id[TOKEN_ID_SIZE + 1];

    if (err == ERR_TOKEN_LIMIT)
        fault_set(&fault, err, "you have as many tokens as one can have; revoke some first");
    if (err == ERR_ACCOUNT_UNKNOWN)
        fault_set(&fault, err,
                  "Tidemark keeps no account \"" SLICE_FMT
                  "\", so it keeps no tokens of it either; "
                  "an admin adds it: POST /api/v1/users with \"external\": true",
                  SLICE_ARG(write->create.account));
    if (err != 0) {
        refuse(r, err, &fault);
    } else {
        response_fieldf(r, "Location", "/api/v1/tokens/" SLICE_FMT,
                        SLICE_ARG(token_id_format(write->create.id, id)));
        send_new(write);
    }
    token_secret_wipe(&write->secret);
    request_release(r);
}

static int create_row(struct kv_tx *tx, void *arg)
{
    struct token_write *write = arg;

    return token_create(tx, &write->create);
}

static void body_came(void *arg, const struct json *root)
{
    struct token_write *write = arg;
    struct request *r = write->r;
    struct fault fault = FAULT_INIT;
    int err = take_new(write, root, &fault);

    if (err == 0)
        err = token_secret_make(TOKEN_PERSONAL, &write->secret);
    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    write->create.id = write->secret.id;
    memcpy(write->create.sha256, write->secret.sha256, sizeof(write->create.sha256));
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, create_row, write, created);
}

void api_tokens_post(struct request *r)
{
    struct login *login = api_login(r);
    struct token_write *write;
    struct fault fault = FAULT_INIT;
    int err = ERR_NO_MEMORY;

    if (login == NULL)
        return;
    write = arena_alloc(&r->arena, sizeof(*write));
    if (write != NULL)
        err = own_account(r, &write->create.account, &fault);
    if (err == 0 && r->identity->kind != IDENTITY_USER)
        err = fault_set(&fault, ERR_DENIED,
                        "a robot has no personal tokens; its secret is changed by POST "
                        "/api/v1/robots/<name>/secrets");
    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    write->r = r;
    write->login = login;
    api_body_read(r, body_came, write);
}

/*
 * One of them.
 */

struct token_call {
    struct request *r;
    struct login *login;
    struct token_get get;
    struct token_revoke revoke;
};

static int read_token(struct kv_tx *tx, void *arg)
{
    struct token_call *call = arg;
    int err = token_get(tx, &call->get);

    /* Another's token is not even there. */
    if (err == 0 && call->revoke.account.n > 0 &&
        !slice_eq(call->revoke.account, call->get.token.row.account))
        return ERR_TOKEN_UNKNOWN;
    return err;
}

static void token_was_read(void *arg, int err)
{
    struct token_call *call = arg;
    struct request *r = call->r;
    struct json_writer w;
    struct buf body;

    if (err != 0) {
        refuse(r, err, NULL);
    } else {
        buf_init(&body, ANSWER_MAX);
        json_writer_init(&w, &body);
        api_token_write(&w, &call->get.token, SLICE(""));
        api_send_json(r, &body);
    }
    request_release(r);
}

static int revoke_row(struct kv_tx *tx, void *arg)
{
    struct token_call *call = arg;

    return token_revoke(tx, &call->revoke);
}

static void revoked(void *arg, int err)
{
    struct token_call *call = arg;
    struct request *r = call->r;

    if (err != 0) {
        refuse(r, err, NULL);
    } else {
        login_changed(call->login);
        response_send_empty(r, 204);
    }
    request_release(r);
}

static bool is_limited(const struct identity *identity)
{
    return (identity->limit & VERB_BITS_ALL) != VERB_BITS_ALL || identity->globs_n > 0;
}

/* NULL, and it is answered. */
static struct token_call *begin(struct request *r)
{
    struct login *login = api_login(r);
    struct token_call *call;
    struct fault fault = FAULT_INIT;
    struct slice id;
    int err = 0;

    if (login == NULL)
        return NULL;
    call = arena_alloc(&r->arena, sizeof(*call));
    if (call == NULL)
        err = ERR_NO_MEMORY;
    else if (!is_admin(r))
        err = own_account(r, &call->revoke.account, &fault);
    if (err == 0 && !is_admin(r) && is_limited(r->identity))
        err =
            fault_set(&fault, ERR_DENIED,
                      "this secret is for some verbs or repositories only: it does not look at or "
                      "end others; use one without limits, or the password");
    if (err == 0)
        err = request_decode(r, r->argument, &id);
    if (err == 0)
        err = token_id_parse(id, &call->revoke.id);
    if (err != 0) {
        refuse(r, err, &fault);
        return NULL;
    }
    call->r = r;
    call->login = login;
    call->revoke.actor = r->actor;
    call->get = (struct token_get){.id = call->revoke.id, .arena = &r->arena};
    return call;
}

void api_token_get(struct request *r)
{
    struct token_call *call = begin(r);

    if (call == NULL)
        return;
    request_hold(r);
    kv_read(r->worker->kv, read_token, call, token_was_read);
}

void api_token_delete(struct request *r)
{
    struct token_call *call = begin(r);

    if (call == NULL)
        return;
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, revoke_row, call, revoked);
}
