/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/api_account.h"

#include "auth/glob.h"
#include "auth/group.h"
#include "server/gate.h"

#include <string.h>

#define ANSWER_MAX ((size_t)8 << 20)

struct login *api_login(struct request *r)
{
    struct gate *gate = r->worker->server->gate;

    if (gate != NULL)
        return gate->login;
    response_send_errorf(r, ERR_NOT_FOUND,
                         "there are no accounts without authentication: set auth.enabled");
    return NULL;
}

/*
 * Arguments.
 */

int api_account_name(struct request *r, enum account_kind kind, struct slice *name,
                     struct fault *fault)
{
    int err = request_decode(r, r->argument, name);

    return err != 0 ? err : account_name_check(*name, kind, fault);
}

int api_account_groups(struct request *r, const struct json *array, const struct slice **groups,
                       unsigned *n, struct fault *fault)
{
    int err = api_body_texts(r, "groups", array, ACCOUNT_GROUPS_MAX, groups, n, fault);

    for (unsigned i = 0; err == 0 && i < *n; i++) {
        err = group_name_check((*groups)[i], fault);
        for (unsigned j = 0; err == 0 && j < i; j++)
            if (slice_eq((*groups)[i], (*groups)[j]))
                err = fault_set(fault, ERR_INVALID, "groups has \"" SLICE_FMT "\" twice",
                                SLICE_ARG((*groups)[i]));
    }
    return err;
}

int api_account_fault(int err, struct slice name, struct slice unknown_group, struct fault *fault)
{
    if (err == ERR_GROUP_UNKNOWN)
        return fault_set(fault, err, "there is no group \"" SLICE_FMT "\"; make it first",
                         SLICE_ARG(unknown_group));
    if (err == ERR_EXISTS)
        return fault_set(fault, err, "there is already a user or robot \"" SLICE_FMT "\"",
                         SLICE_ARG(name));
    if (err == ERR_ACCOUNT_UNKNOWN)
        return fault_set(fault, err, "there is no \"" SLICE_FMT "\" here", SLICE_ARG(name));
    return err;
}

static int parse_verbs(const struct slice *texts, unsigned n, verb_bits *verbs, struct fault *fault)
{
    *verbs = VERB_BITS_NONE;
    for (unsigned i = 0; i < n; i++) {
        struct slice environment;
        enum verb verb;
        int err = verb_parse(texts[i], &verb, &environment, fault);

        if (err != 0)
            return err;
        if (environment.n > 0 && !slice_eq(environment, SLICE("*")))
            return fault_set(fault, ERR_INVALID,
                             "verbs: a secret is for all environments or none: write %s:*",
                             verb_name(verb));
        *verbs |= VERB_BIT(verb);
    }
    return 0;
}

int api_token_limits(struct request *r, const struct json *expires_in, const struct json *verbs,
                     const struct json *repositories, struct api_token_limits *limits,
                     struct fault *fault)
{
    const struct slice *texts;
    int64_t seconds = 0;
    unsigned n;
    int err = 0;

    *limits = (struct api_token_limits){.verbs = VERB_BITS_ALL};
    if (expires_in != NULL)
        err = api_body_number("expiresIn", expires_in, API_LIFE_MIN_S, API_LIFE_MAX_S, &seconds,
                              fault);
    limits->life_ms = seconds * 1000;
    if (err == 0 && verbs != NULL) {
        err = api_body_texts(r, "verbs", verbs, VERB_COUNT, &texts, &n, fault);
        if (err == 0 && n == 0)
            err = fault_set(fault, ERR_INVALID, "verbs is empty: leave it out for all of them");
        if (err == 0)
            err = parse_verbs(texts, n, &limits->verbs, fault);
    }
    if (err == 0 && repositories != NULL && repositories->count == 0)
        err = fault_set(fault, ERR_INVALID, "repositories is empty: leave it out for all of them");
    if (err == 0)
        err = api_body_texts(r, "repositories", repositories, TOKEN_GLOBS_MAX, &limits->globs,
                             &limits->globs_n, fault);
    for (unsigned i = 0; err == 0 && i < limits->globs_n; i++)
        err = glob_check(limits->globs[i], fault);
    return err;
}

/*
 * Answers.
 */

static void write_texts(struct json_writer *w, const char *name, const struct slice *texts,
                        unsigned n)
{
    json_name(w, slice_from_cstr(name));
    json_array_begin(w);
    for (unsigned i = 0; i < n; i++)
        json_string(w, texts[i]);
    json_array_end(w);
}

static const char *password_words(const struct row_account *row)
{
    return row->external ? "htpasswd" : row->bcrypt.n > 0 ? "kept" : "none";
}

void api_account_members(struct json_writer *w, const struct account *account)
{
    const struct row_account *row = &account->row;

    api_text(w, "name", account->name);
    if (row->kind == ACCOUNT_USER)
        api_text(w, "password", slice_from_cstr(password_words(row)));
    api_bool(w, "disabled", row->disabled);
    write_texts(w, "groups", row->groups, row->groups_n);
    api_text(w, "description", row->description);
    api_time(w, "createdAt", row->created_ms);
}

