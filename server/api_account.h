/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the endpoints of users, groups, robots and tokens share: how they are shown and what may be
 * said about a new one. Worker thread only.
 */
#ifndef SERVER_API_ACCOUNT_H
#define SERVER_API_ACCOUNT_H

#include "auth/account.h"
#include "auth/login.h"
#include "auth/token.h"
#include "auth/token_secret.h"
#include "server/api.h"
#include "server/api_body.h"

#define API_LIFE_MIN_S 60
#define API_LIFE_MAX_S ((int64_t)10 * 366 * 24 * 3600)

/* NULL, and the request is answered: without authentication there are no accounts. */
struct login *api_login(struct request *r);

/* The name in the path, decoded. ERR_ACCOUNT_INVALID and others. */
int api_account_name(struct request *r, enum account_kind kind, struct slice *name,
                     struct fault *fault) MUST_CHECK;

/* A list of groups that exist or not: their names are checked. */
int api_account_groups(struct request *r, const struct json *array, const struct slice **groups,
                       unsigned *n, struct fault *fault) MUST_CHECK;

/* Words for what account_create and account_change answer with. */
int api_account_fault(int err, struct slice name, struct slice unknown_group, struct fault *fault);

/* Members of an object that was begun. */
void api_account_members(struct json_writer *w, const struct account *account);

/* An object. `text` is the secret itself, once, or empty. */
void api_token_write(struct json_writer *w, const struct token *token, struct slice text);
void api_tokens_write(struct json_writer *w, const char *name, const struct token *tokens,
                      unsigned n);

/* What a new secret is for; from the members expiresIn, verbs and repositories. */
struct api_token_limits {
    int64_t life_ms; /* 0: for ever */
    verb_bits verbs;
    const struct slice *globs;
    unsigned globs_n;
};
int api_token_limits(struct request *r, const struct json *expires_in, const struct json *verbs,
                     const struct json *repositories, struct api_token_limits *limits,
                     struct fault *fault) MUST_CHECK;

/* What has a secret in it must stay in nobody's cache. */
void api_send_secret(struct request *r, int status, struct buf *body);

/* GET of the accounts of a kind, page by page, `?group=` only those in it; `name` is that of the
 * array in the answer. */
void api_account_list(struct request *r, enum account_kind kind, const char *name);

/* DELETE of the account in the path, with its secrets: 204. */
void api_account_remove(struct request *r, enum account_kind kind);

/* Wipes what was in a buffer before it is given back. */
void api_wipe(struct buf *body);

#endif
