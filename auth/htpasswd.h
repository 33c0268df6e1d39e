/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of users and bcrypt hashes as Apache's htpasswd -B writes it, kept by somebody else and
 * read again when it changed. Lines with another kind of hash, a name that cannot be one or a name
 * that comes twice are refused, all of the file with them: an old content goes on. Any thread.
 */
#ifndef AUTH_HTPASSWD_H
#define AUTH_HTPASSWD_H

#include <stdbool.h>

#include "auth/password.h"
#include "base/fault.h"
#include "base/slice.h"

#define HTPASSWD_FILE_MAX  (4u << 20) /* bytes */
#define HTPASSWD_LINES_MAX 20000

struct htpasswd;

/* Blocking. ERR_CONFIG names the first broken line and says how many there are. */
int htpasswd_open(const char *path, struct htpasswd **htpasswd, struct fault *fault) MUST_CHECK;
void htpasswd_close(struct htpasswd *htpasswd);

/* Blocking: read it again if it is another file than before (a symbolic link is followed) or was
 * written. On failure the old content stays, and the same fault is not given again until the file
 * has changed. *changed: there is new content. */
int htpasswd_refresh(struct htpasswd *htpasswd, bool *changed, struct fault *fault) MUST_CHECK;

/* The hash of a user; false when there is none. Does not block. */
bool htpasswd_find(struct htpasswd *htpasswd, struct slice user, char hash[PASSWORD_HASH_SIZE + 1]);

/* The highest cost in it, 0 when it is empty; and how many users. */
unsigned htpasswd_cost(struct htpasswd *htpasswd);
unsigned htpasswd_users(struct htpasswd *htpasswd);

/* Only parse: how many users. ERR_CONFIG. */
int htpasswd_check(struct slice text, unsigned *users, struct fault *fault) MUST_CHECK;

#endif
