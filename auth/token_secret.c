/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "auth/token_secret.h"

#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#define ID_BYTES     8
#define RANDOM_BYTES 32
#define RANDOM_SIZE  43 /* characters of RANDOM_BYTES */

static const struct slice prefix = {"tmk_", 4};

#define KIND_AT   4
#define ID_AT     6
#define RANDOM_AT (ID_AT + TOKEN_ID_SIZE + 1)

_Static_assert(RANDOM_AT + RANDOM_SIZE == TOKEN_TEXT_SIZE, "the parts are the whole");

static const struct {
    enum token_kind kind;
    char letter;
    const char *name;
} kinds[] = {
    {TOKEN_PERSONAL, 'p', "personal"},
    {TOKEN_ROBOT, 'r', "robot"},
    {TOKEN_REFRESH, 'f', "refresh"},
    {TOKEN_BOOTSTRAP, 'b', "bootstrap"},
};

const char *token_kind_name(enum token_kind kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "unknown";
}

/*
 * base64url without padding (RFC 4648 section 5).
 */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const uint8_t *bytes, size_t n, char *out)
{
    unsigned bits = 0, held = 0;

    for (size_t i = 0; i < n; i++) {
        held = (held << 8 | bytes[i]) & 0xffff;
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            *out++ = alphabet[held >> bits & 63];
        }
    }
    if (bits > 0)
        *out = alphabet[held << (6 - bits) & 63];
}

static bool value_of(char c, unsigned *value)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);

    if (at == NULL)
        return false;
    *value = (unsigned)(at - alphabet);
    return true;
}

/* Exactly n bytes out of their characters; the bits left over must be zero, so that one secret has
 * one text. */
static bool decode(struct slice text, uint8_t *out, size_t n)
{
    unsigned bits = 0, held = 0, value;

    for (size_t i = 0; i < text.n; i++) {
        if (!value_of(text.p[i], &value))
            return false;
        held = (held << 6 | value) & 0xffff;
        bits += 6;
        if (bits >= 8 && n > 0) {
            bits -= 8;
            *out++ = (uint8_t)(held >> bits);
            n--;
        }
    }
    return n == 0 && bits < 6 && (held & ((1u << bits) - 1)) == 0;
}

static void encode_id(uint64_t id, char out[TOKEN_ID_SIZE])
{
    uint8_t bytes[ID_BYTES];

    for (int i = ID_BYTES - 1; i >= 0; i--) {
        bytes[i] = (uint8_t)id;
        id >>= 8;
    }
    encode(bytes, sizeof(bytes), out);
}

/* No id is 0: that is "from the beginning" elsewhere. */
static bool decode_id(struct slice text, uint64_t *id)
{
    uint8_t bytes[ID_BYTES];

    if (text.n != TOKEN_ID_SIZE || !decode(text, bytes, sizeof(bytes)))
        return false;
    *id = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *id = *id << 8 | bytes[i];
    return *id != 0;
}

struct slice token_id_format(uint64_t id, char out[TOKEN_ID_SIZE + 1])
{
    encode_id(id, out);
    out[TOKEN_ID_SIZE] = '\0';
    return slice_make(out, TOKEN_ID_SIZE);
}

int token_id_parse(struct slice text, uint64_t *id)
{
    return decode_id(text, id) ? 0 : ERR_TOKEN_UNKNOWN;
}

/*
 * The whole.
 */

static void hash(struct slice text, uint8_t sha256[TOKEN_HASH_SIZE])
{
    struct digest digest;

    digest_compute(DIGEST_SHA256, text, &digest);
    memcpy(sha256, digest.raw, TOKEN_HASH_SIZE);
}

static char letter_of(enum token_kind kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (kinds[i].kind == kind)
            return kinds[i].letter;
    return '?';
}

/* People write ids on command lines, where a first '-' would begin an option. */
static bool is_good_id(uint64_t id)
{
    char text[TOKEN_ID_SIZE + 1];

    return id != 0 && token_id_format(id, text).p[0] != '-';
}

int token_secret_make(enum token_kind kind, struct token_secret *secret)
{
    uint8_t random[RANDOM_BYTES];

    memset(secret, 0, sizeof(*secret));
    secret->kind = kind;
    while (!is_good_id(secret->id))
        if (RAND_bytes((unsigned char *)&secret->id, sizeof(secret->id)) != 1)
            return ERR_INTERNAL;
    if (RAND_priv_bytes(random, sizeof(random)) != 1)
        return ERR_INTERNAL;
    memcpy(secret->text, prefix.p, prefix.n);
    secret->text[KIND_AT] = letter_of(kind);
    secret->text[KIND_AT + 1] = '_';
    encode_id(secret->id, secret->text + ID_AT);
    secret->text[RANDOM_AT - 1] = '_';
    encode(random, sizeof(random), secret->text + RANDOM_AT);
    hash(slice_make(secret->text, TOKEN_TEXT_SIZE), secret->sha256);
    OPENSSL_cleanse(random, sizeof(random));
    return 0;
}

void token_secret_wipe(struct token_secret *secret)
{
    OPENSSL_cleanse(secret, sizeof(*secret));
}

bool token_secret_is_one(struct slice text)
{
    return slice_starts_with(text, prefix);
}

static bool parse_kind(char letter, enum token_kind *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (kinds[i].letter == letter) {
            *kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

int token_secret_parse(struct slice text, struct token_secret *secret)
{
    uint8_t random[RANDOM_BYTES];
    bool is_good;

    memset(secret, 0, sizeof(*secret));
    if (text.n != TOKEN_TEXT_SIZE || !token_secret_is_one(text))
        return ERR_INVALID;
    is_good = text.p[KIND_AT + 1] == '_' && text.p[RANDOM_AT - 1] == '_' &&
              parse_kind(text.p[KIND_AT], &secret->kind) &&
              decode_id(slice_sub(text, ID_AT, TOKEN_ID_SIZE), &secret->id) &&
              decode(slice_sub(text, RANDOM_AT, RANDOM_SIZE), random, sizeof(random));
    OPENSSL_cleanse(random, sizeof(random));
    if (!is_good)
        return ERR_INVALID;
    hash(text, secret->sha256);
    return 0;
}

bool token_secret_matches(const struct token_secret *secret, const uint8_t sha256[TOKEN_HASH_SIZE])
{
    return CRYPTO_memcmp(secret->sha256, sha256, TOKEN_HASH_SIZE) == 0;
}
