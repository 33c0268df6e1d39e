/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: what hangs on a manifest is what refers to it and, for an index, its manifests with what
 * refers to those: signatures and provenance of an image for several platforms are found on
 * either. All of it is fetched before anything is printed.
 */
#include "config.h"
#include "cli/verb.h"

#include "cli/client.h"
#include "cli/pages.h"
#include "cli/text.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#define ARENA_MAX    (64 * 1024 * 1024)
#define DEPTH        8
#define MANIFESTS    64 /* of an index, whose referrers are asked for */
#define PREFIX_BYTES 512

struct tree {
    const struct cli_call *call;
    struct client client;
    struct ref ref;
    struct arena arena;
    const struct json *root; /* the decoded manifest */
    const struct json *referrers;
    const struct json *of_manifest[MANIFESTS]; /* referrers of the i-th, or NULL */
    size_t manifests;
    bool is_cut;
    const char *branch, *last_branch, *line, *no_line;
};

/* ---- Fetching ---------------------------------------------------------------------------------
 */

static int get_referrers(struct tree *t, struct slice version, const struct json **list,
                         struct fault *fault)
{
    const struct json *truncated;
    struct json *answer;

    client_path(&t->client, "/api/v1/repos/%.*s/-/manifests/%.*s/referrers?depth=%d",
                SLICE_ARG(t->ref.repository), SLICE_ARG(version), DEPTH);
    int err = client_get_json(&t->client, &t->arena, &answer, fault);
    if (err != 0)
        return err;
    *list = json_member(answer, SLICE("referrers"));
    truncated = json_member(answer, SLICE("truncated"));
    t->is_cut = t->is_cut || (truncated && truncated->boolean);
    return 0;
}

static int get_all(struct tree *t, struct fault *fault)
{
    const struct json *list, *item;
    struct json *root;
    struct digest ignored;

    client_path(&t->client, "/api/v1/repos/%.*s/-/manifests/%.*s", SLICE_ARG(t->ref.repository),
                SLICE_ARG(ref_version(&t->ref)));
    int err = client_get_json(&t->client, &t->arena, &root, fault);
    if (err != 0)
        return err;
    t->root = root;
    /* By digest from here on: the tag may move meanwhile. */
    if (digest_parse(client_text(root, "digest"), &ignored, NULL) != 0)
        return fault_set(fault, ERR_SYNTAX, "the registry's answer has no digest");
    err = get_referrers(t, client_text(root, "digest"), &t->referrers, fault);
    list = json_member(root, SLICE("manifests"));
    for (item = list ? list->first : NULL; item && err == 0; item = item->next) {
        const struct json *present = json_member(item, SLICE("present"));
        struct slice digest = client_text(item, "digest");

        if (t->manifests == MANIFESTS) {
            t->is_cut = true;
            break;
        }
        if ((!present || present->boolean) && digest_parse(digest, &ignored, NULL) == 0)
            err = get_referrers(t, digest, &t->of_manifest[t->manifests], fault);
        t->manifests++;
    }
    return err;
}

/* ---- Printing ---------------------------------------------------------------------------------
 */

/* "NAME  sha256:44136fa355b3  1.2 KiB" */
static void print_node(struct slice name, const struct json *node, const char *size_name)
{
    char size[TEXT_SIZE_MAX];

    text_size(client_number(node, size_name), size);
    text_print(stdout, name.n > 0 ? name : SLICE("(no type)"));
    fputs("  ", stdout);
    text_print(stdout, text_short_digest(client_text(node, "digest")));
    printf("  %s\n", size);
}

/* How far a prefix grew, to be taken back. */
static size_t grow(char prefix[PREFIX_BYTES], const char *more)
{
    size_t n = strlen(prefix);

    if (n + strlen(more) < PREFIX_BYTES)
        memcpy(prefix + n, more, strlen(more) + 1);
    return n;
}

