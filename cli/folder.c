/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a title is walked name by name from the folder's descriptor with O_NOFOLLOW, so it does
 * not matter who changes the tree meanwhile. Temporary files stand in the folder itself, named by
 * the digest they shall have, so that the next pull finds what an interrupted one left; folders on
 * the way are made when a file is whole, so that a failed pull leaves none.
 */
#include "config.h"
#include "cli/folder.h"

#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES_MAX 255
#define READ_SIZE      (256 * 1024)

/* ---- Titles -----------------------------------------------------------------------------------
 */

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
            return true;
    }
    return false;
}

int title_check(struct slice title, struct fault *fault)
{
    struct slice rest = title, name;

    if (title.n == 0)
        return fault_set(fault, ERR_NAME_INVALID, "a file has an empty name");
    if (title.n > TITLE_MAX)
        return fault_set(fault, ERR_NAME_INVALID, "a file's name has %zu bytes, %d are allowed",
                         title.n, TITLE_MAX);
    if (utf8_valid_prefix(title) < title.n || has_control(title))
        return fault_set(fault, ERR_NAME_INVALID,
                         "a file's name has control characters or is not UTF-8");
    if (title.p[0] == '/' || title.p[title.n - 1] == '/')
        return fault_set(fault, ERR_NAME_INVALID,
                         "the file's name \"" SLICE_FMT "\" begins or ends with a slash",
                         SLICE_ARG(slice_sub(title, 0, NAME_BYTES_MAX)));
    if (slice_starts_with(title, SLICE(PARTIAL_MARK)))
        return fault_set(fault, ERR_NAME_INVALID,
                         "the file's name \"" SLICE_FMT "\" is one of our temporary names",
                         SLICE_ARG(slice_sub(title, 0, NAME_BYTES_MAX)));
    while (slice_split(&rest, '/', &name))
        if (name.n == 0 || name.n > NAME_BYTES_MAX || slice_eq(name, SLICE(".")) ||
            slice_eq(name, SLICE("..")))
            return fault_set(fault, ERR_NAME_INVALID,
                             "the file's name \"" SLICE_FMT "\" has an empty part, '.', '..' or a "
                             "part of more than %d bytes",
                             SLICE_ARG(slice_sub(title, 0, NAME_BYTES_MAX)), NAME_BYTES_MAX);
    return 0;
}

/* ---- The folder -------------------------------------------------------------------------------
 */

int folder_open(const char *path, struct folder *folder, struct fault *fault)
{
    *folder = (struct folder){.fd = -1, .path = path};
    if (mkdir(path, 0777) == 0)
        folder->is_new = true;
    else if (errno != EEXIST)
        return fault_set_errno(fault, errno, "making the folder %s", path);
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return fault_set_errno(fault, errno, "opening the folder %s", path);
    return 0;
}

void folder_close(struct folder *folder, bool keep)
{
    if (folder->fd < 0)
        return;
    close(folder->fd);
    folder->fd = -1;
    if (!keep && folder->is_new)
        rmdir(folder->path); /* fails, as it should, when something is in it */
}

/* A NUL-terminated copy of one name of a title. */
struct name {
    char text[NAME_BYTES_MAX + 1];
};

static struct name name_of(struct slice part)
{
    struct name name;
    size_t n = part.n <= NAME_BYTES_MAX ? part.n : NAME_BYTES_MAX;

    memcpy(name.text, part.p, n);
    name.text[n] = '\0';
    return name;
}

/* The folder that `title` is in, opened: *fd is to be closed. *last is its name there. With `make`
 * missing folders are made, else they are ERR_NOT_FOUND. */
