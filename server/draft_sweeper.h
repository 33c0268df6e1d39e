/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes drafts that nobody published, in slices that give way to everything else: one function of
 * the background lane at a time. Main thread.
 */
#ifndef SERVER_DRAFT_SWEEPER_H
#define SERVER_DRAFT_SWEEPER_H

#include <event2/event.h>

#include <stdint.h>

#include "storage/kv.h"

struct draft_sweeper;

struct draft_sweeper *draft_sweeper_create(struct event_base *base, struct kv_store *kv);

/* Waits for a slice under way. */
void draft_sweeper_destroy(struct draft_sweeper *sweeper);

/* Begin a sweep, unless one is going on. */
void draft_sweeper_start(struct draft_sweeper *sweeper, uint64_t expire_ms);

#endif
