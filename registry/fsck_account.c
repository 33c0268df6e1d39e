/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "registry/fsck_internal.h"

#include "auth/account.h"
#include "auth/group.h"
#include "auth/password.h"
#include "auth/token_secret.h"

int fsck_check_group(struct fsck *f, const struct key_fields *key, struct slice value)
{
    struct fault why = FAULT_INIT;
    struct row_group row;

    if (group_name_check(key->text, &why) != 0)
        fsck_error(f, "a group row: %s", why.text);
    if (row_group_decode(value, &row) != 0)
        fsck_error(f, "the group row of " SLICE_FMT " does not decode", SLICE_ARG(key->text));
    return 0;
}

/*
 * Accounts.
 */

static int check_groups(struct fsck *f, struct slice account, const struct row_account *row)
{
    int err = 0;
    bool has;

    for (unsigned i = 0; i < row->groups_n && err == 0; i++) {
        if (group_name_check(row->groups[i], NULL) != 0) {
            fsck_error(f, "account " SLICE_FMT " is in a group whose name cannot be one",
                       SLICE_ARG(account));
            continue;
        }
        err = fsck_has(f, key_group(row->groups[i]), &has);
        if (err == 0 && !has)
            fsck_error(f, "account " SLICE_FMT " is in group " SLICE_FMT ", which does not exist",
                       SLICE_ARG(account), SLICE_ARG(row->groups[i]));
    }
    return err;
}

int fsck_check_account(struct fsck *f, const struct key_fields *key, struct slice value)
{
    struct fault why = FAULT_INIT;
    struct row_account row;

    if (row_account_decode(value, &row) != 0) {
        fsck_error(f, "the account row of " SLICE_FMT " does not decode", SLICE_ARG(key->text));
        return 0;
    }
    if (account_name_check(key->text, row.kind, &why) != 0)
        fsck_error(f, "an account row: %s", why.text);
    if (row.bcrypt.n > 0 && password_hash_parse(row.bcrypt, NULL, &why) != 0)
        fsck_error(f, "the password of account " SLICE_FMT ": %s", SLICE_ARG(key->text), why.text);
    if (row.bcrypt.n > 0 && (row.external || row.kind == ACCOUNT_ROBOT))
        fsck_error(f, "account " SLICE_FMT " has a password, and must not have one",
                   SLICE_ARG(key->text));
    return check_groups(f, key->text, &row);
}

/*
 * Secrets.
 */

static bool is_account_name(struct slice name)
{
    return account_name_check(name, ACCOUNT_USER, NULL) == 0;
}

static int check_owner(struct fsck *f, const char *id, struct slice account, uint64_t number)
{
    bool has = false;
    int err;

    if (!is_account_name(account)) {
        fsck_error(f, "token %s is of an account whose name cannot be one", id);
        return 0;
    }
    err = fsck_has(f, key_account(account), &has);
    if (err == 0 && !has)
        fsck_error(f, "token %s is of account " SLICE_FMT ", which does not exist", id,
                   SLICE_ARG(account));
    if (err == 0)
        err = fsck_has(f, key_tokenof(account, number), &has);
    if (err == 0 && !has)
        fsck_error(f, "the tokenof row of token %s is missing", id);
    return err;
}

int fsck_check_token(struct fsck *f, const struct key_fields *key, struct slice value)
{
    char id[TOKEN_ID_SIZE + 1];
    struct row_token row;

    (void)token_id_format(key->id[0], id);
    if (row_token_decode(value, &row) != 0) {
        fsck_error(f, "the token row of %s does not decode", id);
        return 0;
    }
    if (row.kind != TOKEN_BOOTSTRAP)
        return check_owner(f, id, row.account, key->id[0]);
    if (row.account.n > 0)
        fsck_error(f, "token %s is one for bootstrap, and has an account", id);
    return 0;
}

int fsck_check_tokenof(struct fsck *f, const struct key_fields *key, struct slice value)
{
    const struct key token = key_token(key->id[0]);
    char id[TOKEN_ID_SIZE + 1];
    struct row_token row;
    struct slice found;
    int err = kv_get(f->tx, key_slice(&token), &found);

    (void)token_id_format(key->id[0], id);
    if (value.n != 0)
        fsck_error(f, "the tokenof row of token %s is not empty", id);
    if (err == ERR_NOT_FOUND)
        fsck_error(f, "a tokenof row of account " SLICE_FMT " names token %s, which does not exist",
                   SLICE_ARG(key->text), id);
    else if (err == 0 && row_token_decode(found, &row) == 0 && !slice_eq(row.account, key->text))
        fsck_error(f, "a tokenof row of account " SLICE_FMT " names token %s, which is another's",
                   SLICE_ARG(key->text), id);
    return err == ERR_NOT_FOUND ? 0 : err;
}
