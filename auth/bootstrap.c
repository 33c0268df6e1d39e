/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the row first, then the file: a file without its row opens nothing, a row without its
 * file dies within the hour. The file is made aside with its rights and renamed, so that nobody
 * reads half of it or reads it before it is closed to others. What an earlier start offered goes
 * with it.
 */
#include "config.h"
#include "auth/bootstrap.h"

#include "auth/token.h"
#include "auth/token_secret.h"
#include "auth/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define ASIDE      BOOTSTRAP_FILE ".new"
#define REMOVE_MAX 16

int bootstrap_remove(struct kv_tx *tx, void *removed)
{
    struct key prefix = key_prefix(KV_TOKEN);
    uint64_t ids[REMOVE_MAX];
    struct key_fields fields;
    struct slice key, value;
    struct row_token row;
    struct kv_scan scan;
    unsigned n = 0;
    int err = kv_scan_begin(tx, key_slice(&prefix), SLICE(""), UINT32_MAX, &scan);

    if (err != 0)
        return err;
    while (n < REMOVE_MAX && (err = kv_scan_next(&scan, &key, &value)) == 0)
        if (row_token_decode(value, &row) == 0 && row.kind == TOKEN_BOOTSTRAP &&
            key_decode(key, &fields) == 0)
            ids[n++] = fields.id[0];
    kv_scan_end(&scan);
    if (err == ERR_NOT_FOUND)
        err = 0;
    for (unsigned i = 0; i < n && err == 0; i++) {
        struct key one = key_token(ids[i]);

        err = kv_del(tx, key_slice(&one));
    }
    if (removed != NULL)
        *(unsigned *)removed = n;
    return err;
}

static int replace(struct kv_tx *tx, void *token)
{
    int err = bootstrap_remove(tx, NULL);

    return err != 0 ? err : token_create(tx, token);
}

/* The secret and a newline, synced, under its final name. */
static int write_file(int dir_fd, const struct token_secret *secret, struct fault *fault)
{
    char text[TOKEN_TEXT_SIZE + 2];
    int fd, sys = 0;

    (void)unlinkat(dir_fd, ASIDE, 0);
    fd = openat(dir_fd, ASIDE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "%s", ASIDE);
    int n = snprintf(text, sizeof(text), "%s\n", secret->text);
    if (write(fd, text, (size_t)n) != n || fsync(fd) != 0)
        sys = errno != 0 ? errno : EIO;
    if (close(fd) != 0 && sys == 0)
        sys = errno;
    if (sys == 0 && renameat(dir_fd, ASIDE, dir_fd, BOOTSTRAP_FILE) != 0)
        sys = errno;
    if (sys == 0 && fsync(dir_fd) != 0)
        sys = errno;
    return sys != 0 ? fault_set_errno(fault, sys, "%s", BOOTSTRAP_FILE) : 0;
}

int bootstrap_offer(struct kv_store *kv, int dir_fd, struct fault *fault)
{
    struct token_create token = {
        .kind = TOKEN_BOOTSTRAP,
        .life_ms = BOOTSTRAP_LIFE_MS,
        .verbs = VERB_BITS_ALL,
        .description = SLICE("for the first administrator"),
        .actor = SLICE("system"),
    };
    struct token_secret secret;
    int err = token_secret_make(TOKEN_BOOTSTRAP, &secret);

    if (err != 0)
        return fault_set(fault, err, "there are no random bytes");
    token.id = secret.id;
    memcpy(token.sha256, secret.sha256, sizeof(token.sha256));
    err = kv_write_sync(kv, replace, &token);
    if (err != 0)
        (void)fault_set(fault, err, "the bootstrap token: %s", err_text(err));
    else
        err = write_file(dir_fd, &secret, fault);
    token_secret_wipe(&secret);
    return err;
}

static int remove_file(int dir_fd, const char *name, struct fault *fault)
{
    if (unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT)
        return fault_set_errno(fault, errno, "%s", name);
    return 0;
}

int bootstrap_withdraw(struct kv_store *kv, int dir_fd, struct fault *fault)
{
    unsigned removed;
    int err = remove_file(dir_fd, BOOTSTRAP_FILE, fault);

    if (err == 0)
        err = remove_file(dir_fd, ASIDE, fault);
    if (err != 0)
        return err;
    err = kv_write_sync(kv, bootstrap_remove, &removed);
    return err != 0 ? fault_set(fault, err, "the bootstrap token: %s", err_text(err)) : 0;
}
