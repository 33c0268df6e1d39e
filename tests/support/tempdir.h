/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory for the files of one test, gone with all that is in it at its end.
 */
#ifndef TESTS_SUPPORT_TEMPDIR_H
#define TESTS_SUPPORT_TEMPDIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

struct tempdir {
    char path[64];
};

static inline void tempdir_make(struct tempdir *dir)
{
    snprintf(dir->path, sizeof(dir->path), "/tmp/tidemark-test.XXXXXX");
    if (mkdtemp(dir->path) == NULL)
        abort();
}

static inline int tempdir_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void tempdir_remove(struct tempdir *dir)
{
    nftw(dir->path, tempdir_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
