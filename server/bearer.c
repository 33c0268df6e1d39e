/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/bearer.h"

#include "auth/access_token.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "server/token_scope.h"

#define SKEW_S 30 /* the clock of this machine may have been set back so far */

/* Whether a key of ours is named: whose signature it really is comes later. */
static int is_ours(const struct gate *gate, struct slice text, struct arena *arena,
                   struct fault *fault)
{
    struct jwt jwt;

    if (!jwt_is_one(text))
        return ERR_NOT_FOUND;
    int err = jwt_parse(arena, text, &jwt, fault);
    if (err != 0)
        return err;
    struct server_key *key = server_keys_find(gate->keys, jwt.kid);
    if (key == NULL)
        return ERR_NOT_FOUND;
    server_key_unref(key);
    return 0;
}

static void scope(struct credential *credential, const struct access_token *token)
{
    struct grant grants[CREDENTIAL_GRANTS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < token->grants_n && n < CREDENTIAL_GRANTS_MAX; i++) {
        const struct access_grant *line = &token->grants[i];

        if (slice_eq(line->type, SLICE("repository")) && line->name.n > 0)
            grants[n++] =
                (struct grant){line->name, token_scope_verbs(line->actions, line->actions_n)};
        else if (slice_eq(line->type, SLICE("registry")) && slice_eq(line->name, SLICE("catalog")))
            grants[n++] = (struct grant){.verbs = VERB_BIT(VERB_PULL)};
    }
    credential_scope(credential, grants, n);
}

int bearer_verify(const struct gate *gate, const struct settings *settings, struct slice text,
                  struct arena *arena, struct credential **credential, struct fault *fault)
{
    struct access_token token;

    int err = is_ours(gate, text, arena, fault);
    if (err == 0)
        err = access_token_verify(gate->keys, text, slice_from_cstr(settings->auth_service),
                                  clock_wall_ms(), SKEW_S, arena, &token, fault);
    if (err != 0)
        return err;
    *credential = credential_create_take(token.identity);
    (*credential)->issued_s = token.issued_s;
    scope(*credential, &token);
    return 0;
}

int bearer_mint(const struct gate *gate, const struct settings *settings,
                const struct identity *identity, const struct grant *grants, unsigned grants_n,
                int64_t now_ms, struct buf *out, struct fault *fault)
{
    const struct access_token_options options = {
        .service = slice_from_cstr(settings->auth_service),
        .now_ms = now_ms,
        .ttl_s = (unsigned)(settings->auth_token_ttl_ms / 1000),
    };
    struct slice actions[CREDENTIAL_GRANTS_MAX][TOKEN_SCOPE_ACTIONS_MAX];
    struct access_grant lines[CREDENTIAL_GRANTS_MAX];

    if (grants_n > CREDENTIAL_GRANTS_MAX)
        return ERR_LIMIT;
    for (unsigned i = 0; i < grants_n; i++) {
        bool is_catalog = grants[i].repository.n == 0;

        lines[i] = (struct access_grant){
            .type = is_catalog ? SLICE("registry") : SLICE("repository"),
            .name = is_catalog ? SLICE("catalog") : grants[i].repository,
            .actions = actions[i],
            .actions_n = token_scope_actions(&grants[i], actions[i]),
        };
    }
    int err = access_token_mint(gate->keys, &options, identity, lines, grants_n, out, fault);
    return err == 0 ? buf_error(out, ERR_LIMIT) : err;
}

int bearer_keys(const struct gate *gate, struct buf *out)
{
    server_keys_format(gate->keys, out);
    return buf_error(out, ERR_INTERNAL);
}
