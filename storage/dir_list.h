/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing a directory that is known by a descriptor.
 *
 *   DIR *list = dir_list_open(parent_fd, "blobs");
 *   while ((name = dir_list_next(list)) != NULL)
 *       ...
 *   closedir(list);
 *
 * Any thread, each its own list.
 */
#ifndef STORAGE_DIR_LIST_H
#define STORAGE_DIR_LIST_H

#include <dirent.h>

/* Opens folder `name` in `dir_fd` ("." for that itself; a link is not followed). NULL and errno
 * when that fails. closedir ends it; dirfd is the folder. */
DIR *dir_list_open(int dir_fd, const char *name);

/* The next name but "." and "..", valid until the next call. NULL at the end with errno 0, or with
 * the reason why the rest cannot be had. */
const char *dir_list_next(DIR *list);

#endif
