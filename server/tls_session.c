/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: OpenSSL reads ahead of what it hands out, so that a connection can have bytes while its
 * socket is not readable. `has_more` is true when the last call of SSL_read did not end for want of
 * bytes; the connection then tries again in the next turn.
 *
 * A file is read into a buffer on the stack a piece at a time: it is in the page cache (output.c
 * sees to that), so this does not wait either. After SSL_write could not send all of a record the
 * record is kept, sealed, by OpenSSL; reading the same range again offers the same bytes.
 */
#include "config.h"

#include "server/tls_session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/slice.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_EVERY_MS      1000
#define PIECE_BYTES       65536
#define NAME_MAX_BYTES    255
#define RECEIVE_MAX_BYTES ((size_t)256 << 10) /* of one turn */

struct tls_session {
    int fd;
    struct tls_context *context;
    SSL *ssl; /* NULL until the client has sent a byte */
    bool has_more;
    bool is_broken; /* after an error of its protocol nothing may be sent */
    unsigned char name_n;
    char name[NAME_MAX_BYTES];
};

enum outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_GONE, OUTCOME_HTTP, OUTCOME_TIMEOUT, OUTCOMES };

static metric_id handshakes[OUTCOMES];

void tls_session_register(void)
{
    static const char *const labels[OUTCOMES] = {
        [OUTCOME_OK] = "result=\"ok\"",           [OUTCOME_FAILED] = "result=\"failed\"",
        [OUTCOME_GONE] = "result=\"gone\"",       [OUTCOME_HTTP] = "result=\"http\"",
        [OUTCOME_TIMEOUT] = "result=\"timeout\"",
    };

    for (unsigned i = 0; i < OUTCOMES; i++)
        handshakes[i] =
            metric_counter("tidemark_tls_handshakes_total", labels[i], "TLS handshakes by result.");
}

struct tls_session *tls_session_create(struct tls_files *files, int fd)
{
    struct tls_session *session = xcalloc(1, sizeof(*session));

    session->fd = fd;
    session->context = tls_files_context(files);
    return session;
}

void tls_session_destroy(struct tls_session *session, bool says_goodbye)
{
    if (session == NULL)
        return;
    if (says_goodbye)
        tls_session_end(session);
    SSL_free(session->ssl);
    tls_context_unref(session->context);
    free(session);
}

void tls_session_end(struct tls_session *session)
{
    if (session->ssl == NULL || session->is_broken || !SSL_is_init_finished(session->ssl))
        return;
    ERR_clear_error();
    /* Once is enough: its answer is waited for as the end of the connection. */
    if (SSL_shutdown(session->ssl) < 0)
        session->is_broken = true;
    ERR_clear_error();
}

/*
 * The handshake.
 */

/* A scan of the network fails many a second. */
static void log_failure(const char *why)
{
    static atomic_uint_fast64_t logged_ms;
    uint64_t now_ms = clock_mono_ms();
    uint_fast64_t last_ms = atomic_load(&logged_ms);

    if ((last_ms == 0 || now_ms - last_ms >= LOG_EVERY_MS) &&
        atomic_compare_exchange_strong(&logged_ms, &last_ms, now_ms))
        log_info("tls.handshake", "a TLS handshake failed", LOG_CSTR("why", why));
}

static enum tls_progress finish(enum tls_progress progress, enum outcome outcome)
{
    metric_add(handshakes[outcome], 1);
    return progress;
}

void tls_session_expired(void)
{
    metric_add(handshakes[OUTCOME_TIMEOUT], 1);
}

/* HTTP begins with the name of a method, a record of TLS with a byte that no name has. */
static enum tls_progress look_at_first_byte(struct tls_session *session)
{
    char first;
    ssize_t n = recv(session->fd, &first, 1, MSG_PEEK);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return TLS_WANTS_READ;
    if (n <= 0)
        return finish(TLS_GONE, OUTCOME_GONE);
    if (first >= 'A' && first <= 'Z')
        return finish(TLS_IS_HTTP, OUTCOME_HTTP);
    session->ssl = tls_context_connect(session->context, session->fd);
    if (session->ssl == NULL) {
        log_failure("no memory");
        return finish(TLS_GONE, OUTCOME_FAILED);
    }
    return TLS_DONE;
}

/* Text that can stand in a log line and a policy. */
static bool take_name(struct tls_session *session, const ASN1_IA5STRING *text)
{
    struct slice name = slice_make(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));

    if (name.n == 0 || name.n > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
            return false;
    }
    memcpy(session->name, name.p, name.n);
    session->name_n = (unsigned char)name.n;
    return true;
}

