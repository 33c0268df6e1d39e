/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What TLS connections are made with: certificates, their keys, the CA of client certificates and
 * what may be negotiated. Read whole from the files of the configuration and never changed; shared
 * by reference count. Any thread.
 */
#ifndef SERVER_TLS_CONTEXT_H
#define SERVER_TLS_CONTEXT_H

#include <openssl/types.h>

#include "server/settings.h"

/* Pairs of certificate and key. */
#define TLS_PAIRS_MAX 16

struct tls_context;

/* Reads every file that tls.certificate, tls.key and tls.client_ca name. ERR_CONFIG naming the file
 * that cannot be used and why; ERR_NO_MEMORY. The caller gets one reference. */
int tls_context_load(const struct settings *settings, struct tls_context **context,
                     struct fault *fault) MUST_CHECK;

struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* When the first of its certificates ends, in seconds since 1970. */
int64_t tls_context_expires_s(const struct tls_context *context);

/* A connection of it, in the role of a server; NULL without memory. The caller keeps its reference
 * to the context until SSL_free. */
SSL *tls_context_connect(const struct tls_context *context, int fd);

#endif
