/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/robots, /api/v1/robots/<name> and .../<name>/secrets: accounts of programs. A robot is
 * made together with its first secret, which is in the answer and nowhere else. A second one lives
 * beside it while programs change over; DELETE /api/v1/tokens/<id> ends the first.
 */
#include "config.h"

#include "auth/group.h"
#include "base/mem.h"
#include "server/api_account.h"
#include "server/handlers.h"

#define ANSWER_MAX ((size_t)8 << 20)

static void refuse(struct request *r, int err, const struct fault *fault)
{
    response_send_error(r, err, fault, SLICE(""));
}

/*
 * Reading.
 */

void api_robots_get(struct request *r)
{
    api_account_list(r, ACCOUNT_ROBOT, "robots");
}

/* A robot with what is kept of its secrets, and the text of the one that was just made. */
struct robot_show {
    struct request *r;
    int status;
    const struct token_secret *secret; /* or NULL */
    struct account_get get;
    struct token_list secrets;
};

static int read_robot(struct kv_tx *tx, void *arg)
{
    struct robot_show *show = arg;
    int err = account_get(tx, &show->get);

    if (err == 0 && show->get.account.row.kind != ACCOUNT_ROBOT)
        err = ERR_ACCOUNT_UNKNOWN;
    return err != 0 ? err : token_list(tx, &show->secrets);
}

static void send_robot(struct robot_show *show)
{
    struct request *r = show->r;
    struct json_writer w;
    struct buf body;

    buf_init(&body, ANSWER_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    api_account_members(&w, &show->get.account);
    if (show->secret != NULL)
        api_text(&w, "secret", slice_make(show->secret->text, TOKEN_TEXT_SIZE));
    api_tokens_write(&w, "secrets", show->secrets.tokens, show->secrets.tokens_n);
    json_object_end(&w);
    if (show->secret != NULL)
        api_send_secret(r, show->status, &body);
    else
        api_send_json(r, &body);
}

static void robot_read(void *arg, int err)
{
    struct robot_show *show = arg;
    struct request *r = show->r;
    struct fault fault = FAULT_INIT;

    err = api_account_fault(err, show->get.name, SLICE(""), &fault);
    if (err != 0)
        refuse(r, err, &fault);
    else
        send_robot(show);
    request_release(r);
}

/* Holds the request itself. */
static void show_robot(struct request *r, struct slice name, int status,
                       const struct token_secret *secret)
{
    struct robot_show *show = arena_alloc(&r->arena, sizeof(*show));

    if (show == NULL) {
        refuse(r, ERR_NO_MEMORY, NULL);
        return;
    }
    show->r = r;
    show->status = status;
    show->secret = secret;
    show->get = (struct account_get){.name = name, .arena = &r->arena};
    show->secrets = (struct token_list){.account = name, .arena = &r->arena};
    request_hold(r);
    kv_read(r->worker->kv, read_robot, show, robot_read);
}

void api_robot_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct slice name;

    if (api_login(r) == NULL)
        return;
    int err = api_account_name(r, ACCOUNT_ROBOT, &name, &fault);
    if (err != 0)
        refuse(r, err, &fault);
    else
        show_robot(r, name, 200, NULL);
}

/*
 * Changing.
 */

enum robot_step { ROBOT_CREATE, ROBOT_CHANGE, ROBOT_ROTATE };

struct robot_write {
    struct request *r;
    struct login *login;
    enum robot_step step;
    struct slice name;
    bool disabled;
    struct slice description;
    struct account_create create;
    struct account_change change;
    struct token_create token;
    struct token_secret secret;
};

/* What the transaction wants: a robot of that name. */
static int check_is_robot(struct kv_tx *tx, struct slice name)
{
    struct key key = key_account(name);
    struct row_account row;
    struct slice value;
    int err = kv_get(tx, key_slice(&key), &value);

    if (err == 0)
        err = row_account_decode(value, &row);
    if (err == ERR_NOT_FOUND)
        return ERR_ACCOUNT_UNKNOWN;
    return err == 0 && row.kind != ACCOUNT_ROBOT ? ERR_ACCOUNT_UNKNOWN : err;
}

static int write_robot(struct kv_tx *tx, void *arg)
{
    struct robot_write *write = arg;
    int err;

    write->change.unknown_group = write->create.unknown_group = (struct slice){0};
    err = write->step == ROBOT_CREATE ? account_create(tx, &write->create)
                                      : check_is_robot(tx, write->name);
    if (err != 0)
        return err;
    return write->step == ROBOT_CHANGE ? account_change(tx, &write->change)
                                       : token_create(tx, &write->token);
}

static int say(struct robot_write *write, int err, struct fault *fault)
{
    if (err == ERR_TOKEN_LIMIT)
        return fault_set(fault, err,
                         "\"" SLICE_FMT "\" has %u live secrets already; end one of them first: "
                         "DELETE /api/v1/tokens/<id>",
                         SLICE_ARG(write->name), (unsigned)TOKEN_ROBOT_MAX);
    return api_account_fault(err, write->name,
                             write->step == ROBOT_CREATE ? write->create.unknown_group
                                                         : write->change.unknown_group,
                             fault);
}

static void written(void *arg, int err)
{
    struct robot_write *write = arg;
    struct request *r = write->r;
    struct fault fault = FAULT_INIT;
    bool has_secret = write->step != ROBOT_CHANGE;

    if (err == 0)
        login_changed(write->login);
    err = say(write, err, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
    } else {
        if (write->step == ROBOT_CREATE)
            response_fieldf(r, "Location", "/api/v1/robots/" SLICE_FMT, SLICE_ARG(write->name));
        show_robot(r, write->name, has_secret ? 201 : 200, has_secret ? &write->secret : NULL);
    }
    request_release(r);
}

