/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tidemark restore`: a data directory out of a backup.
 */
#ifndef SERVER_RESTORE_VERB_H
#define SERVER_RESTORE_VERB_H

/* The verb; argv[0] is its name. 0 when everything is there; 1 when it failed, or the backup did
 * not have some blobs; 2 usage. */
int restore_verb_run(int argc, char **argv);

#endif
