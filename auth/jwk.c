/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a JWK is turned into OpenSSL's parameters and those into a key. What OpenSSL would take
 * and we do not is refused before: sizes other than the curve's, weak RSA, private and symmetric
 * keys (who publishes those has a problem that trusting them would make larger).
 */
#include "config.h"
#include "auth/jwk_internal.h"

#include "base/base64url.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#define RSA_BITS_MIN   2048
#define RSA_BITS_MAX   8192
#define RSA_N_MAX      (RSA_BITS_MAX / 8 + 1) /* some write a zero byte before it */
#define RSA_E_MAX      4
#define COORDINATE_MAX 48

static struct slice text_of(const struct json *json, struct slice name)
{
    const struct json *member = json_member(json, name);

    return member != NULL && member->type == JSON_STRING ? member->text : (struct slice){0};
}

static int refuse(struct fault *fault, const char *why)
{
    return fault_set(fault, ERR_INVALID, "the key cannot be used: %s", why);
}

/* Bytes of a member, at least one. */
static bool read_bytes(const struct json *json, struct slice name, uint8_t *out, size_t max,
                       size_t *n)
{
    struct slice text = text_of(json, name);

    *n = base64url_decoded_size(text);
    return *n > 0 && base64url_decode(text, out, max) == 0;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (context == NULL || params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

/*
 * RSA.
 */

static EVP_PKEY *make_rsa(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key;

    if (build != NULL && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        params = OSSL_PARAM_BLD_to_param(build);
    key = make_key("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static int read_rsa(const struct json *json, struct jwk *jwk, struct fault *fault)
{
    uint8_t bytes[RSA_N_MAX], exponent[RSA_E_MAX];
    size_t n, e_n;
    BIGNUM *modulus = NULL, *e = NULL;
    int err = 0;

    if (!read_bytes(json, SLICE("n"), bytes, sizeof(bytes), &n) ||
        !read_bytes(json, SLICE("e"), exponent, sizeof(exponent), &e_n))
        return refuse(fault, "its n or e is missing, no base64url, or too long");
    modulus = BN_bin2bn(bytes, (int)n, NULL);
    e = BN_bin2bn(exponent, (int)e_n, NULL);
    if (modulus == NULL || e == NULL)
        err = ERR_NO_MEMORY;
    else if (BN_num_bits(modulus) < RSA_BITS_MIN || BN_num_bits(modulus) > RSA_BITS_MAX)
        err = refuse(fault, "RSA keys have 2048 to 8192 bits");
    else if (!BN_is_odd(modulus) || !BN_is_odd(e) || BN_is_one(e))
        err = refuse(fault, "its n or e is not one of RSA");
    if (err == 0) {
        jwk->key = make_rsa(modulus, e);
        jwk->algorithms = JWK_BIT(JWK_RS256) | JWK_BIT(JWK_PS256);
        jwk->signature_size = (size_t)BN_num_bytes(modulus);
    }
    BN_free(modulus);
    BN_free(e);
    return err;
}

/*
 * Curves.
 */

static EVP_PKEY *make_ec(const char *group, uint8_t *point, size_t n)
{
    char name[16];
    OSSL_PARAM params[3];

    snprintf(name, sizeof(name), "%s", group);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, n);
    params[2] = OSSL_PARAM_construct_end();
    return make_key("EC", params);
}

/* OpenSSL decodes the point, and by that checks that it is on the curve; that it is no other kind
 * of wrong is asked for as well, once for each key. */
static bool is_valid(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool good = context != NULL && EVP_PKEY_public_check(context) == 1;

    EVP_PKEY_CTX_free(context);
    return good;
}

static int read_ec(const struct json *json, struct jwk *jwk, struct fault *fault)
{
    uint8_t point[1 + 2 * COORDINATE_MAX] = {4}; /* uncompressed */
    struct slice curve = text_of(json, SLICE("crv"));
    bool is_256 = slice_eq(curve, SLICE("P-256"));
    size_t size = is_256 ? 32 : 48, x_n, y_n;

    if (!is_256 && !slice_eq(curve, SLICE("P-384")))
        return refuse(fault, "its curve is neither P-256 nor P-384");
    if (!read_bytes(json, SLICE("x"), point + 1, size, &x_n) || x_n != size ||
        !read_bytes(json, SLICE("y"), point + 1 + size, size, &y_n) || y_n != size)
        return refuse(fault, "its x or y is missing, or not as long as its curve wants");
    jwk->key = make_ec(is_256 ? "P-256" : "P-384", point, 1 + 2 * size);
    if (jwk->key != NULL && !is_valid(jwk->key)) {
        EVP_PKEY_free(jwk->key);
        jwk->key = NULL;
    }
    jwk->algorithms = JWK_BIT(is_256 ? JWK_ES256 : JWK_ES384);
    jwk->signature_size = 2 * size;
    return 0;
}

static int read_okp(const struct json *json, struct jwk *jwk, struct fault *fault)
{
    uint8_t x[32];
    size_t n;

    if (!slice_eq(text_of(json, SLICE("crv")), SLICE("Ed25519")))
        return refuse(fault, "its curve is not Ed25519");
    if (!read_bytes(json, SLICE("x"), x, sizeof(x), &n) || n != sizeof(x))
        return refuse(fault, "its x is missing, or not 32 bytes");
    jwk->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
    jwk->algorithms = JWK_BIT(JWK_EDDSA);
    jwk->signature_size = 64;
    return 0;
}

/*
 * What it is for.
 */

static bool has_text(const struct json *array, struct slice text)
{
    for (const struct json *one = array->first; one != NULL; one = one->next)
        if (one->type == JSON_STRING && slice_eq(one->text, text))
            return true;
    return false;
}

static int check_purpose(const struct json *json, struct fault *fault)
{
    const struct json *use = json_member(json, SLICE("use"));
    const struct json *operations = json_member(json, SLICE("key_ops"));
    const struct json *kid = json_member(json, SLICE("kid"));

    if (use != NULL && (use->type != JSON_STRING || !slice_eq(use->text, SLICE("sig"))))
        return refuse(fault, "it is not for signatures (use)");
    if (operations != NULL &&
        (operations->type != JSON_ARRAY || !has_text(operations, SLICE("verify"))))
        return refuse(fault, "it is not for verifying (key_ops)");
    if (kid != NULL && (kid->type != JSON_STRING || kid->text.n == 0 || kid->text.n > JWK_KID_MAX))
        return refuse(fault, "its name (kid) is not a text of 1 to 256 bytes");
    if (json_member(json, SLICE("d")) != NULL)
        return refuse(fault, "it is a private key");
    return 0;
}

/* A key with an `alg` is for that alone. */
static int narrow(const struct json *json, struct jwk *jwk, struct fault *fault)
{
    const struct json *alg = json_member(json, SLICE("alg"));
    enum jwk_algorithm algorithm;

    if (alg == NULL)
        return 0;
    if (alg->type == JSON_STRING && jwk_algorithm_parse(alg->text, &algorithm))
        jwk->algorithms &= JWK_BIT(algorithm);
    else
        jwk->algorithms = 0;
    return jwk->algorithms != 0 ? 0 : refuse(fault, "its algorithm (alg) is not one of its kind");
}

static int read_kind(const struct json *json, struct jwk *jwk, struct fault *fault)
{
    struct slice kind = text_of(json, SLICE("kty"));

    if (slice_eq(kind, SLICE("RSA")))
        return read_rsa(json, jwk, fault);
    if (slice_eq(kind, SLICE("EC")))
        return read_ec(json, jwk, fault);
    if (slice_eq(kind, SLICE("OKP")))
        return read_okp(json, jwk, fault);
    return refuse(fault, "its kind (kty) is none of RSA, EC, OKP");
}

int jwk_from_json(const struct json *json, struct jwk *jwk, struct fault *fault)
{
    int err;

    memset(jwk, 0, sizeof(*jwk));
    if (json->type != JSON_OBJECT)
        return refuse(fault, "it is no JSON object");
    jwk->kid = text_of(json, SLICE("kid"));
    err = check_purpose(json, fault);
    if (err == 0)
        err = read_kind(json, jwk, fault);
    if (err == 0 && jwk->key == NULL)
        err = refuse(fault, "its numbers are no key of its kind");
    if (err == 0)
        err = narrow(json, jwk, fault);
    if (err != 0) {
        EVP_PKEY_free(jwk->key);
        jwk->key = NULL;
    }
    ERR_clear_error();
    return err;
}