static int make_secret(struct robot_write *write, const struct api_token_limits *limits)
{
    int err = token_secret_make(TOKEN_ROBOT, &write->secret);

    write->token = (struct token_create){
        .kind = TOKEN_ROBOT,
        .id = write->secret.id,
        .account = write->name,
        .life_ms = limits->life_ms,
        .verbs = limits->verbs,
        .globs = limits->globs,
        .globs_n = limits->globs_n,
        .actor = write->r->actor,
    };
    memcpy(write->token.sha256, write->secret.sha256, sizeof(write->token.sha256));
    return err;
}

static int take_new(struct robot_write *write, const struct json *root, struct fault *fault)
{
    const struct json *name, *groups, *description, *expires_in, *verbs, *repositories;
    const struct api_member members[] = {
        {"name", JSON_STRING, &name, true},
        {"groups", JSON_ARRAY, &groups, false},
        {"description", JSON_STRING, &description, false},
        {"expiresIn", JSON_INTEGER, &expires_in, false},
        {"verbs", JSON_ARRAY, &verbs, false},
        {"repositories", JSON_ARRAY, &repositories, false},
    };
    struct account_create *create = &write->create;
    struct api_token_limits limits;

    int err = api_body_members(root, members, ARRAY_LENGTH(members), fault);
    if (err == 0)
        err = account_name_check(name->text, ACCOUNT_ROBOT, fault);
    if (err == 0 && login_has_external(write->login, name->text))
        err = fault_set(fault, ERR_EXISTS,
                        "\"" SLICE_FMT "\" is a user of the htpasswd file; take another name",
                        SLICE_ARG(name->text));
    if (err == 0 && description != NULL)
        err = account_description_check(description->text, fault);
    if (err == 0)
        err = api_account_groups(write->r, groups, &create->groups, &create->groups_n, fault);
    if (err == 0)
        err = api_token_limits(write->r, expires_in, verbs, repositories, &limits, fault);
    if (err != 0)
        return err;
    write->name = create->name = name->text;
    create->kind = ACCOUNT_ROBOT;
    create->description = description != NULL ? description->text : SLICE("");
    create->actor = write->r->actor;
    return make_secret(write, &limits);
}

static int take_change(struct robot_write *write, const struct json *root, struct fault *fault)
{
    const struct json *disabled, *groups, *description;
    const struct api_member members[] = {
        {"disabled", JSON_BOOL, &disabled, false},
        {"groups", JSON_ARRAY, &groups, false},
        {"description", JSON_STRING, &description, false},
    };
    static const struct slice nothing;
    struct account_change *change = &write->change;

    int err = api_body_members(root, members, ARRAY_LENGTH(members), fault);
    if (err == 0 && description != NULL)
        err = account_description_check(description->text, fault);
    if (err == 0)
        err = api_account_groups(write->r, groups, &change->groups, &change->groups_n, fault);
    if (err != 0)
        return err;
    if (groups != NULL && change->groups == NULL)
        change->groups = &nothing;
    write->disabled = disabled != NULL && disabled->boolean;
    write->description = description != NULL ? description->text : SLICE("");
    change->name = write->name;
    change->disabled = disabled != NULL ? &write->disabled : NULL;
    change->description = description != NULL ? &write->description : NULL;
    change->actor = write->r->actor;
    return 0;
}

static int take_rotation(struct robot_write *write, const struct json *root, struct fault *fault)
{
    const struct json *expires_in, *verbs, *repositories;
    const struct api_member members[] = {
        {"expiresIn", JSON_INTEGER, &expires_in, false},
        {"verbs", JSON_ARRAY, &verbs, false},
        {"repositories", JSON_ARRAY, &repositories, false},
    };
    struct api_token_limits limits;

    int err = api_body_members(root, members, ARRAY_LENGTH(members), fault);
    if (err == 0)
        err = api_token_limits(write->r, expires_in, verbs, repositories, &limits, fault);
    return err != 0 ? err : make_secret(write, &limits);
}

static int take_body(struct robot_write *write, const struct json *root, struct fault *fault)
{
    switch (write->step) {
    case ROBOT_CREATE:
        return take_new(write, root, fault);
    case ROBOT_CHANGE:
        return take_change(write, root, fault);
    case ROBOT_ROTATE:
        return take_rotation(write, root, fault);
    }
    return ERR_INTERNAL;
}

static void body_came(void *arg, const struct json *root)
{
    struct robot_write *write = arg;
    struct request *r = write->r;
    struct fault fault = FAULT_INIT;
    int err = take_body(write, root, &fault);

    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, write_robot, write, written);
}

static void read_write(struct request *r, enum robot_step step)
{
    struct login *login = api_login(r);
    struct robot_write *write;
    struct fault fault = FAULT_INIT;
    int err = 0;

    if (login == NULL)
        return;
    write = arena_alloc(&r->arena, sizeof(*write));
    if (write == NULL)
        err = ERR_NO_MEMORY;
    else if (step != ROBOT_CREATE)
        err = api_account_name(r, ACCOUNT_ROBOT, &write->name, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    write->r = r;
    write->login = login;
    write->step = step;
    api_body_read(r, body_came, write);
}

void api_robots_post(struct request *r)
{
    read_write(r, ROBOT_CREATE);
}

void api_robot_patch(struct request *r)
{
    read_write(r, ROBOT_CHANGE);
}

void api_robot_secrets_post(struct request *r)
{
    read_write(r, ROBOT_ROTATE);
}

void api_robot_delete(struct request *r)
{
    api_account_remove(r, ACCOUNT_ROBOT);
}
