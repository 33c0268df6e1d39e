/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: start in the order of what needs what (configuration, store, workers, listeners), stop in
 * the reverse one. Signals are events of main's loop; the other threads block them all.
 */
#include "config.h"

#include "server/serve.h"

#include "auth/server_key.h"
#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/fsck.h"
#include "server/access.h"
#include "server/clock_watch.h"
#include "server/control.h"
#include "server/draft_sweeper.h"
#include "server/gate.h"
#include "server/gauges.h"
#include "server/listener.h"
#include "server/log_signer.h"
#include "server/notify.h"
#include "server/open_store.h"
#include "server/refusal.h"
#include "server/tls_files.h"
#include "server/tls_session.h"
#include "server/token_sweeper.h"
#include "server/worker.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE           2
#define DRAIN_POLL_MS        20
#define RESERVED_DESCRIPTORS 64

struct process {
    struct server server;
    struct store store;
    const struct settings *settings;
    const char *config; /* path, or NULL */
    struct settings_overrides overrides;
    struct event_base *base;
    struct listeners *listeners;
    struct control *control;
    struct draft_sweeper *drafts;
    struct token_sweeper *tokens;
    struct clock_watch *clock;
    struct log_signer *signer; /* NULL: there are no keys */
    struct server_keys *keys;  /* NULL: the gate has them, or there are none */
    struct event *term, *interrupt, *hangup, *second, *minute, *drain;
    uint64_t drain_left_ms;
};

static int complain(const struct fault *fault, int err)
{
    log_error("server.start", fault_text(fault, err), LOG_CSTR("error", err_name(err)));
    return EXIT_FAILURE;
}

/*
 * Reload.
 */

static void apply_log_settings(const struct settings *settings)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};
    static const enum log_format formats[] = {LOG_AUTO, LOG_JSON, LOG_TEXT};

    log_set_level(levels[settings->log_level]);
    log_set_format(formats[settings->log_format]);
}

/* A connection and the file it reads are two descriptors; the rest of the process needs some. */
static uint64_t connections_max(const struct settings *settings)
{
    struct rlimit limit;
    uint64_t max = settings->http_max_connections;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return max;
    uint64_t reserved = RESERVED_DESCRIPTORS + open_files_max(settings);
    uint64_t room =
        limit.rlim_cur > 2 * reserved ? (limit.rlim_cur - reserved) / 2 : limit.rlim_cur / 4;
    if (room >= max)
        return max;
    log_warn("server.limits",
             "fewer connections than http.max_connections fit into the limit of "
             "open files (ulimit -n, LimitNOFILE)",
             LOG_U64("connections", room), LOG_U64("wanted", max));
    return room;
}

/* All clients of a proxy have one address, and it may open a connection for every request. */
static uint64_t connect_rate_of(const struct settings *settings)
{
    return settings->http_allow_proxy ? 0 : settings->http_connect_rate;
}

static void limit_connections(struct process *process)
{
    const struct settings *settings = process->settings;

    listeners_set_limits(process->listeners, settings, connections_max(settings),
                         connect_rate_of(settings));
}

static void swap_settings(struct process *process, const struct settings *settings)
{
    settings_unref(process->settings);
    process->settings = settings;
    apply_log_settings(settings);
    const struct upload_options uploads = upload_options_of(settings);
    uploads_set_options(process->store.uploads, &uploads);
    limit_connections(process);
    if (process->server.gate != NULL)
        gate_configure(process->server.gate, settings);
    for (unsigned i = 0; i < process->server.workers_n; i++)
        worker_set_settings(process->server.workers[i], settings);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    struct process *process = arg;
    const struct settings *settings;
    const char *key;
    struct fault fault = FAULT_INIT;

    (void)fd;
    (void)what;
    if (process->server.draining)
        return;
    notify("RELOADING=1");
    int err = settings_reload(config_path(process->config), &process->overrides, process->settings,
                              &settings, &key, &fault);
    if (err != 0) {
        log_error("server.reload", "the new configuration is not valid; the old one stays",
                  LOG_CSTR("why", fault_text(&fault, err)));
    } else {
        if (key != NULL)
            log_warn("server.reload", "this key changes with the next start only",
                     LOG_CSTR("key", key));
        swap_settings(process, settings);
        log_info("server.reload", "the new configuration is in use");
    }
    if (process->server.tls != NULL)
        tls_files_reload(process->server.tls);
    notify("READY=1");
}

