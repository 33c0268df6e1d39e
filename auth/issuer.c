/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the keys are a counted snapshot behind a mutex that is held for moments only; the fetch
 * is one pool job, embedded, so there is never more than one. It holds a reference to the issuer.
 *
 * What a token says of itself can make us ask the issuer, and anybody can write a token; so a fetch
 * has a shortest distance from the one before, however that one ended. When there are no keys at
 * all the distance is shorter: an issuer that was down for a moment shall not lock everybody out
 * for a minute.
 *
 * Nobody waits twice. A caller whose key is not in what was fetched for it gets its answer: that
 * the issuer changed its keys between the two is for the next log-in, a minute later. Issuers
 * publish a key before they use it, and the refresh finds it in time.
 */
#include "config.h"
#include "auth/issuer.h"

#include "auth/discovery.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FIRST_RETRY_MS 10000 /* after a failure, when there are no keys */
#define ARENA_MAX      (1024 * 1024)

struct issuer_keys {
    atomic_uint refs;
    struct arena arena;
    struct jwk_set *set;
    uint64_t fetched_ms;
};

struct issuer {
    struct pool_job fetch; /* on the pool while `is_fetching` */
    atomic_uint refs;
    struct issuer_world *world;
    char *url;

    pthread_mutex_t mutex; /* over all below */
    struct issuer_keys *keys;
    bool is_fetching, has_tried;
    uint64_t tried_ms;  /* when the last fetch began */
    struct fault fault; /* why the last fetch failed */
    struct issuer_wait *waiting;
    unsigned waiting_n;
};

/* ---- Keys -------------------------------------------------------------------------------------
 */

static struct issuer_keys *keys_create(void)
{
    struct issuer_keys *keys = xcalloc(1, sizeof(*keys));

    atomic_init(&keys->refs, 1);
    arena_init(&keys->arena, ARENA_MAX);
    return keys;
}

static struct issuer_keys *keys_ref(struct issuer_keys *keys)
{
    atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    return keys;
}

void issuer_keys_unref(struct issuer_keys *keys)
{
    if (!keys || atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) != 1)
        return;
    jwk_set_destroy(keys->set);
    arena_fini(&keys->arena);
    free(keys);
}

const struct jwk *issuer_keys_find(const struct issuer_keys *keys, struct slice kid,
                                   struct slice alg)
{
    return jwk_set_find(keys->set, kid, alg);
}

/* ---- The fetch, on a pool thread --------------------------------------------------------------
 */

static int get_keys(const struct issuer *issuer, struct slice keys_url, struct issuer_keys *keys,
                    struct fault *fault)
{
    struct issuer_world *world = issuer->world;
    struct buf body;
    int err;

    err = issuer_hosts_check_keys(&world->hosts, slice_from_cstr(issuer->url), keys_url, fault);
    if (err != 0)
        return err;
    buf_init(&body, ISSUER_DOCUMENT_MAX);
    err = world->get(world, keys_url.p, &body, fault);
    if (err == 0)
        err = jwk_set_parse(&keys->arena, buf_slice(&body), &keys->set, fault);
    if (err == 0 && jwk_set_count(keys->set) == 0)
        err = fault_set(fault, ERR_INVALID, "none of its keys is of a kind that is accepted");
    buf_fini(&body);
    return err;
}

static int get_all(const struct issuer *issuer, struct issuer_keys *keys, struct fault *fault)
{
    struct issuer_world *world = issuer->world;
    struct slice keys_url = {0};
    struct buf url, body;
    int err;

    buf_init(&url, 2 * URL_TEXT_MAX);
    buf_init(&body, ISSUER_DOCUMENT_MAX);
    err = issuer_hosts_check(&world->hosts, slice_from_cstr(issuer->url), fault);
    discovery_url(slice_from_cstr(issuer->url), &url);
    if (err == 0)
        err = buf_error(&url, ERR_LIMIT);
    if (err == 0)
        err = world->get(world, url.p, &body, fault);
    if (err == 0)
        err = discovery_parse(&keys->arena, buf_slice(&body), slice_from_cstr(issuer->url),
                              &keys_url, fault);
    buf_fini(&body);
    buf_fini(&url);
    return err == 0 ? get_keys(issuer, keys_url, keys, fault) : err;
}

static void answer(struct issuer_wait *waiting)
{
    while (waiting) {
        struct issuer_wait *next = waiting->next; /* read first: it is its owner's once pushed */

        queue_push(waiting->job.reply, &waiting->job.node);
        waiting = next;
    }
}

/* The new keys, or on an error the old ones; and all who wait go on. */
static void finish_fetch(struct issuer *issuer, struct issuer_keys *keys, int err,
                         const struct fault *fault)
{
    struct issuer_keys *dropped = keys;
    struct issuer_wait *waiting;

    pthread_mutex_lock(&issuer->mutex);
    if (err == 0) {
        dropped = issuer->keys;
        issuer->keys = keys;
        issuer->fault = (struct fault)FAULT_INIT;
    } else {
        issuer->fault = *fault;
        issuer->fault.code = err;
    }
    issuer->is_fetching = false;
    waiting = issuer->waiting;
    issuer->waiting = NULL;
    issuer->waiting_n = 0;
    pthread_mutex_unlock(&issuer->mutex);
    issuer_keys_unref(dropped);
    answer(waiting);
}