/* The depth is limited by that of JSON. */
static void print_referrers(const struct tree *t, const struct json *list,
                            char prefix[PREFIX_BYTES])
{
    const struct json *item = list && list->type == JSON_ARRAY ? list->first : NULL;

    for (; item; item = item->next) {
        fputs(prefix, stdout);
        fputs(item->next ? t->branch : t->last_branch, stdout);
        print_node(client_text(item, "artifactType"), item, "size");
        size_t before = grow(prefix, item->next ? t->line : t->no_line);
        print_referrers(t, json_member(item, SLICE("referrers")), prefix);
        prefix[before] = '\0';
    }
}

static void print_tree(const struct tree *t)
{
    const struct json *list = json_member(t->root, SLICE("manifests"));
    const struct json *item = list ? list->first : NULL;
    bool more = t->referrers && t->referrers->first;
    char prefix[PREFIX_BYTES] = "";
    struct slice name = slice_from_cstr(t->call->argv[0]);

    print_node(name, t->root, "totalSize");
    for (size_t i = 0; item && i < t->manifests; i++, item = item->next) {
        bool is_last = i + 1 == t->manifests && !more;
        struct slice platform = client_text(item, "platform");

        fputs(is_last ? t->last_branch : t->branch, stdout);
        print_node(platform.n > 0 ? platform : client_text(item, "mediaType"), item, "size");
        size_t before = grow(prefix, is_last ? t->no_line : t->line);
        print_referrers(t, t->of_manifest[i], prefix);
        prefix[before] = '\0';
    }
    print_referrers(t, t->referrers, prefix);
    if (t->is_cut)
        fputs("tidemark tree: there is more than is shown\n", stderr);
}

static void print_names(const struct json *list)
{
    const struct json *item = list && list->type == JSON_ARRAY ? list->first : NULL;

    for (; item; item = item->next) {
        text_print(stdout, client_text(item, "digest"));
        putchar('\n');
        print_names(json_member(item, SLICE("referrers")));
    }
}

static void write_member(struct json_writer *w, const char *name, const struct json *value)
{
    json_name(w, slice_from_cstr(name));
    if (value)
        json_value(w, value);
    else
        json_raw(w, SLICE("[]"));
}

static void print_json(const struct tree *t)
{
    const struct json *list = json_member(t->root, SLICE("manifests"));
    const struct json *item = list ? list->first : NULL;
    struct json_writer w;
    struct buf out;

    buf_init(&out, 4 * (size_t)ARENA_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, SLICE("repository"));
    json_string(&w, t->ref.repository);
    json_name(&w, SLICE("digest"));
    json_string(&w, client_text(t->root, "digest"));
    json_name(&w, SLICE("kind"));
    json_string(&w, client_text(t->root, "kind"));
    json_name(&w, SLICE("manifests"));
    json_array_begin(&w);
    for (size_t i = 0; item && i < t->manifests; i++, item = item->next) {
        json_object_begin(&w);
        json_name(&w, SLICE("manifest"));
        json_value(&w, item);
        write_member(&w, "referrers", t->of_manifest[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    write_member(&w, "referrers", t->referrers);
    json_name(&w, SLICE("truncated"));
    json_bool(&w, t->is_cut);
    json_object_end(&w);
    printf("%.*s\n", SLICE_ARG(buf_slice(&out)));
    buf_fini(&out);
}

static void print(struct tree *t)
{
    bool is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

    t->branch = is_utf8 ? "├── " : "|-- ";
    t->last_branch = is_utf8 ? "└── " : "`-- ";
    t->line = is_utf8 ? "│   " : "|   ";
    t->no_line = "    ";
    if (t->call->json) {
        print_json(t);
    } else if (t->call->quiet) {
        for (size_t i = 0; i < t->manifests; i++)
            print_names(t->of_manifest[i]);
        print_names(t->referrers);
    } else {
        print_tree(t);
    }
}

int tree_run(const struct cli_call *call, struct fault *fault)
{
    struct tree tree = {.call = call};
    int err = ref_parse(slice_from_cstr(call->argv[0]), REF_TAG | REF_DIGEST, &tree.ref, fault);

    if (err == 0)
        err = client_open(&tree.client, &tree.ref, call->server, fault);
    if (err != 0)
        return err;
    arena_init(&tree.arena, ARENA_MAX);
    err = get_all(&tree, fault);
    if (err == 0)
        print(&tree);
    arena_fini(&tree.arena);
    client_close(&tree.client);
    return err;
}
