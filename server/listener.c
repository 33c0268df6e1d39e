/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: main accepts and hands over, because clients of a registry open few connections and use
 * them heavily: which worker gets one matters more than how fast it is accepted. When descriptors
 * run out, accepting pauses, for the kernel's backlog is a better place to wait than a busy loop.
 */
#include "config.h"

#include "server/listener.h"

#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/client_address.h"
#include "server/connect_rate.h"
#include "server/networks.h"
#include "server/refusal.h"
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS_MAX    16
#define BACKLOG          1024
#define ACCEPTS_PER_TURN 64
#define PAUSE_MS         100
#define FIRST_PASSED_FD  3 /* sd_listen_fds(3) */

struct listener {
    struct listeners *all;
    int fd;
    bool is_tls;
    struct event *event, *resume;
};

struct listeners {
    struct server *server;
    struct event_base *base;
    uint64_t max_connections;
    const struct settings *settings; /* a reference; NULL before listeners_set_limits */
    struct connect_rate *rate;
    unsigned n;
    struct listener each[LISTENERS_MAX];
};

static struct worker *least_loaded(struct server *server)
{
    struct worker *best = server->workers[0];

    for (unsigned i = 1; i < server->workers_n; i++) {
        if (atomic_load(&server->workers[i]->load) < atomic_load(&best->load))
            best = server->workers[i];
    }
    return best;
}

/* When there is no memory for a timer the loop goes round until there is: it must not be left
 * without a way back. */
static void resume_later(struct listener *listener)
{
    const struct timeval pause = {0, PAUSE_MS * 1000};

    if (event_add(listener->resume, &pause) != 0)
        event_active(listener->resume, EV_TIMEOUT, 0);
}

static void pause_accepting(struct listener *listener, int sys)
{
    log_warn("server.accept", "a connection cannot be accepted; trying again in a moment",
             LOG_I64("errno", sys));
    event_del(listener->event);
    resume_later(listener);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;

    (void)fd;
    (void)what;
    /* What was short for accept may still be short for watching. */
    if (event_add(listener->event, NULL) != 0)
        resume_later(listener);
}

static bool is_out_of_resources(int sys)
{
    return sys == EMFILE || sys == ENFILE || sys == ENOMEM || sys == ENOBUFS;
}

/* All clients of a trusted proxy have one address, and it may open a connection for each request.
 */
static bool is_too_fast(const struct listeners *all, const struct client_address *from,
                        uint64_t now_ns)
{
    if (networks_contain(slice_from_cstr(all->settings->http_trusted_proxies), from))
        return false;
    return !connect_rate_admit(all->rate, client_address_number(from), now_ns);
}

/* Too many are told before too fast ones: they are nobody's fault in particular. */
static void admit(const struct listener *listener, int fd, const struct client_address *from,
                  uint64_t now_ns)
{
    struct server *server = listener->all->server;

    if (atomic_load(&server->connections) >= listener->all->max_connections) {
        refusal_send(REFUSAL_MAX_CONNECTIONS, fd, listener->is_tls);
    } else if (is_too_fast(listener->all, from, now_ns)) {
        refusal_send(REFUSAL_CONNECT_RATE, fd, listener->is_tls);
    } else {
        atomic_fetch_add(&server->connections, 1);
        worker_give(least_loaded(server), fd, from, listener->is_tls);
    }
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    uint64_t now_ns = clock_mono_ns();

    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage socket = {0};
        struct client_address from;
        socklen_t n = sizeof(socket);
        int accepted = accept4(fd, (struct sockaddr *)&socket, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            int sys = errno;
            if (is_out_of_resources(sys))
                pause_accepting(listener, sys);
            if (sys == EAGAIN || is_out_of_resources(sys))
                return;
            continue; /* the fault of that one connection */
        }
        client_address_from_socket(&socket, &from);
        admit(listener, accepted, &from, now_ns);
    }
}

static void log_listening(int fd, bool is_tls)
{
    struct sockaddr_storage address;
    socklen_t n = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV], text[NI_MAXHOST + NI_MAXSERV + 4];

    if (getsockname(fd, (struct sockaddr *)&address, &n) != 0 ||
        getnameinfo((struct sockaddr *)&address, n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(text, sizeof(text), address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    log_info("server.listening", "ready for connections", LOG_CSTR("address", text),
             LOG_CSTR("scheme", is_tls ? "https" : "http"));
}

static int add(struct listeners *all, int fd, bool is_tls, struct fault *fault)
{
    if (all->n == LISTENERS_MAX) {
        close(fd);
        return fault_set(fault, ERR_CONFIG,
                         "server.listen and server.listen_plain have more than %d addresses",
                         LISTENERS_MAX);
    }
    struct listener *listener = &all->each[all->n++];
    listener->all = all;
    listener->fd = fd;
    listener->is_tls = is_tls;
    listener->event = event_new(all->base, fd, EV_READ | EV_PERSIST, on_acceptable, listener);
    listener->resume = event_new(all->base, -1, 0, on_resume, listener);
    if (listener->event == NULL || listener->resume == NULL)
        fatal("no memory to watch for connections", 0);
    return 0;
}

static int open_address(struct listeners *all, const struct addrinfo *info, const char *text,
                        bool is_tls, struct fault *fault)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return fault_set_errno(fault, errno, "no socket for %s", text);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int sys = errno;
        close(fd);
        if (sys == EADDRINUSE)
            return fault_set(fault, ERR_BUSY,
                             "another program listens on %s; stop it, or choose another address "
                             "with --listen or server.listen",
                             text);
        return fault_set_errno(fault, sys, "cannot listen on %s", text);
    }
    return add(all, fd, is_tls, fault);
}

