/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS of one connection. Worker thread only (tls_session_register: main, before the workers
 * start). Nothing here waits: what the socket cannot do now is said so, as for the socket itself.
 */
#ifndef SERVER_TLS_SESSION_H
#define SERVER_TLS_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/tls_files.h"

struct tls_session;

/* The metrics. */
void tls_session_register(void);

/* For a socket that a client has just opened; takes little until it has sent something. */
struct tls_session *tls_session_create(struct tls_files *files, int fd);

/* `says_goodbye`: the client is told that nothing follows, if it still listens. Left out where an
 * answer was cut off, which must not look like its end. The socket stays open. */
void tls_session_destroy(struct tls_session *session, bool says_goodbye);

enum tls_progress {
    TLS_DONE,
    TLS_WANTS_READ,
    TLS_WANTS_WRITE,
    TLS_IS_HTTP, /* the client speaks HTTP without TLS: nothing was read */
    TLS_GONE,
    TLS_FAILED, /* the client was told by an alert */
};

/* Go on with the handshake. Any other result than the two waits is counted, and a failure logged
 * (once a second at most). */
enum tls_progress tls_session_handshake(struct tls_session *session);

/* The handshake took too long: count it. */
void tls_session_expired(void);

/* As recv: bytes, 0 when the client will send no more, -1 with errno (EAGAIN, ECONNRESET). */
ssize_t tls_session_receive(struct tls_session *session, void *bytes, size_t n);

/* Whether there may be bytes that were read off the socket already: its readability then says
 * nothing. */
bool tls_session_has_more(const struct tls_session *session);

/* As send and sendfile: bytes taken, or -1 with errno. After EAGAIN the next call must offer the
 * same bytes again, wherever they are by then, and at least as many. */
ssize_t tls_session_send(struct tls_session *session, const void *bytes, size_t n);
ssize_t tls_session_send_file(struct tls_session *session, int file, off_t *at, size_t n);

/* Nothing more will be sent. */
void tls_session_end(struct tls_session *session);

/* Who the client's certificate is for: its first SAN that is a URI, else a DNS name, else an
 * address of mail; empty without a certificate. As long as the session. */
struct slice tls_session_client_certificate(const struct tls_session *session);

#endif
