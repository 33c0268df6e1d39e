/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load wrk cannot make: HEAD (wrk waits for a body that does not come), and whole pulls and
 * pushes, each a sequence of requests that lean on one another, mixed on the same connections.
 *
 *   http_load ADDRESS CONNECTIONS SECONDS repeat METHOD TARGET
 *   http_load ADDRESS CONNECTIONS SECONDS each METHOD TARGET FROM TO
 *   http_load ADDRESS CONNECTIONS SECONDS mixed REPOSITORY PUSH_PERCENT BLOB_BYTES WORD TARGET...
 *
 * `each` asks once for each of TARGET0000001 .. (seven digits) and ends when all are answered. A
 * pull is a GET of each TARGET; a push is a new blob of BLOB_BYTES (POST, PUT) and a manifest under
 * a tag of its own, WORD-<number>. Each connection does one after the other: as fast as the server
 * answers, no faster. Prints one JSON object with counts, rates and latencies in microseconds.
 *
 * One thread; it must cost less than any server it measures.
 */
#include "config.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "tests/bench/latency.h"

#include <llhttp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX     4096
#define LOCATION_MAX 2048
#define RECEIVE_MAX  (256u << 10)
#define EVENTS_MAX   256
#define IMAGE_TYPE   "application/vnd.oci.image.manifest.v1+json"

enum step { STEP_REPEAT, STEP_EACH, STEP_PULL, STEP_BEGIN_BLOB, STEP_PUT_BLOB, STEP_PUT_MANIFEST };
enum operation { OPERATION_PULL, OPERATION_PUSH, OPERATIONS };

struct connection {
    int fd;
    bool waits_to_send;
    llhttp_t parser;
    enum step step;
    enum operation operation;
    unsigned target; /* of a pull */
    uint64_t began_us;
    char head[HEAD_MAX], manifest[HEAD_MAX];
    char *blob;
    char digest[DIGEST_TEXT_MAX];
    struct slice unsent[2]; /* what is left of head and body */
    char field[32], location[LOCATION_MAX];
    size_t field_n, location_n;
    bool is_complete;
};

static struct {
    const char *address, *method, *repository, *word;
    char **targets;
    unsigned targets_n, push_percent;
    size_t blob_bytes;
    uint64_t blobs;      /* made so far */
    unsigned next, last; /* of `each`; last is 0 otherwise */
    unsigned under_way;
    uint64_t requests, errors;
    struct latency latencies[OPERATIONS];
    char first_error[200];
    int epoll;
} load;

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static uint64_t now_us(void)
{
    return clock_mono_ns() / 1000;
}

/*
 * What is asked for.
 */

static void ask(struct connection *c, const char *method, const char *target, const char *fields,
                struct slice body)
{
    int n =
        snprintf(c->head, HEAD_MAX, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: " IMAGE_TYPE "\r\n%s",
                 method, target, load.address, fields);

    if (n > 0 && n < HEAD_MAX && method[0] == 'P')
        n += snprintf(c->head + n, HEAD_MAX - (size_t)n, "Content-Length: %zu\r\n", body.n);
    if (n > 0 && n < HEAD_MAX)
        n += snprintf(c->head + n, HEAD_MAX - (size_t)n, "\r\n");
    if (n < 0 || n >= HEAD_MAX) {
        fprintf(stderr, "http_load: a request head is too long\n");
        exit(EXIT_FAILURE);
    }
    c->unsent[0] = slice_make(c->head, (size_t)n);
    c->unsent[1] = body;
}

static void ask_to_begin(struct connection *c)
{
    char target[HEAD_MAX / 2];

    snprintf(target, sizeof(target), "/v2/%s/blobs/uploads/", load.repository);
    c->step = STEP_BEGIN_BLOB;
    ask(c, "POST", target, "", SLICE(""));
}

/* To the Location that came, which may be a whole URL and may have a query. */
static void ask_to_put_blob(struct connection *c)
{
    char target[LOCATION_MAX + DIGEST_TEXT_MAX + 16];
    struct digest digest;
    const char *path = c->location;
    struct slice blob = {c->blob, load.blob_bytes};

    c->location[c->location_n] = '\0';
    if (strncmp(path, "http://", 7) == 0)
        path = strchr(path + 7, '/');
    /* A few bytes make another blob of it; to fill it anew would cost more than to send it. */
    snprintf(c->blob, load.blob_bytes, "%s-%llu", load.word, (unsigned long long)++load.blobs);
    digest_compute(DIGEST_SHA256, blob, &digest);
    digest_format(&digest, c->digest);
    snprintf(target, sizeof(target), "%s%cdigest=%s", path ? path : "/",
             path && strchr(path, '?') ? '&' : '?', c->digest);
    c->step = STEP_PUT_BLOB;
    ask(c, "PUT", target, "Content-Type: application/octet-stream\r\n", blob);
}

