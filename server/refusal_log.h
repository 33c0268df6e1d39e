/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events about refusals (access.refused): who was denied which verb where. A client that tries
 * again and again is one event a minute, and there are at most a few a second in all, so that
 * nobody can fill the log by asking for what is not theirs. One for each worker, on its thread.
 */
#ifndef SERVER_REFUSAL_LOG_H
#define SERVER_REFUSAL_LOG_H

#include "server/request.h"

struct refusal_log;

struct refusal_log *refusal_log_create(void);
void refusal_log_destroy(struct refusal_log *log);

/* r->identity lacks `verb` in r->repository (empty: for the server). */
void refusal_log_add(struct request *r, enum verb verb);

#endif
