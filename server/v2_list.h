/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of names in byte order, as the catalog and the tags of a repository are
 * (distribution-spec, "Listing Tags"): parsing of `n` and `last`, the JSON array, the Link to the
 * next page. Worker thread only.
 */
#ifndef SERVER_V2_LIST_H
#define SERVER_V2_LIST_H

#include "base/json.h"
#include "server/v2.h"

#define V2_LIST_NAME_MAX 255

struct v2_list {
    struct request *r;
    struct v2_page page;
    /* assigned by each run of the read */
    struct buf body;
    struct json_writer json;
    unsigned given;
    bool more;
    char last[V2_LIST_NAME_MAX + 1];
};

/* In the arena, the request held; NULL when the query was wrong, which is answered then. `last` may
 * have `name_max` characters, else it is `name_err`. */
struct v2_list *v2_list_create(struct request *r, size_t name_max, int name_err);

/* In the read: the object begins, with the member `array` to come. Members before it are the
 * caller's, between open and begin. */
void v2_list_open(struct v2_list *list);
void v2_list_begin(struct v2_list *list, struct slice array);
/* 1 when the page is full: stop the scan. Scan one name more than the page has. */
int v2_list_add(struct v2_list *list, struct slice name);
void v2_list_end(struct v2_list *list);

/* For lists that are read in steps: what is there now, and back to it. */
struct v2_list_mark {
    size_t n;
    bool need_comma;
    unsigned given;
};
void v2_list_keep(const struct v2_list *list, struct v2_list_mark *mark);
void v2_list_rewind(struct v2_list *list, const struct v2_list_mark *mark);

/* Answer, with a Link to `path` when there is more; lets go of the request. */
void v2_list_send(struct v2_list *list, int err, struct slice path);

#endif
