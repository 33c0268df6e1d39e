/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the loop is run one turn at a time. After the events of a turn come the connections that
 * something made ready, then the dead ones are freed, then the read snapshot of the index is given
 * back: nothing is freed while a callback that knows it may still be on the stack, and no snapshot
 * outlives a turn.
 *
 * Timeouts need no timers: all waits of one kind have the same length, so a list in order of
 * beginning is in order of ending too, and a tick looks at the heads.
 */
#include "config.h"

#include "server/worker.h"

#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "server/conn.h"
#include "server/event_wait.h"
#include "server/gate.h"
#include "server/worker_private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define TICK_MS           100
#define RESERVE_EXCHANGES 16
#define LINGER_MS         3000
#define SLOW_NS           UINT64_C(20000000)

struct wait_list {
    struct conn *first, *last;
};

struct worker_private {
    pthread_t thread;
    struct event *queue_event, *tick;
    struct wait_list waits[WAIT_COUNT];
    struct conn *ready_first, *ready_last;
    struct conn *graveyard;
    struct exchange *dead; /* exchanges to give back at the end of the turn */
    struct exchange *reserve;
    unsigned reserve_n;
    unsigned exchanges_out; /* borrowed by connections, or by handlers that outlived theirs */
    uint64_t now_ms;        /* of this turn */
    uint64_t next_id;
    int64_t date_s;
    char date[48];
    size_t date_n;
    bool draining, stopping;
};

/*
 * Exchanges.
 */

struct exchange *worker_take_exchange(struct worker *worker)
{
    struct worker_private *p = worker->private_;
    struct exchange *x = p->reserve;

    p->exchanges_out++;
    if (x == NULL)
        return exchange_create();
    p->reserve = x->next;
    p->reserve_n--;
    x->next = NULL;
    return x;
}

void worker_give_exchange(struct worker *worker, struct exchange *x)
{
    struct worker_private *p = worker->private_;

    p->exchanges_out--;
    if (p->reserve_n == RESERVE_EXCHANGES) {
        exchange_destroy(x);
        return;
    }
    x->next = p->reserve;
    p->reserve = x;
    p->reserve_n++;
}

void worker_bury_exchange(struct worker *worker, struct exchange *x)
{
    x->next = worker->private_->dead;
    worker->private_->dead = x;
}

/*
 * Connections.
 */

static void wait_remove(struct worker_private *p, struct conn *conn)
{
    struct wait_list *list = &p->waits[conn->wait];

    if (conn->wait_prev != NULL)
        conn->wait_prev->wait_next = conn->wait_next;
    else
        list->first = conn->wait_next;
    if (conn->wait_next != NULL)
        conn->wait_next->wait_prev = conn->wait_prev;
    else
        list->last = conn->wait_prev;
    conn->wait_prev = conn->wait_next = NULL;
}

void worker_wait(struct conn *conn, enum conn_wait wait)
{
    struct worker_private *p = conn->worker->private_;
    struct wait_list *list = &p->waits[wait];

    if (conn->wait != WAIT_NONE)
        wait_remove(p, conn);
    conn->wait = wait;
    conn->wait_since_ms = p->now_ms;
    if (wait == WAIT_NONE)
        return;
    conn->wait_prev = list->last;
    if (list->last != NULL)
        list->last->wait_next = conn;
    else
        list->first = conn;
    list->last = conn;
}

void worker_ready(struct conn *conn)
{
    struct worker_private *p = conn->worker->private_;

    conn->awake = true;
    conn->ready_next = NULL;
    if (p->ready_last != NULL)
        p->ready_last->ready_next = conn;
    else
        p->ready_first = conn;
    p->ready_last = conn;
}

void worker_adopt_conn(struct conn *conn)
{
    struct worker *worker = conn->worker;

    conn->next = worker->conns;
    if (worker->conns != NULL)
        worker->conns->prev = conn;
    worker->conns = conn;
}

void worker_bury_conn(struct conn *conn)
{
    struct worker *worker = conn->worker;

    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        worker->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conn->prev = NULL;
    conn->next = worker->private_->graveyard;
    worker->private_->graveyard = conn;
}

void worker_forget_conn(struct conn *conn)
{
    atomic_fetch_sub(&conn->worker->load, 1);
    atomic_fetch_sub(&conn->worker->server->connections, 1);
}

/*
 * Turns.
 */

#ifdef TIDEMARK_DEBUG
static uint64_t time_begin(void)
{
    return clock_mono_ns();
}

