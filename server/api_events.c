/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/events: what happened, by number. With `wait` an answer comes when there is an event,
 * or after that time; with Accept: text/event-stream it goes on for ever (api_event_stream.c).
 *
 * DESIGN: the log is read a piece a turn until the page is full, enough rows were looked at, or
 * nothing is left. A reader that waits is put into the list of waiters first and reads once more,
 * so that no commit falls between reading and waiting.
 */
#include "config.h"

#include "base/mem.h"
#include "server/api.h"
#include "server/event_reader.h"
#include "server/event_wait.h"
#include "server/handlers.h"

#include <stdlib.h>

#define ROWS_MAX    20000 /* looked at for one answer */
#define WAIT_MAX_MS 60000
#define ANSWER_MAX  ((size_t)16 << 20)

struct events_list {
    struct pool_job turn;
    struct request *r;
    struct event_reader reader;
    unsigned n;    /* events wanted */
    unsigned left; /* of them */
    unsigned rows; /* looked at */
    struct buf events;
    uint64_t wait_ms; /* 0: does not wait (any more) */
    struct event_waiter waiter;
    struct event *timer; /* not NULL: waiting */
    bool reading;        /* a read or the next turn is under way */
    bool woken;          /* there may be more than the last read saw */
    bool over;
};

/* Nothing will call it any more, except what is under way. */
static void stop_waiting(struct events_list *list)
{
    event_wait_remove(list->r->worker, &list->waiter);
    if (list->timer != NULL)
        event_free(list->timer);
    list->timer = NULL;
}

static void finish(struct events_list *list, int err)
{
    struct request *r = list->r;
    struct buf body;
    struct json_writer w;

    list->over = true;
    stop_waiting(list);
    if (err != 0) {
        response_send_error(r, err, NULL, SLICE(""));
    } else {
        buf_init(&body, list->events.n + 256);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        json_name(&w, SLICE("events"));
        json_array_begin(&w);
        json_raw(&w, buf_slice(&list->events));
        json_array_end(&w);
        api_u64(&w, "last", list->reader.after);
        json_object_end(&w);
        api_send_json(r, &body);
    }
    buf_fini(&list->events);
    event_reader_fini(&list->reader);
    request_release(r);
}

static void read_on(struct events_list *list);

static void on_turn(struct pool_job *turn)
{
    read_on(CONTAINER_OF(turn, struct events_list, turn));
}

static void on_wake(void *arg)
{
    struct events_list *list = arg;

    list->woken = true;
    if (!list->reading)
        read_on(list);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct events_list *list = arg;

    (void)fd;
    (void)what;
    list->wait_ms = 0;
    if (!list->reading)
        finish(list, 0);
}

static void on_gone(void *arg)
{
    struct events_list *list = arg;

    list->wait_ms = 0;
    if (!list->reading && !list->over)
        finish(list, ERR_CANCELLED);
}

/* Into the list of waiters; the caller then reads once more. */
static int begin_waiting(struct events_list *list)
{
    struct request *r = list->r;
    struct timeval time = {(time_t)(list->wait_ms / 1000),
                           (suseconds_t)(list->wait_ms % 1000 * 1000)};

    list->waiter = (struct event_waiter){.wake = on_wake, .arg = list};
    if (!event_wait_add(r->worker, &list->waiter))
        return ERR_BUSY;
    list->timer = event_new(r->worker->base, -1, 0, on_timeout, list);
    if (list->timer == NULL || event_add(list->timer, &time) != 0)
        return ERR_NO_MEMORY; /* finish takes back what was begun */
    request_watch_client(r, on_gone, list);
    return 0;
}

static bool may_wait(const struct events_list *list)
{
    return list->wait_ms > 0 && !list->r->gone && !list->r->worker->server->draining;
}

/* At the end of the log, with nothing to give. */
static void wait_or_finish(struct events_list *list)
{
    int err = 0;

    if (!may_wait(list)) {
        finish(list, 0);
    } else if (list->timer == NULL) {
        err = begin_waiting(list);
        if (err != 0)
            finish(list, err);
        else
            read_on(list);
    } else if (list->woken) {
        read_on(list);
    }
}

