/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of an index that nobody has open for writing, on its way into a backup and out of it.
 * Blocking; one thread.
 */
#ifndef STORAGE_INDEX_FILE_H
#define STORAGE_INDEX_FILE_H

#include "base/digest.h"
#include "base/fault.h"

/* Size and SHA-256 of all bytes of `fd`. */
int index_file_measure(int fd, uint64_t *size_bytes, struct digest *digest,
                       struct fault *fault) MUST_CHECK;

/* All bytes of `from_fd` into the empty `to_fd`, synced. */
int index_file_copy(int from_fd, int to_fd, struct fault *fault) MUST_CHECK;

#endif
