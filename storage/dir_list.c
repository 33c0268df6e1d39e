/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/dir_list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

DIR *dir_list_open(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

    if (list == NULL && fd >= 0) {
        int sys = errno;
        close(fd);
        errno = sys;
    }
    return list;
}

const char *dir_list_next(DIR *list)
{
    const struct dirent *entry;

    do {
        errno = 0;
        entry = readdir(list);
    } while (entry != NULL &&
             (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry != NULL ? entry->d_name : NULL;
}