static bool take_name_of_type(struct tls_session *session, const GENERAL_NAMES *names, int type)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int its_type;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &its_type);
        if (its_type == type && take_name(session, value))
            return true;
    }
    return false;
}

static void take_client_certificate(struct tls_session *session)
{
    static const int types[] = {GEN_URI, GEN_DNS, GEN_EMAIL};
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);

    if (certificate == NULL || SSL_get_verify_result(session->ssl) != X509_V_OK)
        return;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    if (names == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (take_name_of_type(session, names, types[i]))
            break;
    }
    GENERAL_NAMES_free(names);
}

static enum tls_progress fail_handshake(struct tls_session *session)
{
    unsigned long code = ERR_peek_error();
    const char *why = ERR_reason_error_string(code);

    session->is_broken = true;
    if (code == 0) /* the socket's, not one of TLS */
        return finish(TLS_GONE, OUTCOME_GONE);
    log_failure(why != NULL ? why : "unknown");
    ERR_clear_error();
    return finish(TLS_FAILED, OUTCOME_FAILED);
}

enum tls_progress tls_session_handshake(struct tls_session *session)
{
    if (session->ssl == NULL) {
        enum tls_progress progress = look_at_first_byte(session);
        if (progress != TLS_DONE)
            return progress;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        take_client_certificate(session);
        session->has_more = true;
        return finish(TLS_DONE, OUTCOME_OK);
    }
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    default:
        return fail_handshake(session);
    }
}

struct slice tls_session_client_certificate(const struct tls_session *session)
{
    return slice_make(session->name, session->name_n);
}

/*
 * Bytes.
 */

/* What a call that did not succeed means, as the socket would say it. */
static ssize_t fail_bytes(struct tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    default:
        session->is_broken = true;
        ERR_clear_error();
        errno = ECONNRESET;
        return -1;
    }
}

ssize_t tls_session_receive(struct tls_session *session, void *bytes, size_t n)
{
    size_t total = 0, got;
    int result;

    if (n > RECEIVE_MAX_BYTES)
        n = RECEIVE_MAX_BYTES;
    ERR_clear_error();
    while (total < n) {
        result = SSL_read_ex(session->ssl, (char *)bytes + total, n - total, &got);
        if (result != 1) {
            ssize_t why = fail_bytes(session, result);
            /* It asks for new keys and takes no answer: its next bytes would wake us for nothing,
             * again and again. */
            if (why < 0 && errno == EAGAIN && SSL_want_write(session->ssl)) {
                session->is_broken = true;
                errno = ECONNRESET;
            }
            /* An end that came behind bytes is told the next time. */
            session->has_more = total > 0 && !(why < 0 && errno == EAGAIN);
            return total > 0 ? (ssize_t)total : why;
        }
        total += got;
    }
    session->has_more = SSL_has_pending(session->ssl) == 1;
    return (ssize_t)total;
}

bool tls_session_has_more(const struct tls_session *session)
{
    return session->has_more;
}

ssize_t tls_session_send(struct tls_session *session, const void *bytes, size_t n)
{
    size_t total = 0, sent;

    ERR_clear_error();
    /* A call seals and sends one record. */
    while (total < n) {
        int result = SSL_write_ex(session->ssl, (const char *)bytes + total, n - total, &sent);
        if (result != 1) {
            if (fail_bytes(session, result) == 0)
                errno = ECONNRESET;
            return total > 0 ? (ssize_t)total : -1;
        }
        total += sent;
    }
    return (ssize_t)total;
}

ssize_t tls_session_send_file(struct tls_session *session, int file, off_t *at, size_t n)
{
    char piece[PIECE_BYTES] UNINITIALIZED;
    size_t total = 0;

    while (total < n) {
        size_t want = n - total < sizeof(piece) ? n - total : sizeof(piece);
        ssize_t there = pread(file, piece, want, *at);
        if (there < 0 && errno == EINTR)
            continue;
        if (there <= 0)
            return total > 0 ? (ssize_t)total : there;
        ssize_t sent = tls_session_send(session, piece, (size_t)there);
        if (sent < 0)
            return total > 0 && errno == EAGAIN ? (ssize_t)total : -1;
        *at += sent;
        total += (size_t)sent;
        if (sent < there)
            break;
    }
    return (ssize_t)total;
}