/*
 * Shutdown.
 */

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    struct process *process = arg;

    (void)fd;
    (void)what;
    if (atomic_load(&process->server.connections) == 0 || process->drain_left_ms < DRAIN_POLL_MS) {
        event_base_loopbreak(process->base);
        return;
    }
    process->drain_left_ms -= DRAIN_POLL_MS;
}

static void on_terminate(evutil_socket_t signal_number, short what, void *arg)
{
    struct process *process = arg;
    const struct timeval poll = {0, DRAIN_POLL_MS * 1000};

    (void)what;
    if (atomic_exchange(&process->server.draining, true)) {
        log_warn("server.stop", "asked again: not waiting for requests any longer");
        event_base_loopbreak(process->base);
        return;
    }
    log_info("server.stop", "finishing the requests under way", LOG_I64("signal", signal_number));
    notify("STOPPING=1");
    listeners_close(process->listeners);
    process->listeners = NULL;
    process->drain_left_ms = process->settings->server_drain_timeout_ms;
    for (unsigned i = 0; i < process->server.workers_n; i++)
        worker_drain(process->server.workers[i]);
    event_add(process->drain, &poll);
}

/*
 * Work by the clock.
 */

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    struct process *process = arg;

    (void)fd;
    (void)what;
    clock_watch_look(process->clock);
    if (process->server.gate != NULL)
        gate_look(process->server.gate);
    if (process->server.tls != NULL)
        tls_files_look(process->server.tls);
    uploads_measure(process->store.uploads);
    uploads_expire(process->store.uploads); /* looks only at those it removes */
}

static void on_minute(evutil_socket_t fd, short what, void *arg)
{
    struct process *process = arg;

    (void)fd;
    (void)what;
    kv_reader_check(process->store.kv);
    draft_sweeper_start(process->drafts, process->settings->files_draft_expire_ms);
    token_sweeper_start(process->tokens, process->settings->auth_expiry_warning_ms);
    if (process->signer != NULL)
        log_signer_look(process->signer);
}

/*
 * Start.
 */

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("server.limits", "the limit of open files could not be raised");
}

static struct event *add_event(struct process *process, int fd_or_signal, short what,
                               event_callback_fn fn, const struct timeval *every)
{
    struct event *event = event_new(process->base, fd_or_signal, what, fn, process);

    if (event == NULL || (what != EV_PERSIST && event_add(event, NULL) != 0) ||
        (every != NULL && event_add(event, every) != 0))
        fatal("the signals and timers of the server cannot be watched", errno);
    return event;
}

static void add_events(struct process *process)
{
    const struct timeval second = {1, 0}, minute = {60, 0};

    process->term = add_event(process, SIGTERM, EV_SIGNAL | EV_PERSIST, on_terminate, NULL);
    process->interrupt = add_event(process, SIGINT, EV_SIGNAL | EV_PERSIST, on_terminate, NULL);
    process->hangup = add_event(process, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, NULL);
    process->second = add_event(process, -1, EV_PERSIST, on_second, &second);
    process->minute = add_event(process, -1, EV_PERSIST, on_minute, &minute);
    process->drain = add_event(process, -1, EV_PERSIST, on_drain, NULL);
}

static void free_events(struct process *process)
{
    event_free(process->term);
    event_free(process->interrupt);
    event_free(process->hangup);
    event_free(process->second);
    event_free(process->minute);
    event_free(process->drain);
    event_base_free(process->base);
}