/* "host:port" or "[host]:port" into its halves, NUL-terminated in `copy`. */
static int split_address(char *copy, char **host, char **port, struct fault *fault)
{
    char *colon = strrchr(copy, ':');

    if (colon == NULL || colon == copy)
        return fault_set(fault, ERR_CONFIG, "'%s' is not an address and a port, as 127.0.0.1:5000",
                         copy);
    *colon = '\0';
    *port = colon + 1;
    *host = copy;
    if (copy[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        *host = copy + 1;
    }
    return 0;
}

static int open_text(struct listeners *all, struct slice text, bool is_tls, struct fault *fault)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char copy[300], name[300];
    char *host, *port;

    if (text.n >= sizeof(copy))
        return fault_set(fault, ERR_CONFIG, "an address of server.listen is too long");
    snprintf(copy, sizeof(copy), SLICE_FMT, SLICE_ARG(text));
    snprintf(name, sizeof(name), "%s", copy);
    int err = split_address(copy, &host, &port, fault);
    if (err != 0)
        return err;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0)
        return fault_set(fault, ERR_CONFIG, "server.listen '%s': %s", name, gai_strerror(failed));
    err = open_address(all, found, name, is_tls, fault);
    freeaddrinfo(found);
    return err;
}

/* Socket activation: sd_listen_fds(3). Returns how many sockets were passed. */
static int passed_sockets(void)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    uint64_t number, count;

    if (pid == NULL || n == NULL || !slice_parse_u64(slice_from_cstr(pid), &number) ||
        number != (uint64_t)getpid() || !slice_parse_u64(slice_from_cstr(n), &count) ||
        count > LISTENERS_MAX)
        return 0;
    return (int)count;
}

static int open_list(struct listeners *all, const char *list, bool is_tls, struct fault *fault)
{
    struct slice rest = slice_from_cstr(list), part;

    while (rest.n > 0 && slice_split(&rest, ',', &part)) {
        int err = open_text(all, slice_trim(part), is_tls, fault);
        if (err != 0)
            return err;
    }
    return 0;
}

static int open_all(struct listeners *all, const struct settings *settings, struct fault *fault)
{
    bool is_tls = all->server->tls != NULL;
    int passed = passed_sockets();

    for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + passed; fd++) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
            return fault_set_errno(fault, errno, "the socket passed as descriptor %d", fd);
        int err = add(all, fd, is_tls, fault);
        if (err != 0)
            return err;
    }
    int err = passed == 0 ? open_list(all, settings->server_listen, is_tls, fault) : 0;
    if (err == 0)
        err = open_list(all, settings->server_listen_plain, false, fault);
    if (err != 0)
        return err;
    return all->n > 0 ? 0 : fault_set(fault, ERR_CONFIG, "server.listen names no address");
}

int listeners_open(struct server *server, struct event_base *base, const struct settings *settings,
                   struct listeners **listeners, struct fault *fault)
{
    struct listeners *all = xcalloc(1, sizeof(*all));

    all->server = server;
    all->base = base;
    all->rate = connect_rate_create();
    int err = open_all(all, settings, fault);
    if (err != 0) {
        listeners_close(all);
        return err;
    }
    *listeners = all;
    return 0;
}

void listeners_start(struct listeners *all)
{
    for (unsigned i = 0; i < all->n; i++) {
        if (event_add(all->each[i].event, NULL) != 0)
            fatal("connections cannot be watched for", errno);
        log_listening(all->each[i].fd, all->each[i].is_tls);
    }
}

void listeners_set_limits(struct listeners *all, const struct settings *settings,
                          uint64_t max_connections, uint64_t connect_rate)
{
    settings_unref(all->settings);
    all->settings = settings_ref(settings);
    all->max_connections = max_connections;
    connect_rate_set(all->rate, connect_rate);
}

void listeners_close(struct listeners *all)
{
    for (unsigned i = 0; i < all->n; i++) {
        event_free(all->each[i].event);
        event_free(all->each[i].resume);
        close(all->each[i].fd);
    }
    connect_rate_destroy(all->rate);
    settings_unref(all->settings);
    free(all);
}
