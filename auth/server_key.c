/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the keys are an array, newest first, behind a mutex that is held for looking and never
 * for cryptography or files: who signs or verifies takes a reference. Which key is newest follows
 * from the times in the files, so that there is no second place to say it and a crash between two
 * writes leaves nothing undecided.
 *
 * A key that a clock set too far ahead has dated into the future stays the newest until the clock
 * reaches it, or somebody rotates by hand: the next one is dated after it.
 */
#include "config.h"
#include "auth/server_key.h"

#include "auth/jwk_internal.h"
#include "auth/server_key_file.h"
#include "base/base64url.h"
#include "base/mem.h"
#include "storage/dir_list.h"

#include <openssl/err.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct server_key {
    atomic_uint refs;
    struct server_key_file file;
    struct jwk jwk; /* borrows from `file` */
};

struct server_keys {
    int dir_fd;
    struct server_keys_options options;
    pthread_mutex_t mutex;
    struct server_key *key[SERVER_KEYS_MAX]; /* newest first */
    unsigned n;
    atomic_bool made; /* one is new and nobody has asked yet */
};

/*
 * One key.
 */

static struct server_key *key_create_take(const struct server_key_file *file)
{
    struct server_key *key = xcalloc(1, sizeof(*key));

    atomic_init(&key->refs, 1);
    key->file = *file;
    key->jwk = (struct jwk){
        .kid = slice_make(key->file.kid, SERVER_KEY_KID_SIZE),
        .algorithms = JWK_BIT(JWK_EDDSA),
        .signature_size = SERVER_KEY_SIGNATURE_SIZE,
        .key = key->file.key,
    };
    return key;
}

struct server_key *server_key_ref(struct server_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void server_key_unref(struct server_key *key)
{
    if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    EVP_PKEY_free(key->file.key);
    free(key);
}

struct slice server_key_kid(const struct server_key *key)
{
    return key->jwk.kid;
}

struct slice server_key_public(const struct server_key *key)
{
    return slice_make(key->file.public_key, sizeof(key->file.public_key));
}

const struct jwk *server_key_jwk(const struct server_key *key)
{
    return &key->jwk;
}

int64_t server_key_created_ms(const struct server_key *key)
{
    return key->file.created_ms;
}

int server_key_sign(const struct server_key *key, struct slice message,
                    uint8_t signature[SERVER_KEY_SIGNATURE_SIZE], struct fault *fault)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t n = SERVER_KEY_SIGNATURE_SIZE;
    bool done =
        context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key->file.key) == 1 &&
        EVP_DigestSign(context, signature, &n, (const unsigned char *)message.p, message.n) == 1 &&
        n == SERVER_KEY_SIGNATURE_SIZE;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return done ? 0 : fault_set(fault, ERR_INTERNAL, "the library of cryptography cannot sign");
}

int server_key_verify_raw(struct slice public_key, struct slice message, struct slice signature,
                          struct fault *fault)
{
    struct jwk jwk = {.algorithms = JWK_BIT(JWK_EDDSA),
                      .signature_size = SERVER_KEY_SIGNATURE_SIZE};
    int err;

    if (public_key.n != SERVER_KEY_PUBLIC_SIZE)
        return fault_set(fault, ERR_UNAUTHORIZED, "it is no public key");
    jwk.key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)public_key.p,
                                          public_key.n);
    if (jwk.key == NULL)
        return fault_set(fault, ERR_UNAUTHORIZED, "it is no public key");
    err = jwk_verify(&jwk, JWK_EDDSA, message, signature, fault);
    EVP_PKEY_free(jwk.key);
    return err;
}

/*
 * All of them.
 */

static int compare(const void *a, const void *b)
{
    const struct server_key *x = *(struct server_key *const *)a;
    const struct server_key *y = *(struct server_key *const *)b;

    if (x->file.created_ms != y->file.created_ms)
        return x->file.created_ms > y->file.created_ms ? -1 : 1;
    return strcmp(x->file.kid, y->file.kid);
}

