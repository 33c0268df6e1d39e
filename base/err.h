/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error codes: 0 is success, everything else is a negative ERR_* from err.def.
 *
 * One table serves the whole project: from a code follow its text, the HTTP status and the OCI
 * error code. Foreign domains are mapped in one function each (err_from_errno here, LMDB's in
 * storage/kv_lmdb.c). Any thread.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum err_ordinal {
#define X(name, status, oci, text) ERR_ORDINAL_##name,
#include "base/err.def"
#undef X
    ERR_ORDINAL_COUNT
};

enum err {
    ERR_OK = 0,
#define X(name, status, oci, text) ERR_##name = -1 - (int)ERR_ORDINAL_##name,
#include "base/err.def"
#undef X
};

/* The short reason; never NULL, "unknown error" for a code not in the table. */
const char *err_text(int err);

/* The name without its prefix ("DISK_FULL"), for logs and metrics; never NULL. */
const char *err_name(int err);

/* HTTP status; 500 for a code not in the table. */
int err_http_status(int err);

/* OCI error code string ("BLOB_UNKNOWN"); "UNKNOWN" for a code not in the table. */
const char *err_oci_code(int err);

/* Map errno to a code: ENOSPC/EDQUOT -> DISK_FULL, ENOENT -> NOT_FOUND, EMFILE/ENFILE -> BUSY,
 * ENOMEM -> NO_MEMORY, EEXIST -> EXISTS, EAGAIN -> AGAIN, the rest -> IO. */
int err_from_errno(int sys);

#endif
