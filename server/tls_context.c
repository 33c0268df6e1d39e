/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: each pair of certificate and key has an SSL_CTX of its own, all made alike. Connections
 * begin with the first; when the client names a host (SNI) that another certificate is for, they
 * are moved to that one. A host of no certificate gets the first: the client says what is wrong
 * with it better than an alert could.
 *
 * Only suites with forward secrecy and authenticated encryption are offered. Renegotiation is off:
 * it costs the server more than the client. Resumption is by ticket alone, so that no session is
 * remembered here; tickets are sealed with a key of the context, which a reload replaces.
 */
#include "config.h"

#include "server/tls_context.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/slice.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define PATH_MAX_BYTES 4096
#define FILE_MAX_BYTES (1 << 20)

/* Of the chain a client may send. */
#define CLIENT_CHAIN_MAX_BYTES (64 * 1024)
#define TICKET_LIFETIME_S      7200

/* Of TLS 1.2; those of 1.3 are all good. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
/* What clients offer, without the groups whose arithmetic is slow. */
#define GROUPS "X25519:P-256:P-384"

struct tls_context {
    atomic_uint refs;
    unsigned n;
    SSL_CTX *pairs[TLS_PAIRS_MAX];
};

/* What OpenSSL says first is nearest to the cause. */
static const char *ssl_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *text = ERR_reason_error_string(code);

    return text != NULL ? text : "it cannot be used";
}

static int fail_ssl(struct fault *fault, const char *key, const char *path)
{
    int reason = ERR_GET_REASON(ERR_peek_error());

    if (reason == ERR_R_MALLOC_FAILURE)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for %s", key);
    int err = fault_set(fault, ERR_CONFIG, "%s: '%s': %s", key, path, ssl_reason());
    ERR_clear_error();
    return err;
}

/* OpenSSL would wait at a pipe, and reads whatever it is given to the end. */
static int check_file(const char *key, const char *path, struct fault *fault)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        fault_set_errno(fault, errno, "%s: '%s' cannot be read", key, path);
        if (fault != NULL)
            fault->code = ERR_CONFIG;
        return ERR_CONFIG;
    }
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, ERR_CONFIG, "%s: '%s' is no file", key, path);
    if (status.st_size > FILE_MAX_BYTES)
        return fault_set(fault, ERR_CONFIG, "%s: '%s' is larger than %d bytes", key, path,
                         FILE_MAX_BYTES);
    return 0;
}

/*
 * What is negotiated.
 */

