/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: following is a long poll, not a stream of server-sent events: both deliver at once, and
 * after a broken connection the next poll goes on behind the last number as if nothing had been.
 */
#include "config.h"
#include "cli/verb.h"

#include "base/clock.h"
#include "cli/client.h"
#include "cli/pages.h"
#include "cli/text.h"

#include <stdio.h>
#include <unistd.h>

#define ARENA_MAX     (64 * 1024 * 1024)
#define WAIT          "30s"
#define PAUSE_FIRST_S 1
#define PAUSE_MAX_S   10
#define TYPE_WIDTH    18

struct events {
    const struct cli_call *call;
    struct client client;
    struct arena arena;
    uint64_t after;
    bool has_answered; /* once, so that a later silence is one to wait out */
};

/* "34  2026-11-24T14:57:53Z  tag.bound           team/app:1.0  sha256:f23ffbe8cb5e  anonymous" */
static void print_text(const struct json *event)
{
    struct slice tag = client_text(event, "tag");
    struct slice digest = client_text(event, "digest");
    struct slice type = client_text(event, "type");
    size_t width = text_width(type);
    char time[32];

    printf("%llu  ", (unsigned long long)client_number(event, "number"));
    text_print(stdout, pages_time(client_text(event, "time"), time));
    fputs("  ", stdout);
    text_print(stdout, type);
    printf("%*s", width < TYPE_WIDTH ? (int)(TYPE_WIDTH - width + 2) : 2, "");
    text_print(stdout, client_text(event, "repository"));
    if (tag.n > 0) {
        putchar(':');
        text_print(stdout, tag);
    }
    if (digest.n > 0) {
        fputs("  ", stdout);
        text_print(stdout, text_short_digest(digest));
    }
    fputs("  ", stdout);
    text_print(stdout, client_text(event, "actor"));
    putchar('\n');
}

/* *some: whether the log went on. */
static int poll_once(struct events *e, bool *some, struct fault *fault)
{
    const struct json *list;
    struct json *root;
    char after[24];
    uint64_t last;

    snprintf(after, sizeof(after), "%llu", (unsigned long long)e->after);
    client_path(&e->client, "/api/v1/events");
    client_query(&e->client, "after", slice_from_cstr(after));
    if (e->call->types)
        client_query(&e->client, "types", slice_from_cstr(e->call->types));
    if (e->call->repo)
        client_query(&e->client, "repo", slice_from_cstr(e->call->repo));
    if (e->call->follow && e->has_answered)
        client_query(&e->client, "wait", SLICE(WAIT));
    int err = client_get_json(&e->client, &e->arena, &root, fault);
    if (err != 0)
        return err;
    list = json_member(root, SLICE("events"));
    if (!list || list->type != JSON_ARRAY)
        return fault_set(fault, ERR_SYNTAX, "the registry's answer has no list \"events\"");
    for (const struct json *event = list->first; event; event = event->next) {
        if (e->call->json) {
            pages_print_json(event);
            putchar('\n');
        } else {
            print_text(event);
        }
    }
    last = client_number(root, "last");
    *some = last > e->after;
    if (*some)
        e->after = last;
    e->has_answered = true;
    return cli_flush(fault);
}

/* Worth another try: the registry may be starting again. */
static bool is_passing(int err)
{
    return err == ERR_UNAVAILABLE || err == ERR_CANCELLED || err == ERR_HTTP_TIMEOUT ||
           err == ERR_BUSY;
}

static int follow(struct events *e, struct fault *fault)
{
    unsigned pause = PAUSE_FIRST_S;

    for (;;) {
        uint64_t begun_ms = clock_mono_ms();
        bool some = false;
        int err = poll_once(e, &some, fault);

        arena_reset(&e->arena);
        if (err != 0 && (!e->has_answered || !is_passing(err)))
            return err;
        if (err != 0) {
            if (pause == PAUSE_FIRST_S && !e->call->quiet) {
                cli_print_fault("events", fault_text(fault, err));
                fputs("  Trying on.\n", stderr);
            }
            sleep(pause);
            pause = pause * 2 < PAUSE_MAX_S ? pause * 2 : PAUSE_MAX_S;
            continue;
        }
        pause = PAUSE_FIRST_S;
        /* A registry that does not wait must not be asked without end. */
        if (!some && clock_mono_ms() - begun_ms < 1000)
            sleep(PAUSE_FIRST_S);
    }
}

int events_run(const struct cli_call *call, struct fault *fault)
{
    struct events events = {.call = call, .after = call->after};
    bool some = true;
    int err = client_open(&events.client, NULL, call->server, fault);

    if (err != 0)
        return err;
    arena_init(&events.arena, ARENA_MAX);
    if (call->follow)
        err = follow(&events, fault);
    while (!call->follow && err == 0 && some) {
        err = poll_once(&events, &some, fault);
        arena_reset(&events.arena);
    }
    arena_fini(&events.arena);
    client_close(&events.client);
    return err;
}
