/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/account.h"

#include "cli/pages.h"
#include "cli/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ARENA_MAX (64u << 20)
#define BODY_MAX  65536

static int run_step(const struct cli_call *call, const struct account_step *step,
                    struct fault *fault)
{
    struct account_run run = {.call = call, .name = call->argc > 1 ? call->argv[1] : NULL};
    int err = client_open(&run.client, NULL, call->server, fault);

    if (err != 0)
        return err;
    arena_init(&run.arena, ARENA_MAX);
    buf_init(&run.body, BODY_MAX);
    err = step->run(&run, fault);
    if (run.body.p)
        explicit_bzero(run.body.p, run.body.cap);
    buf_fini(&run.body);
    arena_fini(&run.arena);
    client_close(&run.client);
    return err;
}

static int say_steps(const struct account_step *steps, size_t n, const char *word,
                     struct fault *fault)
{
    struct buf known;

    buf_init(&known, 256);
    for (size_t i = 0; i < n; i++)
        buf_addf(&known, "%s%s", i > 0 ? ", " : "", steps[i].word);
    fault_set(fault, ERR_INVALID, "%s: there is only " SLICE_FMT, word,
              SLICE_ARG(buf_slice(&known)));
    buf_fini(&known);
    return ERR_INVALID;
}

int account_dispatch(const struct cli_call *call, const struct account_step *steps, size_t n,
                     struct fault *fault)
{
    for (size_t i = 0; i < n; i++) {
        int given = call->argc - 1;

        if (strcmp(steps[i].word, call->argv[0]) != 0)
            continue;
        if (given < steps[i].least)
            return fault_set(fault, ERR_INVALID, "%s: something is missing", steps[i].word);
        if (given > steps[i].most)
            return fault_set(fault, ERR_INVALID, "%s: one word too many", steps[i].word);
        return run_step(call, &steps[i], fault);
    }
    return say_steps(steps, n, call->argv[0], fault);
}

/* ---- The body ---------------------------------------------------------------------------------
 */

void account_body_begin(struct account_run *run)
{
    json_writer_init(&run->w, &run->body);
    json_object_begin(&run->w);
}

void account_body_text(struct account_run *run, const char *name, const char *text)
{
    if (!text)
        return;
    json_name(&run->w, slice_from_cstr(name));
    json_string(&run->w, slice_from_cstr(text));
}

void account_body_bool(struct account_run *run, const char *name, bool value)
{
    json_name(&run->w, slice_from_cstr(name));
    json_bool(&run->w, value);
}

void account_body_list(struct account_run *run, const char *name, const char *text)
{
    struct slice rest, part;

    if (!text)
        return;
    rest = slice_from_cstr(text);
    json_name(&run->w, slice_from_cstr(name));
    json_array_begin(&run->w);
    while (slice_split(&rest, ',', &part))
        if (slice_trim(part).n > 0)
            json_string(&run->w, slice_trim(part));
    json_array_end(&run->w);
}

int account_body_life(struct account_run *run, const char *text, struct fault *fault)
{
    static const struct {
        char letter;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct slice all = text ? slice_from_cstr(text) : (struct slice){0};
    uint64_t count;

    if (!text || strcmp(text, "never") == 0)
        return 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && all.n > 1; i++) {
        if (all.p[all.n - 1] != units[i].letter)
            continue;
        if (!slice_parse_u64(slice_sub(all, 0, all.n - 1), &count) || count > 100000000)
            break;
        json_name(&run->w, SLICE("expiresIn"));
        json_u64(&run->w, count * units[i].seconds);
        return 0;
    }
    return fault_set(fault, ERR_INVALID,
                     "%s: a time is written as 90d, 12h, 30m or 3600s, or never", text);
}

int account_send(struct account_run *run, enum fetch_method method, struct json **root,
                 struct fault *fault)
{
    if (run->body.n > 0)
        json_object_end(&run->w);
    if (run->body.overflow)
        return fault_set(fault, ERR_LIMIT, "that is too much for one request");
    return client_call(&run->client, method, buf_slice(&run->body), &run->arena, root, fault);
}

void account_path(struct account_run *run, const char *path, const char *name, const char *rest)
{
    struct buf *url = &run->client.url;

    client_path(&run->client, "%s", path);
    for (const char *p = name; p && *p; p++) {
        if (isalnum((unsigned char)*p) || strchr("-._~@+", *p))
            buf_add_char(url, *p);
        else
            buf_addf(url, "%%%02X", (unsigned char)*p);
    }
    if (rest)
        buf_addf(url, "%s", rest);
}