static int read_all(struct server_keys *keys, struct fault *fault)
{
    DIR *list = dir_list_open(keys->dir_fd, ".");
    const char *name;
    int err = 0;

    if (list == NULL)
        return fault_set_errno(fault, errno, "cannot list keys");
    while (err == 0 && (name = dir_list_next(list)) != NULL) {
        struct server_key_file file;

        if (!server_key_file_is_one(name))
            continue;
        if (keys->n == SERVER_KEYS_MAX) {
            err = fault_set(fault, ERR_LIMIT, "there are more than %d keys: remove old ones",
                            SERVER_KEYS_MAX);
            break;
        }
        err = server_key_file_read(keys->dir_fd, name, &file, fault);
        if (err == 0)
            keys->key[keys->n++] = key_create_take(&file);
    }
    if (err == 0 && errno != 0)
        err = fault_set_errno(fault, errno, "cannot list keys");
    closedir(list);
    qsort(keys->key, keys->n, sizeof(keys->key[0]), compare);
    return err;
}

/* Adds a key that is newer than all. Only the thread that rotates changes the array, so it may read
 * it without the mutex. */
static int add_new(struct server_keys *keys, int64_t now_ms, struct fault *fault)
{
    struct server_key_file file;
    struct server_key *key;
    int err;

    if (keys->n == SERVER_KEYS_MAX)
        return fault_set(fault, ERR_LIMIT,
                         "there are %d keys whose tokens may still be valid: wait until the oldest "
                         "has ended",
                         SERVER_KEYS_MAX);
    if (keys->n > 0 && now_ms <= keys->key[0]->file.created_ms)
        now_ms = keys->key[0]->file.created_ms + 1;
    err = server_key_file_generate(now_ms, &file, fault);
    if (err != 0)
        return err;
    err = server_key_file_write(keys->dir_fd, &file, fault);
    if (err != 0) {
        EVP_PKEY_free(file.key);
        return err;
    }
    key = key_create_take(&file);
    pthread_mutex_lock(&keys->mutex);
    memmove(keys->key + 1, keys->key, keys->n * sizeof(keys->key[0]));
    keys->key[0] = key;
    keys->n++;
    pthread_mutex_unlock(&keys->mutex);
    atomic_store(&keys->made, true);
    return 0;
}

bool server_keys_take_made(struct server_keys *keys)
{
    return atomic_exchange(&keys->made, false);
}

/* The oldest, when the one after it has signed for so long that no token of the oldest lives. */
static bool oldest_is_dead(const struct server_keys *keys, int64_t now_ms)
{
    return keys->n > 1 &&
           now_ms - keys->key[keys->n - 2]->file.created_ms > (int64_t)keys->options.keep_ms;
}

static int drop_dead(struct server_keys *keys, int64_t now_ms, struct fault *fault)
{
    int err = 0;

    while (err == 0 && oldest_is_dead(keys, now_ms)) {
        struct server_key *key = keys->key[keys->n - 1];

        err = server_key_file_remove(keys->dir_fd, key->file.kid, fault);
        if (err != 0)
            break;
        pthread_mutex_lock(&keys->mutex);
        keys->n--;
        pthread_mutex_unlock(&keys->mutex);
        server_key_unref(key);
    }
    return err;
}

int server_keys_rotate(struct server_keys *keys, int64_t now_ms, bool now, bool *made,
                       struct fault *fault)
{
    int64_t age_ms = keys->n == 0 ? 0 : now_ms - keys->key[0]->file.created_ms;
    bool due = now || keys->n == 0 ||
               (keys->options.rotation_ms != 0 && age_ms >= (int64_t)keys->options.rotation_ms);
    int err;

    *made = false;
    err = drop_dead(keys, now_ms, fault);
    if (err == 0 && due)
        err = add_new(keys, now_ms, fault);
    *made = err == 0 && due;
    return err;
}

void server_keys_configure(struct server_keys *keys, const struct server_keys_options *options)
{
    keys->options = *options;
}

