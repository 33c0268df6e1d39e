/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one easy handle, whose options are set anew for each request while its connection stays.
 * libcurl is not told to follow redirects: it would go to any host, and it would write the body of
 * the redirect into the sink. We look at where it would go and go there when the origin is the
 * same. A body of a status 2xx goes to the hooks or, limited, to memory; any other body is a
 * refusal, of which the beginning is enough.
 */
#include "config.h"
#include "base/fetch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <curl/curl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS   10000
#define IDLE_TIMEOUT_MS      60000
#define REDIRECTS_MAX        5
#define URL_MAX              8192
#define CLOCKS_DIFFER_MS     20 /* between libcurl and us */
#define TRANSFER_BUFFER_SIZE (256 * 1024)

struct fetch {
    CURL *easy;
    char *agent;
    struct buf body;
    char reason[CURL_ERROR_SIZE];

    /* The request under way. */
    const struct fetch_request *request;
    struct fault *fault;
    int err; /* of a hook or a limit of ours */
    bool begun;
    bool cut_refusal; /* we stopped reading a refusal, which is no error */
    uint64_t sent, received;
    uint64_t moved_ms; /* when a byte last moved */
    uint64_t begin_ms;
};

int fetch_global_init(struct fault *fault)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

    if (code != CURLE_OK)
        return fault_set(fault, ERR_INTERNAL, "libcurl does not start: %s",
                         curl_easy_strerror(code));
    return 0;
}

void fetch_global_fini(void)
{
    curl_global_cleanup();
}

int fetch_create(const char *agent, struct fetch **fetch, struct fault *fault)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        return fault_set(fault, ERR_NO_MEMORY, "libcurl gives no handle");
    *fetch = xcalloc(1, sizeof(**fetch));
    (*fetch)->easy = easy;
    (*fetch)->agent = xstrdup(agent);
    buf_init(&(*fetch)->body, FETCH_REFUSAL_MAX);
    return 0;
}

void fetch_destroy(struct fetch *fetch)
{
    if (!fetch)
        return;
    curl_easy_cleanup(fetch->easy);
    buf_fini(&fetch->body);
    free(fetch->agent);
    free(fetch);
}

/* ---- Bodies, as libcurl hands them over ------------------------------------------------------ */

