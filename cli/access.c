/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy: shown, replaced, explained. DESIGN: it is applied on top of the version that is there
 * at that moment, so that of two people who apply one at the same time one is told. A file may be
 * YAML, which is friendlier to write; the registry gets and keeps JSON.
 */
#include "config.h"
#include "cli/account.h"

#include "base/mem.h"
#include "base/yaml.h"
#include "cli/pages.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (1u << 20)
#define ETAG_MAX 256

static int show(struct account_run *run, struct fault *fault)
{
    struct slice body;

    client_path(&run->client, "/api/v1/access");
    int err = client_get(&run->client, "Accept: application/json", &body, fault);
    if (err != 0)
        return err;
    if (body.n > 0)
        fwrite(body.p, 1, body.n, stdout);
    if (body.n == 0 || body.p[body.n - 1] != '\n')
        putchar('\n');
    return 0;
}

/* ---- Apply ------------------------------------------------------------------------------------
 */

static int read_file(const char *path, struct buf *text, struct fault *fault)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char bytes[8192];
    ssize_t n;

    if (fd < 0)
        return fault_set_errno(fault, errno, "opening %s", path);
    while ((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(text, slice_make(bytes, (size_t)n));
    int failure = n < 0 ? errno : 0;
    if (!is_stdin)
        close(fd);
    if (failure != 0)
        return fault_set_errno(fault, failure, "reading %s", path);
    return text->overflow
               ? fault_set(fault, ERR_LIMIT, "%s is larger than %u bytes", path, FILE_MAX)
               : 0;
}

/* Everything in a policy is a text, a list or a map of them: `1.2` and `yes` are texts too. */
static void write_tree(struct json_writer *w, const struct yaml *value)
{
    switch (value->type) {
    case YAML_SCALAR:
        json_string(w, value->text);
        break;
    case YAML_SEQUENCE:
        json_array_begin(w);
        for (const struct yaml *item = value->first; item; item = item->next)
            write_tree(w, item);
        json_array_end(w);
        break;
    case YAML_MAPPING:
        json_object_begin(w);
        for (const struct yaml *item = value->first; item; item = item->next) {
            json_name(w, item->key);
            write_tree(w, item);
        }
        json_object_end(w);
        break;
    }
}

static int to_json(struct account_run *run, const char *path, struct slice text,
                   struct fault *fault)
{
    struct fault why = FAULT_INIT;
    struct yaml *root;
    int err;

    if (slice_starts_with(slice_trim(text), SLICE("{"))) {
        buf_add(&run->body, text);
        return 0;
    }
    err = yaml_parse(&run->arena, text, &root, &why);
    if (err != 0)
        return fault_set(fault, err, "%s:%s", path, fault_text(&why, err));
    json_writer_init(&run->w, &run->body);
    write_tree(&run->w, root);
    return run->body.overflow ? fault_set(fault, ERR_LIMIT, "%s is too large", path) : 0;
}

/* "If-Match: ..." for what is there, or "If-None-Match: *" for nothing. */
static int read_condition(struct account_run *run, char out[ETAG_MAX], struct fault *fault)
{
    struct fetch_request request = {.method = FETCH_GET, .max_bytes = CLIENT_DOCUMENT_MAX};
    struct slice etag;
    int status;

    client_path(&run->client, "/api/v1/access");
    int err = client_send(&run->client, &request, &status, fault);
    if (err != 0)
        return err;
    if (status == 404) {
        snprintf(out, ETAG_MAX, "If-None-Match: *");
        return 0;
    }
    if (status != 200)
        return client_refusal(&run->client, status, fault);
    etag = fetch_field(run->client.fetch, "ETag");
    if (etag.n == 0 || etag.n > ETAG_MAX - 16)
        return fault_set(fault, ERR_SYNTAX, "the registry gives its policy no ETag");
    snprintf(out, ETAG_MAX, "If-Match: " SLICE_FMT, SLICE_ARG(etag));
    return 0;
}

static int put(struct account_run *run, const char *condition, struct fault *fault)
{
    const char *const fields[] = {"Content-Type: application/json", condition, NULL};
    struct fetch_request request = {
        .method = FETCH_PUT,
        .fields = fields,
        .body = buf_slice(&run->body),
        .max_bytes = CLIENT_DOCUMENT_MAX,
    };
    int status;

    client_path(&run->client, "/api/v1/access");
    int err = client_send(&run->client, &request, &status, fault);
    if (err != 0)
        return err;
    if (status == 412)
        return fault_set(fault, ERR_BUSY,
                         "somebody else changed the policy meanwhile; look at it and apply again");
    if (status < 200 || status > 299)
        return client_refusal(&run->client, status, fault);
    if (!run->call->quiet)
        printf(SLICE_FMT "\n", SLICE_ARG(slice_trim(fetch_body(run->client.fetch))));
    return 0;
}

static int apply(struct account_run *run, struct fault *fault)
{
    char condition[ETAG_MAX];
    struct buf text;
    int err;

    buf_init(&text, FILE_MAX);
    err = read_file(run->name, &text, fault);
    if (err == 0)
        err = to_json(run, run->name, buf_slice(&text), fault);
    if (err == 0)
        err = read_condition(run, condition, fault);
    if (err == 0)
        err = put(run, condition, fault);
    buf_fini(&text);
    return err;
}

/* ---- Explain ----------------------------------------------------------------------------------
 */

static int explain(struct account_run *run, struct fault *fault)
{
    const struct cli_call *call = run->call;
    struct json *root;

    client_path(&run->client, "/api/v1/access/explain");
    client_query(&run->client, "subject", slice_from_cstr(call->argv[1]));
    client_query(&run->client, "verb", slice_from_cstr(call->argv[2]));
    if (call->argc > 3)
        client_query(&run->client, "repository", slice_from_cstr(call->argv[3]));
    int err = client_get_json(&run->client, &run->arena, &root, fault);
    if (err != 0)
        return err;
    if (call->json) {
        pages_print_json(root);
    } else if (call->quiet) {
        const struct json *allowed = json_member(root, SLICE("allowed"));
        printf("%s", allowed && allowed->boolean ? "yes" : "no");
    } else {
        text_print(stdout, client_text(root, "explanation"));
    }
    putchar('\n');
    return 0;
}

int access_run(const struct cli_call *call, struct fault *fault)
{
    static const struct account_step steps[] = {
        {"show", 0, 0, show}, {"apply", 1, 1, apply}, {"explain", 2, 3, explain}};

    return account_dispatch(call, steps, ARRAY_LENGTH(steps), fault);
}
