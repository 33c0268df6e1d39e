/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: Basic is taken where it is offered: it is good for all paths of a registry, and needs no
 * further request. Else the token service is asked (distribution-spec's token authentication): with
 * the credential, or without one for what everybody may read.
 */
#include "config.h"
#include "cli/credential.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_MAX  (4 * DOCKER_SECRET_MAX)
#define URL_MAX    8192
#define ANSWER_MAX (256u * 1024)
#define TRIES_MAX  2
#define EXPIRES_S  60    /* what a token without expires_in lives (token specification) */
#define EARLY_MS   10000 /* before its end a token is not sent any more */
#define CHALLENGES 8

static void wipe(struct buf *buf)
{
    if (buf->p)
        explicit_bzero(buf->p, buf->cap);
    buf_fini(buf);
}

void credential_init(struct credential *c, struct slice server)
{
    *c = (struct credential){.server = server};
    docker_secret_init(&c->secret);
    buf_init(&c->field, FIELD_MAX);
}

void credential_fini(struct credential *c)
{
    docker_secret_fini(&c->secret);
    wipe(&c->field);
}

struct slice credential_host(struct slice server)
{
    if (slice_starts_with(server, SLICE("https://")))
        return slice_sub(server, 8, SIZE_MAX);
    return slice_starts_with(server, SLICE("http://")) ? slice_sub(server, 7, SIZE_MAX) : server;
}

void credential_set(struct credential *c, struct slice user, struct slice secret)
{
    c->is_looked_up = c->has_secret = true;
    buf_add(&c->secret.user, user);
    buf_add(&c->secret.secret, secret);
}

const char *credential_field(struct credential *c)
{
    if (c->field.n == 0 || (!c->is_basic && clock_mono_ms() + EARLY_MS > c->until_ms))
        return NULL;
    return c->field.p;
}

void credential_taken(struct credential *c)
{
    c->tries = 0;
}

/* ---- Challenges -------------------------------------------------------------------------------
 */

struct challenge {
    bool has_basic, has_bearer;
    struct buf realm, service, scope;
};

static void challenge_init(struct challenge *challenge)
{
    *challenge = (struct challenge){0};
    buf_init(&challenge->realm, URL_MAX);
    buf_init(&challenge->service, 1024);
    buf_init(&challenge->scope, 4096);
}

static void challenge_fini(struct challenge *challenge)
{
    buf_fini(&challenge->realm);
    buf_fini(&challenge->service);
    buf_fini(&challenge->scope);
}

/* name=value or name="value" off the front; false at the end. */
static bool take_parameter(struct slice *rest, struct slice *name, struct buf *value)
{
    size_t at = 0, equals;

    while (at < rest->n && strchr(" \t,", rest->p[at]))
        at++;
    *rest = slice_sub(*rest, at, SIZE_MAX);
    equals = slice_find_char(*rest, '=');
    if (equals == rest->n)
        return false;
    *name = slice_trim(slice_sub(*rest, 0, equals));
    *rest = slice_sub(*rest, equals + 1, SIZE_MAX);
    buf_reset(value);
    if (rest->n == 0 || rest->p[0] != '"') {
        at = slice_find_char(*rest, ',');
        buf_add(value, slice_trim(slice_sub(*rest, 0, at)));
        *rest = slice_sub(*rest, at, SIZE_MAX);
        return true;
    }
    for (at = 1; at < rest->n && rest->p[at] != '"'; at++) {
        if (rest->p[at] == '\\' && at + 1 < rest->n)
            at++;
        buf_add_char(value, rest->p[at]);
    }
    *rest = slice_sub(*rest, at + 1, SIZE_MAX);
    return true;
}

static void parse_bearer(struct challenge *challenge, struct slice rest)
{
    struct slice name;
    struct buf value;

    buf_init(&value, URL_MAX);
    challenge->has_bearer = true;
    while (take_parameter(&rest, &name, &value)) {
        struct buf *into = slice_eq_nocase(name, SLICE("realm"))     ? &challenge->realm
                           : slice_eq_nocase(name, SLICE("service")) ? &challenge->service
                           : slice_eq_nocase(name, SLICE("scope"))   ? &challenge->scope
                                                                     : NULL;
        if (into) {
            buf_reset(into);
            buf_add(into, buf_slice(&value));
        }
    }
    buf_fini(&value);
}

/* One challenge in a field, as registries send them. */
static void read_challenges(struct challenge *challenge, struct fetch *fetch)
{
    for (size_t i = 0; i < CHALLENGES; i++) {
        struct slice field = fetch_field_at(fetch, "WWW-Authenticate", i), scheme;
        size_t space;

        if (!field.p)
            break;
        space = slice_find_char(field, ' ');
        scheme = slice_sub(field, 0, space);
        if (slice_eq_nocase(scheme, SLICE("Basic")))
            challenge->has_basic = true;
        else if (slice_eq_nocase(scheme, SLICE("Bearer")))
            parse_bearer(challenge, slice_sub(field, space, SIZE_MAX));
    }
}

/* ---- Basic ------------------------------------------------------------------------------------
 */

static void add_basic(struct buf *field, const struct docker_secret *secret)
{
    struct buf both;

    buf_init(&both, 2 * DOCKER_SECRET_MAX + 1);
    buf_add(&both, buf_slice(&secret->user));
    buf_add_char(&both, ':');
    buf_add(&both, buf_slice(&secret->secret));
    buf_add(field, SLICE("Authorization: Basic "));
    base64_encode(field, buf_slice(&both));
    buf_add_char(field, '\0');
    wipe(&both);
}

/* ---- The token service ------------------------------------------------------------------------
 */

static void add_escaped(struct buf *out, const char *name, struct slice value, char before)
{
    buf_addf(out, "%c%s=", before, name);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-._~", c) != NULL);

        if (plain)
            buf_add_char(out, c);
        else
            buf_addf(out, "%%%02X", (unsigned char)c);
    }
}

