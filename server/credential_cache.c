/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: sets of four places; the set comes from the hash. SipHash is a hash made for short keyed
 * inputs: half a microsecond for a token of a kilobyte, where a verified signature takes a hundred.
 * 128 bits under a key nobody knows: two values that meet cannot be made on purpose, and do not
 * happen otherwise.
 */
#include "config.h"

#include "server/credential_cache.h"

#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <stdlib.h>
#include <sys/random.h>

#define WAYS     4
#define KEY_SIZE 16

struct place {
    struct credential_key key;
    struct credential *credential; /* NULL: free */
    uint64_t generation;
    uint64_t used; /* the cache's count at the last use */
    int64_t until_ms;
};

struct credential_cache {
    EVP_MAC_CTX *mac; /* NULL: the library has no SipHash, and nothing is cached */
    unsigned char key[KEY_SIZE];
    uint64_t uses;
    size_t sets; /* a power of two */
    struct place *places;
};

static EVP_MAC_CTX *create_mac(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    unsigned size = CREDENTIAL_KEY_SIZE;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &size),
                                 OSSL_PARAM_construct_end()};

    EVP_MAC_free(mac);
    if (context != NULL && EVP_MAC_CTX_set_params(context, params) != 1) {
        EVP_MAC_CTX_free(context);
        context = NULL;
    }
    return context;
}

struct credential_cache *credential_cache_create(uint64_t places)
{
    struct credential_cache *cache = xcalloc(1, sizeof(*cache));

    cache->sets = 1;
    while (cache->sets * WAYS < places)
        cache->sets *= 2;
    cache->places = xcalloc(cache->sets * WAYS, sizeof(struct place));
    cache->mac = create_mac();
    if (getrandom(cache->key, sizeof(cache->key), 0) != (ssize_t)sizeof(cache->key))
        abort();
    return cache;
}

void credential_cache_destroy(struct credential_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->sets * WAYS; i++)
        credential_unref(cache->places[i].credential);
    EVP_MAC_CTX_free(cache->mac);
    free(cache->places);
    free(cache);
}

bool credential_cache_key(struct credential_cache *cache, struct slice value,
                          struct credential_key *key)
{
    size_t n = 0;

    return cache->mac != NULL && EVP_MAC_init(cache->mac, cache->key, KEY_SIZE, NULL) == 1 &&
           EVP_MAC_update(cache->mac, (const unsigned char *)value.p, value.n) == 1 &&
           EVP_MAC_final(cache->mac, key->bytes, &n, sizeof(key->bytes)) == 1 &&
           n == sizeof(key->bytes);
}

static struct place *set_of(struct credential_cache *cache, const struct credential_key *key)
{
    uint64_t number;

    memcpy(&number, key->bytes, sizeof(number));
    return cache->places + (number & (cache->sets - 1)) * WAYS;
}

static void clear(struct place *place)
{
    credential_unref(place->credential);
    *place = (struct place){.credential = NULL};
}

struct credential *credential_cache_find(struct credential_cache *cache,
                                         const struct credential_key *key, uint64_t generation,
                                         int64_t now_ms)
{
    struct place *set = set_of(cache, key);

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].credential == NULL ||
            memcmp(set[i].key.bytes, key->bytes, sizeof(key->bytes)) != 0)
            continue;
        if (set[i].generation == generation && now_ms < set[i].until_ms) {
            set[i].used = ++cache->uses;
            return set[i].credential;
        }
        clear(&set[i]);
        return NULL;
    }
    return NULL;
}

void credential_cache_put(struct credential_cache *cache, const struct credential_key *key,
                          uint64_t generation, int64_t until_ms, struct credential *credential)
{
    struct place *set = set_of(cache, key), *place = set;

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].credential != NULL &&
            memcmp(set[i].key.bytes, key->bytes, sizeof(key->bytes)) == 0) {
            place = &set[i];
            break;
        }
        if (set[i].used < place->used)
            place = &set[i];
    }
    credential_ref(credential);
    clear(place);
    *place = (struct place){.key = *key,
                            .credential = credential,
                            .generation = generation,
                            .used = ++cache->uses,
                            .until_ms = until_ms};
}