static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_n,
                           const unsigned char *offered, unsigned offered_n, void *arg)
{
    static const unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char *found = NULL;

    (void)ssl;
    (void)arg;
    /* The answer points into what was offered. */
    if (SSL_select_next_proto(&found, chosen_n, ours, sizeof(ours), offered, offered_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static bool is_for(SSL_CTX *pair, const char *host)
{
    return X509_check_host(SSL_CTX_get0_certificate(pair), host, 0,
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls_context *context = arg;
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (host == NULL || context->n == 1)
        return SSL_TLSEXT_ERR_OK;
    for (unsigned i = 0; i < context->n; i++) {
        if (is_for(context->pairs[i], host)) {
            SSL_set_SSL_CTX(ssl, context->pairs[i]);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

/* Nobody could answer; that it was asked for is remembered. */
static int no_passphrase(char *out, int size, int is_for_writing, void *arg)
{
    bool *is_asked = arg;

    (void)out;
    (void)size;
    (void)is_for_writing;
    *is_asked = true;
    return -1;
}

static int set_protocol(SSL_CTX *pair, const struct settings *settings)
{
    static const unsigned char id[] = "tidemark";
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    SSL_CTX_set_options(pair, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* An idle connection keeps no buffers; what the socket did not take comes again from wherever
     * it is by then. */
    SSL_CTX_set_mode(pair, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(pair, 1);
    SSL_CTX_set_session_cache_mode(pair, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(pair, TICKET_LIFETIME_S);
    SSL_CTX_set_max_cert_list(pair, CLIENT_CHAIN_MAX_BYTES);
    SSL_CTX_set_alpn_select_cb(pair, choose_protocol, NULL);
    return SSL_CTX_set_num_tickets(pair, 1) == 1 &&
                   SSL_CTX_set_min_proto_version(pair, versions[settings->tls_min_version]) == 1 &&
                   SSL_CTX_set_cipher_list(pair, CIPHERS) == 1 &&
                   SSL_CTX_set1_groups_list(pair, GROUPS) == 1 &&
                   SSL_CTX_set_session_id_context(pair, id, sizeof(id) - 1) == 1
               ? 0
               : ERR_CONFIG;
}

/*
 * Files.
 */

static int set_client_ca(SSL_CTX *pair, const char *path, struct fault *fault)
{
    if (path[0] == '\0')
        return 0;
    int err = check_file("tls.client_ca", path, fault);
    if (err != 0)
        return err;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL)
        return fail_ssl(fault, "tls.client_ca", path);
    SSL_CTX_set_client_CA_list(pair, names);
    if (SSL_CTX_load_verify_file(pair, path) != 1)
        return fail_ssl(fault, "tls.client_ca", path);
    /* Who shows none is nobody in particular; who shows a bad one is refused. */
    SSL_CTX_set_verify(pair, SSL_VERIFY_PEER, NULL);
    return 0;
}

static int set_key(SSL_CTX *pair, const char *certificate, const char *path, struct fault *fault)
{
    bool is_locked = false;
    int err = check_file("tls.key", path, fault);

    if (err != 0)
        return err;
    SSL_CTX_set_default_passwd_cb(pair, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(pair, &is_locked);
    bool is_read = SSL_CTX_use_PrivateKey_file(pair, path, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb(pair, NULL);
    SSL_CTX_set_default_passwd_cb_userdata(pair, NULL);
    int reason = ERR_GET_REASON(ERR_peek_error());
    if (is_locked) {
        ERR_clear_error();
        return fault_set(fault, ERR_CONFIG,
                         "tls.key: '%s' is protected by a passphrase, which nobody could enter "
                         "when the server starts; store it without",
                         path);
    }
    if (!is_read && reason != X509_R_KEY_VALUES_MISMATCH && reason != X509_R_KEY_TYPE_MISMATCH)
        return fail_ssl(fault, "tls.key", path);
    if (!is_read || SSL_CTX_check_private_key(pair) != 1) {
        ERR_clear_error();
        return fault_set(fault, ERR_CONFIG, "tls.key: '%s' is not the key of the certificate '%s'",
                         path, certificate);
    }
    return 0;
}

/* A certificate that has ended is used nevertheless: some clients do not look, and without it none
 * would be served. */
static void look_at_time(const char *path, const X509 *certificate)
{
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        log_warn("tls.certificate", "the certificate has expired; clients will refuse it",
                 LOG_CSTR("file", path));
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        log_warn("tls.certificate", "the certificate is not valid yet; clients will refuse it",
                 LOG_CSTR("file", path));
}

static int load_pair(const struct settings *settings, const char *certificate, const char *key,
                     SSL_CTX **out, struct fault *fault)
{
    SSL_CTX *pair = SSL_CTX_new(TLS_server_method());

    *out = pair;
    if (pair == NULL)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for TLS");
    if (set_protocol(pair, settings) != 0)
        return fail_ssl(fault, "tls", "what may be negotiated");
    int err = check_file("tls.certificate", certificate, fault);
    if (err == 0 && SSL_CTX_use_certificate_chain_file(pair, certificate) != 1)
        err = fail_ssl(fault, "tls.certificate", certificate);
    if (err == 0)
        err = set_key(pair, certificate, key, fault);
    if (err == 0)
        err = set_client_ca(pair, settings->tls_client_ca, fault);
    if (err == 0)
        look_at_time(certificate, SSL_CTX_get0_certificate(pair));
    return err;
}

static bool take_path(struct slice *list, char path[PATH_MAX_BYTES])
{
    struct slice part;

    if (!slice_split(list, ',', &part))
        return false;
    part = slice_trim(part);
    if (part.n == 0 || part.n >= PATH_MAX_BYTES)
        return false;
    memcpy(path, part.p, part.n);
    path[part.n] = '\0';
    return true;
}

static int load_pairs(const struct settings *settings, struct tls_context *context,
                      struct fault *fault)
{
    struct slice certificates = slice_from_cstr(settings->tls_certificate);
    struct slice keys = slice_from_cstr(settings->tls_key);
    bool has_keys = keys.n > 0;
    char certificate[PATH_MAX_BYTES], key[PATH_MAX_BYTES];

    while (take_path(&certificates, certificate)) {
        if (context->n == TLS_PAIRS_MAX)
            return fault_set(fault, ERR_CONFIG, "tls.certificate takes at most %d files",
                             TLS_PAIRS_MAX);
        if (has_keys && !take_path(&keys, key))
            return fault_set(fault, ERR_CONFIG,
                             "tls.key must name as many files as tls.certificate, in the same "
                             "order");
        int err = load_pair(settings, certificate, has_keys ? key : certificate,
                            &context->pairs[context->n++], fault);
        if (err != 0)
            return err;
    }
    if (certificates.n > 0 || context->n == 0)
        return fault_set(fault, ERR_CONFIG, "tls.certificate must be a list of files");
    if (keys.n > 0)
        return fault_set(fault, ERR_CONFIG,
                         "tls.key must name as many files as tls.certificate, in the same order");
    return 0;
}

int tls_context_load(const struct settings *settings, struct tls_context **context,
                     struct fault *fault)
{
    struct tls_context *made = xcalloc(1, sizeof(*made));

    atomic_init(&made->refs, 1);
    ERR_clear_error();
    int err = load_pairs(settings, made, fault);
    if (err != 0) {
        tls_context_unref(made);
        return err;
    }
    SSL_CTX_set_tlsext_servername_callback(made->pairs[0], choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(made->pairs[0], made);
    *context = made;
    return 0;
}

int64_t tls_context_expires_s(const struct tls_context *context)
{
    int64_t first_s = INT64_MAX;
    struct tm end;

    for (unsigned i = 0; i < context->n; i++) {
        const X509 *certificate = SSL_CTX_get0_certificate(context->pairs[i]);
        if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 && timegm(&end) < first_s)
            first_s = timegm(&end);
    }
    return first_s;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < context->n; i++)
        SSL_CTX_free(context->pairs[i]);
    free(context);
}

SSL *tls_context_connect(const struct tls_context *context, int fd)
{
    SSL *ssl = SSL_new(context->pairs[0]);

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
