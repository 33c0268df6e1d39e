/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: one table for both kinds of entries, of fixed size, eight places to a set; the place that
 * was touched longest ago makes room. Names are kept as a keyed hash, so that an attacker cannot
 * choose what collides, and an entry is small whatever name was tried.
 */
#include "config.h"
#include "auth/lockout.h"

#include "base/fatal.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SETS          2048 /* a power of two */
#define PLACES        8
#define NAME_SIZE     16
#define FREE_FAILURES 2 /* after so many one has to wait */
#define FIRST_WAIT_MS 1000
#define WAIT_MAX_MS   60000
#define ADDRESS_MAX   64
#define NOTE_EVERY_MS 60000 /* failures of one entry that are worth an event */

struct place {
    uint8_t name[NAME_SIZE];
    uint64_t last_ms;       /* of the last failure; 0: free */
    uint64_t not_before_ms; /* the next try */
    uint64_t noted_ms;
    unsigned failures;
};

struct lockout {
    pthread_mutex_t lock;
    uint8_t key[32];
    struct place places[SETS][PLACES];
};

struct lockout *lockout_create(void)
{
    struct lockout *lockout = xcalloc(1, sizeof(*lockout));

    if (RAND_priv_bytes(lockout->key, sizeof(lockout->key)) != 1)
        fatal("no random bytes for the key of the lockout table", 0);
    pthread_mutex_init(&lockout->lock, NULL);
    return lockout;
}

void lockout_destroy(struct lockout *lockout)
{
    pthread_mutex_destroy(&lockout->lock);
    free(lockout);
}

/*
 * Names.
 */

/* What one subscriber has: four bytes of IPv4, eight of IPv6; the text when it is neither. */
static struct slice subscriber(struct slice address, uint8_t out[ADDRESS_MAX])
{
    uint8_t v6[16];
    char text[ADDRESS_MAX];

    address = slice_sub(address, 0, sizeof(text) - 1);
    if (address.n > 0)
        memcpy(text, address.p, address.n);
    text[address.n] = '\0';
    if (inet_pton(AF_INET, text, out) == 1)
        return slice_make(out, 4);
    if (inet_pton(AF_INET6, text, v6) == 1) {
        const bool is_mapped = IN6_IS_ADDR_V4MAPPED((struct in6_addr *)(void *)v6);

        memcpy(out, is_mapped ? v6 + 12 : v6, is_mapped ? 4 : 8);
        return slice_make(out, is_mapped ? 4 : 8);
    }
    memcpy(out, text, address.n);
    return slice_make(out, address.n);
}

/* `account` empty: the address alone. */
static void name_of(const struct lockout *lockout, struct slice account, struct slice address,
                    uint8_t name[NAME_SIZE])
{
    uint8_t who[ADDRESS_MAX], text[1 + ADDRESS_MAX + 256], mac[32];
    struct slice from = subscriber(address, who);
    size_t n = 0;

    account = slice_sub(account, 0, 256);
    text[n++] = (uint8_t)from.n;
    memcpy(text + n, from.p, from.n);
    n += from.n;
    if (account.n > 0)
        memcpy(text + n, account.p, account.n);
    n += account.n;
    if (HMAC(EVP_sha256(), lockout->key, sizeof(lockout->key), text, n, mac, NULL) == NULL)
        fatal("no HMAC-SHA256", 0);
    memcpy(name, mac, NAME_SIZE);
}

static struct place *set_of(struct lockout *lockout, const uint8_t name[NAME_SIZE])
{
    return lockout->places[(name[0] | (unsigned)name[1] << 8) % SETS];
}

static struct place *find(struct lockout *lockout, const uint8_t name[NAME_SIZE])
{
    struct place *set = set_of(lockout, name);

    for (size_t i = 0; i < PLACES; i++)
        if (set[i].last_ms != 0 && memcmp(set[i].name, name, NAME_SIZE) == 0)
            return &set[i];
    return NULL;
}

static struct place *find_or_make(struct lockout *lockout, const uint8_t name[NAME_SIZE])
{
    struct place *set = set_of(lockout, name), *place = find(lockout, name);