/* ---- Answers ----------------------------------------------------------------------------------
 */

/* A value for people, in one line. */
static void add_value(struct buf *out, const struct json *value)
{
    struct json_writer w;

    if (!value)
        return;
    if (value->type == JSON_STRING) {
        text_clean(out, value->text);
    } else if (value->type == JSON_BOOL) {
        buf_add(out, value->boolean ? SLICE("yes") : SLICE("no"));
    } else if (value->type == JSON_ARRAY) {
        for (const struct json *item = value->first; item; item = item->next) {
            if (item != value->first)
                buf_add_char(out, ' ');
            add_value(out, item);
        }
    } else {
        json_writer_init(&w, out);
        json_value(&w, value);
    }
}

static bool is_list_of_objects(const struct json *value)
{
    return value->type == JSON_ARRAY && value->first && value->first->type == JSON_OBJECT;
}

static void print_members(const struct json *object, int depth)
{
    for (const struct json *member = object->first; member; member = member->next) {
        struct buf line;

        printf("%*s", 2 * depth, "");
        text_print(stdout, member->name);
        putchar(':');
        if (is_list_of_objects(member)) {
            putchar('\n');
            for (const struct json *item = member->first; item; item = item->next) {
                print_members(item, depth + 1);
                if (item->next)
                    putchar('\n');
            }
            continue;
        }
        buf_init(&line, 1 << 20);
        add_value(&line, member);
        printf("%*s" SLICE_FMT "\n", member->name.n < 14 ? (int)(14 - member->name.n) : 1, "",
               SLICE_ARG(buf_slice(&line)));
        buf_fini(&line);
    }
}

void account_print(const struct account_run *run, const struct json *root)
{
    if (!root)
        return;
    if (run->call->json) {
        pages_print_json(root);
        putchar('\n');
    } else {
        print_members(root, 0);
    }
}

struct listing {
    const struct account_run *run;
    struct text_table table;
    const char *const *members;
    bool has_items;
};

static void on_item(void *arg, const struct json *item)
{
    struct listing *listing = arg;

    if (listing->run->call->json) {
        if (listing->has_items)
            putchar(',');
        listing->has_items = true;
        pages_print_json(item);
        return;
    }
    if (listing->run->call->quiet) {
        text_print(stdout, client_text(item, listing->members[0]));
        putchar('\n');
        return;
    }
    for (size_t i = 0; listing->members[i]; i++) {
        struct buf cell;

        buf_init(&cell, 65536);
        add_value(&cell, json_member(item, slice_from_cstr(listing->members[i])));
        text_table_add(&listing->table, cell.n > 0 ? buf_slice(&cell) : SLICE("-"));
        buf_fini(&cell);
    }
}

static void on_page_end(void *arg)
{
    struct listing *listing = arg;

    text_table_print(&listing->table, stdout);
}

/* "LASTUSEDAT" would be hard to read: the words of the member, in capitals. */
static void add_head(struct text_table *table, const char *member)
{
    struct buf head;

    buf_init(&head, 128);
    for (; *member; member++) {
        if (isupper((unsigned char)*member))
            buf_add_char(&head, ' ');
        buf_add_char(&head, (char)toupper((unsigned char)*member));
    }
    text_table_add(table, buf_slice(&head));
    buf_fini(&head);
}

int account_list_all(struct account_run *run, const char *path, const char *list,
                     const char *const *members, struct fault *fault)
{
    struct listing listing = {.run = run, .members = members};
    const struct pages pages = {
        .path = path, .list = list, .item = on_item, .page_end = on_page_end, .arg = &listing};
    size_t columns = 0;
    int err;

    while (members[columns])
        columns++;
    text_table_init(&listing.table, columns);
    if (run->call->json)
        printf("{\"%s\":[", list);
    else if (!run->call->quiet)
        for (size_t i = 0; i < columns; i++)
            add_head(&listing.table, members[i]);
    err = pages_run(&run->client, &pages, fault);
    if (err == 0 && run->call->json)
        puts("]}");
    text_table_fini(&listing.table);
    return err;
}

int account_send_secret(struct account_run *run, enum fetch_method method, struct fault *fault)
{
    struct json *root;
    struct slice secret;

    int err = account_send(run, method, &root, fault);
    if (err != 0)
        return err;
    secret = client_text(root, "secret");
    if (!run->call->quiet)
        account_print(run, root);
    else if (secret.n > 0)
        printf(SLICE_FMT "\n", SLICE_ARG(secret));
    if (secret.n > 0 && !run->call->quiet && !run->call->json)
        fputs("\nThe secret is shown this once.\n", stderr);
    return 0;
}
