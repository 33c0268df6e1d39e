/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets and the dispatcher: a connection goes to the worker that has the fewest. Main
 * thread.
 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <event2/event.h>

#include "server/server.h"

struct listeners;

/* Opens every address of server.listen ("127.0.0.1:5000, [::1]:5000"), or takes the sockets a
 * service manager passes (LISTEN_FDS) instead; they speak TLS when server->tls is there. Then those
 * of server.listen_plain, which never do. Logs each as server.listening. ERR_CONFIG, ERR_BUSY
 * (address in use) with words in `fault`. */
int listeners_open(struct server *server, struct event_base *base, const struct settings *settings,
                   struct listeners **listeners, struct fault *fault) MUST_CHECK;

/* How many connections there may be, and how many a second from one address (0: any) that is not
 * one of http.trusted_proxies. Nothing is accepted before it was called once. */
void listeners_set_limits(struct listeners *listeners, const struct settings *settings,
                          uint64_t max_connections, uint64_t connect_rate);

/* Accept from now on; before, connections wait in the kernel. */
void listeners_start(struct listeners *listeners);

/* Also those waiting in the kernel are refused. */
void listeners_close(struct listeners *listeners);

#endif
