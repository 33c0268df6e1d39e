/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/users and /api/v1/users/<name>: the people that Tidemark keeps.
 *
 * DESIGN: a change goes through up to three steps, each of which may end later: the body, the
 * bcrypt of a new password, the transaction; then the row is read again, so that the answer is what
 * is stored. The texts of all of them lie in the arena of the request, which is held meanwhile.
 *
 * The token of the first start is good for one request. So that one makes an administrator: with
 * the user it makes, it writes the first policy, in the same transaction.
 */
#include "config.h"

#include "auth/group.h"
#include "auth/password.h"
#include "auth/policy_store.h"
#include "base/mem.h"
#include "server/api_account.h"
#include "server/gate.h"
#include "server/handlers.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MAX ((size_t)8 << 20)

/*
 * Reading.
 */

static void write_user(struct json_writer *w, const struct account *account)
{
    json_object_begin(w);
    api_account_members(w, account);
    json_object_end(w);
}

void api_users_get(struct request *r)
{
    api_account_list(r, ACCOUNT_USER, "users");
}

struct user_get {
    struct request *r;
    int status;
    struct account_get get;
};

static int read_user(struct kv_tx *tx, void *arg)
{
    struct user_get *call = arg;
    int err = account_get(tx, &call->get);

    return err == 0 && call->get.account.row.kind != ACCOUNT_USER ? ERR_ACCOUNT_UNKNOWN : err;
}

static void send_user(struct user_get *call)
{
    struct request *r = call->r;
    struct json_writer w;
    struct buf body;

    buf_init(&body, ANSWER_MAX);
    json_writer_init(&w, &body);
    write_user(&w, &call->get.account);
    if (call->status == 200)
        api_send_json(r, &body);
    else
        response_send_buf(r, call->status, "application/json", &body);
}

static void user_read(void *arg, int err)
{
    struct user_get *call = arg;
    struct request *r = call->r;
    struct fault fault = FAULT_INIT;

    err = api_account_fault(err, call->get.name, SLICE(""), &fault);
    if (err != 0)
        response_send_error(r, err, &fault, SLICE(""));
    else
        send_user(call);
    request_release(r);
}

/* Holds the request itself. */
static void get_user(struct request *r, struct slice name, int status)
{
    struct user_get *call = arena_alloc(&r->arena, sizeof(*call));

    if (call == NULL) {
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
        return;
    }
    call->r = r;
    call->status = status;
    call->get = (struct account_get){.name = name, .arena = &r->arena};
    request_hold(r);
    kv_read(r->worker->kv, read_user, call, user_read);
}

void api_user_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct slice name;

    if (api_login(r) == NULL)
        return;
    int err = api_account_name(r, ACCOUNT_USER, &name, &fault);
    if (err != 0)
        response_send_error(r, err, &fault, SLICE(""));
    else
        get_user(r, name, 200);
}

/*
 * Changing.
 */

struct user_write {
    struct request *r;
    struct login *login;
    bool is_new;
    struct slice password;
    struct slice bcrypt;
    bool disabled;
    struct slice description;
    struct login_hash hash;
    struct account_create create;
    struct account_change change;
    struct policy *first; /* the policy that makes the new user an administrator, or NULL */
    struct policy_put first_put;
};

static void refuse(struct request *r, int err, const struct fault *fault)
{
    response_send_error(r, err, fault, SLICE(""));
}

/* The policy was put, unless there was one. */
static void set_policy(struct user_write *write)
{
    if (write->first == NULL || !write->first_put.changed)
        return;
    gate_set_policy_take(write->r->worker->server->gate, policy_ref(write->first),
                         write->first_put.version);
}

