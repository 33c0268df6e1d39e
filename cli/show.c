/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/verb.h"

#include "cli/client.h"
#include "cli/pages.h"
#include "cli/text.h"

#include <stdio.h>

#define ARENA_MAX    (64 * 1024 * 1024)
#define LABEL_COLUMN 15

static void print_label(const char *label)
{
    printf("%-*s", LABEL_COLUMN, label);
}

static void print_line(const char *label, struct slice text)
{
    if (text.n == 0)
        return;
    print_label(label);
    text_print(stdout, text);
    putchar('\n');
}

static void print_sizes(const struct json *root)
{
    char size[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX];

    text_size(client_number(root, "size"), size);
    text_size(client_number(root, "totalSize"), total);
    print_label("Size:");
    printf("%s, %s with all it names\n", size, total);
}

static void print_tags(const struct json *root)
{
    const struct json *tags = json_member(root, SLICE("tags"));

    if (!tags || !tags->first)
        return;
    print_label("Tags:");
    for (const struct json *tag = tags->first; tag; tag = tag->next) {
        text_print(stdout, tag->text);
        fputs(tag->next ? ", " : "\n", stdout);
    }
}

static void print_descriptor(const char *label, const struct json *descriptor)
{
    char size[TEXT_SIZE_MAX];

    if (!descriptor)
        return;
    text_size(client_number(descriptor, "size"), size);
    print_label(label);
    text_print(stdout, client_text(descriptor, "digest"));
    printf("  %s  ", size);
    text_print(stdout, client_text(descriptor, "mediaType"));
    putchar('\n');
}

static void print_annotations(const struct json *root)
{
    const struct json *annotations = json_member(root, SLICE("annotations"));

    if (!annotations || !annotations->first)
        return;
    puts("Annotations:");
    for (const struct json *a = annotations->first; a; a = a->next) {
        fputs("  ", stdout);
        text_print(stdout, a->name);
        fputs(" = ", stdout);
        text_print(stdout, a->text);
        putchar('\n');
    }
}

/* Layers with their file names, manifests with their platforms. */
static void print_list(const struct json *root, const char *member, const char *label,
                       const char *name)
{
    const struct json *list = json_member(root, slice_from_cstr(member));
    struct text_table table;
    char size[TEXT_SIZE_MAX];

    if (!list || !list->first)
        return;
    printf("%s\n", label);
    text_table_init(&table, 4);
    for (const struct json *item = list->first; item; item = item->next) {
        const struct json *present = json_member(item, SLICE("present"));
        struct buf last;

        buf_init(&last, 64 * 1024);
        buf_add(&last, client_text(item, name));
        if (last.n == 0)
            buf_add(&last, client_text(item, "mediaType"));
        if (present && !present->boolean)
            buf_add(&last, SLICE("  (not in the registry)"));
        text_size(client_number(item, "size"), size);
        text_table_add(&table, (struct slice){0});
        text_table_add(&table, client_text(item, "digest"));
        text_table_add(&table, slice_from_cstr(size));
        text_table_add(&table, buf_slice(&last));
        buf_fini(&last);
    }
    text_table_print(&table, stdout);
    text_table_fini(&table);
}

static void print_text(const struct json *root)
{
    char time[32];

    print_line("Repository:", client_text(root, "name"));
    print_line("Digest:", client_text(root, "digest"));
    print_line("Kind:", client_text(root, "kind"));
    print_line("Media type:", client_text(root, "mediaType"));
    print_line("Artifact type:", client_text(root, "artifactType"));
    print_sizes(root);
    print_tags(root);
    print_line("Pushed:", pages_time(client_text(root, "pushedAt"), time));
    print_descriptor("Subject:", json_member(root, SLICE("subject")));
    print_descriptor("Config:", json_member(root, SLICE("config")));
    print_annotations(root);
    print_list(root, "layers", "Layers:", "title");
    print_list(root, "manifests", "Manifests:", "platform");
}

static int show(const struct cli_call *call, struct client *client, const struct ref *ref,
                struct arena *arena, struct fault *fault)
{
    struct json *root;

    client_path(client, "/api/v1/repos/%.*s/-/manifests/%.*s", SLICE_ARG(ref->repository),
                SLICE_ARG(ref_version(ref)));
    int err = client_get_json(client, arena, &root, fault);
    if (err != 0)
        return err;
    if (call->json)
        pages_print_json(root);
    else if (call->quiet)
        text_print(stdout, client_text(root, "digest"));
    else
        print_text(root);
    if (call->json || call->quiet)
        putchar('\n');
    return 0;
}

int show_run(const struct cli_call *call, struct fault *fault)
{
    struct client client;
    struct arena arena;
    struct ref ref;
    int err = ref_parse(slice_from_cstr(call->argv[0]), REF_TAG | REF_DIGEST, &ref, fault);

    if (err == 0)
        err = client_open(&client, &ref, call->server, fault);
    if (err != 0)
        return err;
    arena_init(&arena, ARENA_MAX);
    err = show(call, &client, &ref, &arena, fault);
    arena_fini(&arena);
    client_close(&client);
    return err;
}