/* Nothing in a turn may block: what takes long is a bug that only shows under load. */
static void time_end(const char *what, uint64_t begin_ns)
{
    uint64_t ns = clock_mono_ns() - begin_ns;

    if (ns > SLOW_NS)
        log_warn("worker.slow", "a part of a loop turn took long", LOG_CSTR("part", what),
                 LOG_U64("ms", ns / 1000000));
}
#else
static uint64_t time_begin(void)
{
    return 0;
}

static void time_end(const char *what, uint64_t begin_ns)
{
    (void)what;
    (void)begin_ns;
}
#endif

static void run_ready(struct worker_private *p)
{
    while (p->ready_first != NULL) {
        struct conn *conn = p->ready_first;
        p->ready_first = conn->ready_next;
        if (p->ready_first == NULL)
            p->ready_last = NULL;
        conn->awake = false;
        if (conn->state != CONN_CLOSED)
            conn_run(conn);
    }
}

static void empty_graveyard(struct worker *worker)
{
    struct worker_private *p = worker->private_;

    while (p->graveyard != NULL) {
        struct conn *conn = p->graveyard;
        p->graveyard = conn->next;
        conn_bury(conn);
    }
    while (p->dead != NULL) {
        struct exchange *x = p->dead;
        p->dead = x->next;
        exchange_reset(x);
        worker_give_exchange(worker, x);
    }
}

static void end_turn(struct worker *worker)
{
    struct worker_private *p = worker->private_;
    uint64_t begin_ns = time_begin();

    /* Burying tells handlers, which may make others ready. */
    do {
        run_ready(p);
        empty_graveyard(worker);
    } while (p->ready_first != NULL || p->graveyard != NULL || p->dead != NULL);
    kv_turn_end(worker->kv);
    time_end("end", begin_ns);
}

static void on_queue(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    uint64_t begin_ns = time_begin();

    (void)fd;
    (void)what;
    pool_run_replies(worker->queue);
    time_end("queue", begin_ns);
}

static uint64_t timeout_ms(const struct settings *settings, enum conn_wait wait)
{
    switch (wait) {
    case WAIT_HANDSHAKE:
        return settings->tls_handshake_timeout_ms;
    case WAIT_IDLE:
        return settings->http_idle_timeout_ms;
    case WAIT_HEAD:
        return settings->http_head_timeout_ms;
    case WAIT_BODY:
        return settings->http_body_timeout_ms;
    case WAIT_WRITE:
        return settings->http_write_timeout_ms;
    case WAIT_LINGER:
        return LINGER_MS;
    case WAIT_NONE:
    case WAIT_COUNT:
        break;
    }
    return UINT64_MAX;
}

static void update_date(struct worker_private *p)
{
    int64_t wall_ms = clock_wall_ms();
    char text[CLOCK_HTTP_MAX];

    if (wall_ms / 1000 == p->date_s)
        return;
    p->date_s = wall_ms / 1000;
    clock_format_http(wall_ms, text);
    p->date_n = (size_t)snprintf(p->date, sizeof(p->date), "Date: %s\r\n", text);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct worker_private *p = worker->private_;

    (void)fd;
    (void)what;
    p->now_ms = clock_mono_ms();
    update_date(p);
    for (int wait = WAIT_NONE + 1; wait < WAIT_COUNT; wait++) {
        uint64_t limit_ms = timeout_ms(worker->settings, (enum conn_wait)wait);
        struct conn *conn;
        while ((conn = p->waits[wait].first) != NULL &&
               p->now_ms - conn->wait_since_ms >= limit_ms) {
            /* Out of this list whatever it does next, so that the walk ends. */
            worker_wait(conn, (enum conn_wait)wait);
            conn_expired(conn);
        }
    }
}

static void *worker_thread(void *arg)
{
    struct worker *worker = arg;
    struct worker_private *p = worker->private_;

    while (!p->stopping) {
        p->now_ms = clock_mono_ms();
        event_base_loop(worker->base, EVLOOP_ONCE);
        end_turn(worker);
    }
    while (worker->conns != NULL)
        conn_close(worker->conns, "shutting down");
    end_turn(worker);
    /* Commits and jobs under way still answer to their handlers; each comes to an end. */
    while (p->exchanges_out > 0) {
        event_base_loop(worker->base, EVLOOP_ONCE);
        end_turn(worker);
    }
    return NULL;
}

struct slice worker_date_field(struct worker *worker)
{
    return slice_make(worker->private_->date, worker->private_->date_n);
}

uint64_t worker_request_id(struct worker *worker)
{
    return worker->private_->next_id++;
}

