/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connections and requests need of their worker; nobody else includes it. Worker thread only.
 */
#ifndef SERVER_WORKER_PRIVATE_H
#define SERVER_WORKER_PRIVATE_H

#include "server/conn.h"

/* Put it at the end of the list of its wait, with the time of now. */
void worker_wait(struct conn *conn, enum conn_wait wait);

/* Run it at the end of this turn. */
void worker_ready(struct conn *conn);

/* All of the worker's connections: in, on the graveyard, out. */
void worker_adopt_conn(struct conn *conn);
void worker_bury_conn(struct conn *conn);
void worker_forget_conn(struct conn *conn);

/* Exchanges in reserve: a stack, the warmest on top. One taken is empty. */
struct exchange *worker_take_exchange(struct worker *worker);
void worker_give_exchange(struct worker *worker, struct exchange *exchange);
/* Given back at the end of the turn: its handler is still on the stack. */
void worker_bury_exchange(struct worker *worker, struct exchange *exchange);

/* "Date: ...\r\n" of now. */
struct slice worker_date_field(struct worker *worker);

/* Unlikely to be equal for two requests, across restarts too. */
uint64_t worker_request_id(struct worker *worker);

#endif