static void on_fatal(void *arg, const struct fault *fault)
{
    (void)arg;
    log_error("index.fatal",
              "a commit failed: no write is acknowledged any more; reads go on. Start the server "
              "again when the disk is well; it checks the index first",
              LOG_CSTR("why", fault_text(fault, ERR_IO)));
}

static void log_finding(enum fsck_level level, const char *text, void *arg)
{
    (void)arg;
    if (level == FSCK_ERROR)
        log_error("fsck.error", text);
    else
        log_info("fsck.note", text);
}

/* After a failed commit the last process may have been lied to by its page cache. */
static int check_after_failure(struct process *process, struct fault *fault)
{
    struct fsck_summary summary;

    if (!datadir_is_marked(&process->store.dir))
        return 0;
    log_warn("fsck.begin", "a commit failed in an earlier run: checking before writes are taken");
    int err = fsck_run(&process->store, log_finding, NULL, &summary, fault);
    if (err == ERR_CORRUPT)
        return fault_set(fault, err,
                         "the index is damaged (%llu errors, logged above); restore a backup, or "
                         "see docs/STORAGE.md",
                         (unsigned long long)summary.errors);
    return err == 0 ? datadir_clear_mark(&process->store.dir, fault) : err;
}

static void start_workers(struct process *process)
{
    struct server *server = &process->server;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n = process->settings->server_workers;

    if (n == 0)
        n = processors > 0 ? (uint64_t)processors : 1;
    server->workers_n = (unsigned)n;
    server->workers = xcalloc(n, sizeof(struct worker *));
    for (unsigned i = 0; i < server->workers_n; i++)
        server->workers[i] = worker_create(server, i, process->settings);
    for (unsigned i = 0; i < server->workers_n; i++)
        worker_start(server->workers[i]);
}

static void stop_workers(struct server *server)
{
    for (unsigned i = 0; i < server->workers_n; i++)
        worker_stop(server->workers[i]);
    gate_stop(server->gate);
    store_close_uploads(server->store);
    for (unsigned i = 0; i < server->workers_n; i++)
        worker_destroy(server->workers[i]);
    free(server->workers);
}

static int open_gate(struct process *process, struct fault *fault)
{
    return process->settings->auth_enabled
               ? gate_open(&process->store, process->settings, &process->server.gate, fault)
               : 0;
}

static void abandon_gate(struct process *process)
{
    gate_stop(process->server.gate);
    gate_close(process->server.gate);
}

/* Also without authentication, when there are keys from a time with it: the log goes on being
 * signed. Keys that cannot be read then stop nobody. */
static void start_signing(struct process *process)
{
    const struct server_keys_options forever = {.rotation_ms = 0, .keep_ms = INT64_MAX};
    struct server_keys *keys = process->server.gate != NULL ? process->server.gate->keys : NULL;
    struct fault fault = FAULT_INIT;

    if (keys == NULL && server_keys_exist(&process->store.dir)) {
        int err = server_keys_open(&process->store.dir, &forever, clock_wall_ms(), &process->keys,
                                   &fault);
        if (err != 0)
            log_warn("log.signed", "the event log is not signed, because its keys cannot be read",
                     LOG_CSTR("why", fault_text(&fault, err)));
        keys = process->keys;
    }
    if (keys != NULL)
        process->signer = log_signer_create(process->base, process->store.kv, keys);
}

static void stop_signing(struct process *process)
{
    log_signer_destroy(process->signer);
    server_keys_close(process->keys);
}

static int open_tls(struct process *process, struct fault *fault)
{
    const struct settings *settings = process->settings;

    if (settings->tls_certificate[0] != '\0')
        return tls_files_open(settings, &process->server.tls, fault);
    /* Who wrote these believes that TLS is spoken. */
    if (settings->tls_key[0] != '\0' || settings->tls_client_ca[0] != '\0')
        return fault_set(
            fault, ERR_CONFIG,
            "tls.key or tls.client_ca is set and tls.certificate is not, without which "
            "no TLS is spoken");
    return 0;
}

