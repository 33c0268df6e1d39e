/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key of the server as a file: a line "created <ms since 1970>", then the private key in PEM
 * (PKCS #8; RFC 7468 lets text stand before it, so other programs read it too). Named <kid>.pem,
 * mode 0600, written aside, synced, renamed. Blocking; any thread.
 */
#ifndef AUTH_SERVER_KEY_FILE_H
#define AUTH_SERVER_KEY_FILE_H

#include "auth/server_key.h"

#include <openssl/evp.h>

struct server_key_file {
    char kid[SERVER_KEY_KID_SIZE + 1];
    uint8_t public_key[SERVER_KEY_PUBLIC_SIZE];
    int64_t created_ms;
    EVP_PKEY *key; /* the caller's */
};

/* Is it what a key is called? Other files of the folder are left alone. */
bool server_key_file_is_one(const char *name);

/* A new key, in memory only. */
int server_key_file_generate(int64_t now_ms, struct server_key_file *file,
                             struct fault *fault) MUST_CHECK;

/* ERR_CORRUPT: no key, or not the one that the name says. ERR_CONFIG: others may read it. */
int server_key_file_read(int dir_fd, const char *name, struct server_key_file *file,
                         struct fault *fault) MUST_CHECK;
/* Durable when this returns 0. */
int server_key_file_write(int dir_fd, const struct server_key_file *file,
                          struct fault *fault) MUST_CHECK;
int server_key_file_remove(int dir_fd, const char *kid, struct fault *fault) MUST_CHECK;

#endif
