/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running process: what every handler may reach.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdatomic.h>

#include "server/settings.h"
#include "storage/store.h"

struct gate;
struct tls_files;
struct worker;

/* Made by main before the workers start; the pointers stay until they have stopped. */
struct server {
    struct store *store;
    struct gate *gate;            /* who may do what; NULL: authentication is off */
    struct digest_gate *tag_gate; /* additions of files to one tag; entered before store->gate */
    struct tls_files *tls;        /* NULL: no listener speaks TLS */
    struct worker **workers;
    unsigned workers_n;
    atomic_uint connections;           /* open now */
    atomic_uint_fast64_t body_bytes;   /* promised to request bodies held in memory */
    atomic_uint_fast64_t answer_bytes; /* of answers that clients have not taken yet */
    atomic_uint event_waiters;         /* requests that wait for events */
    atomic_uint layer_jobs;            /* layers being read */
    atomic_bool draining;              /* SIGTERM came: no keep-alive, no new connections */
    atomic_bool ready;                 /* /readyz */
};

#endif
