/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What users pushed, going out: whole, in parts, or not at all when the client has it already
 * (RFC 9110 sections 13 and 14). The same rules for a file and for bytes of the index.
 */
#include "config.h"

#include "server/conn.h"
#include "server/range.h"
#include "server/response.h"

#include <sys/uio.h>

#define RANGES_MAX  256
#define SMALL_BYTES (32u * 1024)

struct content {
    struct request *r;
    struct slice media_type, etag;
    struct slice bytes; /* p == NULL: the file of the output */
    uint64_t size;
};

static struct output_segment segment(const struct content *content, uint64_t first, uint64_t n)
{
    if (content->bytes.p != NULL)
        return (struct output_segment){.bytes = slice_sub(content->bytes, first, n)};
    return (struct output_segment){.offset = first, .left = n};
}

/* Fields of every answer about this content, a 304 included. */
static void add_fields(const struct content *content)
{
    response_field(content->r, "ETag", content->etag);
    response_field(content->r, "Accept-Ranges", SLICE("bytes"));
    response_field(content->r, "Content-Security-Policy", SLICE("sandbox"));
}

static void send_segments(struct request *r, struct output_segment *segments, unsigned n)
{
    struct output *out = &exchange_of(r)->output;

    if (!response_has_head(r))
        return;
    out->segments = segments;
    out->n = r->method == METHOD_HEAD ? 1 : n; /* the head is the first */
    out->at = 0;
    response_start(r);
}

static void send_no_memory(struct request *r)
{
    buf_reset(&exchange_of(r)->response.fields);
    response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
}

static struct output_segment *segments_alloc(struct request *r, unsigned n)
{
    struct output_segment *segments = arena_alloc(&r->arena, n * sizeof(*segments));

    if (segments == NULL)
        send_no_memory(r);
    return segments;
}

/* A short piece of a file that is in memory anyway goes out with the head, in one call. */
static struct slice read_cached(const struct content *content, struct range range)
{
    struct request *r = content->r;
    const struct slice none = {NULL, 0};

    if (content->bytes.p != NULL || range.n == 0 || range.n > SMALL_BYTES ||
        r->method == METHOD_HEAD)
        return none;
    char *bytes = arena_alloc(&r->arena, range.n);
    struct iovec iov = {bytes, range.n};
    if (bytes == NULL || preadv2(exchange_of(r)->output.file->fd, &iov, 1, (off_t)range.first,
                                 RWF_NOWAIT) != (ssize_t)range.n)
        return none;
    return slice_make(bytes, range.n);
}

static void send_range(const struct content *content, int status, struct range range)
{
    struct request *r = content->r;
    struct slice bytes = read_cached(content, range);
    struct output_segment *segments = bytes.p == NULL ? segments_alloc(r, 2) : NULL;

    if (bytes.p == NULL && segments == NULL)
        return;
    if (status == 206)
        response_fieldf(r, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)range.first,
                        (unsigned long long)(range.first + range.n - 1),
                        (unsigned long long)content->size);
    if (bytes.p != NULL) {
        response_send_typed(r, status, content->media_type, bytes);
        return;
    }
    if (!response_begin(r, status))
        return;
    segments[0].bytes = response_head(r, content->media_type, &range.n);
    segments[1] = segment(content, range.first, range.n);
    send_segments(r, segments, range.n > 0 ? 2 : 1);
}

static struct slice part_head(const struct content *content, const struct range *range)
{
    struct request *r = content->r;

    return arena_printf(
        &r->arena,
        "\r\n--%016llx\r\nContent-Type: " SLICE_FMT
        "\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
        (unsigned long long)r->id, SLICE_ARG(content->media_type), (unsigned long long)range->first,
        (unsigned long long)(range->first + range->n - 1), (unsigned long long)content->size);
}

