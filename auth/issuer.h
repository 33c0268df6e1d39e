/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one issuer of workload tokens: fetched on a pool thread when they are first needed,
 * again in the background when they are `refresh_ms` old, and when a token names a key that is not
 * there, but then at most once in `refetch_ms`. While the issuer is down or talks nonsense the keys
 * that are there go on, until they are `max_age_ms` old.
 *
 * Whoever needs keys that are being fetched waits; one fetch serves all who wait. Counted; any
 * thread.
 */
#ifndef AUTH_ISSUER_H
#define AUTH_ISSUER_H

#include "auth/issuer_hosts.h"
#include "auth/jwk.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/pool.h"
#include "base/slice.h"

#define ISSUER_DOCUMENT_MAX (64 * 1024) /* bytes of the discovery document, and of the keys */
#define ISSUER_WAITING_MAX  4096        /* callers that wait for one fetch */

struct issuer;

/* How the outside is reached; a test has a world of its own. */
struct issuer_world {
    /* The body of a 200 from `url`, on a pool thread; `body` has its maximum. */
    int (*get)(struct issuer_world *world, const char *url, struct buf *body, struct fault *fault);
    uint64_t (*now_ms)(struct issuer_world *world); /* monotonic; any thread */
    struct pool *pool; /* NULL once it has ended: nothing is fetched any more */
    struct issuer_hosts hosts;
    uint64_t refresh_ms, refetch_ms, max_age_ms;
};

/* Keys as they were fetched once. Immutable, counted; any thread. */
struct issuer_keys;

const struct jwk *issuer_keys_find(const struct issuer_keys *keys, struct slice kid,
                                   struct slice alg);
void issuer_keys_unref(struct issuer_keys *keys);

/* A caller that waits; it is the issuer's until `job.done` is called. */
struct issuer_wait {
    struct pool_job job; /* done and reply are the caller's */
    struct issuer_wait *next;
    bool waited; /* false at first; nobody waits twice */
};

/* `url` is copied; `world` must outlive the issuer. One reference is the caller's. */
struct issuer *issuer_create(struct issuer_world *world, struct slice url);
struct issuer *issuer_ref(struct issuer *issuer);
void issuer_unref(struct issuer *issuer);
struct slice issuer_url(const struct issuer *issuer);

/* 0: *keys has the key of a token with this `kid` and `alg`, and one reference is the caller's.
 * ERR_AGAIN: it is being fetched; wait->job comes to its reply queue, then ask again.
 * ERR_UNAUTHORIZED: the issuer has no such key. ERR_UNAVAILABLE: the issuer cannot be asked and
 * there are no keys that are young enough. ERR_BUSY: too many wait. */
int issuer_find_key(struct issuer *issuer, struct slice kid, struct slice alg,
                    struct issuer_wait *wait, struct issuer_keys **keys,
                    struct fault *fault) MUST_CHECK;

/* For a token that names no key, when the one that could be its own did not sign it: the issuer may
 * have another by now. ERR_AGAIN as above; ERR_UNAUTHORIZED: it was asked not long ago; ERR_BUSY.
 */
int issuer_ask_again(struct issuer *issuer, struct issuer_wait *wait,
                     struct fault *fault) MUST_CHECK;

#endif
