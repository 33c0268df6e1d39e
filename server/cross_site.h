/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With authentication a browser may hold a credential and send it with whatever a page asks for:
 * what a page of another site sends is refused. (Without authentication loopback.h is stricter.)
 */
#ifndef SERVER_CROSS_SITE_H
#define SERVER_CROSS_SITE_H

#include "server/request.h"

/* ERR_HTTP_FORBIDDEN: the request says that it comes from a page of another origin. */
int cross_site_check(const struct request *r, struct fault *fault) MUST_CHECK;

#endif
