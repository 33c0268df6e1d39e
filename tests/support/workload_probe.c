/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies workload tokens as the server does, without a server: one token a line comes in, one
 * line of JSON for each goes out, in the order in which they are done.
 *
 *     workload_probe POLICY HOSTS HTTP_HOSTS REFRESH_MS REFETCH_MS MAX_AGE_MS TIMEOUT_MS CA_FILE
 */
#include "config.h"

#include "auth/issuer_fetch.h"
#include "auth/policy.h"
#include "auth/policy_cell.h"
#include "auth/workload.h"
#include "base/clock.h"
#include "base/fetch.h"
#include "base/json.h"
#include "base/mem.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SKEW_S         5
#define LINE_MAX_BYTES (64 * 1024)

struct probe {
    struct issuer_fetch fetch;
    struct workload workload;
    struct queue *replies;
    unsigned under_way, lines;
    struct buf input;
};

struct verification {
    struct workload_request request; /* first member */
    struct probe *probe;
    unsigned line;
    char token[];
};

static void print_identity(struct json_writer *w, const struct identity *identity)
{
    json_name(w, SLICE("name"));
    json_string(w, identity->name);
    json_name(w, SLICE("issuer"));
    json_string(w, identity->issuer);
    json_name(w, SLICE("kind"));
    json_string(w, slice_from_cstr(identity_kind_name(identity->kind)));
    json_name(w, SLICE("expires_ms"));
    json_i64(w, identity->expires_ms);
    json_name(w, SLICE("may_approve"));
    json_bool(w, identity->may_approve);
    json_name(w, SLICE("groups"));
    json_array_begin(w);
    for (unsigned i = 0; i < identity->groups_n; i++)
        json_string(w, identity->groups[i]);
    json_array_end(w);
    json_name(w, SLICE("globs"));
    json_array_begin(w);
    for (unsigned i = 0; i < identity->globs_n; i++)
        json_string(w, identity->globs[i]);
    json_array_end(w);
    json_name(w, SLICE("verbs"));
    json_array_begin(w);
    for (unsigned verb = 0; verb < VERB_COUNT; verb++)
        if (identity->limit & VERB_BIT(verb))
            json_string(w, slice_from_cstr(verb_name((enum verb)verb)));
    json_array_end(w);
}

static void on_done(struct workload_request *request, int error, struct identity *identity,
                    const struct fault *fault)
{
    struct verification *verification = (struct verification *)request;
    struct json_writer w;
    struct buf out;

    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, SLICE("line"));
    json_u64(&w, verification->line);
    json_name(&w, SLICE("error"));
    json_string(&w, slice_from_cstr(error == 0 ? "" : err_name(error)));
    json_name(&w, SLICE("reason"));
    json_string(&w, slice_from_cstr(error == 0 ? "" : request->reason));
    json_name(&w, SLICE("text"));
    json_string(&w, slice_from_cstr(error == 0 ? "" : fault_text(fault, error)));
    if (error == 0)
        print_identity(&w, identity);
    json_object_end(&w);
    printf(SLICE_FMT "\n", SLICE_ARG(buf_slice(&out)));
    fflush(stdout);
    buf_fini(&out);
    identity_unref(identity);
    verification->probe->under_way--;
    free(verification);
}

static void verify(struct probe *probe, struct slice token)
{
    struct verification *verification = xcalloc(1, sizeof(*verification) + token.n);

    if (token.n > 0)
        memcpy(verification->token, token.p, token.n);
    verification->probe = probe;
    verification->line = ++probe->lines;
    verification->request.workload = &probe->workload;
    verification->request.token = slice_make(verification->token, token.n);
    verification->request.reply = probe->replies;
    verification->request.done = on_done;
    probe->under_way++;
    workload_verify(&verification->request);
}

/* False at the end of the input. */
static bool take_lines(struct probe *probe)
{
    struct slice rest;
    char piece[4096];
    ssize_t n = read(STDIN_FILENO, piece, sizeof(piece));
    size_t end;

    if (n <= 0)
        return false;
    buf_add(&probe->input, slice_make(piece, (size_t)n));
    if (probe->input.overflow)
        errx(2, "a line is too long");
    rest = buf_slice(&probe->input);
    while ((end = slice_find_char(rest, '\n')) < rest.n) {
        verify(probe, slice_sub(rest, 0, end));
        rest = slice_sub(rest, end + 1, rest.n);
    }
    memmove(probe->input.p, rest.p, rest.n);
    probe->input.n = rest.n;
    return true;
}

static struct policy *read_policy(const char *path)
{
    struct fault fault = FAULT_INIT;
    struct policy *policy;
    struct buf text;
    char piece[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        err(2, "%s", path);
    buf_init(&text, POLICY_DOCUMENT_MAX);
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        buf_add(&text, slice_make(piece, (size_t)n));
    close(fd);
    if (policy_parse(buf_slice(&text), &policy, &fault) != 0)
        errx(2, "%s: %s", path, fault.text);
    buf_fini(&text);
    return policy;
}

static uint64_t number(const char *text)
{
    uint64_t value;

    if (!slice_parse_u64(slice_from_cstr(text), &value))
        errx(2, "not a number: %s", text);
    return value;
}

static void run(struct probe *probe)
{
    struct pollfd ready[2] = {{.fd = queue_fd(probe->replies), .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};

    while (ready[1].fd >= 0 || probe->under_way > 0) {
        if (poll(ready, 2, -1) < 0)
            err(2, "poll");
        if (ready[0].revents)
            pool_run_replies(probe->replies);
        if (ready[1].fd >= 0 && ready[1].revents && !take_lines(probe))
            ready[1].fd = -1;
    }
}

int main(int argc, char **argv)
{
    struct probe probe = {.workload = {.wall_ms = clock_wall_ms, .skew_s = SKEW_S}};
    struct policy *policy;

    if (argc != 9)
        errx(2, "wants 8 arguments");
    policy = read_policy(argv[1]);
    if (fetch_global_init(NULL) != 0)
        errx(2, "libcurl does not start");
    probe.fetch.agent = "workload-probe";
    probe.fetch.timeout_ms = (unsigned)number(argv[7]);
    probe.fetch.ca_file = argv[8];
    probe.fetch.world.hosts =
        (struct issuer_hosts){slice_from_cstr(argv[2]), slice_from_cstr(argv[3])};
    probe.fetch.world.refresh_ms = number(argv[4]);
    probe.fetch.world.refetch_ms = number(argv[5]);
    probe.fetch.world.max_age_ms = number(argv[6]);
    probe.fetch.world.pool = pool_create("issuer", 2);
    issuer_fetch_init(&probe.fetch);
    probe.replies = queue_create();
    probe.workload.issuers = issuer_set_create(&probe.fetch.world);
    probe.workload.policies = policy_cell_create();
    policy_cell_set_take(probe.workload.policies, policy, 1);
    buf_init(&probe.input, LINE_MAX_BYTES);
    run(&probe);
    pool_destroy(probe.fetch.world.pool);
    issuer_set_destroy(probe.workload.issuers);
    policy_cell_destroy(probe.workload.policies);
    queue_destroy(probe.replies);
    buf_fini(&probe.input);
    fetch_global_fini();
    return 0;
}
