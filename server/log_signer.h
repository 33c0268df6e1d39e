/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs the head of the event log once an hour and at the end (auth/log_head.h), and records that
 * there is a new key. Main thread; nothing in it waits but the end.
 */
#ifndef SERVER_LOG_SIGNER_H
#define SERVER_LOG_SIGNER_H

#include <event2/event.h>

#include "storage/kv.h"

struct server_keys;
struct log_signer;

/* `keys` must outlive it. */
struct log_signer *log_signer_create(struct event_base *base, struct kv_store *kv,
                                     struct server_keys *keys);

/* Once a minute. */
void log_signer_look(struct log_signer *signer);

/* Waits for what is under way, then signs for the last time: when nobody writes any more, and
 * before the store is closed. NULL does nothing. */
void log_signer_destroy(struct log_signer *signer);

#endif
