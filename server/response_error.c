/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to errors: the OCI document on /v2 (distribution-spec, "Error Codes"), RFC 9457 problem
 * details elsewhere. Clients print the message, so it says what was wrong and what to do.
 */
#include "config.h"

#include "base/json.h"
#include "server/conn.h"
#include "server/response.h"
#include "server/route.h"

#include <stdarg.h>
#include <stdio.h>

#define STATUS_CLIENT_GONE 499

static void write_oci(struct json_writer *w, int err, const char *message, struct slice detail)
{
    json_object_begin(w);
    json_name(w, SLICE("errors"));
    json_array_begin(w);
    json_object_begin(w);
    json_name(w, SLICE("code"));
    json_string(w, slice_from_cstr(err_oci_code(err)));
    json_name(w, SLICE("message"));
    json_string(w, slice_from_cstr(message));
    if (detail.n > 0) {
        json_name(w, SLICE("detail"));
        json_raw(w, detail);
    }
    json_object_end(w);
    json_array_end(w);
    json_object_end(w);
}

static void write_problem(struct json_writer *w, int err, const char *message, struct slice detail)
{
    json_object_begin(w);
    json_name(w, SLICE("type"));
    json_string(w, SLICE("about:blank"));
    json_name(w, SLICE("title"));
    json_string(w, slice_from_cstr(err_text(err)));
    json_name(w, SLICE("status"));
    json_i64(w, err_http_status(err));
    json_name(w, SLICE("detail"));
    json_string(w, slice_from_cstr(message));
    json_name(w, SLICE("code"));
    json_string(w, slice_from_cstr(err_name(err)));
    if (detail.n > 0) {
        json_name(w, SLICE("info"));
        json_raw(w, detail);
    }
    json_object_end(w);
}

/* A 405 must say what is allowed; one about this very thing (it is in use) allows all but that. */
static void add_allow(struct request *r, int err)
{
    struct buf allow;
    struct slice rest, part;
    char list[128];
    size_t n = 0;

    buf_init(&allow, sizeof(list));
    route_allow(r->route, &allow);
    rest = buf_slice(&allow);
    while (slice_split(&rest, ',', &part)) {
        part = slice_trim(part);
        if (err != ERR_HTTP_METHOD && slice_eq(part, slice_from_cstr(method_name(r->method))))
            continue;
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s" SLICE_FMT, n > 0 ? ", " : "",
                              SLICE_ARG(part));
    }
    response_field(r, "Allow", slice_make(list, n));
    buf_fini(&allow);
}

static void add_fields(struct request *r, int err)
{
    int status = err_http_status(err);

    if (status == 405 && r->route != NULL)
        add_allow(r, err);
    if (status == 429 || status == 503)
        response_fieldf(r, "Retry-After", "%u", r->retry_after_s > 0 ? r->retry_after_s : 1);
}

static bool is_oci(const struct request *r)
{
    if (r->route == NULL)
        return slice_starts_with(r->path, SLICE("/v2"));
    /* Clients of /v2 ask for tokens, and print what is in this document. */
    return r->route->is_v2 || r->route->id == ROUTE_TOKEN;
}

#define SPARE_HEAD(media_type, fields, length)                                                     \
    "HTTP/1.1 503 Service Unavailable\r\n"                                                         \
    "X-Content-Type-Options: nosniff\r\n" fields "Content-Type: " media_type "\r\n"                \
    "Content-Length: " length "\r\n"                                                               \
    "Retry-After: 1\r\n"                                                                           \
    "Connection: close\r\n\r\n"

void response_send_spare(struct request *r)
{
    const struct slice oci[] = {
        SLICE(SPARE_HEAD("application/json", "Docker-Distribution-Api-Version: registry/2.0\r\n",
                         "66")),
        SLICE("{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"out of memory\"}]}\n"),
    };
    const struct slice problem[] = {
        SLICE(SPARE_HEAD("application/problem+json", "", "79")),
        SLICE("{\"type\":\"about:blank\",\"title\":\"out of memory\",\"status\":503,"
              "\"code\":\"NO_MEMORY\"}\n"),
    };
    const struct slice *parts = is_oci(r) ? oci : problem;
    struct exchange *x = exchange_of(r);

    r->err = ERR_NO_MEMORY;
    x->response.status = err_http_status(r->err);
    x->response.closes = true;
    output_close_source(&x->output);
    x->output.chunk[0].bytes = parts[0];
    x->output.chunk[1].bytes = parts[1];
    x->output.segments = x->output.chunk;
    x->output.n = r->method == METHOD_HEAD ? 1 : 2;
    x->output.at = 0;
    response_start(r);
}

void response_send_error(struct request *r, int err, const struct fault *fault, struct slice detail)
{
    struct exchange *x = exchange_of(r);
    struct buf body;
    struct json_writer w;

    if (err_http_status(err) == STATUS_CLIENT_GONE) {
        /* Nobody to answer; when the connection still stands, the codec has answered already. */
        if (!x->response.sent && response_begin(r, STATUS_CLIENT_GONE))
            conn_close(r->conn, "the client went away");
        return;
    }
    r->err = err;
    bool is_v2 = is_oci(r);
    buf_init(&body, 256u * 1024);
    json_writer_init(&w, &body);
    if (is_v2)
        write_oci(&w, err, fault_text(fault, err), detail);
    else
        write_problem(&w, err, fault_text(fault, err), detail);
    add_fields(r, err);
    if (!body.overflow)
        response_send_bytes(r, err_http_status(err),
                            is_v2 ? "application/json" : "application/problem+json",
                            buf_slice(&body));
    else if (response_begin(r, err_http_status(err)))
        response_send_spare(r);
    buf_fini(&body);
}

void response_send_errorf(struct request *r, int err, const char *format, ...)
{
    struct fault fault = FAULT_INIT;
    char text[FAULT_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fault_set(&fault, err, "%s", text);
    response_send_error(r, err, &fault, SLICE(""));
}