static int open_parent(const struct folder *folder, struct slice title, bool make, int *fd,
                       struct name *last, struct fault *fault)
{
    struct slice rest = title, part;
    int at = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    while (at >= 0 && slice_split(&rest, '/', &part)) {
        int next;

        *last = name_of(part);
        if (rest.n == 0)
            break;
        if (make && mkdirat(at, last->text, 0777) != 0 && errno != EEXIST) {
            int err = fault_set_errno(fault, errno, "making the folder %s for %.*s", last->text,
                                      SLICE_ARG(title));
            close(at);
            return err;
        }
        next = openat(at, last->text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int sys = errno;
        close(at);
        errno = sys;
        at = next;
    }
    *fd = at;
    if (at >= 0)
        return 0;
    if (errno == ENOENT)
        return fault_set(fault, ERR_NOT_FOUND, "there is no folder for %.*s", SLICE_ARG(title));
    if (errno == ENOTDIR || errno == ELOOP)
        return fault_set(fault, ERR_EXISTS,
                         "%s/%.*s: %s on the way is a file or a symbolic link, not a folder: move "
                         "it away, or take another folder with -o",
                         folder->path, SLICE_ARG(title), last->text);
    return fault_set_errno(fault, errno, "%s/%.*s", folder->path, SLICE_ARG(title));
}

static int has_digest(int fd, const struct digest *digest, bool *same, struct fault *fault)
{
    static char bytes[READ_SIZE];
    struct hasher *hasher = hasher_create(digest->algorithm);
    struct digest found;
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        hasher_update(hasher, bytes, (size_t)n);
    hasher_final(hasher, &found);
    hasher_destroy(hasher);
    *same = digest_eq(&found, digest);
    return n < 0 ? fault_set_errno(fault, errno, "reading a file that is there") : 0;
}

static int look_at(int parent, const char *name, const struct digest *digest, uint64_t size,
                   enum folder_state *state, struct fault *fault)
{
    struct stat st;
    bool same = false;
    int err = 0;

    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return 0;
        return fault_set_errno(fault, errno, "%s", name);
    }
    if (!S_ISREG(st.st_mode))
        return fault_set(fault, ERR_EXISTS,
                         "%s is there and is no plain file: move it away, or take another folder "
                         "with -o",
                         name);
    if ((uint64_t)st.st_size == size) {
        int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
            return fault_set_errno(fault, errno, "opening %s, which is there already", name);
        err = has_digest(fd, digest, &same, fault);
        close(fd);
    }
    *state = same ? FOLDER_SAME : FOLDER_OTHER;
    return err;
}

int folder_look(const struct folder *folder, struct slice title, const struct digest *digest,
                uint64_t size, enum folder_state *state, struct fault *fault)
{
    struct name last;
    int parent;
    int err = open_parent(folder, title, false, &parent, &last, fault);

    *state = FOLDER_FREE;
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err != 0)
        return err;
    err = look_at(parent, last.text, digest, size, state, fault);
    close(parent);
    return err;
}

/* ---- Temporary files --------------------------------------------------------------------------
 */

int folder_partial_open(const struct folder *folder, const struct digest *digest,
                        char name[PARTIAL_MAX], int *fd, struct fault *fault)
{
    char text[DIGEST_TEXT_MAX];
    struct slice hex = digest_format(digest, text);
    struct stat st;

    hex = slice_sub(hex, slice_find_char(hex, ':') + 1, SIZE_MAX);
    snprintf(name, PARTIAL_MAX, PARTIAL_MARK "%.*s", SLICE_ARG(hex));
    *fd = openat(folder->fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (*fd < 0)
        return fault_set_errno(fault, errno, "making a temporary file in %s", folder->path);
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1) {
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        fault_set(fault, ERR_LOCKED, "%s/%s: another pull is writing this file", folder->path,
                  name);
    } else {
        fault_set(fault, ERR_LOCKED, "%s/%s is not what a pull left there: remove it", folder->path,
                  name);
    }
    close(*fd);
    *fd = -1;
    return ERR_LOCKED;
}

void folder_partial_remove(const struct folder *folder, const char *name)
{
    unlinkat(folder->fd, name, 0);
}

/* Not every file system can refuse to replace; there the look before must do. */
static int rename_new(int from, const char *partial, int to, const char *name)
{
    if (renameat2(from, partial, to, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    return renameat(from, partial, to, name) == 0 ? 0 : errno;
}

int folder_place(const struct folder *folder, const char *partial, struct slice title, bool force,
                 struct fault *fault)
{
    struct name last;
    int parent, sys;
    int err = open_parent(folder, title, true, &parent, &last, fault);

    if (err != 0)
        return err;
    if (force)
        sys = renameat(folder->fd, partial, parent, last.text) == 0 ? 0 : errno;
    else
        sys = rename_new(folder->fd, partial, parent, last.text);
    close(parent);
    if (sys == 0)
        return 0;
    return fault_set_errno(fault, sys, "%s/%.*s", folder->path, SLICE_ARG(title));
}
