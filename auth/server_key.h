/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own keys (Ed25519): the newest one signs tokens and the head of the event log, older
 * ones only verify until the tokens they signed are dead. A key is the file keys/<kid>.pem of the
 * data directory, mode 0600; its kid is made from its public half (RFC 7638), so a file cannot
 * stand for another key.
 *
 * open, rotate and close: one thread. The rest: any thread.
 */
#ifndef AUTH_SERVER_KEY_H
#define AUTH_SERVER_KEY_H

#include "auth/jwk.h"
#include "base/buf.h"
#include "storage/datadir.h"

#define SERVER_KEY_KID_SIZE       32 /* lower-case hex */
#define SERVER_KEY_PUBLIC_SIZE    32
#define SERVER_KEY_SIGNATURE_SIZE 64
#define SERVER_KEYS_MAX           16

struct server_keys_options {
    uint64_t rotation_ms; /* age at which a new key takes over; 0: never */
    uint64_t keep_ms;     /* from then on the old one verifies so long: the life of a token and the
                             difference of clocks */
};

struct server_keys;
struct server_key; /* one of them; immutable, counted */

/* Reads the keys; makes the first one when there is none, durable when this returns. ERR_CORRUPT
 * names a file that is no key of ours, ERR_CONFIG one that others may read. */
int server_keys_open(const struct datadir *dir, const struct server_keys_options *options,
                     int64_t now_ms, struct server_keys **keys, struct fault *fault) MUST_CHECK;
void server_keys_close(struct server_keys *keys); /* NULL does nothing */

/* Does the data directory have keys? Without opening them. */
bool server_keys_exist(const struct datadir *dir);

/* Other options from now on. Same thread as rotate. */
void server_keys_configure(struct server_keys *keys, const struct server_keys_options *options);

/* Looks at every file, changes nothing: for fsck. `each` gets a sentence for each that is wrong. */
int server_keys_check(const struct datadir *dir, void (*each)(const char *what, void *arg),
                      void *arg, struct fault *fault) MUST_CHECK;

/* To be called now and then: makes the next key when it is time, or when `now` says so (somebody
 * asked); removes the files of keys whose tokens are dead. *made says whether there is a new one.
 */
int server_keys_rotate(struct server_keys *keys, int64_t now_ms, bool now, bool *made,
                       struct fault *fault) MUST_CHECK;

/* Was a key made (at the start or by rotate) since this was asked last? For who records it. */
bool server_keys_take_made(struct server_keys *keys);

/* The document of GET /api/v1/keys: a JWK Set, newest first. */
void server_keys_format(struct server_keys *keys, struct buf *out);

/* The one that signs; and the one with this kid, NULL when there is none. unref when done. */
struct server_key *server_keys_newest(struct server_keys *keys);
struct server_key *server_keys_find(struct server_keys *keys, struct slice kid);
struct server_key *server_key_ref(struct server_key *key);
void server_key_unref(struct server_key *key); /* NULL does nothing */

struct slice server_key_kid(const struct server_key *key);
struct slice server_key_public(const struct server_key *key); /* SERVER_KEY_PUBLIC_SIZE raw bytes */
const struct jwk *server_key_jwk(const struct server_key *key);
int64_t server_key_created_ms(const struct server_key *key);

int server_key_sign(const struct server_key *key, struct slice message,
                    uint8_t signature[SERVER_KEY_SIGNATURE_SIZE], struct fault *fault) MUST_CHECK;

/* Is it a signature by the key of these raw bytes? For who has no server_key: a record of long ago.
 * ERR_UNAUTHORIZED: no. */
int server_key_verify_raw(struct slice public_key, struct slice message, struct slice signature,
                          struct fault *fault) MUST_CHECK;
/* The kid that belongs to a public key (raw bytes). */
void server_key_kid_of(struct slice public_key, char kid[SERVER_KEY_KID_SIZE + 1]);

#endif
