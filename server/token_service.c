/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET and POST /token: distribution's token service ("Token Authentication Specification", "OAuth2
 * Token Authentication"). Who logs in here gets a signed token for the repositories it asks for, as
 * far as the policy goes: less than was asked for is no error, the request it is used for will be
 * refused in words. Who does not log in gets what the policy gives to everybody.
 *
 * A refresh token is given to who logged in by a password and asks for one. Any other credential is
 * good for itself as long as it lives, and must not leave one behind that lives longer.
 */
#include "config.h"

#include "auth/token.h"
#include "auth/token_secret.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "server/authenticate.h"
#include "server/bearer.h"
#include "server/challenge.h"
#include "server/form.h"
#include "server/handlers.h"
#include "server/response.h"
#include "server/token_scope.h"

#define FORM_MAX (64u * 1024)

struct token_service {
    struct request *r;
    struct slice form; /* the query, or the body */
    bool is_post;
    struct grant *grants; /* asked for */
    unsigned grants_n;
    bool wants_refresh;
    struct slice refresh; /* of this answer; empty: none */
    struct authenticate_secret secret;
    struct token_secret made;
    struct token_create create;
};

static void refuse(struct request *r, int err, const struct fault *fault)
{
    response_field(r, "Cache-Control", SLICE("no-store"));
    if (err == ERR_UNAUTHORIZED)
        challenge_send(r, fault);
    else
        response_send_error(r, err, fault, SLICE(""));
}

/*
 * What is asked for.
 */

/* One parameter holds one scope or several with spaces between. */
static int add_scopes(struct token_service *t, struct slice text, struct fault *fault)
{
    unsigned max = (unsigned)t->r->worker->settings->auth_max_scopes;
    struct slice scope;

    while (slice_split(&text, ' ', &scope)) {
        if (scope.n == 0)
            continue;
        if (t->grants_n == max)
            return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                             "there are more scopes than auth.max_scopes, %u", max);
        int err = token_scope_parse(scope, &t->grants[t->grants_n++], fault);
        if (err != 0)
            return err;
    }
    return 0;
}

static int parse_scopes(struct token_service *t, struct fault *fault)
{
    struct request *r = t->r;
    struct slice text;
    unsigned i = 0;
    int err;

    t->grants = arena_alloc(&r->arena, r->worker->settings->auth_max_scopes * sizeof(*t->grants));
    if (t->grants == NULL)
        return ERR_NO_MEMORY;
    while ((err = form_value(&r->arena, t->form, SLICE("scope"), i++, &text, fault)) == 0) {
        err = add_scopes(t, text, fault);
        if (err != 0)
            return err;
    }
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int parse(struct token_service *t, struct fault *fault)
{
    struct request *r = t->r;
    struct slice service, offline;

    int err = form_single(&r->arena, t->form, SLICE("service"), &service, fault);
    if (err == 0)
        err = form_single(&r->arena, t->form,
                          t->is_post ? SLICE("access_type") : SLICE("offline_token"), &offline,
                          fault);
    if (err != 0)
        return err;
    if (service.n > 0 && !slice_eq(service, slice_from_cstr(r->worker->settings->auth_service)))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "tokens for the service '" SLICE_FMT "' are not made here, but for '%s'",
                         SLICE_ARG(slice_sub(service, 0, 100)), r->worker->settings->auth_service);
    t->wants_refresh = slice_eq(offline, t->is_post ? SLICE("offline") : SLICE("true"));
    return parse_scopes(t, fault);
}

/*
 * The answer.
 */

/* What of it the policy gives; the rest is left out. */
static unsigned cut_grants(struct token_service *t)
{
    struct request *r = t->r;
    const struct policy *policy = gate_client_policy(r->worker->gate);
    unsigned n = 0;

    for (unsigned i = 0; i < t->grants_n; i++) {
        struct grant grant = t->grants[i];
        if (grant.repository.n > 0)
            grant.verbs &= policy_verbs(policy, r->identity, grant.repository);
        if (grant.verbs != 0)
            t->grants[n++] = grant;
    }
    return n;
}

static void write_scope(const struct token_service *t, struct json_writer *w)
{
    struct buf text;

    buf_init(&text, FORM_MAX);
    for (unsigned i = 0; i < t->grants_n; i++) {
        if (i > 0)
            buf_add_char(&text, ' ');
        token_scope_format(&t->grants[i], &text);
    }
    json_name(w, SLICE("scope"));
    json_string(w, buf_slice(&text));
    buf_fini(&text);
}

static void write_answer(const struct token_service *t, struct slice token, int64_t now_ms,
                         struct buf *out)
{
    const struct settings *settings = t->r->worker->settings;
    char issued[CLOCK_RFC3339_MAX];
    struct json_writer w;

    clock_format_rfc3339(now_ms, issued);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, SLICE("token"));
    json_string(&w, token);
    json_name(&w, SLICE("access_token"));
    json_string(&w, token);
    json_name(&w, SLICE("expires_in"));
    json_u64(&w, settings->auth_token_ttl_ms / 1000);
    json_name(&w, SLICE("issued_at"));
    json_string(&w, slice_from_cstr(issued));
    if (t->is_post)
        write_scope(t, &w);
    if (t->refresh.n > 0) {
        json_name(&w, SLICE("refresh_token"));
        json_string(&w, t->refresh);
    }
    json_object_end(&w);
    buf_add_char(out, '\n');
}