static void run_fetch(struct pool_job *job)
{
    struct issuer *issuer = CONTAINER_OF(job, struct issuer, fetch);
    struct issuer_keys *keys = keys_create();
    struct fault fault = FAULT_INIT;

    /* Of the beginning, not the end: what is answered may be as old as that. */
    keys->fetched_ms = issuer->world->now_ms(issuer->world);
    int err = get_all(issuer, keys, &fault);
    if (err == 0)
        log_info("issuer.keys", "the keys of an issuer were fetched",
                 LOG_CSTR("issuer", issuer->url), LOG_U64("keys", jwk_set_count(keys->set)));
    else
        log_warn("issuer.failed", "the keys of an issuer could not be fetched",
                 LOG_CSTR("issuer", issuer->url), LOG_CSTR("reason", fault_text(&fault, err)));
    finish_fetch(issuer, keys, err, &fault);
    issuer_unref(issuer);
}

/* ---- Asking -----------------------------------------------------------------------------------
 */

/* All of these with the mutex. */
static bool has_keys(const struct issuer *issuer, uint64_t now_ms)
{
    return issuer->keys && now_ms - issuer->keys->fetched_ms <= issuer->world->max_age_ms;
}

static uint64_t distance_ms(const struct issuer *issuer, uint64_t now_ms)
{
    uint64_t refetch_ms = issuer->world->refetch_ms;

    return has_keys(issuer, now_ms) || refetch_ms < FIRST_RETRY_MS ? refetch_ms : FIRST_RETRY_MS;
}

/* A fetch is under way now, if one is allowed. */
static bool begin_fetch(struct issuer *issuer, uint64_t now_ms)
{
    if (issuer->is_fetching)
        return true;
    if (!issuer->world->pool)
        return false;
    if (issuer->has_tried && now_ms - issuer->tried_ms < distance_ms(issuer, now_ms))
        return false;
    issuer->is_fetching = issuer->has_tried = true;
    issuer->tried_ms = now_ms;
    issuer->fetch = (struct pool_job){.run = run_fetch};
    issuer_ref(issuer);
    pool_submit(issuer->world->pool, &issuer->fetch);
    return true;
}

static int join(struct issuer *issuer, struct issuer_wait *wait, struct fault *fault)
{
    if (issuer->waiting_n >= ISSUER_WAITING_MAX)
        return fault_set(fault, ERR_BUSY, "too many log-ins wait for the keys of %s: try again",
                         issuer->url);
    wait->waited = true;
    wait->next = issuer->waiting;
    issuer->waiting = wait;
    issuer->waiting_n++;
    return ERR_AGAIN;
}

static int refuse(const struct issuer *issuer, uint64_t now_ms, struct fault *fault)
{
    if (!has_keys(issuer, now_ms))
        return fault_set(fault, ERR_UNAVAILABLE, "the keys of the issuer %s are not to be had: %s",
                         issuer->url, fault_text(&issuer->fault, issuer->fault.code));
    return fault_set(fault, ERR_UNAUTHORIZED,
                     "the issuer %s has no key that this token names; its keys were fetched "
                     "%llu s ago",
                     issuer->url, (unsigned long long)(now_ms - issuer->keys->fetched_ms) / 1000);
}

int issuer_find_key(struct issuer *issuer, struct slice kid, struct slice alg,
                    struct issuer_wait *wait, struct issuer_keys **keys, struct fault *fault)
{
    uint64_t now_ms;
    int err = 0;

    pthread_mutex_lock(&issuer->mutex);
    /* Not before: a fetch that ends while we wait for the mutex would be younger than now. */
    now_ms = issuer->world->now_ms(issuer->world);
    if (has_keys(issuer, now_ms) && issuer_keys_find(issuer->keys, kid, alg)) {
        if (now_ms - issuer->keys->fetched_ms >= issuer->world->refresh_ms)
            begin_fetch(issuer, now_ms);
        *keys = keys_ref(issuer->keys);
    } else if (!wait->waited && begin_fetch(issuer, now_ms)) {
        err = join(issuer, wait, fault);
    } else {
        err = refuse(issuer, now_ms, fault);
    }
    pthread_mutex_unlock(&issuer->mutex);
    return err;
}

int issuer_ask_again(struct issuer *issuer, struct issuer_wait *wait, struct fault *fault)
{
    int err;

    pthread_mutex_lock(&issuer->mutex);
    if (!wait->waited && begin_fetch(issuer, issuer->world->now_ms(issuer->world)))
        err = join(issuer, wait, fault);
    else
        err = fault_set(fault, ERR_UNAUTHORIZED, "the token was not signed by %s", issuer->url);
    pthread_mutex_unlock(&issuer->mutex);
    return err;
}

/* ---- The issuer -------------------------------------------------------------------------------
 */

struct issuer *issuer_create(struct issuer_world *world, struct slice url)
{
    struct issuer *issuer = xcalloc(1, sizeof(*issuer));

    atomic_init(&issuer->refs, 1);
    issuer->world = world;
    issuer->url = xstrndup(url.p, url.n);
    pthread_mutex_init(&issuer->mutex, NULL);
    return issuer;
}

struct issuer *issuer_ref(struct issuer *issuer)
{
    atomic_fetch_add_explicit(&issuer->refs, 1, memory_order_relaxed);
    return issuer;
}

void issuer_unref(struct issuer *issuer)
{
    if (!issuer || atomic_fetch_sub_explicit(&issuer->refs, 1, memory_order_acq_rel) != 1)
        return;
    issuer_keys_unref(issuer->keys);
    pthread_mutex_destroy(&issuer->mutex);
    free(issuer->url);
    free(issuer);
}

struct slice issuer_url(const struct issuer *issuer)
{
    return slice_from_cstr(issuer->url);
}
