/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of a backup:
 *
 *   backup.json         of the last finished backup; without it there is none
 *   unfinished          while one is made, and after it was cut off
 *   lock                flock: one backup, or restores, at a time
 *   index.a, index.b    data.mdb, the copy of the index; backup.json says which one counts
 *   blobs/              as in a data directory
 *   incoming/           blobs on their way
 *
 * A new backup is written beside the last one and takes its place when backup.json is renamed: at
 * no time is there less than one. Blocking; one thread.
 */
#ifndef STORAGE_BACKUP_DIR_H
#define STORAGE_BACKUP_DIR_H

#include "storage/backup_info.h"
#include "storage/blob_file.h"

struct backup_dir {
    char *path;
    int fd, lock_fd, incoming_fd;
    struct datadir tree; /* only blobs_fd */
    struct blob_files *files;
    bool has_last;
    bool was_cut; /* the last run has not finished */
    struct backup_info *last;
    char next[BACKUP_INDEX_NAME_MAX]; /* folder of the index of the next one */
};

/* To make a backup: creates what is missing, locks, leaves `unfinished`. Refuses a directory with
 * other things in it (ERR_CONFIG), one inside of `data_path` (ERR_CONFIG), one that another backup
 * uses (ERR_LOCKED), a newer backup. */
int backup_dir_open(const char *path, const char *data_path, struct backup_dir *dir,
                    struct fault *fault) MUST_CHECK;

/* To restore: nothing is changed. ERR_NOT_FOUND when there is no finished backup in it. */
int backup_dir_open_read(const char *path, struct backup_dir *dir, struct fault *fault) MUST_CHECK;

void backup_dir_close(struct backup_dir *dir);

/* Descriptor of data.mdb in folder dir->next, empty; and of the one of a finished backup. */
int backup_dir_create_index(const struct backup_dir *dir, int *fd, struct fault *fault) MUST_CHECK;
int backup_dir_open_index(const struct backup_dir *dir, int *fd, struct fault *fault) MUST_CHECK;

/* Make `info` the backup that counts: everything it names is durable. */
int backup_dir_commit(struct backup_dir *dir, const struct backup_info *info,
                      struct fault *fault) MUST_CHECK;

/* The last step: what only the backup before needed is gone, `unfinished` too. */
int backup_dir_end(const struct backup_dir *dir, struct fault *fault) MUST_CHECK;

/* Is the directory `inner` the directory `outer` or below it? Also when links lead there. A path
 * that does not exist is where it would be made. */
bool backup_dir_is_below(const char *inner, const char *outer);

#endif
