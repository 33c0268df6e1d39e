/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder that files are pulled into. The names come from the registry, so from anybody: a name
 * never leads out of the folder, through a symbolic link, or onto something that is there already.
 * Main thread only.
 */
#ifndef CLI_FOLDER_H
#define CLI_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/slice.h"

#define TITLE_MAX    1024 /* bytes of a file's name with its folders */
#define PARTIAL_MAX  160  /* bytes of a temporary name, with NUL */
#define PARTIAL_MARK ".tidemark-"

/* ERR_NAME_INVALID unless `title` is a relative path of plain names: not empty, without '.' and
 * '..', control characters and broken UTF-8, and not one of our temporary names. */
int title_check(struct slice title, struct fault *fault) MUST_CHECK;

struct folder {
    int fd;
    const char *path; /* borrowed, for messages */
    bool is_new;      /* made by folder_open */
};

/* Made when it is missing (its parent is not). */
int folder_open(const char *path, struct folder *folder, struct fault *fault) MUST_CHECK;

/* With `keep` false a folder that we made and that is empty goes. */
void folder_close(struct folder *folder, bool keep);

enum folder_state { FOLDER_FREE, FOLDER_SAME, FOLDER_OTHER };

/* What is at `title` (which title_check took): nothing, a file with these bytes, or another file.
 * ERR_EXISTS when it is no file, or when a folder on the way is none. */
int folder_look(const struct folder *folder, struct slice title, const struct digest *digest,
                uint64_t size, enum folder_state *state, struct fault *fault) MUST_CHECK;

/* The temporary file of a blob, opened for writing and locked: a second pull that wants it gets
 * ERR_LOCKED. */
int folder_partial_open(const struct folder *folder, const struct digest *digest,
                        char name[PARTIAL_MAX], int *fd, struct fault *fault) MUST_CHECK;
void folder_partial_remove(const struct folder *folder, const char *name);

/* Gives a finished temporary file its name, and makes the folders on the way. Without `force`
 * nothing is replaced: ERR_EXISTS. */
int folder_place(const struct folder *folder, const char *partial, struct slice title, bool force,
                 struct fault *fault) MUST_CHECK;

#endif
