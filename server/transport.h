/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection sends and receives by: the socket itself, or TLS over it. Each call behaves as
 * the system call it is named after. Worker thread only.
 *
 * Two kinds, chosen by a branch and not by a table of functions: without TLS what is left of these
 * is the system call.
 */
#ifndef SERVER_TRANSPORT_H
#define SERVER_TRANSPORT_H

#include <sys/sendfile.h>
#include <sys/socket.h>

#include "server/conn.h"
#include "server/tls_session.h"

static inline ssize_t transport_receive(const struct conn *conn, void *bytes, size_t n)
{
    return conn->tls == NULL ? recv(conn->fd, bytes, n, 0)
                             : tls_session_receive(conn->tls, bytes, n);
}

/* `has_more`: other bytes follow at once. */
static inline ssize_t transport_send(const struct conn *conn, const void *bytes, size_t n,
                                     bool has_more)
{
    return conn->tls == NULL ? send(conn->fd, bytes, n, MSG_NOSIGNAL | (has_more ? MSG_MORE : 0))
                             : tls_session_send(conn->tls, bytes, n);
}

/* Both as one, as far as they are taken. */
ssize_t transport_send_two(const struct conn *conn, struct slice first, struct slice second);

/* Bytes of `file` from *at, which is moved on. */
static inline ssize_t transport_send_file(const struct conn *conn, int file, off_t *at, size_t n)
{
    return conn->tls == NULL ? sendfile(conn->fd, file, at, n)
                             : tls_session_send_file(conn->tls, file, at, n);
}

/* No more is sent; the client may go on. */
void transport_end(const struct conn *conn);

#endif