static void send_token(struct token_service *t)
{
    struct request *r = t->r;
    struct fault fault = FAULT_INIT;
    struct buf token, body;
    int64_t now_ms = clock_wall_ms();

    t->grants_n = cut_grants(t);
    buf_init(&token, BEARER_MAX);
    buf_init(&body, 4 * BEARER_MAX);
    int err = bearer_mint(r->worker->server->gate, r->worker->settings, r->identity, t->grants,
                          t->grants_n, now_ms, &token, &fault);
    if (err == 0) {
        write_answer(t, buf_slice(&token), now_ms, &body);
        response_field(r, "Cache-Control", SLICE("no-store"));
        response_send_buf(r, 200, "application/json", &body);
    } else {
        refuse(r, err, &fault);
    }
    buf_fini(&token);
    buf_fini(&body);
}

/*
 * Refresh tokens.
 */

static void refresh_made(void *arg, int err)
{
    struct token_service *t = CONTAINER_OF(arg, struct token_service, create);
    struct request *r = t->r;

    /* Without one the client keeps its password instead. */
    if (err == 0)
        t->refresh = arena_dup(&r->arena, slice_make(t->made.text, TOKEN_TEXT_SIZE));
    token_secret_wipe(&t->made);
    if (err == 0 || err == ERR_ACCOUNT_UNKNOWN || err == ERR_TOKEN_LIMIT)
        send_token(t);
    else
        refuse(r, err, NULL);
    request_release(r);
}

static void make_refresh(struct token_service *t)
{
    struct request *r = t->r;

    if (token_secret_make(TOKEN_REFRESH, &t->made) != 0) {
        refuse(r, ERR_INTERNAL, NULL);
        return;
    }
    t->create = (struct token_create){
        .kind = TOKEN_REFRESH,
        .id = t->made.id,
        .account = r->identity->name,
        .external = login_has_external(r->worker->gate->gate->login, r->identity->name),
        .life_ms = (int64_t)r->worker->settings->auth_refresh_ttl_ms,
        .verbs = r->identity->limit,
        .actor = r->actor,
    };
    memcpy(t->create.sha256, t->made.sha256, sizeof(t->create.sha256));
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, token_create, &t->create, refresh_made);
}

static struct token_service *service_of(struct request *r)
{
    return r->state;
}

static void authenticated(struct request *r, int err, const struct fault *fault)
{
    struct token_service *t = service_of(r);

    if (err != 0)
        refuse(r, err, fault);
    else if (t->wants_refresh && t->secret.means == LOGIN_PASSWORD)
        make_refresh(t);
    else
        send_token(t);
}

/*
 * GET: who asks is in the Authorization field.
 */

static struct token_service *begin(struct request *r, bool is_post)
{
    struct token_service *t = arena_alloc(&r->arena, sizeof(*t));

    if (t == NULL) {
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
        return NULL;
    }
    t->r = r;
    t->is_post = is_post;
    r->state = t;
    if (r->worker->gate != NULL)
        return t;
    response_send_errorf(r, ERR_HTTP_NOT_FOUND,
                         "this registry has no authentication (auth.enabled): no token is needed");
    return NULL;
}

void token_service_get(struct request *r)
{
    struct token_service *t = begin(r, false);
    struct authorization authorization;
    struct fault fault = FAULT_INIT;

    if (t == NULL)
        return;
    t->form = r->query;
    int err = parse(t, &fault);
    if (err == 0)
        err = authenticate_field(r, &authorization, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
    } else if (authorization.scheme == AUTHORIZATION_NONE) {
        authenticate_nobody(r);
        send_token(t);
    } else {
        t->secret = (struct authenticate_secret){.user = authorization.user,
                                                 .secret = authorization.secret};
        authenticate_secret(r, &t->secret, authenticated);
    }
}

/*
 * POST: in the form.
 */

static int parse_grant_type(struct token_service *t, struct fault *fault)
{
    struct arena *arena = &t->r->arena;
    struct slice type;

    int err = form_single(arena, t->form, SLICE("grant_type"), &type, fault);
    if (err != 0)
        return err;
    if (slice_eq(type, SLICE("refresh_token"))) {
        t->secret.takes_refresh = true;
        err = form_single(arena, t->form, SLICE("refresh_token"), &t->secret.secret, fault);
        t->refresh = t->secret.secret;
    } else if (slice_eq(type, SLICE("password"))) {
        err = form_single(arena, t->form, SLICE("username"), &t->secret.user, fault);
        if (err == 0)
            err = form_single(arena, t->form, SLICE("password"), &t->secret.secret, fault);
    } else {
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "grant_type must be password or refresh_token");
    }
    if (err == 0)
        err = authorization_check(t->secret.user, t->secret.secret, fault);
    return err;
}

static void body_complete(void *arg, int err, struct slice body)
{
    struct token_service *t = arg;
    struct request *r = t->r;
    struct fault fault = FAULT_INIT;

    t->form = body;
    if (err == ERR_HTTP_TOO_LARGE)
        fault_set(&fault, err, "the form is larger than %u bytes", FORM_MAX);
    if (err == 0)
        err = parse(t, &fault);
    if (err == 0)
        err = parse_grant_type(t, &fault);
    if (err != 0)
        refuse(r, err, &fault);
    else
        authenticate_secret(r, &t->secret, authenticated);
    request_release(r);
}

void token_service_post(struct request *r)
{
    struct token_service *t = begin(r, true);
    struct slice type = request_field(r, SLICE("content-type"));

    if (t == NULL)
        return;
    type = slice_trim(slice_sub(type, 0, slice_find_char(type, ';')));
    if (!slice_eq_nocase(type, SLICE("application/x-www-form-urlencoded"))) {
        response_send_errorf(r, ERR_HTTP_MEDIA_TYPE,
                             "POST /token takes application/x-www-form-urlencoded");
        return;
    }
    request_hold(r);
    request_read_body(r, FORM_MAX, body_complete, t);
}
