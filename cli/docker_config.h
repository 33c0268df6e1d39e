/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credentials that container clients share: $DOCKER_CONFIG/config.json or
 * ~/.docker/config.json, and the helpers that it names. What docker, podman, crane or oras logged
 * in to, this reads, and the other way round. Blocking; main thread only.
 */
#ifndef CLI_DOCKER_CONFIG_H
#define CLI_DOCKER_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

#define DOCKER_SECRET_MAX 65536

/* Begin with docker_secret_init; fini wipes it. */
struct docker_secret {
    struct buf user;
    struct buf secret;     /* a password, or a token as one */
    bool is_refresh_token; /* `secret` is one: good for the token service only */
};
void docker_secret_init(struct docker_secret *secret);
void docker_secret_fini(struct docker_secret *secret);

/* For "host:port" as in the references of docker. ERR_NOT_FOUND: there is none. */
int docker_config_get(struct slice host, struct docker_secret *secret,
                      struct fault *fault) MUST_CHECK;

/* In the helper that the file names for this host, else in the file itself, which is replaced as a
 * whole and can be read by its owner only. *where (may be NULL) says where, for people. */
int docker_config_put(struct slice host, struct slice user, struct slice secret, struct buf *where,
                      struct fault *fault) MUST_CHECK;

/* ERR_NOT_FOUND: there was none. */
int docker_config_erase(struct slice host, struct fault *fault) MUST_CHECK;

#endif
