/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 with padding (RFC 4648 section 4), as Basic authentication and the credential files of
 * container clients have it. Any thread.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define BASE64_INPUT_MAX (1u << 20) /* bytes that are encoded or decoded at once */

/* Appends to `out`; sets its overflow for more than BASE64_INPUT_MAX. */
void base64_encode(struct buf *out, struct slice bytes);

/* Appends to `out`. ERR_SYNTAX for what is none, or too long. */
int base64_decode(struct buf *out, struct slice text) MUST_CHECK;

#endif
