/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said about a file over HTTP: which form of a list a client prefers, the type and the
 * name a file is served with. Pure; any thread.
 */
#ifndef SERVER_FILES_ACCEPT_H
#define SERVER_FILES_ACCEPT_H

#include <stdbool.h>

#include "base/buf.h"

/* Whether an Accept field (RFC 9110 section 12.5.1) prefers text/html to application/json; not when
 * it likes both as much, as curl's "everything" does. */
bool accept_prefers_html(struct slice accept);

/* The media type a file is served with: its own when it is one that no browser acts upon, else
 * application/octet-stream. Static. */
struct slice file_served_type(struct slice media_type);

/* "attachment" with the file's name, the last segment of its path, in a form for old clients and
 * one with all its characters (RFC 6266, RFC 8187). */
void file_disposition(struct buf *out, struct slice path);

#endif