static void ask_to_put_manifest(struct connection *c)
{
    char target[HEAD_MAX / 2];
    int n = snprintf(c->manifest, HEAD_MAX,
                     "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE
                     "\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
                     "\"digest\":\"%s\",\"size\":%zu},\"layers\":[]}",
                     c->digest, load.blob_bytes);

    snprintf(target, sizeof(target), "/v2/%s/manifests/%.40s", load.repository, c->blob);
    c->step = STEP_PUT_MANIFEST;
    ask(c, "PUT", target, "Content-Type: " IMAGE_TYPE "\r\n", slice_make(c->manifest, (size_t)n));
}

/* Nothing, when all are asked for. */
static void ask_for_next(struct connection *c)
{
    char target[HEAD_MAX / 2];

    if (load.next > load.last)
        return;
    snprintf(target, sizeof(target), "%s%07u", load.targets[0], load.next++);
    c->step = STEP_EACH;
    load.under_way++;
    ask(c, load.method, target, "", SLICE(""));
}

static void begin_operation(struct connection *c)
{
    c->began_us = now_us();
    c->target = 0;
    c->operation = OPERATION_PULL;
    if (load.last > 0) {
        ask_for_next(c);
    } else if (load.method != NULL) {
        c->step = STEP_REPEAT;
        ask(c, load.method, load.targets[0], "", SLICE(""));
    } else if ((unsigned)rand() % 100 < load.push_percent) {
        c->operation = OPERATION_PUSH;
        ask_to_begin(c);
    } else {
        c->step = STEP_PULL;
        ask(c, "GET", load.targets[0], "", SLICE(""));
    }
}

static void end_operation(struct connection *c)
{
    latency_add(&load.latencies[c->operation], now_us() - c->began_us);
    begin_operation(c);
}

static bool is_good(enum step step, int status)
{
    static const int good[] = {
        [STEP_REPEAT] = 200,     [STEP_PULL] = 200,     [STEP_EACH] = 202,
        [STEP_BEGIN_BLOB] = 202, [STEP_PUT_BLOB] = 201, [STEP_PUT_MANIFEST] = 201,
    };

    return status == good[step];
}

/* An answer is complete: what comes next. An error ends the operation, uncounted. */
static void go_on(struct connection *c, int status)
{
    load.requests++;
    load.under_way -= c->step == STEP_EACH;
    if (!is_good(c->step, status)) {
        if (load.errors++ == 0)
            snprintf(load.first_error, sizeof(load.first_error), "%d to %.100s", status, c->head);
        begin_operation(c);
    } else if (c->step == STEP_PULL && ++c->target < load.targets_n) {
        ask(c, "GET", load.targets[c->target], "", SLICE(""));
    } else if (c->step == STEP_BEGIN_BLOB) {
        ask_to_put_blob(c);
    } else if (c->step == STEP_PUT_BLOB) {
        ask_to_put_manifest(c);
    } else {
        end_operation(c);
    }
}

/*
 * Answers.
 */

static int on_message_begin(llhttp_t *parser)
{
    struct connection *c = parser->data;

    c->field_n = c->location_n = 0;
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t n)
{
    struct connection *c = parser->data;

    for (size_t i = 0; i < n && c->field_n < sizeof(c->field); i++)
        c->field[c->field_n++] = at[i];
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
    struct connection *c = parser->data;

    if (slice_eq_nocase(slice_make(c->field, c->field_n), SLICE("location")))
        for (size_t i = 0; i < n && c->location_n < LOCATION_MAX - 1; i++)
            c->location[c->location_n++] = at[i];
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct connection *c = parser->data;

    c->field_n = 0;
    return 0;
}

/* 1: there is no body, whatever the fields say. */
static int on_headers_complete(llhttp_t *parser)
{
    const struct connection *c = parser->data;

    return c->step == STEP_REPEAT && strcmp(load.method, "HEAD") == 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct connection *c = parser->data;

    c->is_complete = true;
    return 0;
}

/*
 * Connections.
 */

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (epoll_ctl(load.epoll, operation, c->fd, &event) != 0)
        fail("epoll_ctl");
}

static void connect_to(struct connection *c)
{
    char host[64];
    const char *colon = strrchr(load.address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET};
    int one = 1;

    snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - load.address) : 0, load.address);
    if (colon == NULL || inet_pton(AF_INET, host, &to.sin_addr) != 1) {
        fprintf(stderr, "http_load: '%s' is not a numeric address:port\n", load.address);
        exit(2);
    }
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail(load.address);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

/* What does not fit into the socket now goes when it is writable. */
static void send_request(struct connection *c)
{
    for (unsigned i = 0; i < 2; i++) {
        struct slice *part = &c->unsent[i];
        while (part->n > 0) {
            int more = i == 0 && c->unsent[1].n > 0 ? MSG_MORE : 0;
            ssize_t n = send(c->fd, part->p, part->n, MSG_DONTWAIT | MSG_NOSIGNAL | more);
            if (n < 0 && errno == EAGAIN) {
                if (!c->waits_to_send)
                    watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
                c->waits_to_send = true;
                return;
            }
            if (n < 0)
                fail(c->head);
            *part = slice_sub(*part, (size_t)n, part->n);
        }
    }
    if (c->waits_to_send)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->waits_to_send = false;
}

