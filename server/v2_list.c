/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/v2_list.h"

struct v2_list *v2_list_create(struct request *r, size_t name_max, int name_err)
{
    struct fault fault = FAULT_INIT;
    struct v2_list *list = v2_alloc(r, sizeof(*list));

    if (list == NULL)
        return NULL;
    list->r = r;
    int err = v2_page_parse(r, &list->page, &fault);
    if (err == 0 && list->page.last.n > name_max)
        err = fault_set(&fault, name_err,
                        "last must be a name of this list, at most %zu characters", name_max);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return NULL;
    }
    buf_init(&list->body, (size_t)(list->page.n + 8) * (name_max + 4) + 1024);
    request_hold(r);
    return list;
}

void v2_list_open(struct v2_list *list)
{
    buf_reset(&list->body);
    list->given = 0;
    list->more = false;
    json_writer_init(&list->json, &list->body);
    json_object_begin(&list->json);
}

void v2_list_begin(struct v2_list *list, struct slice array)
{
    json_name(&list->json, array);
    json_array_begin(&list->json);
}

int v2_list_add(struct v2_list *list, struct slice name)
{
    if (list->given == list->page.n) {
        list->more = true;
        return 1;
    }
    json_string(&list->json, name);
    list->given++;
    memcpy(list->last, name.p, name.n);
    list->last[name.n] = '\0';
    return 0;
}

void v2_list_end(struct v2_list *list)
{
    json_array_end(&list->json);
    json_object_end(&list->json);
}

void v2_list_keep(const struct v2_list *list, struct v2_list_mark *mark)
{
    *mark = (struct v2_list_mark){list->body.n, list->json.need_comma, list->given};
}

/* The last name stays: when the run that gave it is not the last, the next one gives another. */
void v2_list_rewind(struct v2_list *list, const struct v2_list_mark *mark)
{
    list->body.n = mark->n;
    list->json.need_comma = mark->need_comma;
    list->given = mark->given;
    list->more = false;
}

void v2_list_send(struct v2_list *list, int err, struct slice path)
{
    struct request *r = list->r;

    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        if (list->more && list->page.n > 0)
            response_fieldf(r, "Link", "<" SLICE_FMT "?n=%u&last=%s>; rel=\"next\"",
                            SLICE_ARG(path), list->page.n, list->last);
        response_send_buf(r, 200, "application/json", &list->body);
    }
    buf_fini(&list->body);
    request_release(r);
}