static void written(void *arg, int err)
{
    struct user_write *write = arg;
    struct request *r = write->r;
    struct slice name = write->is_new ? write->create.name : write->change.name;
    struct fault fault = FAULT_INIT;

    if (err == 0) {
        set_policy(write);
        login_changed(write->login);
    }
    policy_unref(write->first);
    if (err == ERR_INVALID)
        fault_set(&fault, err,
                  "the password of \"" SLICE_FMT "\" is in the htpasswd file; change it "
                  "there",
                  SLICE_ARG(name));
    err = api_account_fault(
        err, name, write->is_new ? write->create.unknown_group : write->change.unknown_group,
        &fault);
    if (err != 0) {
        refuse(r, err, &fault);
    } else {
        if (write->is_new)
            response_fieldf(r, "Location", "/api/v1/users/" SLICE_FMT, SLICE_ARG(name));
        get_user(r, name, write->is_new ? 201 : 200);
    }
    request_release(r);
}

/* A robot of the name is none of ours. */
static int check_is_user(struct kv_tx *tx, struct slice name)
{
    struct key key = key_account(name);
    struct row_account row;
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == 0)
        err = row_account_decode(value, &row);
    if (err == ERR_NOT_FOUND)
        return ERR_ACCOUNT_UNKNOWN;
    return err == 0 && row.kind != ACCOUNT_USER ? ERR_ACCOUNT_UNKNOWN : err;
}

static int create_user(struct kv_tx *tx, struct user_write *write)
{
    write->first_put.changed = false;
    int err = account_create(tx, &write->create);
    if (err != 0 || write->first == NULL)
        return err;
    err = policy_store_put(tx, &write->first_put);
    /* There is a policy that somebody wrote; it stays. */
    return err == ERR_HTTP_PRECONDITION ? 0 : err;
}

static int write_user_row(struct kv_tx *tx, void *arg)
{
    struct user_write *write = arg;

    if (write->is_new)
        return create_user(tx, write);
    write->change.unknown_group = (struct slice){0};
    int err = check_is_user(tx, write->change.name);
    return err != 0 ? err : account_change(tx, &write->change);
}

static void store(struct user_write *write)
{
    kv_write(write->r->worker->kv, KV_FRONT, write_user_row, write, written);
}

static void hashed(struct login_hash *hash)
{
    struct user_write *write = hash->arg;

    if (hash->err != 0) {
        refuse(write->r, hash->err, NULL);
        policy_unref(write->first);
        request_release(write->r);
        return;
    }
    write->bcrypt = slice_from_cstr(hash->hash);
    write->create.bcrypt = write->bcrypt;
    write->change.bcrypt = &write->bcrypt;
    store(write);
}

static void begin_write(struct user_write *write)
{
    request_hold(write->r);
    if (write->password.n == 0) {
        store(write);
        return;
    }
    write->hash = (struct login_hash){
        .password = write->password,
        .reply = write->r->worker->queue,
        .done = hashed,
        .arg = write,
    };
    login_hash(write->login, &write->hash);
}

static int take_texts(struct user_write *write, const struct json *password,
                      const struct json *description, struct fault *fault)
{
    int err = 0;

    if (password != NULL) {
        write->password = password->text;
        err = password_check_new(password->text, fault);
    }
    if (err == 0 && description != NULL) {
        write->description = description->text;
        err = account_description_check(description->text, fault);
    }
    return err;
}

static int make_first_policy(struct user_write *write, struct fault *fault)
{
    struct request *r = write->r;
    struct slice document;

    if (r->identity->kind != IDENTITY_BOOTSTRAP)
        return 0;
    document = arena_printf(
        &r->arena,
        "{\"roles\":{\"administrator\":[\"pull\",\"push\",\"move-tag\",\"delete\",\"retention\","
        "\"hold\",\"override\",\"metrics\",\"admin\",\"audit\"]},"
        "\"bindings\":[{\"role\":\"administrator\",\"to\":[\"user:" SLICE_FMT "\"],"
        "\"repositories\":[\"**\"]}]}",
        SLICE_ARG(write->create.name));
    if (document.p == NULL)
        return ERR_NO_MEMORY;
    int err = policy_parse(document, &write->first, fault);
    if (err == 0)
        write->first_put = (struct policy_put){
            .document = policy_document(write->first), .actor = r->actor, .must_match = true};
    return err;
}

