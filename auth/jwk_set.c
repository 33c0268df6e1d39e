/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/jwk_internal.h"

#include "base/mem.h"

#include <stdlib.h>

struct jwk_set {
    struct jwk *first; /* in the order of the document; in the arena */
    unsigned count, skipped;
};

static const struct json_limits limits = {.max_depth = 8, .max_values = 4096};

static int read_keys(struct arena *arena, const struct json *array, struct jwk_set *set,
                     struct fault *fault)
{
    struct jwk **last = &set->first;

    for (const struct json *one = array->first; one != NULL; one = one->next) {
        struct jwk found;
        int err = jwk_from_json(one, &found, NULL);

        if (err == ERR_NO_MEMORY)
            return fault_set(fault, err, "no memory for a set of keys");
        if (err != 0) {
            set->skipped++;
            continue;
        }
        *last = arena_alloc(arena, sizeof(**last));
        if (*last == NULL) {
            EVP_PKEY_free(found.key);
            return fault_set(fault, ERR_NO_MEMORY, "no memory for a set of keys");
        }
        **last = found;
        last = &(*last)->next;
        set->count++;
    }
    return 0;
}

static int find_array(const struct json *root, const struct json **keys, struct fault *fault)
{
    *keys = json_member(root, SLICE("keys"));
    if (*keys == NULL || (*keys)->type != JSON_ARRAY)
        return fault_set(fault, ERR_INVALID,
                         "it is no set of keys: a JSON object with an array 'keys' is expected");
    if ((*keys)->count > JWK_KEYS_MAX)
        return fault_set(fault, ERR_LIMIT, "it has %u keys, more than %d", (*keys)->count,
                         JWK_KEYS_MAX);
    return 0;
}

int jwk_set_parse(struct arena *arena, struct slice json, struct jwk_set **set, struct fault *fault)
{
    const struct json *keys;
    struct json *root;
    int err;

    *set = NULL;
    if (json.n > JWK_SET_MAX)
        return fault_set(fault, ERR_LIMIT, "a set of keys has at most %d bytes", JWK_SET_MAX);
    err = json_parse(arena, json, &limits, &root, fault);
    if (err == 0)
        err = find_array(root, &keys, fault);
    if (err != 0)
        return err;
    struct jwk_set *made = xcalloc(1, sizeof(*made));
    err = read_keys(arena, keys, made, fault);
    if (err != 0) {
        jwk_set_destroy(made);
        return err;
    }
    *set = made;
    return 0;
}

void jwk_set_destroy(struct jwk_set *set)
{
    if (set == NULL)
        return;
    for (struct jwk *key = set->first; key != NULL; key = key->next)
        EVP_PKEY_free(key->key);
    free(set);
}

unsigned jwk_set_count(const struct jwk_set *set)
{
    return set->count;
}

unsigned jwk_set_skipped(const struct jwk_set *set)
{
    return set->skipped;
}

const struct jwk *jwk_set_find(const struct jwk_set *set, struct slice kid, struct slice alg)
{
    const struct jwk *found = NULL;
    enum jwk_algorithm algorithm;

    if (!jwk_algorithm_parse(alg, &algorithm))
        return NULL;
    for (const struct jwk *key = set->first; key != NULL; key = key->next) {
        if ((key->algorithms & JWK_BIT(algorithm)) == 0)
            continue;
        if (kid.n != 0 && !slice_eq(kid, key->kid))
            continue;
        if (found !=
            NULL) /* two of that name, or none was named: which one is not for us to guess */
            return NULL;
        found = key;
    }
    return found;
}
