/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether blob files may be removed now. A backup takes a snapshot of the index and then copies the
 * files it names: until it has them, none may go. It pauses reaping for that time; whoever removes
 * what a row names does it in slices, each between reap_gate_enter and reap_gate_leave:
 *
 *   enter - look again at the row - commit its deletion - unlink, sync the folder - leave
 *
 * A slice that began before the pause is waited for, so that no snapshot taken during the pause
 * names a file that goes. A file whose row never was committed (registry/push.c takes those back)
 * is in no snapshot and needs no gate. Any thread.
 */
#ifndef STORAGE_REAP_GATE_H
#define STORAGE_REAP_GATE_H

#include <stdbool.h>

#include "base/err.h"

struct reap_gate;

struct reap_gate *reap_gate_create(void);
void reap_gate_destroy(struct reap_gate *gate);

/* False while reaping is paused: nothing may be removed; try again later. Never blocks. */
bool reap_gate_enter(struct reap_gate *gate) MUST_CHECK;
void reap_gate_leave(struct reap_gate *gate);

/* Each pause needs its resume. Blocks until the slices under way have ended. */
void reap_gate_pause(struct reap_gate *gate);
void reap_gate_resume(struct reap_gate *gate);

/* How many pauses there are now. */
unsigned reap_gate_pauses(struct reap_gate *gate);

#endif
