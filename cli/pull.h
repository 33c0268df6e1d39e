/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching one blob into a folder under a name: the half of `pull` that meets the disk. Main thread
 * only.
 */
#ifndef CLI_PULL_H
#define CLI_PULL_H

#include "base/fault.h"
#include "cli/client.h"
#include "cli/files.h"
#include "cli/folder.h"

struct pull_target {
    struct client *client;
    const struct folder *folder;
    struct slice repository;
    bool force, show_progress;
};

/* Fetches `file` and gives it its name. What came is checked before: a file of another size or
 * digest never gets a name, and is removed. What a broken transfer left stays as a temporary file,
 * and the next call goes on behind it. */
int pull_file(const struct pull_target *target, const struct file *file,
              struct fault *fault) MUST_CHECK;

#endif