static void write_verbs(struct json_writer *w, verb_bits verbs)
{
    char text[40];

    json_name(w, SLICE("verbs"));
    json_array_begin(w);
    for (int verb = 0; verb < VERB_COUNT; verb++) {
        if ((verbs & VERB_BIT(verb)) == 0)
            continue;
        snprintf(text, sizeof(text), "%s%s", verb_name((enum verb)verb),
                 verb_takes_environment((enum verb)verb) ? ":*" : "");
        json_string(w, slice_from_cstr(text));
    }
    json_array_end(w);
}

void api_token_write(struct json_writer *w, const struct token *token, struct slice text)
{
    const struct row_token *row = &token->row;
    char id[TOKEN_ID_SIZE + 1];

    json_object_begin(w);
    api_text(w, "id", token_id_format(token->id, id));
    api_text(w, "kind", slice_from_cstr(token_kind_name(row->kind)));
    api_text(w, "account", row->account);
    api_text(w, "secret", text);
    api_text(w, "description", row->description);
    if ((row->verbs & VERB_BITS_ALL) != VERB_BITS_ALL)
        write_verbs(w, row->verbs);
    if (row->globs_n > 0)
        write_texts(w, "repositories", row->globs, row->globs_n);
    api_bool(w, "approve", row->may_approve);
    api_time(w, "createdAt", row->created_ms);
    if (row->expires_ms != 0)
        api_time(w, "expiresAt", row->expires_ms);
    if (row->last_used_ms != 0)
        api_time(w, "lastUsedAt", row->last_used_ms);
    json_object_end(w);
}

void api_tokens_write(struct json_writer *w, const char *name, const struct token *tokens,
                      unsigned n)
{
    json_name(w, slice_from_cstr(name));
    json_array_begin(w);
    for (unsigned i = 0; i < n; i++)
        api_token_write(w, &tokens[i], SLICE(""));
    json_array_end(w);
}

void api_wipe(struct buf *body)
{
    if (body->p != NULL)
        explicit_bzero(body->p, body->cap);
}

void api_send_secret(struct request *r, int status, struct buf *body)
{
    response_field(r, "Cache-Control", SLICE("no-store"));
    if (body->overflow)
        response_send_errorf(r, ERR_NO_MEMORY, "there is no memory for the answer");
    else
        response_send_bytes(r, status, "application/json", buf_slice(body));
    api_wipe(body);
    buf_fini(body);
}

/*
 * Removing.
 */

struct account_removal {
    struct request *r;
    struct login *login;
    struct account_delete del;
};

static int delete_row(struct kv_tx *tx, void *arg)
{
    struct account_removal *removal = arg;

    return account_delete(tx, &removal->del);
}

static void deleted(void *arg, int err)
{
    struct account_removal *removal = arg;
    struct request *r = removal->r;
    struct fault fault = FAULT_INIT;

    if (err == 0) {
        login_changed(removal->login);
        response_send_empty(r, 204);
    } else {
        err = api_account_fault(err, removal->del.name, SLICE(""), &fault);
        response_send_error(r, err, &fault, SLICE(""));
    }
    request_release(r);
}

void api_account_remove(struct request *r, enum account_kind kind)
{
    struct login *login = api_login(r);
    struct account_removal *removal;
    struct fault fault = FAULT_INIT;
    int err = ERR_NO_MEMORY;

    if (login == NULL)
        return;
    removal = arena_alloc(&r->arena, sizeof(*removal));
    if (removal != NULL)
        err = api_account_name(r, kind, &removal->del.name, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    removal->r = r;
    removal->login = login;
    removal->del.kind = kind;
    removal->del.actor = r->actor;
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, delete_row, removal, deleted);
}

/*
 * Lists.
 */

struct accounts_list {
    struct request *r;
    const char *name; /* of the array in the answer */
    struct account_list list;
};

static void accounts_listed(void *arg, int err)
{
    struct accounts_list *call = arg;
    struct request *r = call->r;
    struct json_writer w;
    struct buf body;

    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        buf_init(&body, ANSWER_MAX);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        json_name(&w, slice_from_cstr(call->name));
        json_array_begin(&w);
        for (unsigned i = 0; i < call->list.accounts_n; i++) {
            json_object_begin(&w);
            api_account_members(&w, &call->list.accounts[i]);
            json_object_end(&w);
        }
        json_array_end(&w);
        api_text(&w, "next", call->list.next);
        json_object_end(&w);
        api_send_json(r, &body);
    }
    request_release(r);
}

static int read_accounts(struct kv_tx *tx, void *arg)
{
    struct accounts_list *call = arg;

    return account_list(tx, &call->list);
}

void api_account_list(struct request *r, enum account_kind kind, const char *name)
{
    struct accounts_list *call = arena_alloc(&r->arena, sizeof(*call));
    struct fault fault = FAULT_INIT;
    struct api_page page = {0};
    struct slice group = {0};

    if (api_login(r) == NULL)
        return;
    int err = call == NULL ? ERR_NO_MEMORY : api_page_parse(r, ACCOUNT_NAME_MAX, &page, &fault);
    if (err == 0)
        err = api_query_text(r, "group", GROUP_NAME_MAX, &group, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    call->r = r;
    call->name = name;
    call->list = (struct account_list){
        .kind = kind,
        .group = group,
        .after = page.after,
        .limit = page.n,
        .arena = &r->arena,
    };
    request_hold(r);
    kv_read(r->worker->kv, read_accounts, call, accounts_listed);
}
