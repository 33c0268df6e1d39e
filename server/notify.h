/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the service manager how the process is: sd_notify(3), which is one datagram.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/* `state` is "READY=1", "STOPPING=1", ... Nothing happens without a service manager. */
void notify(const char *state);

#endif