static void receive(struct connection *c)
{
    static char bytes[RECEIVE_MAX];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        fail(c->head);
    enum llhttp_errno rc =
        n == 0 ? llhttp_finish(&c->parser) : llhttp_execute(&c->parser, bytes, (size_t)n);
    if (n == 0 || rc != HPE_OK) {
        fprintf(stderr, "http_load: %s after: %s", n == 0 ? "closed" : llhttp_errno_name(rc),
                c->head);
        exit(EXIT_FAILURE);
    }
    if (c->is_complete) {
        c->is_complete = false;
        go_on(c, c->parser.status_code);
        send_request(c);
    }
}

static void open_connection(struct connection *c, const llhttp_settings_t *settings)
{
    llhttp_init(&c->parser, HTTP_RESPONSE, settings);
    c->parser.data = c;
    c->blob = xmalloc(load.blob_bytes + 1);
    for (size_t i = 0; i < load.blob_bytes; i++)
        c->blob[i] = (char)rand();
    connect_to(c);
    begin_operation(c);
    send_request(c);
}

static void close_all(struct connection *each, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        close(each[i].fd);
        free(each[i].blob);
    }
    free(each);
}

static void run_until(uint64_t end_us)
{
    struct epoll_event events[EVENTS_MAX];

    while (now_us() < end_us && (load.last == 0 || load.under_way > 0)) {
        int n = epoll_wait(load.epoll, events, EVENTS_MAX, 100);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_request(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(c);
        }
    }
}

static void print_operation(const char *name, enum operation operation, double seconds)
{
    const struct latency *latency = &load.latencies[operation];

    printf("\"%s\": {\"rate\": %.2f, \"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f}, ",
           name, (double)latency->count / seconds, latency_at(latency, 0.5),
           latency_at(latency, 0.99), latency_at(latency, 0.999));
}

static unsigned number(const char *text, unsigned most)
{
    uint64_t value;

    if (!slice_parse_u64(slice_from_cstr(text), &value) || value > most) {
        fprintf(stderr, "http_load: '%s' is no number up to %u\n", text, most);
        exit(2);
    }
    return (unsigned)value;
}

static bool parse(int argc, char **argv)
{
    const char *mode = argc > 4 ? argv[4] : "";

    load.address = argv[1];
    if (argc == 7 && strcmp(mode, "repeat") == 0) {
        load.method = argv[5];
        load.targets = argv + 6;
        return true;
    }
    if (argc == 9 && strcmp(mode, "each") == 0) {
        load.method = argv[5];
        load.targets = argv + 6;
        load.next = number(argv[7], 9999999);
        load.last = number(argv[8], 9999999);
        return true;
    }
    if (argc < 10 || strcmp(mode, "mixed") != 0)
        return false;
    load.repository = argv[5];
    load.push_percent = number(argv[6], 100);
    load.blob_bytes = number(argv[7], 1u << 30);
    load.word = argv[8];
    load.targets = argv + 9;
    load.targets_n = (unsigned)(argc - 9);
    return load.blob_bytes >= 64; /* room for what makes blobs differ */
}

int main(int argc, char **argv)
{
    llhttp_settings_t settings;

    if (!parse(argc, argv)) {
        fputs("usage: http_load ADDRESS CONNECTIONS SECONDS repeat METHOD TARGET\n"
              "       http_load ADDRESS CONNECTIONS SECONDS each METHOD TARGET FROM TO\n"
              "       http_load ADDRESS CONNECTIONS SECONDS mixed REPOSITORY PUSH_PERCENT "
              "BLOB_BYTES WORD TARGET...\n",
              stderr);
        return 2;
    }
    unsigned connections = number(argv[2], 10000), seconds = number(argv[3], 86400);
    llhttp_settings_init(&settings);
    settings.on_message_begin = on_message_begin;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_value_complete;
    settings.on_headers_complete = on_headers_complete;
    settings.on_message_complete = on_message_complete;
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0)
        fail("epoll_create1");
    uint64_t began_us = now_us();
    struct connection *each = xcalloc(connections, sizeof(*each));
    for (unsigned i = 0; i < connections; i++)
        open_connection(&each[i], &settings);
    run_until(began_us + (uint64_t)seconds * 1000000);
    double took = (double)(now_us() - began_us) / 1e6;
    printf("{");
    print_operation("pull", OPERATION_PULL, took);
    print_operation("push", OPERATION_PUSH, took);
    printf("\"requests\": %llu, \"errors\": %llu, \"seconds\": %.3f}\n",
           (unsigned long long)load.requests, (unsigned long long)load.errors, took);
    close_all(each, connections);
    close(load.epoll);
    if (load.errors > 0)
        fprintf(stderr, "http_load: the first error was %s\n", load.first_error);
    return EXIT_SUCCESS;
}
