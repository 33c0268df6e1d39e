/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of jwk share, and server_key, which makes keys of its own. OpenSSL's types end
 * here.
 */
#ifndef AUTH_JWK_INTERNAL_H
#define AUTH_JWK_INTERNAL_H

#include "auth/jwk.h"
#include "base/json.h"

#include <openssl/evp.h>

#define JWK_BIT(algorithm) (1u << (algorithm))

struct jwk {
    struct slice kid;
    unsigned algorithms; /* JWK_BIT of each it may be used with */
    size_t signature_size;
    EVP_PKEY *key; /* its reference */
    struct jwk *next;
};

/* From one member of `keys`. ERR_INVALID: it is none that can be used, with the reason. Strings
 * are borrowed from the tree. */
int jwk_from_json(const struct json *json, struct jwk *jwk, struct fault *fault) MUST_CHECK;

#endif