/*
 * What other threads ask of it.
 */

struct message {
    struct pool_job job; /* first member */
    struct worker *worker;
    int fd;
    struct client_address from;
    bool is_tls;
    const struct settings *settings;
};

static void send_message(struct worker *worker, struct message message,
                         void (*done)(struct pool_job *job))
{
    struct message *copy = xmalloc(sizeof(*copy));

    *copy = message;
    copy->worker = worker;
    copy->job = (struct pool_job){.done = done};
    queue_push(worker->queue, &copy->job.node);
}

static void adopt(struct pool_job *job)
{
    struct message *message = (struct message *)job;

    conn_open(message->worker, message->fd, &message->from, message->is_tls);
    free(message);
}

static void take_settings(struct pool_job *job)
{
    struct message *message = (struct message *)job;

    settings_unref(message->worker->settings);
    message->worker->settings = message->settings;
    free(message);
}

static void drain(struct pool_job *job)
{
    struct message *message = (struct message *)job;
    struct conn *conn = message->worker->conns;

    while (conn != NULL) {
        struct conn *next = conn->next;
        conn_drain(conn);
        conn = next;
    }
    event_wait_wake(message->worker);
    free(message);
}

static void stop(struct pool_job *job)
{
    struct message *message = (struct message *)job;

    message->worker->private_->stopping = true;
    free(message);
}

void worker_give(struct worker *worker, int fd, const struct client_address *from, bool is_tls)
{
    atomic_fetch_add(&worker->load, 1);
    send_message(worker, (struct message){.fd = fd, .from = *from, .is_tls = is_tls}, adopt);
}

void worker_set_settings(struct worker *worker, const struct settings *settings)
{
    send_message(worker, (struct message){.settings = settings_ref(settings)}, take_settings);
}

void worker_drain(struct worker *worker)
{
    send_message(worker, (struct message){0}, drain);
}

/*
 * Beginning and end.
 */

static struct event_base *create_base(void)
{
    struct event_config *config = event_config_new();

    if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) != 0)
        fatal("the event loop of a worker cannot be made", errno);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == NULL)
        fatal("the event loop of a worker cannot be made", errno);
    return base;
}

struct worker *worker_create(struct server *server, unsigned index, const struct settings *settings)
{
    struct worker *worker = xcalloc(1, sizeof(*worker));
    struct worker_private *p = xcalloc(1, sizeof(*p));
    const struct timeval tick = {0, TICK_MS * 1000};

    worker->server = server;
    worker->index = index;
    worker->private_ = p;
    worker->base = create_base();
    worker->queue = queue_create();
    worker->kv = kv_client_create(server->store->kv, worker->queue);
    worker->settings = settings_ref(settings);
    if (server->gate != NULL)
        worker->gate = gate_client_create(server->gate, settings);
    if (getrandom(&p->next_id, sizeof(p->next_id), 0) != (ssize_t)sizeof(p->next_id))
        abort();
    p->queue_event =
        event_new(worker->base, queue_fd(worker->queue), EV_READ | EV_PERSIST, on_queue, worker);
    p->tick = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
    if (p->queue_event == NULL || p->tick == NULL || event_add(p->queue_event, NULL) != 0 ||
        event_add(p->tick, &tick) != 0)
        fatal("no memory for the events of a worker", 0);
    p->now_ms = clock_mono_ms();
    update_date(p);
    return worker;
}

void worker_start(struct worker *worker)
{
    sigset_t all, before;
    char name[16];

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int sys = pthread_create(&worker->private_->thread, NULL, worker_thread, worker);
    if (sys != 0)
        fatal("a worker thread cannot be started", sys);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    snprintf(name, sizeof(name), "worker-%u", worker->index % 1000);
    pthread_setname_np(worker->private_->thread, name);
}

void worker_stop(struct worker *worker)
{
    send_message(worker, (struct message){0}, stop);
    pthread_join(worker->private_->thread, NULL);
}

void worker_destroy(struct worker *worker)
{
    struct worker_private *p = worker->private_;

    on_queue(-1, 0, worker);
    while (p->reserve != NULL) {
        struct exchange *x = p->reserve;
        p->reserve = x->next;
        exchange_destroy(x);
    }
    gate_client_destroy(worker->gate);
    kv_client_destroy(worker->kv);
    event_free(p->queue_event);
    event_free(p->tick);
    event_base_free(worker->base);
    queue_destroy(worker->queue);
    settings_unref(worker->settings);
    free(p);
    free(worker);
}