static int take_new(struct user_write *write, const struct json *root, struct fault *fault)
{
    const struct json *name, *password, *groups, *description, *external;
    const struct api_member members[] = {
        {"name", JSON_STRING, &name, true},
        {"password", JSON_STRING, &password, false},
        {"groups", JSON_ARRAY, &groups, false},
        {"description", JSON_STRING, &description, false},
        {"external", JSON_BOOL, &external, false},
    };
    struct account_create *create = &write->create;

    int err = api_body_members(root, members, ARRAY_LENGTH(members), fault);
    if (err == 0)
        err = account_name_check(name->text, ACCOUNT_USER, fault);
    if (err == 0)
        err = take_texts(write, password, description, fault);
    if (err == 0)
        err = api_account_groups(write->r, groups, &create->groups, &create->groups_n, fault);
    if (err != 0)
        return err;
    create->external = external != NULL && external->boolean;
    if (create->external && password != NULL)
        return fault_set(fault, ERR_INVALID,
                         "the password of an external user is in the htpasswd file: leave it out");
    if (create->external && !login_has_external(write->login, name->text))
        return fault_set(fault, ERR_INVALID, "the htpasswd file has no line for \"" SLICE_FMT "\"",
                         SLICE_ARG(name->text));
    if (!create->external && login_has_external(write->login, name->text))
        return fault_set(fault, ERR_EXISTS,
                         "\"" SLICE_FMT "\" is in the htpasswd file; add \"external\": true",
                         SLICE_ARG(name->text));
    create->name = name->text;
    create->kind = ACCOUNT_USER;
    create->description = write->description;
    create->actor = write->r->actor;
    return make_first_policy(write, fault);
}

static int take_change(struct user_write *write, const struct json *root, struct fault *fault)
{
    const struct json *disabled, *password, *groups, *description;
    const struct api_member members[] = {
        {"disabled", JSON_BOOL, &disabled, false},
        {"password", JSON_STRING, &password, false},
        {"groups", JSON_ARRAY, &groups, false},
        {"description", JSON_STRING, &description, false},
    };
    struct account_change *change = &write->change;
    static const struct slice nothing;

    int err = api_body_members(root, members, ARRAY_LENGTH(members), fault);
    if (err == 0)
        err = take_texts(write, password, description, fault);
    if (err == 0)
        err = api_account_groups(write->r, groups, &change->groups, &change->groups_n, fault);
    if (err != 0)
        return err;
    /* An empty list is all of them too: a pointer says that they are to be replaced. */
    if (groups != NULL && change->groups == NULL)
        change->groups = &nothing;
    write->disabled = disabled != NULL && disabled->boolean;
    change->disabled = disabled != NULL ? &write->disabled : NULL;
    change->description = description != NULL ? &write->description : NULL;
    change->actor = write->r->actor;
    return 0;
}

static void body_came(void *arg, const struct json *root)
{
    struct user_write *write = arg;
    struct fault fault = FAULT_INIT;
    int err = write->is_new ? take_new(write, root, &fault) : take_change(write, root, &fault);

    if (err != 0)
        refuse(write->r, err, &fault);
    else
        begin_write(write);
}

static void read_write(struct request *r, bool is_new)
{
    struct login *login = api_login(r);
    struct user_write *write;
    struct fault fault = FAULT_INIT;
    int err = 0;

    if (login == NULL)
        return;
    write = arena_alloc(&r->arena, sizeof(*write));
    if (write == NULL)
        err = ERR_NO_MEMORY;
    else if (!is_new)
        err = api_account_name(r, ACCOUNT_USER, &write->change.name, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    write->r = r;
    write->login = login;
    write->is_new = is_new;
    api_body_read(r, body_came, write);
}

void api_users_post(struct request *r)
{
    read_write(r, true);
}

void api_user_patch(struct request *r)
{
    read_write(r, false);
}

void api_user_delete(struct request *r)
{
    api_account_remove(r, ACCOUNT_USER);
}
