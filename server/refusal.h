/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections refused before there is a request. Main thread.
 */
#ifndef SERVER_REFUSAL_H
#define SERVER_REFUSAL_H

#include <stdbool.h>

enum refusal { REFUSAL_MAX_CONNECTIONS, REFUSAL_CONNECT_RATE, REFUSAL_COUNT };

/* The metrics; before the workers start. */
void refusal_register(void);

/* Answers and closes the socket; one for TLS gets no answer, which it could not read. Counted;
 * logged once a second at most, so that being refused costs less than being served. */
void refusal_send(enum refusal why, int fd, bool is_tls);

#endif
