/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/refusal_log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "server/gate.h"
#include "storage/event.h"

#include <stdlib.h>

#define PLACES       256
#define AGAIN_MS     60000
#define BURST        8
#define EACH_MS      500 /* one more is allowed */
#define NAME_MAX     255
#define HASH_INITIAL UINT64_C(14695981039346656037)
#define HASH_PRIME   UINT64_C(1099511628211)

struct refusal_log {
    struct {
        uint64_t hash, time_ms;
    } seen[PLACES];
    uint64_t full_ms; /* when the next BURST may come at once */
};

struct refusal_log *refusal_log_create(void)
{
    return xcalloc(1, sizeof(struct refusal_log));
}

void refusal_log_destroy(struct refusal_log *log)
{
    free(log);
}

static uint64_t mix(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        hash = (hash ^ (unsigned char)text.p[i]) * HASH_PRIME;
    return (hash ^ 0xff) * HASH_PRIME;
}

/* Two that meet in a place only make an event too many or too few. */
static bool is_worth_it(struct refusal_log *log, const struct request *r, enum verb verb)
{
    uint64_t now_ms = clock_mono_ms();
    uint64_t hash = mix(mix(HASH_INITIAL ^ (uint64_t)verb, r->actor), r->repository);
    size_t place = hash % PLACES;

    if (log->seen[place].hash == hash && now_ms - log->seen[place].time_ms < AGAIN_MS)
        return false;
    if (log->full_ms < now_ms)
        log->full_ms = now_ms;
    if (log->full_ms - now_ms > (uint64_t)BURST * EACH_MS)
        return false;
    log->full_ms += EACH_MS;
    log->seen[place].hash = hash;
    log->seen[place].time_ms = now_ms;
    return true;
}

struct refusal {
    struct event event;
    char text[2 * NAME_MAX];
};

static int write_event(struct kv_tx *tx, void *refusal)
{
    return event_stage(tx, &((struct refusal *)refusal)->event);
}

static void written(void *refusal, int err)
{
    (void)err; /* the request was answered long ago; a store that takes no writes has said so */
    free(refusal);
}

static struct slice copy(char **at, struct slice text)
{
    struct slice kept = slice_make(*at, text.n < NAME_MAX ? text.n : NAME_MAX);

    if (kept.n > 0)
        memcpy(*at, text.p, kept.n);
    *at += kept.n;
    return kept;
}

void refusal_log_add(struct request *r, enum verb verb)
{
    struct refusal *refusal;
    char *at;

    if (!is_worth_it(r->worker->gate->refusals, r, verb))
        return;
    refusal = xcalloc(1, sizeof(*refusal));
    at = refusal->text;
    refusal->event = (struct event){
        .type = EVENT_ACCESS_REFUSED,
        .actor = copy(&at, r->actor),
        .repository = copy(&at, r->repository),
        .reason = slice_from_cstr(verb_name(verb)),
    };
    kv_write(r->worker->kv, KV_BACKGROUND, write_event, refusal, written);
}
