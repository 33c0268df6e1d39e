/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/whoami: what the registry takes the one who asks for, and what their credential is
 * good for.
 */
#include "config.h"

#include "server/api.h"
#include "server/authorise.h"
#include "server/credential.h"
#include "server/handlers.h"
#include "server/token_scope.h"

#define ANSWER_MAX (256u * 1024)

static void write_texts(struct json_writer *w, const char *name, const struct slice *texts,
                        unsigned n)
{
    json_name(w, slice_from_cstr(name));
    json_array_begin(w);
    for (unsigned i = 0; i < n; i++)
        json_string(w, texts[i]);
    json_array_end(w);
}

static void write_verbs(struct json_writer *w, const char *name, verb_bits verbs)
{
    json_name(w, slice_from_cstr(name));
    json_array_begin(w);
    for (enum verb verb = 0; verb < VERB_COUNT; verb++)
        if ((verbs & VERB_BIT(verb)) != 0)
            json_string(w, slice_from_cstr(verb_name(verb)));
    json_array_end(w);
}

static verb_bits server_verbs(const struct request *r)
{
    verb_bits verbs = VERB_BITS_NONE;

    for (enum verb verb = 0; verb < VERB_COUNT; verb++)
        if (authorise_can(r, verb, SLICE("")))
            verbs |= VERB_BIT(verb);
    return verbs;
}

/* What an access token was made out for. */
static void write_scope(struct json_writer *w, const struct credential *credential)
{
    struct buf text;

    if (credential == NULL || !credential->is_scoped)
        return;
    json_name(w, SLICE("scope"));
    json_array_begin(w);
    for (unsigned i = 0; i < credential->grants_n; i++) {
        buf_init(&text, 1024);
        token_scope_format(&credential->grants[i], &text);
        json_string(w, buf_slice(&text));
        buf_fini(&text);
    }
    json_array_end(w);
}

void api_whoami_get(struct request *r)
{
    const struct identity *identity = r->identity;
    struct json_writer w;
    struct buf body;

    buf_init(&body, ANSWER_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    api_text(&w, "name", identity->name);
    api_text(&w, "kind", slice_from_cstr(identity_kind_name(identity->kind)));
    api_text(&w, "issuer", identity->issuer);
    write_texts(&w, "groups", identity->groups, identity->groups_n);
    write_verbs(&w, "server", server_verbs(r));
    if (!authorise_sees_all(r) && identity->limit != VERB_BITS_ALL)
        write_verbs(&w, "limit", identity->limit);
    if (identity->globs_n > 0)
        write_texts(&w, "repositories", identity->globs, identity->globs_n);
    if (identity->may_approve)
        api_bool(&w, "approve", true);
    if (identity->expires_ms != 0)
        api_time(&w, "expires", identity->expires_ms);
    write_scope(&w, r->credential);
    json_object_end(&w);
    api_send_json(r, &body);
}
