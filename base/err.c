/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/err.h"

#include <errno.h>
#include <stddef.h>

struct err_row {
    const char *name;
    int http_status;
    const char *oci_code;
    const char *text;
};

static const struct err_row err_rows[ERR_ORDINAL_COUNT] = {
#define X(name, status, oci, text) [ERR_ORDINAL_##name] = {#name, status, oci, text},
#include "base/err.def"
#undef X
};

static const struct err_row err_row_ok = {"OK", 200, "UNKNOWN", "success"};
static const struct err_row err_row_unknown = {"UNKNOWN", 500, "UNKNOWN", "unknown error"};

static const struct err_row *row_of(int err)
{
    if (err == ERR_OK)
        return &err_row_ok;
    /* Compared before it is negated: -INT_MIN does not exist. */
    if (err > 0 || err < -(int)ERR_ORDINAL_COUNT)
        return &err_row_unknown;
    return &err_rows[-1 - err];
}

const char *err_text(int err)
{
    return row_of(err)->text;
}

const char *err_name(int err)
{
    return row_of(err)->name;
}

int err_http_status(int err)
{
    return row_of(err)->http_status;
}

const char *err_oci_code(int err)
{
    return row_of(err)->oci_code;
}

int err_from_errno(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
        return ERR_DISK_FULL;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EMFILE:
    case ENFILE:
        return ERR_BUSY;
    case ENOMEM:
        return ERR_NO_MEMORY;
    case EEXIST:
        return ERR_EXISTS;
    case EAGAIN:
        return ERR_AGAIN;
    default:
        return ERR_IO;
    }
}