    if (place != NULL)
        return place;
    place = &set[0];
    for (size_t i = 1; i < PLACES; i++)
        if (set[i].last_ms < place->last_ms)
            place = &set[i];
    memset(place, 0, sizeof(*place));
    memcpy(place->name, name, NAME_SIZE);
    return place;
}

/*
 * Counting.
 */

static uint64_t wait_of(const struct place *place, uint64_t now_ms)
{
    return place == NULL || place->not_before_ms <= now_ms ? 0 : place->not_before_ms - now_ms;
}

uint64_t lockout_wait(struct lockout *lockout, const struct lockout_options *options,
                      struct slice account, struct slice address, uint64_t now_ms)
{
    uint8_t by_account[NAME_SIZE], by_address[NAME_SIZE];
    uint64_t of_account = 0, of_address = 0;

    if (address.n == 0)
        return 0;
    name_of(lockout, account, address, by_account);
    name_of(lockout, SLICE(""), address, by_address);
    pthread_mutex_lock(&lockout->lock);
    if (options->failures != 0)
        of_account = wait_of(find(lockout, by_account), now_ms);
    if (options->address_failures != 0)
        of_address = wait_of(find(lockout, by_address), now_ms);
    pthread_mutex_unlock(&lockout->lock);
    return of_account > of_address ? of_account : of_address;
}

static uint64_t delay_after(unsigned failures)
{
    uint64_t delay_ms = FIRST_WAIT_MS;

    if (failures <= FREE_FAILURES)
        return 0;
    for (unsigned i = FREE_FAILURES + 1; i < failures && delay_ms < WAIT_MAX_MS; i++)
        delay_ms *= 2;
    return delay_ms < WAIT_MAX_MS ? delay_ms : WAIT_MAX_MS;
}

/* True when this failure locked it. */
static bool count(struct place *place, unsigned limit, uint64_t time_ms, uint64_t now_ms)
{
    if (now_ms - place->last_ms >= time_ms)
        place->failures = 0;
    place->failures++;
    place->last_ms = now_ms != 0 ? now_ms : 1;
    if (place->failures < limit)
        return false;
    place->not_before_ms = now_ms + time_ms;
    place->failures = 0; /* after the time one begins anew */
    return true;
}

static bool is_noteworthy(struct place *place, uint64_t now_ms)
{
    if (place->noted_ms != 0 && now_ms - place->noted_ms < NOTE_EVERY_MS)
        return false;
    place->noted_ms = now_ms;
    return true;
}

struct lockout_verdict lockout_failed(struct lockout *lockout,
                                      const struct lockout_options *options, struct slice account,
                                      struct slice address, uint64_t now_ms)
{
    struct lockout_verdict verdict = {0};
    uint8_t by_account[NAME_SIZE], by_address[NAME_SIZE];
    struct place *place;

    if (address.n == 0)
        return verdict;
    name_of(lockout, account, address, by_account);
    name_of(lockout, SLICE(""), address, by_address);
    pthread_mutex_lock(&lockout->lock);
    place = find_or_make(lockout, by_account);
    verdict.is_new = is_noteworthy(place, now_ms);
    if (options->failures != 0) {
        verdict.account_locked = count(place, options->failures, options->time_ms, now_ms);
        if (!verdict.account_locked)
            place->not_before_ms = now_ms + delay_after(place->failures);
        verdict.failures = verdict.account_locked ? options->failures : place->failures;
    }
    place->last_ms = now_ms != 0 ? now_ms : 1;
    if (options->address_failures != 0)
        verdict.address_locked = count(find_or_make(lockout, by_address), options->address_failures,
                                       options->time_ms, now_ms);
    pthread_mutex_unlock(&lockout->lock);
    verdict.is_new |= verdict.account_locked || verdict.address_locked;
    return verdict;
}

void lockout_succeeded(struct lockout *lockout, struct slice account, struct slice address)
{
    uint8_t name[NAME_SIZE];
    struct place *place;

    if (address.n == 0)
        return;
    name_of(lockout, account, address, name);
    pthread_mutex_lock(&lockout->lock);
    place = find(lockout, name);
    if (place != NULL)
        memset(place, 0, sizeof(*place));
    pthread_mutex_unlock(&lockout->lock);
}
