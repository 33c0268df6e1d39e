/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: anybody can make logins fail, so what is written about that is bounded: one event a
 * minute for one account and address, and EVENTS_PER_MINUTE for all. A lockout is always written.
 * The name of an account that does not exist is left out: people type passwords into the wrong
 * field.
 *
 * Writes go to the background lane, with an object of their own: nobody waits for them.
 */
#include "config.h"
#include "auth/login_internal.h"
#include "auth/token.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/event.h"

#include <stdio.h>
#include <stdlib.h>

#define EVENTS_PER_MINUTE 60
#define NO_LOCKOUT        ((struct lockout_options){.time_ms = 60000})

struct record {
    struct token_use use;
    struct event failure;
    char subject[LOGIN_USER_MAX], reason[128 + LOGIN_ADDRESS_MAX];
};

static void written(void *arg, int err)
{
    if (err != 0)
        log_warn("login.record", "what is to be written about a login could not be",
                 LOG_CSTR("error", err_name(err)));
    free(arg);
}

/*
 * Use.
 */

static int write_use(struct kv_tx *tx, void *record)
{
    return token_use(tx, &((struct record *)record)->use);
}

void login_record_use(struct login_request *r)
{
    struct record *record = xcalloc(1, sizeof(*record));

    record->use.id = r->token_id;
    kv_write(r->kv, KV_BACKGROUND, write_use, record, written);
}

/*
 * Failures.
 */

static bool may_write(struct login *login, bool is_lockout)
{
    const uint64_t minute = clock_mono_ms() / 60000;
    bool may;

    pthread_mutex_lock(&login->lock);
    if (minute != login->events_minute)
        login->events_left = EVENTS_PER_MINUTE;
    login->events_minute = minute;
    may = is_lockout || login->events_left > 0;
    if (login->events_left > 0)
        login->events_left--;
    pthread_mutex_unlock(&login->lock);
    return may;
}

static int write_failure(struct kv_tx *tx, void *record)
{
    return event_stage(tx, &((struct record *)record)->failure);
}

void login_record_failure(struct login_request *r, struct slice account)
{
    struct lockout_verdict verdict = r->verdict;
    const struct slice user = slice_sub(account, 0, LOGIN_USER_MAX);
    const struct slice address = slice_sub(r->address, 0, LOGIN_ADDRESS_MAX);
    struct record *record;
    bool is_locked;
    int n;

    /* No password: only how often it is worth a word is counted. */
    if (verdict.failures == 0 && !verdict.is_new)
        verdict =
            lockout_failed(r->login->lockout, &NO_LOCKOUT, SLICE("\1"), address, clock_mono_ms());
    is_locked = verdict.account_locked || verdict.address_locked;
    if (!verdict.is_new || !may_write(r->login, is_locked))
        return;
    log_warn(is_locked ? "login.locked" : "login.failed",
             is_locked ? "too many logins failed: further ones are refused for a while"
                       : "a login failed",
             LOG_STR("user", user), LOG_STR("address", address), LOG_CSTR("reason", r->reason));
    record = xcalloc(1, sizeof(*record));
    if (user.n > 0)
        memcpy(record->subject, user.p, user.n);
    n = snprintf(record->reason, sizeof(record->reason), "%s%s%s from " SLICE_FMT, r->reason,
                 verdict.account_locked ? ", account locked" : "",
                 verdict.address_locked ? ", address locked" : "", SLICE_ARG(address));
    record->failure = (struct event){
        .type = is_locked ? EVENT_LOGIN_LOCKED : EVENT_LOGIN_FAILED,
        .actor = SLICE("anonymous"),
        .subject = slice_make(record->subject, user.n),
        .reason =
            slice_make(record->reason,
                       (size_t)n < sizeof(record->reason) ? (size_t)n : sizeof(record->reason) - 1),
    };
    kv_write(r->kv, KV_BACKGROUND, write_failure, record, written);
}
