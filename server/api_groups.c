/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/groups and /api/v1/groups/<name>: names that the policy can bind rights to. Who is in one
 * is a matter of the accounts: GET /api/v1/users?group=NAME.
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

static void write_group(struct json_writer *w, const struct group *group)
{
    json_object_begin(w);
    api_text(w, "name", group->name);
    api_text(w, "description", group->row.description);
    api_time(w, "createdAt", group->row.created_ms);
    json_object_end(w);
}

static int group_fault(int err, struct slice name, struct fault *fault)
{
    if (err == ERR_GROUP_UNKNOWN)
        return fault_set(fault, err, "there is no group \"" SLICE_FMT "\"", SLICE_ARG(name));
    if (err == ERR_GROUP_IN_USE)
        return fault_set(fault, err,
                         "there are users or robots in \"" SLICE_FMT "\"; take them out first",
                         SLICE_ARG(name));
    return err;
}

static int group_of(struct request *r, struct slice *name, struct fault *fault)
{
    int err = request_decode(r, r->argument, name);

    return err != 0 ? err : group_name_check(*name, fault);
}

/*
 * Reading.
 */

struct groups_list {
    struct request *r;
    struct group_list list;
};

static void listed(void *arg, int err)
{
    struct groups_list *call = arg;
    struct request *r = call->r;
    struct json_writer w;
    struct buf body;

    if (err != 0) {
        refuse(r, err, NULL);
    } else {
        buf_init(&body, ANSWER_MAX);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        json_name(&w, SLICE("groups"));
        json_array_begin(&w);
        for (unsigned i = 0; i < call->list.groups_n; i++)
            write_group(&w, &call->list.groups[i]);
        json_array_end(&w);
        api_text(&w, "next", call->list.next);
        json_object_end(&w);
        api_send_json(r, &body);
    }
    request_release(r);
}

static int read_list(struct kv_tx *tx, void *arg)
{
    struct groups_list *call = arg;

    return group_list(tx, &call->list);
}

void api_groups_get(struct request *r)
{
    struct groups_list *call = arena_alloc(&r->arena, sizeof(*call));
    struct fault fault = FAULT_INIT;
    struct api_page page = {0};

    if (api_login(r) == NULL)
        return;
    int err = call == NULL ? ERR_NO_MEMORY : api_page_parse(r, GROUP_NAME_MAX, &page, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    call->r = r;
    call->list = (struct group_list){.after = page.after, .limit = page.n, .arena = &r->arena};
    request_hold(r);
    kv_read(r->worker->kv, read_list, call, listed);
}

struct group_read {
    struct request *r;
    int status;
    struct group_get get;
};

static int read_group(struct kv_tx *tx, void *arg)
{
    struct group_read *call = arg;

    return group_get(tx, &call->get);
}

static void group_was_read(void *arg, int err)
{
    struct group_read *call = arg;
    struct request *r = call->r;
    struct fault fault = FAULT_INIT;
    struct json_writer w;
    struct buf body;

    err = group_fault(err, call->get.name, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
    } else {
        buf_init(&body, ANSWER_MAX);
        json_writer_init(&w, &body);
        write_group(&w, &call->get.group);
        if (call->status == 200)
            api_send_json(r, &body);
        else
            response_send_buf(r, call->status, "application/json", &body);
    }
    request_release(r);
}

static void get_group(struct request *r, struct slice name, int status)
{
    struct group_read *call = arena_alloc(&r->arena, sizeof(*call));

    if (call == NULL) {
        refuse(r, ERR_NO_MEMORY, NULL);
        return;
    }
    call->r = r;
    call->status = status;
    call->get = (struct group_get){.name = name, .arena = &r->arena};
    request_hold(r);
    kv_read(r->worker->kv, read_group, call, group_was_read);
}

void api_group_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct slice name;

    if (api_login(r) == NULL)
        return;
    int err = group_of(r, &name, &fault);
    if (err != 0)
        refuse(r, err, &fault);
    else
        get_group(r, name, 200);
}

/*
 * Changing.
 */

struct group_write {
    struct request *r;
    struct login *login;
    struct group_put put;
    struct group_delete del;
};

static int put_row(struct kv_tx *tx, void *arg)
{
    struct group_write *write = arg;

    return group_put(tx, &write->put);
}

static void was_put(void *arg, int err)
{
    struct group_write *write = arg;
    struct request *r = write->r;

    if (err != 0) {
        refuse(r, err, NULL);
    } else {
        login_changed(write->login);
        get_group(r, write->put.name, write->put.created ? 201 : 200);
    }
    request_release(r);
}

static void body_came(void *arg, const struct json *root)
{
    struct group_write *write = arg;
    struct request *r = write->r;
    struct fault fault = FAULT_INIT;
    const struct json *description;
    const struct api_member members[] = {{"description", JSON_STRING, &description, false}};

    int err = api_body_members(root, members, ARRAY_LENGTH(members), &fault);
    if (err == 0 && description != NULL)
        err = account_description_check(description->text, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
        return;
    }
    write->put.description = description != NULL ? description->text : SLICE("");
    write->put.actor = r->actor;
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, put_row, write, was_put);
}

/* NULL, and it is answered. */
static struct group_write *begin(struct request *r)
{
    struct login *login = api_login(r);
    struct group_write *write;
    struct fault fault = FAULT_INIT;
    int err = ERR_NO_MEMORY;

    if (login == NULL)
        return NULL;
    write = arena_alloc(&r->arena, sizeof(*write));
    if (write != NULL)
        err = group_of(r, &write->put.name, &fault);
    if (err != 0) {
        refuse(r, err, &fault);
        return NULL;
    }
    write->r = r;
    write->login = login;
    return write;
}

void api_group_put(struct request *r)
{
    struct group_write *write = begin(r);

    if (write != NULL)
        api_body_read(r, body_came, write);
}

static int delete_row(struct kv_tx *tx, void *arg)
{
    struct group_write *write = arg;

    return group_delete(tx, &write->del);
}

static void was_deleted(void *arg, int err)
{
    struct group_write *write = arg;
    struct request *r = write->r;
    struct fault fault = FAULT_INIT;

    if (err == 0) {
        login_changed(write->login);
        response_send_empty(r, 204);
    } else {
        err = group_fault(err, write->del.name, &fault);
        refuse(r, err, &fault);
    }
    request_release(r);
}

void api_group_delete(struct request *r)
{
    struct group_write *write = begin(r);

    if (write == NULL)
        return;
    write->del = (struct group_delete){.name = write->put.name, .actor = r->actor};
    request_hold(r);
    kv_write(r->worker->kv, KV_FRONT, delete_row, write, was_deleted);
}
