/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/index_file.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)

/* Calls each(piece) for the whole file; *size is how long it was. */
static int read_file(int fd, int (*each)(const char *p, size_t n, void *arg, struct fault *fault),
                     void *arg, uint64_t *size, struct fault *fault)
{
    char *piece = xmalloc(PIECE_BYTES);
    int err = 0;
    ssize_t n;

    *size = 0;
    while (err == 0 && (n = pread(fd, piece, PIECE_BYTES, (off_t)*size)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err = fault_set_errno(fault, errno, "cannot read a copy of the index");
            break;
        }
        err = each(piece, (size_t)n, arg, fault);
        *size += (uint64_t)n;
    }
    free(piece);
    return err;
}

static int hash_piece(const char *p, size_t n, void *arg, struct fault *fault)
{
    (void)fault;
    hasher_update(arg, p, n);
    return 0;
}

int index_file_measure(int fd, uint64_t *size_bytes, struct digest *digest, struct fault *fault)
{
    struct hasher *hasher = hasher_create(DIGEST_SHA256);
    int err = read_file(fd, hash_piece, hasher, size_bytes, fault);

    if (err == 0)
        hasher_final(hasher, digest);
    hasher_destroy(hasher);
    return err;
}

static int write_piece(const char *p, size_t n, void *arg, struct fault *fault)
{
    int fd = *(int *)arg;

    while (n > 0) {
        ssize_t written = write(fd, p, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fault_set_errno(fault, errno, "cannot write the index");
        p += written;
        n -= (size_t)written;
    }
    return 0;
}

int index_file_copy(int from_fd, int to_fd, struct fault *fault)
{
    uint64_t size;
    int err = read_file(from_fd, write_piece, &to_fd, &size, fault);

    if (err == 0 && fsync(to_fd) != 0)
        err = fault_set_errno(fault, errno, "cannot sync the index");
    return err;
}
