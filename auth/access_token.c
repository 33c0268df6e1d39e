/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/access_token.h"

#include "auth/jwt.h"
#include "base/base64url.h"
#include "base/mem.h"

#include <openssl/rand.h>

#define JTI_BYTES  16
#define GLOBS_MAX  64
#define TEXT_MAX_S 1024 /* bytes of a name */

/* Of ours; not of the registered claims and not of Docker's. */
static const struct slice own_member = {"tidemark", 8};

/*
 * Writing.
 */

static void write_texts(struct json_writer *w, struct slice name, const struct slice *texts,
                        unsigned n)
{
    if (n == 0)
        return;
    json_name(w, name);
    json_array_begin(w);
    for (unsigned i = 0; i < n; i++)
        json_string(w, texts[i]);
    json_array_end(w);
}

static void write_grants(struct json_writer *w, const struct access_grant *grants, unsigned n)
{
    json_name(w, SLICE("access"));
    json_array_begin(w);
    for (unsigned i = 0; i < n; i++) {
        json_object_begin(w);
        json_name(w, SLICE("type"));
        json_string(w, grants[i].type);
        json_name(w, SLICE("name"));
        json_string(w, grants[i].name);
        json_name(w, SLICE("actions"));
        json_array_begin(w);
        for (unsigned j = 0; j < grants[i].actions_n; j++)
            json_string(w, grants[i].actions[j]);
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

/* What makes the identity again. may_approve is left out: a token that may be cached and handed
 * around does not approve. */
static void write_identity(struct json_writer *w, const struct identity *identity)
{
    json_name(w, own_member);
    json_object_begin(w);
    json_name(w, SLICE("kind"));
    json_string(w, slice_from_cstr(identity_kind_name(identity->kind)));
    write_texts(w, SLICE("groups"), identity->groups, identity->groups_n);
    if (identity->issuer.n > 0) {
        json_name(w, SLICE("issuer"));
        json_string(w, identity->issuer);
    }
    json_name(w, SLICE("verbs"));
    json_u64(w, identity->limit);
    write_texts(w, SLICE("globs"), identity->globs, identity->globs_n);
    if (identity->warn_expires_ms > 0) {
        json_name(w, SLICE("warn"));
        json_i64(w, identity->warn_expires_ms);
    }
    json_object_end(w);
}

static void write_number(struct json_writer *w, struct slice name, int64_t value)
{
    json_name(w, name);
    json_i64(w, value);
}

static void write_text(struct json_writer *w, struct slice name, struct slice value)
{
    json_name(w, name);
    json_string(w, value);
}

static int write_jti(struct json_writer *w, struct fault *fault)
{
    uint8_t random[JTI_BYTES];
    struct buf text;

    if (RAND_bytes(random, sizeof(random)) != 1)
        return fault_set(fault, ERR_INTERNAL, "there are no random bytes");
    buf_init(&text, BASE64URL_SIZE(JTI_BYTES));
    base64url_encode(&text, slice_make(random, sizeof(random)));
    write_text(w, SLICE("jti"), buf_slice(&text));
    buf_fini(&text);
    return 0;
}

/* The clock of the one who verifies may be a little behind, so nothing is said in milliseconds. */
static int write_claims(const struct access_token_options *options, const struct identity *identity,
                        const struct access_grant *grants, unsigned grants_n, struct buf *out,
                        struct fault *fault)
{
    int64_t now_s = options->now_ms / 1000, exp_s = now_s + (int64_t)options->ttl_s;
    struct json_writer w;
    int err;

    if (identity->expires_ms != 0 && identity->expires_ms / 1000 < exp_s)
        exp_s = identity->expires_ms / 1000;
    if (exp_s <= now_s)
        return fault_set(fault, ERR_UNAUTHORIZED, "the credential has expired: log in again");
    json_writer_init(&w, out);
    json_object_begin(&w);
    write_text(&w, SLICE("iss"), options->service);
    write_text(&w, SLICE("aud"), options->service);
    write_text(&w, SLICE("sub"), identity->name);
    write_number(&w, SLICE("exp"), exp_s);
    write_number(&w, SLICE("nbf"), now_s);
    write_number(&w, SLICE("iat"), now_s);
    err = write_jti(&w, fault);
    write_grants(&w, grants, grants_n);
    write_identity(&w, identity);
    json_object_end(&w);
    return err;
}

static void write_header(const struct server_key *key, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    write_text(&w, SLICE("typ"), SLICE("JWT"));
    write_text(&w, SLICE("alg"), SLICE("EdDSA"));
    write_text(&w, SLICE("kid"), server_key_kid(key));
    json_object_end(&w);
}

/* Appends header.claims.signature to `out`; the token begins where `out` ended. */
static int sign(const struct server_key *key, struct slice claims, struct buf *out,
                struct fault *fault)
{
    uint8_t signature[SERVER_KEY_SIGNATURE_SIZE];
    size_t begin = out->n;
    struct buf header;
    int err;

    buf_init(&header, 256);
    write_header(key, &header);
    base64url_encode(out, buf_slice(&header));
    buf_fini(&header);
    buf_add_char(out, '.');
    base64url_encode(out, claims);
    err = buf_error(out, ERR_LIMIT);
    if (err == 0)
        err = server_key_sign(key, slice_make(out->p + begin, out->n - begin), signature, fault);
    if (err != 0)
        return err;
    buf_add_char(out, '.');
    base64url_encode(out, slice_make(signature, sizeof(signature)));
    return buf_error(out, ERR_LIMIT);
}

static int check_size(const struct identity *identity, const struct access_grant *grants,
                      unsigned grants_n, struct fault *fault)
{
    if (grants_n > ACCESS_GRANTS_MAX)
        return fault_set(fault, ERR_LIMIT, "a token is for at most %d repositories: ask for fewer",
                         ACCESS_GRANTS_MAX);
    if (identity->groups_n > ACCESS_GROUPS_MAX || identity->globs_n > GLOBS_MAX)
        return fault_set(fault, ERR_LIMIT,
                         "the account is in more than %d groups, or limited to more than %d "
                         "patterns: no token can hold that",
                         ACCESS_GROUPS_MAX, GLOBS_MAX);
    for (unsigned i = 0; i < grants_n; i++)
        if (grants[i].actions_n > ACCESS_ACTIONS_MAX)
            return fault_set(fault, ERR_LIMIT, "a scope has at most %d actions",
                             ACCESS_ACTIONS_MAX);
    return 0;
}

int access_token_mint(struct server_keys *keys, const struct access_token_options *options,
                      const struct identity *identity, const struct access_grant *grants,
                      unsigned grants_n, struct buf *out, struct fault *fault)
{
    struct server_key *key = NULL;
    struct buf claims;
    size_t begin = out->n;
    int err = check_size(identity, grants, grants_n, fault);

    if (err != 0)
        return err;
    buf_init(&claims, ACCESS_TOKEN_MAX);
    err = write_claims(options, identity, grants, grants_n, &claims, fault);
    if (err == 0)
        err = buf_error(&claims, ERR_LIMIT);
    if (err == 0) {
        key = server_keys_newest(keys);
        err = sign(key, buf_slice(&claims), out, fault);
    }
    if (err == 0 && out->n - begin > ACCESS_TOKEN_MAX)
        err = ERR_LIMIT;
    if (err == ERR_LIMIT)
        err = fault_set(fault, err, "the token would be too large: ask for fewer repositories");
    server_key_unref(key);
    buf_fini(&claims);
    return err;
}

/*
 * Reading. The signature was checked: what does not fit now was made by another version of us, so
 * the words are about that.
 */

static int refuse(struct fault *fault, const char *what)
{
    return fault_set(fault, ERR_UNAUTHORIZED,
                     "the token is refused: its %s is not as this version writes it; log in again",
                     what);
}

/* The strings of an array; none when `array` is NULL. */
static int read_texts(struct arena *arena, const struct json *array, unsigned max, const char *what,
                      const struct slice **out, unsigned *n, struct fault *fault)
{
    struct slice *texts;

    *out = NULL;
    *n = 0;
    if (array == NULL)
        return 0;
    if (array->type != JSON_ARRAY || array->count > max)
        return refuse(fault, what);
    texts = arena_alloc(arena, (array->count + 1) * sizeof(*texts));
    if (texts == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory to read a token");
    for (const struct json *one = array->first; one != NULL; one = one->next) {
        if (one->type != JSON_STRING || one->text.n > TEXT_MAX_S)
            return refuse(fault, what);
        texts[(*n)++] = one->text;
    }
    *out = texts;
    return 0;
}

static int read_grant(struct arena *arena, const struct json *json, struct access_grant *grant,
                      struct fault *fault)
{
    const struct json *type = json_member(json, SLICE("type"));
    const struct json *name = json_member(json, SLICE("name"));

    if (type == NULL || type->type != JSON_STRING || name == NULL || name->type != JSON_STRING ||
        name->text.n > TEXT_MAX_S)
        return refuse(fault, "access");
    grant->type = type->text;
    grant->name = name->text;
    return read_texts(arena, json_member(json, SLICE("actions")), ACCESS_ACTIONS_MAX, "access",
                      &grant->actions, &grant->actions_n, fault);
}

static int read_grants(struct arena *arena, const struct jwt *jwt, struct access_token *token,
                       struct fault *fault)
{
    const struct json *array = jwt_claim(jwt, SLICE("access"));
    struct access_grant *grants;
    int err = 0;

    if (array == NULL || array->type != JSON_ARRAY || array->count > ACCESS_GRANTS_MAX)
        return refuse(fault, "access");
    grants = arena_alloc(arena, (array->count + 1) * sizeof(*grants));
    if (grants == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory to read a token");
    for (const struct json *one = array->first; one != NULL && err == 0; one = one->next)
        err = read_grant(arena, one, &grants[token->grants_n++], fault);
    token->grants = grants;
    return err;
}

static bool parse_kind(struct slice text, enum identity_kind *kind)
{
    static const enum identity_kind kinds[] = {IDENTITY_ANONYMOUS, IDENTITY_USER, IDENTITY_ROBOT,
                                               IDENTITY_WORKLOAD, IDENTITY_BOOTSTRAP};

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (slice_eq(text, slice_from_cstr(identity_kind_name(kinds[i])))) {
            *kind = kinds[i];
            return true;
        }
    }
    return false;
}

static int64_t integer_of(const struct json *object, struct slice name)
{
    const struct json *member = json_member(object, name);

    return member != NULL && member->type == JSON_INTEGER ? member->integer : -1;
}

static struct slice text_of(const struct json *object, struct slice name)
{
    const struct json *member = json_member(object, name);

    return member != NULL && member->type == JSON_STRING ? member->text : (struct slice){0};
}

static int read_identity(struct arena *arena, const struct jwt *jwt, struct identity *identity,
                         struct fault *fault)
{
    const struct json *own = jwt_claim(jwt, own_member);
    int64_t verbs = integer_of(own, SLICE("verbs")), warn_ms = integer_of(own, SLICE("warn"));
    int err;

    identity->name = jwt_claim_text(jwt, SLICE("sub"));
    identity->issuer = text_of(own, SLICE("issuer"));
    identity->expires_ms = jwt_claim(jwt, SLICE("exp"))->integer * 1000;
    identity->warn_expires_ms = warn_ms > 0 ? warn_ms : 0;
    if (!parse_kind(text_of(own, SLICE("kind")), &identity->kind) || identity->name.n == 0 ||
        identity->name.n > TEXT_MAX_S || verbs < 0 || verbs > UINT32_MAX)
        return refuse(fault, "identity");
    identity->limit = (verb_bits)verbs;
    err = read_texts(arena, json_member(own, SLICE("groups")), ACCESS_GROUPS_MAX, "identity",
                     &identity->groups, &identity->groups_n, fault);
    if (err == 0)
        err = read_texts(arena, json_member(own, SLICE("globs")), GLOBS_MAX, "identity",
                         &identity->globs, &identity->globs_n, fault);
    return err;
}

static int check_signature(struct server_keys *keys, const struct jwt *jwt, struct fault *fault)
{
    struct server_key *key = server_keys_find(keys, jwt->kid);
    int err = jwt_verify(jwt, key != NULL ? server_key_jwk(key) : NULL, fault);

    server_key_unref(key);
    return err;
}

int access_token_verify(struct server_keys *keys, struct slice text, struct slice service,
                        int64_t now_ms, unsigned skew_s, struct arena *arena,
                        struct access_token *token, struct fault *fault)
{
    struct identity identity = {0};
    struct jwt jwt;
    int err;

    memset(token, 0, sizeof(*token));
    err = jwt_parse(arena, text, &jwt, fault);
    if (err == 0)
        err = check_signature(keys, &jwt, fault);
    if (err == 0 && (!jwt_audience_has(&jwt, service) ||
                     !slice_eq(jwt_claim_text(&jwt, SLICE("iss")), service)))
        err = fault_set(fault, ERR_UNAUTHORIZED,
                        "the token is refused: it is for another service than '" SLICE_FMT "'",
                        SLICE_ARG(service));
    if (err == 0)
        err = jwt_check_times(&jwt, now_ms, skew_s, fault);
    if (err == 0)
        err = read_identity(arena, &jwt, &identity, fault);
    if (err == 0)
        err = read_grants(arena, &jwt, token, fault);
    if (err == 0) {
        token->issued_s = integer_of(jwt.claims, SLICE("iat"));
        token->identity = identity_create(&identity);
    }
    return err;
}
