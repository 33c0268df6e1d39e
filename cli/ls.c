/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/verb.h"

#include "cli/pages.h"
#include "cli/text.h"

#include <stdio.h>

struct ls {
    const struct cli_call *call;
    struct text_table table;
    bool has_items; /* of the JSON list, for its commas */
};

static void add_size(struct text_table *table, uint64_t bytes)
{
    char size[TEXT_SIZE_MAX];

    text_size(bytes, size);
    text_table_add(table, slice_from_cstr(size));
}

static void print_name(struct slice name)
{
    text_print(stdout, name);
    putchar('\n');
}

static void print_item(struct ls *ls, const struct json *item)
{
    if (ls->has_items)
        putchar(',');
    ls->has_items = true;
    pages_print_json(item);
}

static void on_repository(void *arg, const struct json *item)
{
    struct ls *ls = arg;
    const struct json *more = json_member(item, SLICE("tagsMore"));
    char tags[32], time[32];

    if (ls->call->json) {
        print_item(ls, item);
    } else if (ls->call->quiet) {
        print_name(client_text(item, "name"));
    } else {
        snprintf(tags, sizeof(tags), "%llu%s", (unsigned long long)client_number(item, "tags"),
                 more && more->boolean ? "+" : "");
        text_table_add(&ls->table, client_text(item, "name"));
        text_table_add(&ls->table, slice_from_cstr(tags));
        text_table_add(&ls->table, pages_time(client_text(item, "lastPush"), time));
    }
}

/* "image linux/amd64", "index linux/amd64 linux/arm64", "artifact application/x" */
static void add_kind(struct text_table *table, const struct json *item)
{
    const struct json *platforms = json_member(item, SLICE("platforms"));
    struct slice type = client_text(item, "artifactType");
    struct buf kind;

    buf_init(&kind, 64 * 1024);
    buf_add(&kind, client_text(item, "kind"));
    for (const struct json *p = platforms ? platforms->first : NULL; p; p = p->next) {
        buf_add_char(&kind, ' ');
        buf_add(&kind, p->text);
    }
    if (type.n > 0) {
        buf_add_char(&kind, ' ');
        buf_add(&kind, type);
    }
    text_table_add(table, buf_slice(&kind));
    buf_fini(&kind);
}

static void on_tag(void *arg, const struct json *item)
{
    struct ls *ls = arg;
    char time[32];

    if (ls->call->json) {
        print_item(ls, item);
    } else if (ls->call->quiet) {
        print_name(client_text(item, "tag"));
    } else {
        text_table_add(&ls->table, client_text(item, "tag"));
        text_table_add(&ls->table, text_short_digest(client_text(item, "digest")));
        add_size(&ls->table, client_number(item, "totalSize"));
        text_table_add(&ls->table, pages_time(client_text(item, "boundAt"), time));
        add_kind(&ls->table, item);
    }
}

static void on_page_end(void *arg)
{
    struct ls *ls = arg;

    text_table_print(&ls->table, stdout);
}

static void add_heads(struct text_table *table, const char *const *heads)
{
    for (; *heads; heads++)
        text_table_add(table, slice_from_cstr(*heads));
}

static int list_repositories(struct ls *ls, struct client *client, struct fault *fault)
{
    static const char *const heads[] = {"REPOSITORY", "TAGS", "LAST PUSH", NULL};
    const struct pages pages = {
        .path = "/api/v1/repos",
        .list = "repositories",
        .item = on_repository,
        .page_end = on_page_end,
        .arg = ls,
    };

    text_table_init(&ls->table, 3);
    if (ls->call->json)
        printf("{\"repositories\":[");
    else if (!ls->call->quiet)
        add_heads(&ls->table, heads);
    return pages_run(client, &pages, fault);
}

static int list_tags(struct ls *ls, struct client *client, struct slice repository,
                     struct fault *fault)
{
    static const char *const heads[] = {"TAG", "DIGEST", "SIZE", "BOUND", "KIND", NULL};
    char path[400];
    const struct pages pages = {
        .path = path,
        .list = "tags",
        .item = on_tag,
        .page_end = on_page_end,
        .arg = ls,
    };

    snprintf(path, sizeof(path), "/api/v1/repos/%.*s/-/tags", SLICE_ARG(repository));
    text_table_init(&ls->table, 5);
    if (ls->call->json)
        printf("{\"name\":\"%.*s\",\"tags\":[", SLICE_ARG(repository));
    else if (!ls->call->quiet)
        add_heads(&ls->table, heads);
    return pages_run(client, &pages, fault);
}

int ls_run(const struct cli_call *call, struct fault *fault)
{
    struct ls ls = {.call = call};
    struct ref ref = {0};
    struct client client;
    int err = 0;

    if (call->argc > 0)
        err = ref_parse(slice_from_cstr(call->argv[0]), REF_REPOSITORY | REF_SERVER_ONLY, &ref,
                        fault);
    if (err == 0)
        err = client_open(&client, &ref, call->server, fault);
    if (err != 0)
        return err;
    if (ref.repository.n > 0)
        err = list_tags(&ls, &client, ref.repository, fault);
    else
        err = list_repositories(&ls, &client, fault);
    if (err == 0 && call->json)
        puts("]}");
    text_table_fini(&ls.table);
    client_close(&client);
    return err;
}