static int serve_store(struct process *process)
{
    struct fault fault = FAULT_INIT;

    int err = check_after_failure(process, &fault);
    if (err == 0)
        err = open_gate(process, &fault);
    if (err == 0)
        err = open_tls(process, &fault);
    if (err == 0)
        err = listeners_open(&process->server, process->base, process->settings,
                             &process->listeners, &fault);
    if (err == 0)
        err = control_start(&process->store, process->settings->index_copy_timeout_ms,
                            &process->control, &fault);
    if (err != 0) {
        if (process->listeners != NULL)
            listeners_close(process->listeners);
        abandon_gate(process);
        tls_files_close(process->server.tls);
        event_base_free(process->base);
        return complain(&fault, err);
    }
    process->server.tag_gate = digest_gate_create();
    process->drafts = draft_sweeper_create(process->base, process->store.kv);
    process->tokens = token_sweeper_create(process->base, process->store.kv);
    process->clock = clock_watch_create(process->base, process->store.kv);
    start_signing(process);
    start_workers(process);
    add_events(process);
    draft_sweeper_start(process->drafts, process->settings->files_draft_expire_ms);
    token_sweeper_start(process->tokens, process->settings->auth_expiry_warning_ms);
    limit_connections(process);
    listeners_start(process->listeners);
    process->server.ready = true;
    notify("READY=1");
    event_base_dispatch(process->base);
    process->server.ready = false;
    if (process->listeners != NULL)
        listeners_close(process->listeners);
    store_stop(&process->store);
    control_stop(process->control);
    clock_watch_destroy(process->clock);
    draft_sweeper_destroy(process->drafts);
    token_sweeper_destroy(process->tokens);
    stop_workers(&process->server);
    stop_signing(process);
    digest_gate_destroy(process->server.tag_gate);
    gate_close(process->server.gate);
    tls_files_close(process->server.tls);
    free_events(process);
    log_info("server.stopped", "good bye");
    return EXIT_SUCCESS;
}

static int serve(struct process *process)
{
    struct fault fault = FAULT_INIT;

    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    process->server.store = &process->store;
    access_register();
    refusal_register();
    tls_session_register();
    gauges_register(&process->server);
    process->base = event_base_new();
    if (process->base == NULL)
        fatal("the event loop of the server cannot be made", errno);
    log_info("server.start", "tidemark " PACKAGE_VERSION,
             LOG_CSTR("data", process->settings->storage_path), LOG_I64("pid", getpid()));
    int err = open_store(process->settings, on_fatal, &process->store, &fault);
    if (err != 0) {
        event_base_free(process->base);
        return complain(&fault, err);
    }
    int status = serve_store(process);
    store_close(&process->store);
    return status;
}

static int parse_options(int argc, char **argv, struct process *process)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"data", required_argument, NULL, 'd'},
        {"listen", required_argument, NULL, 'l'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            process->config = optarg;
        else if (option == 'd')
            process->overrides.data = optarg;
        else if (option == 'l')
            process->overrides.listen = optarg;
        else
            return EXIT_USAGE;
    }
    if (optind < argc) {
        fprintf(stderr, "tidemark serve: '%s' is one word too many\n", argv[optind]);
        return EXIT_USAGE;
    }
    return 0;
}

int serve_run(int argc, char **argv)
{
    struct process process = {0};
    struct fault fault = FAULT_INIT;

    int status = parse_options(argc, argv, &process);
    if (status != 0)
        return status;
    int err = load_settings(process.config, &process.overrides, &process.settings, &fault);
    if (err != 0) {
        fprintf(stderr, "tidemark: %s\n", fault_text(&fault, err));
        return EXIT_FAILURE;
    }
    apply_log_settings(process.settings);
    log_start();
    status = serve(&process);
    log_stop();
    settings_unref(process.settings);
    return status;
}
