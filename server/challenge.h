/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 401, which tells a client how to log in: where tokens are, and for what it needs one
 * (distribution's token authentication), or by Basic. Worker thread only.
 */
#ifndef SERVER_CHALLENGE_H
#define SERVER_CHALLENGE_H

#include "server/request.h"

/* Answers 401 with what `fault` says. */
void challenge_send(struct request *r, const struct fault *fault);

#endif
