/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs that keep credentials for container clients, docker-credential-NAME: "get", "store"
 * and "erase", by standard input and output. Blocking; main thread only.
 */
#ifndef CLI_DOCKER_HELPER_H
#define CLI_DOCKER_HELPER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

#define DOCKER_HELPER_NAME_MAX   64
#define DOCKER_HELPER_OUTPUT_MAX 65536

/* Runs docker-credential-`name` `action` with `input`; what it prints is added to `output`.
 * ERR_NOT_FOUND: it has no credential for that. ERR_INVALID for a name that is none; ERR_IO and
 * others, with what it said, when it fails. */
int docker_helper_run(struct slice name, const char *action, struct slice input, struct buf *output,
                      struct fault *fault) MUST_CHECK;

#endif
