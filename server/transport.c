/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/transport.h"

#include "base/mem.h"

#include <string.h>
#include <sys/uio.h>

/* What is sealed into one record. */
#define RECORD_BYTES 16384

/* A head and a small body in one record instead of two. */
static ssize_t send_joined(const struct conn *conn, struct slice first, struct slice second)
{
    char joined[RECORD_BYTES] UNINITIALIZED;

    if (first.n + second.n <= sizeof(joined)) {
        memcpy(joined, first.p, first.n);
        memcpy(joined + first.n, second.p, second.n);
        return tls_session_send(conn->tls, joined, first.n + second.n);
    }
    ssize_t sent = tls_session_send(conn->tls, first.p, first.n);
    if (sent < (ssize_t)first.n)
        return sent;
    ssize_t more = tls_session_send(conn->tls, second.p, second.n);
    return more < 0 ? sent : sent + more;
}

ssize_t transport_send_two(const struct conn *conn, struct slice first, struct slice second)
{
    struct iovec iov[2] = {
        {(void *)(uintptr_t)first.p, first.n},
        {(void *)(uintptr_t)second.p, second.n},
    };
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    if (conn->tls != NULL)
        return send_joined(conn, first, second);
    return sendmsg(conn->fd, &message, MSG_NOSIGNAL);
}

void transport_end(const struct conn *conn)
{
    if (conn->tls != NULL)
        tls_session_end(conn->tls);
    shutdown(conn->fd, SHUT_WR);
}