/* A password goes to another host only when nobody between can read it. */
static int check_realm(const struct credential *c, struct slice realm, struct fault *fault)
{
    size_t n = c->server.n;

    if (slice_starts_with(realm, SLICE("https://")))
        return 0;
    if (slice_starts_with(realm, c->server) && realm.n > n && realm.p[n] == '/')
        return 0;
    return fault_set(fault, ERR_HTTP_FORBIDDEN,
                     "the registry sends us to a token service without encryption, " SLICE_FMT
                     ": refused",
                     SLICE_ARG(slice_sub(realm, 0, 120)));
}

static int take_token(struct credential *c, struct slice body, struct fault *fault)
{
    static const struct json_limits limits = {.max_depth = 8, .max_values = 256};
    const struct json *token, *life;
    struct fault why = FAULT_INIT;
    struct arena arena;
    struct json *root;
    int64_t seconds = EXPIRES_S;
    int err;

    arena_init(&arena, 4 * ANSWER_MAX);
    err = json_parse(&arena, body, &limits, &root, &why);
    token = err == 0 ? json_member(root, SLICE("token")) : NULL;
    if (err == 0 && !token)
        token = json_member(root, SLICE("access_token"));
    life = err == 0 ? json_member(root, SLICE("expires_in")) : NULL;
    if (life && life->type == JSON_INTEGER && life->integer > 0 && life->integer < 1000000)
        seconds = life->integer;
    if (!token || token->type != JSON_STRING || slice_has_control(token->text)) {
        err = fault_set(fault, ERR_SYNTAX, "the token service answered without a token");
    } else {
        buf_add(&c->field, SLICE("Authorization: Bearer "));
        buf_add(&c->field, token->text);
        buf_add_char(&c->field, '\0');
        c->is_basic = false;
        c->until_ms = clock_mono_ms() + (uint64_t)seconds * 1000 + EARLY_MS / 2;
    }
    arena_fini(&arena);
    return err;
}

const char *credential_ca_file(void)
{
    const char *name = getenv("TIDEMARK_CA");

    return name != NULL && name[0] != '\0' ? name : NULL;
}

static int run_token_request(struct credential *c, struct fetch *fetch,
                             const struct fetch_request *request, struct fault *fault)
{
    struct fetch_request with = *request;
    int status;

    with.ca_file = credential_ca_file();
    int err = fetch_run(fetch, &with, &status, fault);

    if (err != 0)
        return err;
    if (status == 401 || status == 403)
        return fault_set(fault, ERR_HTTP_FORBIDDEN,
                         "the token service does not take the credential (%d); `tidemark login` "
                         "stores another",
                         status);
    if (status != 200)
        return fault_set(fault, ERR_UNAVAILABLE, "the token service answered %d", status);
    return take_token(c, fetch_body(fetch), fault);
}

static void add_scopes(struct buf *url, const struct challenge *challenge)
{
    struct slice rest = buf_slice(&challenge->scope), scope;

    while (slice_split(&rest, ' ', &scope))
        if (scope.n > 0)
            add_escaped(url, "scope", scope, '&');
}

