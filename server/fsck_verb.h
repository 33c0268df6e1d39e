/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tidemark fsck`: checks a data directory, through its server when one runs.
 */
#ifndef SERVER_FSCK_VERB_H
#define SERVER_FSCK_VERB_H

#include <stdio.h>

#include "storage/store.h"

/* The verb; argv[0] is its name. 0 clean, 1 not clean or not possible, 2 usage. */
int fsck_verb_run(int argc, char **argv);

/* Check an open store and write findings and a summary; 0 clean, 1 not. */
int fsck_verb_check(struct store *store, FILE *out);

#endif
