/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of every request: metrics by route pattern and status, and the access line. Worker thread
 * only (access_register: main, before the workers start).
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "server/request.h"

void access_register(void);

/* `reason` is why the connection ended the request early, or NULL. */
void access_end(const struct request *r, int status, uint64_t bytes_in, uint64_t bytes_out,
                const char *reason);

#endif