static int get_token(struct credential *c, struct fetch *fetch, const struct challenge *challenge,
                     struct fault *fault)
{
    struct slice realm = buf_slice(&challenge->realm);
    const char *fields[] = {"Accept: application/json", NULL, NULL};
    struct fetch_request request = {.fields = fields, .max_bytes = ANSWER_MAX};
    struct buf url, basic;
    int err;

    buf_init(&url, URL_MAX);
    buf_init(&basic, FIELD_MAX);
    buf_add(&url, realm);
    add_escaped(&url, "service", buf_slice(&challenge->service),
                slice_find_char(realm, '?') < realm.n ? '&' : '?');
    add_scopes(&url, challenge);
    buf_add_char(&url, '\0');
    if (c->has_secret) {
        add_basic(&basic, &c->secret);
        fields[1] = basic.p;
    }
    request.url = url.p;
    err = url.overflow || basic.overflow
              ? fault_set(fault, ERR_LIMIT, "the registry asks for a token in too many words")
              : run_token_request(c, fetch, &request, fault);
    buf_fini(&url);
    wipe(&basic);
    return err;
}

static int refresh_token(struct credential *c, struct fetch *fetch,
                         const struct challenge *challenge, struct fault *fault)
{
    static const char *const fields[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct fetch_request request = {
        .method = FETCH_POST, .fields = fields, .max_bytes = ANSWER_MAX};
    struct buf url, form;
    int err;

    buf_init(&url, URL_MAX);
    buf_init(&form, FIELD_MAX);
    buf_add(&url, buf_slice(&challenge->realm));
    buf_add_char(&url, '\0');
    buf_add(&form, SLICE("grant_type=refresh_token&client_id=tidemark"));
    add_escaped(&form, "service", buf_slice(&challenge->service), '&');
    add_escaped(&form, "scope", buf_slice(&challenge->scope), '&');
    add_escaped(&form, "refresh_token", buf_slice(&c->secret.secret), '&');
    request.url = url.p;
    request.body = buf_slice(&form);
    err = run_token_request(c, fetch, &request, fault);
    buf_fini(&url);
    wipe(&form);
    return err;
}

/* ---- Answering --------------------------------------------------------------------------------
 */

static int look_up(struct credential *c, struct fault *fault)
{
    int err;

    if (c->is_looked_up)
        return 0;
    err = docker_config_get(credential_host(c->server), &c->secret, fault);
    c->has_secret = err == 0;
    c->is_looked_up = err == 0 || err == ERR_NOT_FOUND;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int make_field(struct credential *c, struct fetch *fetch, const struct challenge *challenge,
                      struct fault *fault)
{
    bool is_refresh = c->has_secret && c->secret.is_refresh_token;
    int err;

    if (c->has_secret && !is_refresh && challenge->has_basic) {
        /* The same again would be refused again. */
        if (c->field.n > 0 && c->is_basic)
            return ERR_NOT_FOUND;
        buf_reset(&c->field);
        add_basic(&c->field, &c->secret);
        c->is_basic = true;
        return 0;
    }
    if (!challenge->has_bearer || challenge->realm.n == 0)
        return ERR_NOT_FOUND;
    /* Without a credential only what a scope names can be had. */
    if (!c->has_secret && challenge->scope.n == 0)
        return ERR_NOT_FOUND;
    err = check_realm(c, buf_slice(&challenge->realm), fault);
    buf_reset(&c->field);
    if (err == 0)
        err = is_refresh ? refresh_token(c, fetch, challenge, fault)
                         : get_token(c, fetch, challenge, fault);
    return err;
}

int credential_answer(struct credential *c, struct fetch *fetch, struct fault *fault)
{
    struct challenge challenge;
    int err;

    if (c->tries >= TRIES_MAX)
        return ERR_NOT_FOUND;
    c->tries++;
    err = look_up(c, fault);
    if (err != 0)
        return err;
    /* Without a credential a Tidemark gives no token either: its own words are better. */
    challenge_init(&challenge);
    read_challenges(&challenge, fetch);
    if (!c->has_secret && challenge.has_basic)
        err = ERR_NOT_FOUND;
    else
        err = make_field(c, fetch, &challenge, fault);
    challenge_fini(&challenge);
    return err;
}

int credential_offer(struct credential *c, struct fault *fault)
{
    int err = look_up(c, fault);

    if (err != 0 || !c->has_secret || c->secret.is_refresh_token)
        return err;
    buf_reset(&c->field);
    add_basic(&c->field, &c->secret);
    c->is_basic = true;
    return 0;
}