static int take(struct events_list *list)
{
    struct event_reader *reader = &list->reader;

    if (reader->n > 0 && list->events.n > 0)
        buf_add_char(&list->events, ',');
    buf_add(&list->events, buf_slice(&reader->out));
    list->left -= reader->n;
    list->rows += reader->rows;
    reader->after = reader->last;
    return buf_error(&list->events, ERR_LIMIT);
}

static void was_read(void *arg, int err)
{
    struct events_list *list = CONTAINER_OF(arg, struct events_list, reader);

    list->reading = false;
    if (err == 0)
        err = take(list);
    if (err == 0 && list->r->gone)
        err = ERR_CANCELLED;
    if (err != 0) {
        finish(list, err);
    } else if (list->left == 0 || list->rows >= ROWS_MAX || list->events.n > ANSWER_MAX / 2) {
        finish(list, 0);
    } else if (!list->reader.at_end) {
        list->reading = true;
        api_next_turn(list->r, &list->turn, on_turn);
    } else if (list->left == list->n) {
        wait_or_finish(list);
    } else {
        finish(list, 0);
    }
}

static void read_on(struct events_list *list)
{
    struct event_reader *reader = &list->reader;

    list->reading = true;
    list->woken = false;
    reader->limit = list->left < EVENT_READER_EVENTS ? list->left : EVENT_READER_EVENTS;
    kv_read(list->r->worker->kv, event_reader_read, reader, was_read);
}

/*
 * What is asked for.
 */

/* "30s", "500ms", "1m", or seconds. */
static int parse_wait(struct request *r, uint64_t *wait_ms, struct fault *fault)
{
    struct slice text;
    uint64_t unit = 1000;

    *wait_ms = 0;
    int err = api_query_text(r, "wait", 16, &text, fault);
    if (err != 0 || text.p == NULL)
        return err;
    if (slice_ends_with(text, SLICE("ms"))) {
        unit = 1;
        text.n -= 2;
    } else if (slice_ends_with(text, SLICE("s"))) {
        text.n--;
    } else if (slice_ends_with(text, SLICE("m"))) {
        unit = 60000;
        text.n--;
    }
    if (!slice_parse_u64(text, wait_ms) || *wait_ms > WAIT_MAX_MS / unit)
        return fault_set(fault, ERR_INVALID, "wait must be a time of at most %ds, like 30s",
                         WAIT_MAX_MS / 1000);
    *wait_ms *= unit;
    return 0;
}

static bool wants_stream(const struct request *r)
{
    struct slice accept = request_field(r, SLICE("accept")), part;

    while (slice_split(&accept, ',', &part)) {
        struct slice type = slice_trim(slice_sub(part, 0, slice_find_char(part, ';')));
        if (slice_eq_nocase(type, SLICE("text/event-stream")))
            return true;
    }
    return false;
}

static int parse_query(struct events_list *list, struct fault *fault)
{
    struct request *r = list->r;
    struct api_page page;

    int err = event_reader_init(&list->reader, r, false, fault);
    if (err == 0)
        err = api_page_parse(r, SIZE_MAX, &page, fault);
    if (err == 0)
        err = parse_wait(r, &list->wait_ms, fault);
    if (err != 0)
        return err;
    if (r->method == METHOD_HEAD)
        list->wait_ms = 0;
    list->n = list->left = page.n;
    return 0;
}

void api_events_get(struct request *r)
{
    struct fault fault = FAULT_INIT;
    struct events_list *list;

    response_field(r, "Vary", SLICE("Accept"));
    if (wants_stream(r) && r->method == METHOD_GET) {
        api_event_stream(r);
        return;
    }
    list = arena_alloc(&r->arena, sizeof(*list));
    if (list == NULL) {
        response_send_error(r, ERR_NO_MEMORY, NULL, SLICE(""));
        return;
    }
    list->r = r;
    int err = parse_query(list, &fault);
    if (err != 0) {
        event_reader_fini(&list->reader);
        response_send_error(r, err, &fault, SLICE(""));
        return;
    }
    buf_init(&list->events, ANSWER_MAX);
    request_hold(r);
    read_on(list);
}
