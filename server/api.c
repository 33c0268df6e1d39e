/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/api.h"

#include "base/clock.h"
#include "server/range.h"

#include <errno.h>
#include <unistd.h>

/* Larger ones count as memory of the request: a slow client keeps what it has not taken. */
#define ANSWER_SMALL 65536u

/*
 * Arguments.
 */

int api_query_text(struct request *r, const char *name, size_t max, struct slice *value,
                   struct fault *fault)
{
    int err = request_query(r, slice_from_cstr(name), 0, value);

    if (err == ERR_NOT_FOUND)
        return 0;
    if (err != 0)
        return fault_set(fault, err, "the query of this request is malformed");
    if (value->n > max)
        return fault_set(fault, ERR_INVALID, "%s is at most %zu characters", name, max);
    for (size_t i = 0; i < value->n; i++)
        if (value->p[i] <= ' ' || value->p[i] > '~')
            return fault_set(fault, ERR_INVALID, "%s can have only printable ASCII characters",
                             name);
    return 0;
}

int api_query_u64(struct request *r, const char *name, uint64_t otherwise, uint64_t min,
                  uint64_t max, uint64_t *value, struct fault *fault)
{
    struct slice text;

    *value = otherwise;
    int err = request_query(r, slice_from_cstr(name), 0, &text);
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err != 0)
        return fault_set(fault, err, "the query of this request is malformed");
    if (!slice_parse_u64(text, value) || *value < min || *value > max)
        return fault_set(fault, ERR_INVALID, "%s must be a number from %llu to %llu", name,
                         (unsigned long long)min, (unsigned long long)max);
    return 0;
}

static bool is_digits(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    return text.n > 0;
}

int api_page_parse(struct request *r, size_t after_max, struct api_page *page, struct fault *fault)
{
    uint64_t max = r->worker->settings->lists_max_page;
    uint64_t n = API_PAGE_DEFAULT;
    struct slice text;

    int err = request_query(r, SLICE("n"), 0, &text);
    if (err != 0 && err != ERR_NOT_FOUND)
        return fault_set(fault, err, "the query of this request is malformed");
    /* What is left comes with the next page: asking for more than one holds is no mistake, however
     * large the number. */
    if (err == 0 && !slice_parse_u64(text, &n) && is_digits(text))
        n = max;
    else if (err == 0 && (!is_digits(text) || n == 0))
        return fault_set(fault, ERR_PAGINATION_INVALID, "n must be a number of entries, from 1");
    page->n = (unsigned)(n < max ? n : max);
    return api_query_text(r, "after", after_max, &page->after, fault);
}

/*
 * Answers.
 */

void api_etag(struct slice bytes, char out[API_ETAG_SIZE])
{
    struct digest digest;
    static const char digits[] = "0123456789abcdef";
    char *p = out;

    digest_compute(DIGEST_SHA256, bytes, &digest);
    *p++ = '"';
    for (int i = 0; i < 16; i++) {
        *p++ = digits[digest.raw[i] >> 4];
        *p++ = digits[digest.raw[i] & 15];
    }
    *p++ = '"';
    *p = '\0';
}

bool api_is_unchanged(struct request *r, struct slice etag)
{
    bool held = false;

    for (unsigned i = 0; i < r->fields_n; i++)
        held = held || (slice_eq(r->fields[i].name, SLICE("if-none-match")) &&
                        etag_list_has(r->fields[i].value, etag));
    if (!held)
        return false;
    response_field(r, "ETag", etag);
    response_field(r, "Cache-Control", SLICE("no-cache"));
    response_send_empty(r, 304);
    return true;
}

void api_send_json_tagged(struct request *r, struct buf *body, struct slice etag)
{
    if (body->overflow) {
        response_send_errorf(r, ERR_NO_MEMORY, "the answer is larger than %zu bytes", body->max);
    } else if (body->n > ANSWER_SMALL && request_reserve(r, body->n) != 0) {
        response_send_errorf(r, ERR_BUSY, "too many large answers are under way; try again");
    } else if (!api_is_unchanged(r, etag)) {
        response_field(r, "ETag", etag);
        response_field(r, "Cache-Control", SLICE("no-cache"));
        response_send_bytes(r, 200, "application/json", buf_slice(body));
    }
    buf_fini(body);
}

void api_send_json(struct request *r, struct buf *body)
{
    char etag[API_ETAG_SIZE];

    api_etag(buf_slice(body), etag);
    api_send_json_tagged(r, body, slice_from_cstr(etag));
}

void api_text(struct json_writer *w, const char *name, struct slice text)
{
    if (text.n == 0)
        return;
    json_name(w, slice_from_cstr(name));
    json_string(w, text);
}

void api_u64(struct json_writer *w, const char *name, uint64_t value)
{
    json_name(w, slice_from_cstr(name));
    json_u64(w, value);
}

void api_bool(struct json_writer *w, const char *name, bool value)
{
    json_name(w, slice_from_cstr(name));
    json_bool(w, value);
}

void api_digest(struct json_writer *w, const char *name, const struct digest *digest)
{
    char text[DIGEST_TEXT_MAX];

    if (digest->algorithm != 0)
        api_text(w, name, digest_format(digest, text));
}

void api_time(struct json_writer *w, const char *name, int64_t ms)
{
    char text[CLOCK_RFC3339_MAX];

    clock_format_rfc3339(ms, text);
    api_text(w, name, slice_from_cstr(text));
}

/*
 * Turns and files.
 */

void api_next_turn(struct request *r, struct pool_job *job, void (*done)(struct pool_job *job))
{
    *job = (struct pool_job){.done = done};
    queue_push(r->worker->queue, &job->node);
}

static int read_all(int fd, char *out, uint64_t size)
{
    for (uint64_t at = 0; at < size;) {
        ssize_t n = pread(fd, out + at, size - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_NOT_FOUND;
        at += (uint64_t)n;
    }
    return 0;
}

int api_read_file(struct blob_files *files, const struct digest *digest, uint64_t size,
                  struct arena *arena, struct slice *bytes)
{
    struct blob_file *file = NULL;
    char *out;

    int err = blob_file_open_sync(files, digest, &file, NULL);
    if (err != 0)
        return err;
    out = file->size == size ? arena_alloc(arena, size + 1) : NULL;
    if (file->size != size)
        err = ERR_NOT_FOUND;
    else
        err = out != NULL ? read_all(file->fd, out, size) : ERR_NO_MEMORY;
    *bytes = slice_make(out, size);
    blob_file_unref(file);
    return err;
}
