/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a table of fixed size, eight places to a set chosen by the hash; the place that ends
 * first makes room. A lookup compares 32 bytes in a few places under a mutex: no client can make it
 * slow, and a client cannot choose a set without the key.
 */
#include "config.h"
#include "auth/password_cache.h"

#include "base/fatal.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#define SETS     512 /* a power of two */
#define PLACES   8
#define MAC_SIZE 32
#define TEXT_MAX 1024 /* bytes of hash and password together */

struct place {
    uint8_t mac[MAC_SIZE];
    uint64_t until_ms; /* 0: free */
};

struct password_cache {
    pthread_mutex_t lock;
    uint8_t key[MAC_SIZE];
    struct place places[SETS][PLACES];
};

struct password_cache *password_cache_create(void)
{
    struct password_cache *cache = xcalloc(1, sizeof(*cache));

    if (RAND_priv_bytes(cache->key, sizeof(cache->key)) != 1)
        fatal("no random bytes for the key of the password cache", 0);
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void password_cache_destroy(struct password_cache *cache)
{
    pthread_mutex_destroy(&cache->lock);
    OPENSSL_cleanse(cache, sizeof(*cache));
    free(cache);
}

/* False for what is too long to be remembered. The bcrypt text has no NUL, so that hash and
 * password are told apart by one. */
static bool compute(const struct password_cache *cache, struct slice hash, struct slice password,
                    uint8_t mac[MAC_SIZE])
{
    uint8_t text[TEXT_MAX];
    size_t n = hash.n + 1;
    bool is_made;

    if (hash.n == 0 || hash.n >= TEXT_MAX || password.n > TEXT_MAX - n)
        return false;
    memcpy(text, hash.p, hash.n);
    text[hash.n] = '\0';
    if (password.n > 0)
        memcpy(text + n, password.p, password.n);
    n += password.n;
    is_made = HMAC(EVP_sha256(), cache->key, MAC_SIZE, text, n, mac, NULL) != NULL;
    OPENSSL_cleanse(text, n);
    return is_made;
}

static struct place *set_of(struct password_cache *cache, const uint8_t mac[MAC_SIZE])
{
    return cache->places[(mac[0] | (unsigned)mac[1] << 8) % SETS];
}

bool password_cache_has(struct password_cache *cache, struct slice hash, struct slice password,
                        uint64_t now_ms)
{
    uint8_t mac[MAC_SIZE];
    bool has = false;

    if (!compute(cache, hash, password, mac))
        return false;
    pthread_mutex_lock(&cache->lock);
    struct place *set = set_of(cache, mac);
    for (size_t i = 0; i < PLACES; i++)
        has |= set[i].until_ms > now_ms && CRYPTO_memcmp(set[i].mac, mac, MAC_SIZE) == 0;
    pthread_mutex_unlock(&cache->lock);
    return has;
}

static struct place *choose(struct place *set, const uint8_t mac[MAC_SIZE])
{
    struct place *chosen = &set[0];

    for (size_t i = 0; i < PLACES; i++) {
        if (memcmp(set[i].mac, mac, MAC_SIZE) == 0)
            return &set[i];
        if (set[i].until_ms < chosen->until_ms)
            chosen = &set[i];
    }
    return chosen;
}

void password_cache_add(struct password_cache *cache, struct slice hash, struct slice password,
                        uint64_t now_ms, uint64_t life_ms)
{
    uint8_t mac[MAC_SIZE];

    if (life_ms == 0 || !compute(cache, hash, password, mac))
        return;
    pthread_mutex_lock(&cache->lock);
    struct place *place = choose(set_of(cache, mac), mac);
    memcpy(place->mac, mac, MAC_SIZE);
    place->until_ms = now_ms + life_ms;
    pthread_mutex_unlock(&cache->lock);
}
