/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gauges of the running server: what is open, queued, stored. Main thread, before the others start.
 */
#ifndef SERVER_GAUGES_H
#define SERVER_GAUGES_H

#include "server/server.h"

void gauges_register(struct server *server);

#endif
