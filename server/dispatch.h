/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a parsed head to the handler: target, route, admission. Worker thread only.
 */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include "server/request.h"

/* The request as the head says it; also for a head that is refused, as far as it was understood. */
void dispatch_fill(struct request *r, const struct http_head *head);

/* Expect: only 100-continue, and only with a body to wait for. ERR_HTTP_EXPECTATION. */
int dispatch_expect(const struct request *r, bool *expects_continue,
                    struct fault *fault) MUST_CHECK;

/* Calls the handler, or answers why not. */
void dispatch(struct request *r);

#endif
