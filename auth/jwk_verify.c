/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the lengths of signatures are checked before OpenSSL sees them. JWS has fixed ones (RFC
 * 7518 sections 3.3 to 3.5, RFC 8037 section 3.1), and DER, which OpenSSL wants for ECDSA, has not:
 * it is made here from two numbers of fixed size, so that no foreign DER is ever parsed.
 */
#include "config.h"
#include "auth/jwk_internal.h"

#include "base/mem.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

static const char *const names[] = {
    [JWK_RS256] = "RS256", [JWK_PS256] = "PS256", [JWK_ES256] = "ES256",
    [JWK_ES384] = "ES384", [JWK_EDDSA] = "EdDSA",
};

const char *jwk_algorithm_name(enum jwk_algorithm algorithm)
{
    return names[algorithm];
}

bool jwk_algorithm_parse(struct slice text, enum jwk_algorithm *algorithm)
{
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (slice_eq(text, slice_from_cstr(names[i]))) {
            *algorithm = (enum jwk_algorithm)i;
            return true;
        }
    }
    *algorithm = JWK_EDDSA;
    return slice_eq(text, SLICE("Ed25519")); /* RFC 9864 section 2.2: its new name */
}

struct slice jwk_kid(const struct jwk *key)
{
    return key->kid;
}

static const EVP_MD *hash_of(enum jwk_algorithm algorithm)
{
    switch (algorithm) {
    case JWK_RS256:
    case JWK_PS256:
    case JWK_ES256:
        return EVP_sha256();
    case JWK_ES384:
        return EVP_sha384();
    case JWK_EDDSA:
        break; /* it hashes by itself */
    }
    return NULL;
}

/* r || s to DER; NULL when a number is 0, or out of memory. OPENSSL_free it. */
static unsigned char *to_der(struct slice raw, int *n)
{
    const unsigned char *p = (const unsigned char *)raw.p;
    int half = (int)(raw.n / 2);
    BIGNUM *r = BN_bin2bn(p, half, NULL);
    BIGNUM *s = BN_bin2bn(p + half, half, NULL);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    unsigned char *der = NULL;

    if (r != NULL && s != NULL && pair != NULL && !BN_is_zero(r) && !BN_is_zero(s) &&
        ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* they are the pair's */
        *n = i2d_ECDSA_SIG(pair, &der);
        if (*n <= 0)
            der = NULL;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return der;
}

static bool set_padding(EVP_PKEY_CTX *key_context, enum jwk_algorithm algorithm)
{
    if (algorithm == JWK_RS256)
        return EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PADDING) == 1;
    if (algorithm == JWK_PS256) /* RFC 7518 section 3.5: salt as long as the hash */
        return EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) == 1;
    return true;
}

static bool verify(EVP_PKEY *key, enum jwk_algorithm algorithm, struct slice message,
                   const unsigned char *signature, size_t n)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL; /* the context's */
    bool is_good =
        context != NULL &&
        EVP_DigestVerifyInit(context, &key_context, hash_of(algorithm), NULL, key) == 1 &&
        set_padding(key_context, algorithm) &&
        EVP_DigestVerify(context, signature, n, (const unsigned char *)message.p, message.n) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error(); /* what it says of a bad signature must not be taken for a later failure */
    return is_good;
}

static bool verify_ecdsa(EVP_PKEY *key, enum jwk_algorithm algorithm, struct slice message,
                         struct slice raw)
{
    int n = 0;
    unsigned char *der = to_der(raw, &n);
    bool is_good = der != NULL && verify(key, algorithm, message, der, (size_t)n);

    OPENSSL_free(der);
    return is_good;
}

int jwk_verify(const struct jwk *key, enum jwk_algorithm algorithm, struct slice message,
               struct slice signature, struct fault *fault)
{
    bool is_good;

    if ((key->algorithms & JWK_BIT(algorithm)) == 0)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: its key is not for the algorithm %s",
                         jwk_algorithm_name(algorithm));
    if (signature.n != key->signature_size)
        return fault_set(fault, ERR_UNAUTHORIZED,
                         "the token is refused: its signature has %zu bytes, those of this key "
                         "have %zu",
                         signature.n, key->signature_size);
    if (algorithm == JWK_ES256 || algorithm == JWK_ES384)
        is_good = verify_ecdsa(key->key, algorithm, message, signature);
    else
        is_good =
            verify(key->key, algorithm, message, (const unsigned char *)signature.p, signature.n);
    return is_good
               ? 0
               : fault_set(fault, ERR_UNAUTHORIZED, "the token is refused: its signature is wrong");
}