int server_keys_open(const struct datadir *dir, const struct server_keys_options *options,
                     int64_t now_ms, struct server_keys **out, struct fault *fault)
{
    struct server_keys *keys = xcalloc(1, sizeof(*keys));
    bool made;
    int err;

    keys->options = *options;
    pthread_mutex_init(&keys->mutex, NULL);
    err = datadir_open_keys(dir, true, &keys->dir_fd, fault);
    if (err == 0)
        err = read_all(keys, fault);
    if (err == 0)
        err = server_keys_rotate(keys, now_ms, false, &made, fault);
    if (err != 0) {
        server_keys_close(keys);
        keys = NULL;
    }
    *out = keys;
    return err;
}

void server_keys_close(struct server_keys *keys)
{
    if (keys == NULL)
        return;
    for (unsigned i = 0; i < keys->n; i++)
        server_key_unref(keys->key[i]);
    if (keys->dir_fd >= 0)
        close(keys->dir_fd);
    pthread_mutex_destroy(&keys->mutex);
    free(keys);
}

struct server_key *server_keys_newest(struct server_keys *keys)
{
    struct server_key *key;

    pthread_mutex_lock(&keys->mutex);
    key = server_key_ref(keys->key[0]);
    pthread_mutex_unlock(&keys->mutex);
    return key;
}

struct server_key *server_keys_find(struct server_keys *keys, struct slice kid)
{
    struct server_key *key = NULL;

    pthread_mutex_lock(&keys->mutex);
    for (unsigned i = 0; i < keys->n && key == NULL; i++)
        if (slice_eq(keys->key[i]->jwk.kid, kid))
            key = server_key_ref(keys->key[i]);
    pthread_mutex_unlock(&keys->mutex);
    return key;
}

static void format_key(const struct server_key *key, struct buf *out)
{
    buf_add(out, SLICE("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"alg\":\"EdDSA\","
                       "\"kid\":\""));
    buf_add(out, key->jwk.kid);
    buf_add(out, SLICE("\",\"x\":\""));
    base64url_encode(out, server_key_public(key));
    buf_add(out, SLICE("\"}"));
}

void server_keys_format(struct server_keys *keys, struct buf *out)
{
    buf_add(out, SLICE("{\"keys\":["));
    pthread_mutex_lock(&keys->mutex);
    for (unsigned i = 0; i < keys->n; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        format_key(keys->key[i], out);
    }
    pthread_mutex_unlock(&keys->mutex);
    buf_add(out, SLICE("]}"));
}

/*
 * Without opening them.
 */

bool server_keys_exist(const struct datadir *dir)
{
    bool found = false;
    const char *name;
    DIR *list;
    int fd;

    if (datadir_open_keys(dir, false, &fd, NULL) != 0)
        return false;
    list = dir_list_open(fd, ".");
    while (list != NULL && !found && (name = dir_list_next(list)) != NULL)
        found = server_key_file_is_one(name);
    if (list != NULL)
        closedir(list);
    close(fd);
    return found;
}

int server_keys_check(const struct datadir *dir, void (*each)(const char *what, void *arg),
                      void *arg, struct fault *fault)
{
    const char *name;
    DIR *list;
    int fd, err = datadir_open_keys(dir, false, &fd, fault);

    if (err == ERR_NOT_FOUND && fault != NULL)
        *fault = (struct fault)FAULT_INIT; /* no keys are no failure */
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    list = dir_list_open(fd, ".");
    if (list == NULL) {
        err = fault_set_errno(fault, errno, "cannot list keys");
        close(fd);
        return err;
    }
    while ((name = dir_list_next(list)) != NULL) {
        struct fault why = FAULT_INIT;
        struct server_key_file file;

        if (!server_key_file_is_one(name))
            continue;
        int wrong = server_key_file_read(fd, name, &file, &why);
        if (wrong != 0)
            each(fault_text(&why, wrong), arg);
        else
            EVP_PKEY_free(file.key);
    }
    closedir(list);
    close(fd);
    return 0;
}
