/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/server_key_file.h"

#include "base/base64url.h"
#include "base/digest.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX     1024
#define SUFFIX       ".pem"
#define TEMP_NAME    "key.new"
#define CREATED      "created "
#define KEY_NAME_MAX (SERVER_KEY_KID_SIZE + sizeof(SUFFIX))

bool server_key_file_is_one(const char *name)
{
    return strspn(name, "0123456789abcdef") == SERVER_KEY_KID_SIZE &&
           strcmp(name + SERVER_KEY_KID_SIZE, SUFFIX) == 0;
}

/* RFC 7638 section 3, with RFC 8037 section 2: the required members, in order of their names. Half
 * of the hash is enough for a name, and hex is easy to type. */
void server_key_kid_of(struct slice public_key, char kid[SERVER_KEY_KID_SIZE + 1])
{
    struct digest thumbprint;
    struct buf text, hex;

    buf_init(&text, 256);
    buf_init(&hex, SERVER_KEY_KID_SIZE);
    buf_add(&text, SLICE("{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\""));
    base64url_encode(&text, public_key);
    buf_add(&text, SLICE("\"}"));
    digest_compute(DIGEST_SHA256, buf_slice(&text), &thumbprint);
    buf_add_hex(&hex, slice_make(thumbprint.raw, SERVER_KEY_KID_SIZE / 2));
    memset(kid, 0, SERVER_KEY_KID_SIZE + 1);
    memcpy(kid, hex.p, hex.n);
    buf_fini(&text);
    buf_fini(&hex);
}

static bool take_public(struct server_key_file *file)
{
    size_t n = sizeof(file->public_key);

    if (EVP_PKEY_get_raw_public_key(file->key, file->public_key, &n) != 1 ||
        n != sizeof(file->public_key))
        return false;
    server_key_kid_of(slice_make(file->public_key, n), file->kid);
    return true;
}

int server_key_file_generate(int64_t now_ms, struct server_key_file *file, struct fault *fault)
{
    memset(file, 0, sizeof(*file));
    file->created_ms = now_ms;
    file->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (file->key != NULL && take_public(file))
        return 0;
    EVP_PKEY_free(file->key);
    file->key = NULL;
    ERR_clear_error();
    return fault_set(fault, ERR_INTERNAL, "the library of cryptography cannot make a key");
}

/*
 * Reading.
 */

static bool parse_created(struct slice *text, int64_t *created_ms)
{
    struct slice line;
    uint64_t value;

    if (!slice_split(text, '\n', &line) || !slice_starts_with(line, SLICE(CREATED)) ||
        !slice_parse_u64(slice_sub(line, strlen(CREATED), line.n), &value) || value > INT64_MAX / 2)
        return false;
    *created_ms = (int64_t)value;
    return true;
}

static bool parse(struct slice text, struct server_key_file *file)
{
    BIO *bio;

    if (!parse_created(&text, &file->created_ms))
        return false;
    bio = BIO_new_mem_buf(text.p, (int)text.n);
    /* An empty pass phrase: without one OpenSSL would ask for it at the terminal. */
    if (bio != NULL)
        file->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
    BIO_free(bio);
    ERR_clear_error();
    return file->key != NULL && EVP_PKEY_is_a(file->key, "ED25519") && take_public(file);
}

static int read_text(int dir_fd, const char *name, char text[FILE_MAX], size_t *n,
                     struct fault *fault)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int err = 0;

    *n = 0;
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open keys/%s", name);
    ssize_t got = pread(fd, text, FILE_MAX, 0);
    if (got < 0 || fstat(fd, &st) != 0)
        err = fault_set_errno(fault, errno, "cannot read keys/%s", name);
    else if ((st.st_mode & 077) != 0)
        err = fault_set(fault, ERR_CONFIG,
                        "keys/%s may be read by others (mode %03o): who has it can sign any token. "
                        "Remove it, and a new one is made; or, if nobody saw it, chmod 600",
                        name, (unsigned)st.st_mode & 0777);
    else
        *n = (size_t)got;
    close(fd);
    return err;
}

int server_key_file_read(int dir_fd, const char *name, struct server_key_file *file,
                         struct fault *fault)
{
    char text[FILE_MAX];
    size_t n;
    int err;

    memset(file, 0, sizeof(*file));
    err = read_text(dir_fd, name, text, &n, fault);
    if (err == 0 &&
        (!parse(slice_make(text, n), file) || strncmp(file->kid, name, SERVER_KEY_KID_SIZE) != 0))
        err = fault_set(fault, ERR_CORRUPT,
                        "keys/%s is not the key that its name says: remove it; tokens that it "
                        "signed are refused, and clients fetch new ones",
                        name);
    OPENSSL_cleanse(text, sizeof(text));
    if (err != 0) {
        EVP_PKEY_free(file->key);
        file->key = NULL;
    }
    return err;
}

/*
 * Writing.
 */

static void file_name(const char *kid, char name[KEY_NAME_MAX])
{
    snprintf(name, KEY_NAME_MAX, "%.*s" SUFFIX, SERVER_KEY_KID_SIZE, kid);
}

/* 0, or errno. */
static int write_text(int dir_fd, const char *text, size_t n)
{
    int fd = openat(dir_fd, TEMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int sys = 0;

    if (fd < 0)
        return errno;
    ssize_t written = write(fd, text, n);
    if (written < 0)
        sys = errno;
    else if ((size_t)written != n)
        sys = ENOSPC;
    else if (fchmod(fd, 0600) != 0 || fsync(fd) != 0)
        sys = errno;
    close(fd);
    return sys;
}

static int put(int dir_fd, const char *name, const char *text, size_t n, struct fault *fault)
{
    int sys = write_text(dir_fd, text, n);

    if (sys == 0 && renameat(dir_fd, TEMP_NAME, dir_fd, name) != 0)
        sys = errno;
    if (sys == 0 && fsync(dir_fd) != 0)
        sys = errno;
    if (sys == 0)
        return 0;
    unlinkat(dir_fd, TEMP_NAME, 0);
    return fault_set_errno(fault, sys, "cannot write keys/%s", name);
}

int server_key_file_write(int dir_fd, const struct server_key_file *file, struct fault *fault)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char name[KEY_NAME_MAX];
    char *text;
    int err;

    file_name(file->kid, name);
    if (bio == NULL || BIO_printf(bio, CREATED "%" PRId64 "\n", file->created_ms) <= 0 ||
        PEM_write_bio_PKCS8PrivateKey(bio, file->key, NULL, NULL, 0, NULL, NULL) != 1) {
        err = fault_set(fault, ERR_INTERNAL, "a key cannot be written as PEM");
    } else {
        long n = BIO_get_mem_data(bio, &text);

        err = put(dir_fd, name, text, (size_t)n, fault);
    }
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

int server_key_file_remove(int dir_fd, const char *kid, struct fault *fault)
{
    char name[KEY_NAME_MAX];

    file_name(kid, name);
    if ((unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT) || fsync(dir_fd) != 0)
        return fault_set_errno(fault, errno, "cannot remove keys/%s", name);
    return 0;
}
