/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that make answers (response*.c) share. Worker thread only.
 */
#ifndef SERVER_RESPONSE_H
#define SERVER_RESPONSE_H

#include "server/request.h"

/* The one answer of the request begins. False: nobody is there to get it, and it counts as given.
 */
bool response_begin(struct request *r, int status);

/* The head, complete; valid as long as the exchange. */
struct slice response_head(struct request *r, struct slice media_type, const uint64_t *length);

/* False when there was no memory for it; then that has been answered instead. */
bool response_has_head(struct request *r);

/* Answer that memory is out, which needs none, in place of the answer that was begun. */
void response_send_spare(struct request *r);

/* As response_send_bytes, with a media type that is no string literal. */
void response_send_typed(struct request *r, int status, struct slice media_type,
                         struct slice bytes);

/* Send the segments of the exchange's output. */
void response_start(struct request *r);

#endif
