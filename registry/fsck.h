/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a store against itself, reading only: every row decodes, names and ids agree both ways,
 * links count up, uses, tags, tagof, referrers and holds name what exists, the event chain holds,
 * every live blob has its file with its size; files no row names are listed (not an error: a crash
 * between rename and commit leaves one). Blocking; on a thread of its own, with a server running or
 * without.
 */
#ifndef REGISTRY_FSCK_H
#define REGISTRY_FSCK_H

#include "storage/store.h"

enum fsck_level { FSCK_NOTE, FSCK_ERROR };

struct fsck_summary {
    uint64_t repositories, manifests, blobs, tags, events, files, errors, notes;
};

/* `report` gets one line for each finding. ERR_CORRUPT when there was an error; ERR_IO and others
 * when the check itself could not run. */
int fsck_run(struct store *store,
             void (*report)(enum fsck_level level, const char *text, void *arg), void *arg,
             struct fsck_summary *summary, struct fault *fault) MUST_CHECK;

#endif
