/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/pages.h"

#include <stdio.h>
#include <string.h>

#define ARENA_MAX  (256 * 1024 * 1024)
#define CURSOR_MAX 2048

static int run_page(struct client *client, const struct pages *pages, struct arena *arena,
                    struct buf *cursor, struct fault *fault)
{
    const struct json *items;
    struct json *root;
    struct slice next;

    client_path(client, "%s", pages->path);
    if (cursor->n > 0)
        client_query(client, "after", buf_slice(cursor));
    int err = client_get_json(client, arena, &root, fault);
    if (err != 0)
        return err;
    items = json_member(root, slice_from_cstr(pages->list));
    if (!items || items->type != JSON_ARRAY)
        return fault_set(fault, ERR_SYNTAX, "the registry's answer has no list \"%s\"",
                         pages->list);
    for (const struct json *item = items->first; item; item = item->next)
        pages->item(pages->arg, item);
    if (pages->page_end)
        pages->page_end(pages->arg);
    next = client_text(root, "next");
    if (next.n > 0 && slice_eq(next, buf_slice(cursor)))
        return fault_set(fault, ERR_SYNTAX, "the registry gives the same page again and again");
    buf_reset(cursor);
    buf_add(cursor, next);
    if (cursor->overflow)
        return fault_set(fault, ERR_SYNTAX, "the registry gives a cursor that is too long");
    return 0;
}

int pages_run(struct client *client, const struct pages *pages, struct fault *fault)
{
    struct arena arena;
    struct buf cursor;
    int err;

    arena_init(&arena, ARENA_MAX);
    buf_init(&cursor, CURSOR_MAX);
    do {
        err = run_page(client, pages, &arena, &cursor, fault);
        arena_reset(&arena);
    } while (err == 0 && cursor.n > 0);
    buf_fini(&cursor);
    arena_fini(&arena);
    return err;
}

void pages_print_json(const struct json *value)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, ARENA_MAX);
    json_writer_init(&w, &out);
    json_value(&w, value);
    if (out.n > 0)
        fwrite(out.p, 1, out.n, stdout);
    buf_fini(&out);
}

struct slice pages_time(struct slice time, char out[32])
{
    size_t dot = slice_find_char(time, '.');

    if (dot >= time.n || dot > 24)
        return time;
    memcpy(out, time.p, dot);
    out[dot] = 'Z';
    return slice_make(out, dot + 1);
}
