/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /files/<name>:<tag>/, also by @<digest>: what files there are, as JSON for programs and as a
 * plain page for people.
 *
 * DESIGN: whether the bytes of each layer are here is read in slices, because a manifest may have
 * thousands. The JSON's ETag is the manifest's digest, which If-Match of a PUT takes; where bytes
 * are missing, and for the page, it is that of the answer itself, which then can change while the
 * manifest does not.
 */
#include "config.h"

#include "base/json.h"
#include "base/mem.h"
#include "registry/link.h"
#include "registry/repository.h"
#include "server/files.h"
#include "server/files_accept.h"
#include "server/handlers.h"
#include "server/range.h"
#include "server/v2.h"

#define SLICE_FILES 256 /* looked up in one function */
#define BYTES_MAX   ((size_t)64 << 20)

struct files_list {
    struct request *r;
    struct files_load load;
    bool *present; /* of each file */
    unsigned looked_up;
    bool complete; /* all are present */
    bool wants_html;
    struct buf body;
};

/*
 * JSON.
 */

static void write_json(struct files_list *list)
{
    const struct artifact *artifact = list->load.artifact;
    char digest[DIGEST_TEXT_MAX];
    struct json_writer w;

    json_writer_init(&w, &list->body);
    json_object_begin(&w);
    json_name(&w, SLICE("name"));
    json_string(&w, list->r->repository);
    json_name(&w, SLICE("reference"));
    json_string(&w, list->r->argument);
    json_name(&w, SLICE("digest"));
    json_string(&w, digest_format(&list->load.digest, digest));
    json_name(&w, SLICE("files"));
    json_array_begin(&w);
    for (unsigned i = 0; i < artifact->files_n; i++) {
        const struct artifact_file *file = &artifact->files[i];
        json_object_begin(&w);
        json_name(&w, SLICE("path"));
        json_string(&w, file->path);
        json_name(&w, SLICE("digest"));
        json_string(&w, digest_format(&file->digest, digest));
        json_name(&w, SLICE("size"));
        json_u64(&w, file->size);
        json_name(&w, SLICE("mediaType"));
        json_string(&w, file->media_type);
        json_name(&w, SLICE("present"));
        json_bool(&w, list->present[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    buf_add_char(&list->body, '\n');
}

/*
 * The page.
 */

static void add_escaped(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            buf_add(out, SLICE("&amp;"));
            break;
        case '<':
            buf_add(out, SLICE("&lt;"));
            break;
        case '>':
            buf_add(out, SLICE("&gt;"));
            break;
        case '"':
            buf_add(out, SLICE("&quot;"));
            break;
        case '\'':
            buf_add(out, SLICE("&#39;"));
            break;
        default:
            buf_add_char(out, text.p[i]);
        }
    }
}

static void add_size(struct buf *out, uint64_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    uint64_t whole = size, tenths = 0;
    size_t unit = 0;

    for (; whole >= 1024 && unit + 1 < ARRAY_LENGTH(units); unit++) {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
    }
    if (unit == 0)
        buf_addf(out, "%llu %s", (unsigned long long)whole, units[unit]);
    else
        buf_addf(out, "%llu.%llu %s", (unsigned long long)whole, (unsigned long long)tenths,
                 units[unit]);
}

/* What leads from the address of the list to its files: nothing, unless its last slash was left
 * out. */
static struct slice link_base(const struct request *r)
{
    struct slice base = r->path;
    size_t slash;

    while ((slash = slice_find_char(base, '/')) < base.n)
        base = slice_sub(base, slash + 1, SIZE_MAX);
    return base;
}

static void write_row(struct buf *out, struct slice base, const struct artifact_file *file,
                      bool present)
{
    char digest[DIGEST_TEXT_MAX];

    buf_add(out, SLICE("<tr><td>"));
    if (present) {
        /* "./" so that a name with ':' is not taken for a scheme. */
        buf_add(out, SLICE("<a href=\"./"));
        buf_add(out, base);
        if (base.n > 0)
            buf_add_char(out, '/');
        file_path_encode(out, file->path);
        buf_add(out, SLICE("\">"));
        add_escaped(out, file->path);
        buf_add(out, SLICE("</a>"));
    } else {
        add_escaped(out, file->path);
        buf_add(out, SLICE(" (not stored here)"));
    }
    buf_add(out, SLICE("</td><td class=\"n\">"));
    add_size(out, file->size);
    buf_add(out, SLICE("</td><td>"));
    add_escaped(out, file->media_type);
    buf_add(out, SLICE("</td><td><code>"));
    buf_add(out, digest_format(&file->digest, digest));
    buf_add(out, SLICE("</code></td></tr>\n"));
}

static void write_title(struct files_list *list)
{
    add_escaped(&list->body, list->r->repository);
    buf_add_char(&list->body, list->load.reference.is_digest ? '@' : ':');
    add_escaped(&list->body, list->r->argument);
}

static void write_html(struct files_list *list)
{
    const struct artifact *artifact = list->load.artifact;
    struct buf *out = &list->body;
    char digest[DIGEST_TEXT_MAX];

    buf_add(out, SLICE("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width\">\n<title>"));
    write_title(list);
    buf_add(out, SLICE("</title>\n<style>\n"
                       ":root{color-scheme:light dark}\n"
                       "body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}\n"
                       "h1{font-size:1.3rem}\n"
                       "td,th{padding:.2rem 1.5rem .2rem 0;text-align:left;vertical-align:top}\n"
                       "td.n{text-align:right;white-space:nowrap}\n"
                       "code{font-size:.8rem;overflow-wrap:anywhere}\n"
                       "</style>\n</head>\n<body>\n<h1>"));
    write_title(list);
    buf_add(out, SLICE("</h1>\n<p>Manifest <code>"));
    buf_add(out, digest_format(&list->load.digest, digest));
    buf_add(out, SLICE("</code></p>\n"));
    if (artifact->files_n == 0)
        buf_add(out, artifact->is_index ? SLICE("<p>This is an index: the files are in the "
                                                "manifests it names.</p>\n")
                                        : SLICE("<p>There are no files.</p>\n"));
    else
        buf_add(out, SLICE("<table>\n<tr><th>File</th><th>Size</th><th>Type</th><th>Digest</th>"
                           "</tr>\n"));
    for (unsigned i = 0; i < artifact->files_n; i++)
        write_row(out, link_base(list->r), &artifact->files[i], list->present[i]);
    if (artifact->files_n > 0)
        buf_add(out, SLICE("</table>\n"));
    buf_add(out, SLICE("</body>\n</html>\n"));
}

/*
 * The answer.
 */

static void finish(struct files_list *list)
{
    buf_fini(&list->body);
    request_release(list->r);
}

static void refuse(struct files_list *list, int err, const struct fault *fault)
{
    response_send_error(list->r, err, fault, SLICE(""));
    finish(list);
}

static struct slice etag_of(struct files_list *list)
{
    struct digest digest = list->load.digest;

    if (list->wants_html || !list->complete)
        digest_compute(DIGEST_SHA256, buf_slice(&list->body), &digest);
    return v2_etag(list->r, &digest);
}

static void send_list(struct files_list *list)
{
    struct request *r = list->r;
    struct slice known = request_field(r, SLICE("if-none-match"));

    buf_init(&list->body, BYTES_MAX);
    if (list->wants_html)
        write_html(list);
    else
        write_json(list);
    if (list->body.overflow) {
        refuse(list, ERR_NO_MEMORY, NULL);
        return;
    }
    struct slice etag = etag_of(list);
    response_field(r, "ETag", etag);
    response_field(r, "Vary", SLICE("Accept"));
    response_field(r, "Cache-Control", SLICE("no-cache"));
    response_field(r, "Content-Security-Policy",
                   list->wants_html ? SLICE("default-src 'none'; style-src 'unsafe-inline'; "
                                            "base-uri 'none'; form-action 'none'; "
                                            "frame-ancestors 'none'")
                                    : SLICE("sandbox"));
    r->log_digest = list->load.digest;
    if (known.p != NULL && etag_list_has(known, etag))
        response_send_empty(r, 304);
    else
        response_send_bytes(r, 200,
                            list->wants_html ? "text/html; charset=utf-8" : "application/json",
                            buf_slice(&list->body));
    finish(list);
}

/*
 * Which files are here.
 */

static int look_up(struct kv_tx *tx, void *arg)
{
    struct files_list *list = arg;
    const struct artifact *artifact = list->load.artifact;
    struct object object;
    uint64_t repo;

    int err = repository_find(tx, list->r->repository, &repo);
    for (unsigned i = 0; i < SLICE_FILES && err == 0; i++) {
        unsigned at = list->looked_up + i;
        if (at >= artifact->files_n)
            break;
        err = link_find(tx, repo, &artifact->files[at].digest, OBJECT_BLOB, &object);
        list->present[at] = err == 0;
        err = err == ERR_NOT_FOUND ? 0 : err;
    }
    return err;
}

static void looked_up(void *arg, int err)
{
    struct files_list *list = arg;
    const struct artifact *artifact = list->load.artifact;

    if (err != 0) {
        refuse(list, err, NULL);
        return;
    }
    list->looked_up += SLICE_FILES;
    if (list->looked_up < artifact->files_n) {
        kv_read(list->r->worker->kv, look_up, list, looked_up);
        return;
    }
    list->complete = true;
    for (unsigned i = 0; i < artifact->files_n; i++)
        list->complete &= list->present[i];
    send_list(list);
}

static void loaded(void *arg, int err, const struct fault *fault)
{
    struct files_list *list = arg;
    struct request *r = list->r;

    if (err != 0) {
        refuse(list, err, fault);
        return;
    }
    list->present = arena_alloc(&r->arena, (size_t)list->load.artifact->files_n + 1);
    if (list->present == NULL)
        refuse(list, ERR_NO_MEMORY, NULL);
    else
        kv_read(r->worker->kv, look_up, list, looked_up);
}

void files_list_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct files_list *list = v2_alloc(r, sizeof(*list));

    if (list == NULL)
        return;
    list->r = r;
    list->wants_html = accept_prefers_html(request_field(r, SLICE("accept")));
    list->load = (struct files_load){.r = r, .arena = &r->arena, .done = loaded, .arg = list};
    int err = files_reference(r, &list->load.reference, &fault);
    if (err != 0) {
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    request_hold(r);
    files_load(&list->load);
}
