/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tidemark backup`: one snapshot of a data directory into another directory, while it is served or
 * not.
 */
#ifndef SERVER_BACKUP_VERB_H
#define SERVER_BACKUP_VERB_H

/* The verb; argv[0] is its name. 0 when the backup is whole; 1 when it failed, or some blobs are
 * not in it; 2 usage. */
int backup_verb_run(int argc, char **argv);

#endif