/* multipart/byteranges, RFC 9110 section 14.6. */
static void send_ranges(const struct content *content, const struct range *ranges, unsigned n)
{
    struct request *r = content->r;
    struct output_segment *segments = segments_alloc(r, 2 * n + 2);
    uint64_t length = 0;
    bool complete = true;

    if (segments == NULL)
        return;
    for (unsigned i = 0; i < n; i++) {
        struct slice head = part_head(content, &ranges[i]);
        complete = complete && head.p != NULL;
        segments[1 + 2 * i].bytes = head;
        segments[2 + 2 * i] = segment(content, ranges[i].first, ranges[i].n);
        length += head.n + ranges[i].n;
    }
    struct slice end = arena_printf(&r->arena, "\r\n--%016llx--\r\n", (unsigned long long)r->id);
    struct slice type = arena_printf(&r->arena, "multipart/byteranges; boundary=%016llx",
                                     (unsigned long long)r->id);
    segments[1 + 2 * n].bytes = end;
    length += end.n;
    if (!complete || end.p == NULL || type.p == NULL) {
        send_no_memory(r);
        return;
    }
    if (!response_begin(r, 206))
        return;
    segments[0].bytes = response_head(r, type, &length);
    send_segments(r, segments, 2 * n + 2);
}

static void send_not_satisfiable(const struct content *content)
{
    struct request *r = content->r;

    /* What the handler said of the content does not hold for this answer. */
    buf_reset(&exchange_of(r)->response.fields);
    response_fieldf(r, "Content-Range", "bytes */%llu", (unsigned long long)content->size);
    response_send_errorf(r, ERR_HTTP_RANGE, "the content has %llu bytes; no range lies in it",
                         (unsigned long long)content->size);
}

/* The ranges wanted; 0 for the whole. ERR_HTTP_RANGE when none lies in it. */
static int wanted_ranges(const struct content *content, struct range *ranges, unsigned *n)
{
    const struct request *r = content->r;
    struct slice range = request_field(r, SLICE("range"));
    struct slice only_if = request_field(r, SLICE("if-range"));
    unsigned max = (unsigned)r->worker->settings->http_max_ranges;

    *n = 0;
    if (range.p == NULL || r->method != METHOD_GET)
        return 0;
    /* Section 13.1.5: a strong comparison; dates never match, there are none here. */
    if (only_if.p != NULL && !slice_eq(only_if, content->etag))
        return 0;
    int err = range_parse(range, content->size, ranges, max < RANGES_MAX ? max : RANGES_MAX, n);
    if (err != 0)
        *n = 0;
    return err == ERR_HTTP_RANGE ? err : 0;
}

/* If-None-Match names it; the field may come several times. */
static bool is_held(const struct content *content)
{
    const struct request *r = content->r;

    for (unsigned i = 0; i < r->fields_n; i++) {
        if (slice_eq(r->fields[i].name, SLICE("if-none-match")) &&
            etag_list_has(r->fields[i].value, content->etag))
            return true;
    }
    return false;
}

static void send_not_modified(const struct content *content)
{
    add_fields(content);
    response_send_empty(content->r, 304);
}

/* Apart, so that no other answer pays for clearing the array. */
static void send_whole_or_ranges(const struct content *content)
{
    struct range ranges[RANGES_MAX];
    unsigned n;

    int err = wanted_ranges(content, ranges, &n);
    if (err != 0) {
        send_not_satisfiable(content);
        return;
    }
    add_fields(content);
    if (n > 1)
        send_ranges(content, ranges, n);
    else if (n == 1)
        send_range(content, 206, ranges[0]);
    else
        send_range(content, 200, (struct range){0, content->size});
}

static void send_content(const struct content *content)
{
    if (is_held(content))
        send_not_modified(content);
    else
        send_whole_or_ranges(content);
}

void response_send_file_take(struct request *r, struct blob_file *file, struct slice media_type,
                             struct slice etag)
{
    struct content content = {.r = r, .media_type = media_type, .etag = etag, .size = file->size};

    exchange_of(r)->output.file = file;
    send_content(&content);
}

void response_send_content(struct request *r, struct slice media_type, struct slice etag,
                           struct slice bytes)
{
    struct content content = {.r = r, .media_type = media_type, .etag = etag, .size = bytes.n};

    if (request_field(r, SLICE("range")).p == NULL &&
        request_field(r, SLICE("if-none-match")).p == NULL) {
        /* The one case that must be fast: nothing is copied unless the socket is full. */
        add_fields(&content);
        response_send_typed(r, 200, media_type, bytes);
        return;
    }
    if (is_held(&content)) {
        send_not_modified(&content);
        return;
    }
    content.bytes = arena_dup(&r->arena, bytes);
    if (content.bytes.p == NULL)
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
    else
        send_whole_or_ranges(&content);
}