static int status_of(struct fetch *f)
{
    long status = 0;

    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

static int begin(struct fetch *f)
{
    const struct fetch_hooks *hooks = f->request->hooks;

    f->begun = true;
    if (hooks && hooks->begin)
        return hooks->begin(f->request->arg, f, status_of(f), f->fault);
    return 0;
}

static int take(struct fetch *f, struct slice bytes)
{
    const struct fetch_request *request = f->request;

    if (!f->begun) {
        int err = begin(f);

        if (err != 0)
            return err;
    }
    if (bytes.n > request->max_bytes - f->received)
        return fault_set(f->fault, ERR_LIMIT,
                         "the answer is longer than the %llu bytes that it may have",
                         (unsigned long long)request->max_bytes);
    f->received += bytes.n;
    if (request->hooks && request->hooks->take)
        return request->hooks->take(request->arg, bytes, f->fault);
    buf_add(&f->body, bytes);
    if (f->body.overflow)
        return fault_set(f->fault, ERR_NO_MEMORY, "no memory for the answer");
    return 0;
}

/* Whatever is not the number of bytes makes libcurl stop. */
static size_t on_received(char *p, size_t size, size_t count, void *arg)
{
    struct fetch *f = arg;
    size_t n = size * count;

    f->moved_ms = clock_mono_ms();
    if (is_success(status_of(f))) {
        f->err = take(f, slice_make(p, n));
        return f->err == 0 ? n : CURL_WRITEFUNC_ERROR;
    }
    if (n > FETCH_REFUSAL_MAX - f->body.n) {
        f->cut_refusal = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buf_add(&f->body, slice_make(p, n));
    return n;
}

static size_t send_bytes(struct fetch *f, char *out, size_t room)
{
    struct slice rest = slice_sub(f->request->body, f->sent, room);

    if (rest.n > 0)
        memcpy(out, rest.p, rest.n);
    f->sent += rest.n;
    return rest.n;
}

static size_t on_send(char *out, size_t size, size_t count, void *arg)
{
    struct fetch *f = arg;
    const struct fetch_request *request = f->request;
    size_t room = size * count;
    ssize_t n;

    f->moved_ms = clock_mono_ms();
    if (!request->file)
        return send_bytes(f, out, room);
    if (room > request->file->size - f->sent)
        room = request->file->size - f->sent;
    do
        n = read(request->file->fd, out, room);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        f->err = fault_set_errno(f->fault, errno, "reading the file");
        return CURL_READFUNC_ABORT;
    }
    if (n == 0 && room > 0) {
        f->err = fault_set(f->fault, ERR_IO, "the file became shorter while it was sent");
        return CURL_READFUNC_ABORT;
    }
    if (request->hooks && request->hooks->sent)
        request->hooks->sent(request->arg, slice_make(out, (size_t)n));
    f->sent += (uint64_t)n;
    return (size_t)n;
}

/* libcurl wants to start over, on a new connection, when a kept one turns out to be dead. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct fetch *f = arg;

    if (f->request->file || offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    f->sent = 0;
    return CURL_SEEKFUNC_OK;
}

/* libcurl's own speed limit counts whole seconds and the body of one direction only. */
static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct fetch *f = arg;
    const struct fetch_request *request = f->request;
    unsigned limit = request->idle_timeout_ms ? request->idle_timeout_ms : IDLE_TIMEOUT_MS;

    (void)down_total;
    (void)up_total;
    (void)down;
    (void)up;
    if (request->hooks && request->hooks->progress)
        request->hooks->progress(request->arg, f->sent, f->received);
    if (clock_mono_ms() - f->moved_ms <= limit)
        return 0;
    f->err = fault_set(f->fault, ERR_HTTP_TIMEOUT, "nothing came from %s for %u seconds",
                       request->url, limit / 1000);
    return 1;
}

/* ---- One request ------------------------------------------------------------------------------
 */

/* A proxy of the environment stands between us and other machines, not this one. */
static bool is_loopback(const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    bool loopback = false;

    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        loopback = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                   strcmp(host, "[::1]") == 0;
    curl_free(host);
    curl_url_cleanup(parts);
    return loopback;
}

/* Milliseconds that are left of the time for all of it; at least one, because 0 has no limit. */
static long time_left_ms(const struct fetch *f)
{
    uint64_t spent = clock_mono_ms() - f->begin_ms;

    return spent < f->request->timeout_ms ? (long)(f->request->timeout_ms - spent) : 1;
}

static void set_limits(struct fetch *f)
{
    const struct fetch_request *request = f->request;

    curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    if (request->timeout_ms != 0) {
        curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, time_left_ms(f));
        /* No alarm signal to keep the time: who limits it may have other threads. */
        curl_easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
    }
    /* This replaces the system's file; its folder of the same authorities stays. */
    if (request->ca_file)
        curl_easy_setopt(f->easy, CURLOPT_CAINFO, request->ca_file);
}

static void set_common(struct fetch *f, const char *url)
{
    curl_easy_reset(f->easy);
    curl_easy_setopt(f->easy, CURLOPT_URL, url);
    curl_easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(f->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(f->easy, CURLOPT_USERAGENT, f->agent);
    curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->reason);
    set_limits(f);
    curl_easy_setopt(f->easy, CURLOPT_BUFFERSIZE, (long)TRANSFER_BUFFER_SIZE);
    curl_easy_setopt(f->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)TRANSFER_BUFFER_SIZE);
    curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_received);
    curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(f->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(f->easy, CURLOPT_XFERINFODATA, f);
    curl_easy_setopt(f->easy, CURLOPT_NOPROGRESS, 0L);
    if (is_loopback(url))
        curl_easy_setopt(f->easy, CURLOPT_NOPROXY, "*");
}

