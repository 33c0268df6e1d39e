/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the events about secrets that expire soon and removes those that have long been dead, in
 * slices that give way to everything else: one function of the background lane at a time. Main
 * thread.
 */
#ifndef SERVER_TOKEN_SWEEPER_H
#define SERVER_TOKEN_SWEEPER_H

#include <event2/event.h>

#include <stdint.h>

#include "storage/kv.h"

struct token_sweeper;

struct token_sweeper *token_sweeper_create(struct event_base *base, struct kv_store *kv);

/* Waits for a slice under way. */
void token_sweeper_destroy(struct token_sweeper *sweeper);

/* Begin a sweep, unless one is going on. `warn_ms` before a secret expires its event is due. */
void token_sweeper_start(struct token_sweeper *sweeper, uint64_t warn_ms);

#endif
