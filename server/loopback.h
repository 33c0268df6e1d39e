/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without authentication the server is a tool for this machine, and stays one: requests that came
 * through a proxy, or from a web page of another origin, are refused (architecture: HTTP path).
 */
#ifndef SERVER_LOOPBACK_H
#define SERVER_LOOPBACK_H

#include "server/request.h"

/* ERR_HTTP_FORBIDDEN with words that name the key which allows it. */
int loopback_check(const struct request *r, struct fault *fault) MUST_CHECK;

/* True for localhost, 127.0.0.0/8 and [::1], with or without a port. */
bool loopback_host(struct slice host);

/* Whether a connection came in at an address of this machine alone. */
bool loopback_socket(int fd);

#endif