static void set_upload(struct fetch *f, const char *verb)
{
    const struct fetch_request *request = f->request;
    uint64_t size = request->file ? request->file->size : request->body.n;

    curl_easy_setopt(f->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, verb);
    curl_easy_setopt(f->easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(f->easy, CURLOPT_READDATA, f);
    curl_easy_setopt(f->easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(f->easy, CURLOPT_SEEKDATA, f);
    curl_easy_setopt(f->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
}

static void set_method(struct fetch *f)
{
    switch (f->request->method) {
    case FETCH_GET:
        curl_easy_setopt(f->easy, CURLOPT_HTTPGET, 1L);
        break;
    case FETCH_HEAD:
        curl_easy_setopt(f->easy, CURLOPT_NOBODY, 1L);
        break;
    case FETCH_POST:
        set_upload(f, "POST");
        break;
    case FETCH_PUT:
        set_upload(f, "PUT");
        break;
    case FETCH_PATCH:
        set_upload(f, "PATCH");
        break;
    case FETCH_DELETE:
        curl_easy_setopt(f->easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
        break;
    }
}

static int fail(struct fetch *f, const char *url, CURLcode code)
{
    const char *reason = f->reason[0] ? f->reason : curl_easy_strerror(code);

    if (f->err != 0)
        return f->err;
    if (code == CURLE_OPERATION_TIMEDOUT && f->request->timeout_ms != 0 &&
        time_left_ms(f) <= CLOCKS_DIFFER_MS)
        return fault_set(f->fault, ERR_HTTP_TIMEOUT, "no whole answer from %s within %u ms", url,
                         f->request->timeout_ms);
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT: /* connecting */
        return fault_set(f->fault, ERR_UNAVAILABLE, "no connection to %s: %s", url, reason);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return fault_set(f->fault, ERR_SYNTAX, "%s: %s", url, reason);
    default:
        return fault_set(f->fault, ERR_CANCELLED, "the transfer broke off: %s: %s", url, reason);
    }
}

static int run_once(struct fetch *f, const char *url, int *status)
{
    struct curl_slist *fields = NULL;
    CURLcode code;

    f->err = 0;
    f->begun = f->cut_refusal = false;
    f->sent = f->received = 0;
    f->moved_ms = clock_mono_ms();
    f->reason[0] = '\0';
    buf_reset(&f->body);
    set_common(f, url);
    set_method(f);
    for (const char *const *field = f->request->fields; field && *field; field++) {
        struct curl_slist *longer = curl_slist_append(fields, *field);

        if (!longer) {
            curl_slist_free_all(fields);
            return fault_set(f->fault, ERR_NO_MEMORY, "no memory for a request");
        }
        fields = longer;
    }
    curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, fields);
    code = curl_easy_perform(f->easy);
    curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(fields);
    *status = status_of(f);
    if (code != CURLE_OK && !f->cut_refusal)
        return fail(f, url, code);
    if (is_success(*status) && !f->begun)
        return begin(f);
    return 0;
}

/* Where an answer sends us, or NULL. */
static const char *redirect_of(struct fetch *f, int status)
{
    char *target = NULL;

    if (f->request->method != FETCH_GET && f->request->method != FETCH_HEAD)
        return NULL;
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return NULL;
    curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &target);
    return target;
}

int fetch_run(struct fetch *f, const struct fetch_request *request, int *status,
              struct fault *fault)
{
    struct buf url, next;
    const char *target;
    int err;

    f->request = request;
    f->fault = fault;
    f->begin_ms = clock_mono_ms();
    buf_fini(&f->body);
    buf_init(&f->body,
             request->max_bytes > FETCH_REFUSAL_MAX && !(request->hooks && request->hooks->take)
                 ? request->max_bytes
                 : FETCH_REFUSAL_MAX);
    buf_init(&url, URL_MAX);
    buf_init(&next, URL_MAX);
    buf_addf(&url, "%s", request->url);
    err = url.overflow ? fault_set(fault, ERR_SYNTAX, "the URL is too long") : 0;
    for (unsigned i = 0; err == 0; i++) {
        err = run_once(f, url.p, status);
        target = err == 0 ? redirect_of(f, *status) : NULL;
        if (!target)
            break;
        if (i == REDIRECTS_MAX) {
            err = fault_set(fault, ERR_SYNTAX, "%s leads from one redirect to the next",
                            request->url);
            break;
        }
        err = fetch_resolve(url.p, slice_from_cstr(target), NULL, &next, fault);
        buf_reset(&url);
        buf_addf(&url, "%s", err == 0 ? next.p : "");
    }
    buf_fini(&next);
    buf_fini(&url);
    f->request = NULL;
    return err;
}

struct slice fetch_body(const struct fetch *fetch)
{
    return buf_slice(&fetch->body);
}

struct slice fetch_field(struct fetch *fetch, const char *name)
{
    struct curl_header *field;

    if (curl_easy_header(fetch->easy, name, 0, CURLH_HEADER, -1, &field) != CURLHE_OK)
        return (struct slice){0};
    if (field->amount > 1 && curl_easy_header(fetch->easy, name, field->amount - 1, CURLH_HEADER,
                                              -1, &field) != CURLHE_OK)
        return (struct slice){0};
    return slice_from_cstr(field->value);
}

struct slice fetch_field_at(struct fetch *fetch, const char *name, size_t index)
{
    struct curl_header *field;

    if (curl_easy_header(fetch->easy, name, index, CURLH_HEADER, -1, &field) != CURLHE_OK)
        return (struct slice){0};
    return slice_from_cstr(field->value);
}

/* ---- Origins ----------------------------------------------------------------------------------
 */

/* Scheme, host and port are the same; a port that is not written is that of the scheme. */
static bool is_same_origin(CURLU *a, CURLU *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    bool same = true;

    for (size_t i = 0; i < ARRAY_LENGTH(parts) && same; i++) {
        char *one = NULL, *other = NULL;

        same = curl_url_get(a, parts[i], &one, CURLU_DEFAULT_PORT) == CURLUE_OK &&
               curl_url_get(b, parts[i], &other, CURLU_DEFAULT_PORT) == CURLUE_OK &&
               slice_eq_nocase(slice_from_cstr(one), slice_from_cstr(other));
        curl_free(one);
        curl_free(other);
    }
    return same;
}

int fetch_resolve(const char *base, struct slice location, const char *query, struct buf *url,
                  struct fault *fault)
{
    CURLU *from = curl_url();
    CURLU *to = curl_url();
    char *text = xstrndup(location.p ? location.p : "", location.n);
    char *whole = NULL;
    int err = 0;

    if (!from || !to) {
        err = fault_set(fault, ERR_NO_MEMORY, "no memory for a URL");
    } else if (curl_url_set(from, CURLUPART_URL, base, 0) != CURLUE_OK ||
               curl_url_set(to, CURLUPART_URL, base, 0) != CURLUE_OK || location.n == 0 ||
               curl_url_set(to, CURLUPART_URL, text, 0) != CURLUE_OK ||
               (query &&
                curl_url_set(to, CURLUPART_QUERY, query, CURLU_APPENDQUERY) != CURLUE_OK) ||
               curl_url_get(to, CURLUPART_URL, &whole, 0) != CURLUE_OK) {
        err = fault_set(fault, ERR_SYNTAX, "the answer leads to \"%s\", which is no URL", text);
    } else if (!is_same_origin(from, to)) {
        err = fault_set(fault, ERR_HTTP_FORBIDDEN, "the answer leads to another host, %s: refused",
                        text);
    } else {
        buf_reset(url);
        buf_addf(url, "%s", whole);
        if (url->overflow)
            err = fault_set(fault, ERR_SYNTAX, "the answer leads to a URL of too many bytes");
    }
    curl_free(whole);
    free(text);
    curl_url_cleanup(to);
    curl_url_cleanup(from);
    return err;
}
