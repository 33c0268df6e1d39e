/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/policy_file.h"

#include "auth/policy_store.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX  (256u * 1024) /* bytes; comments do not count for the document */
#define ARENA_MAX ((size_t)16 << 20)

/* Every value of a policy is a text, a list or a mapping: no scalar is read as a number. */
static void write_node(struct json_writer *w, const struct yaml *node)
{
    switch (node->type) {
    case YAML_SCALAR:
        json_string(w, node->text);
        return;
    case YAML_SEQUENCE:
        json_array_begin(w);
        for (const struct yaml *child = node->first; child != NULL; child = child->next)
            write_node(w, child);
        json_array_end(w);
        return;
    case YAML_MAPPING:
        json_object_begin(w);
        for (const struct yaml *child = node->first; child != NULL; child = child->next) {
            json_name(w, child->key);
            write_node(w, child);
        }
        json_object_end(w);
        return;
    }
}

int policy_file_convert(struct arena *arena, struct slice text, struct slice *json,
                        struct fault *fault)
{
    struct yaml *root;
    struct json_writer w;
    struct buf out;

    *json = text;
    size_t begin = 0;
    while (begin < text.n && memchr(" \t\r\n", text.p[begin], 4) != NULL)
        begin++;
    if (begin < text.n && text.p[begin] == '{')
        return 0;
    int err = yaml_parse(arena, text, &root, fault);
    if (err != 0)
        return err;
    buf_init(&out, 4 * FILE_MAX);
    json_writer_init(&w, &out);
    write_node(&w, root);
    err = buf_error(&out, ERR_LIMIT);
    *json = arena_dup(arena, buf_slice(&out));
    buf_fini(&out);
    return err != 0 ? err : json->p != NULL ? 0 : ERR_NO_MEMORY;
}

static int read_file(struct arena *arena, const char *path, struct slice *text, struct fault *fault)
{
    char *bytes = arena_alloc(arena, FILE_MAX + 1);
    ssize_t n = 0;

    *text = slice_make(bytes, 0);
    if (bytes == NULL)
        return ERR_NO_MEMORY;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd >= 0 && text->n <= FILE_MAX) {
        n = read(fd, bytes + text->n, FILE_MAX + 1 - text->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text->n += (size_t)n;
    }
    int sys = errno;
    if (fd >= 0)
        close(fd);
    if (fd < 0 || n < 0) {
        (void)fault_set_errno(fault, sys, "auth.policy: cannot read %s", path);
        return ERR_CONFIG;
    }
    return text->n <= FILE_MAX
               ? 0
               : fault_set(fault, ERR_CONFIG, "auth.policy: %s is larger than %u bytes", path,
                           FILE_MAX);
}

static int read_policy(const char *path, struct policy **policy, struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct slice text, json;
    struct arena arena;

    arena_init(&arena, ARENA_MAX);
    int err = read_file(&arena, path, &text, fault);
    if (err == 0) {
        err = policy_file_convert(&arena, text, &json, &why);
        if (err == 0)
            err = policy_parse(json, policy, &why);
        if (err != 0)
            err = fault_set(fault, ERR_CONFIG, "auth.policy: %s: %.300s", path,
                            fault_text(&why, err));
    }
    arena_fini(&arena);
    return err;
}

int policy_file_apply(struct kv_store *kv, const char *path, struct policy_cell *cell,
                      struct fault *fault)
{
    struct policy *policy;
    struct policy_put put = {.actor = SLICE("system")};

    if (path[0] == '\0')
        return policy_store_load(kv, cell, fault);
    int err = read_policy(path, &policy, fault);
    if (err != 0)
        return err;
    put.document = policy_document(policy);
    err = kv_write_sync(kv, policy_store_put, &put);
    if (err != 0) {
        policy_unref(policy);
        return fault_set(fault, err, "the policy of %s could not be stored: %s", path,
                         err_text(err));
    }
    if (put.changed)
        log_info("auth.policy", "the policy of auth.policy is in force", LOG_CSTR("file", path),
                 LOG_U64("version", put.version));
    policy_cell_set_take(cell, policy, put.version);
    return 0;
}
