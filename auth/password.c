/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the work of bcrypt is 2^cost. A password that is wrong against a hash of cost c is
 * followed by hashes of cost c, c + 1, .. C - 1 of nothing in particular: 2^c + 2^c + 2^(c+1) + ..
 * = 2^C, what one hash of cost C takes. So a wrong password, an unknown user and a user whose hash
 * is a cheap one (htpasswd -B makes cost 5) cannot be told apart by the clock.
 */
#include "config.h"
#include "auth/password.h"

#include "base/mem.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define SETTING_SIZE 29 /* "$2b$12$" and 22 characters of salt */

int password_check_new(struct slice password, struct fault *fault)
{
    if (password.n < PASSWORD_MIN)
        return fault_set(fault, ERR_INVALID, "the password is too short: at least %d characters",
                         PASSWORD_MIN);
    if (password.n > PASSWORD_MAX)
        return fault_set(fault, ERR_INVALID,
                         "the password is too long: bcrypt sees %d bytes, and these are %zu",
                         PASSWORD_MAX, password.n);
    if (slice_find_char(password, '\0') != password.n)
        return fault_set(fault, ERR_INVALID, "the password has a NUL in it");
    return 0;
}

/*
 * The text of a hash.
 */

static bool is_salt_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '/';
}

static bool has_bcrypt_prefix(struct slice hash)
{
    return hash.n >= 4 && hash.p[0] == '$' && hash.p[1] == '2' &&
           (hash.p[2] == 'a' || hash.p[2] == 'b' || hash.p[2] == 'y') && hash.p[3] == '$';
}

int password_hash_parse(struct slice hash, unsigned *cost, struct fault *fault)
{
    uint64_t value;

    if (!has_bcrypt_prefix(hash))
        return fault_set(fault, ERR_INVALID,
                         "the hash is not one of bcrypt ($2y$...); make it with htpasswd -B");
    if (hash.n != PASSWORD_HASH_SIZE || hash.p[6] != '$' ||
        !slice_parse_u64(slice_sub(hash, 4, 2), &value))
        return fault_set(fault, ERR_INVALID,
                         "the bcrypt hash is cut off or has something after it");
    for (size_t i = 7; i < hash.n; i++)
        if (!is_salt_char(hash.p[i]))
            return fault_set(fault, ERR_INVALID,
                             "the bcrypt hash has a character that cannot be in one");
    if (value < PASSWORD_COST_MIN || value > PASSWORD_COST_MAX)
        return fault_set(fault, ERR_INVALID,
                         "the cost of the bcrypt hash is %u; %d to %d are taken", (unsigned)value,
                         PASSWORD_COST_MIN, PASSWORD_COST_MAX);
    if (cost != NULL)
        *cost = (unsigned)value;
    return 0;
}

/*
 * Hashing. A struct crypt_data is 32 KiB: on the heap, and wiped, since it has had the password.
 */

static struct crypt_data *scratch_create(void)
{
    return xcalloc(1, sizeof(struct crypt_data));
}

static void scratch_destroy(struct crypt_data *scratch)
{
    OPENSSL_cleanse(scratch, sizeof(*scratch));
    free(scratch);
}

/* A copy with a NUL after it; the password must be shorter than the array. */
static void copy(struct slice text, char *out)
{
    if (text.n > 0)
        memcpy(out, text.p, text.n);
    out[text.n] = '\0';
}

int password_hash(struct slice password, unsigned cost, char out[PASSWORD_HASH_SIZE + 1],
                  struct fault *fault)
{
    struct crypt_data *scratch;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], random[16], text[PASSWORD_MAX + 1];
    const char *made;
    int err = password_check_new(password, fault);

    if (err != 0)
        return err;
    if (RAND_bytes((unsigned char *)random, sizeof(random)) != 1)
        return fault_set(fault, ERR_INTERNAL, "there are no random bytes");
    if (crypt_gensalt_rn("$2b$", cost, random, sizeof(random), setting, sizeof(setting)) == NULL)
        return fault_set(fault, ERR_INTERNAL, "libcrypt makes no bcrypt hash of cost %u", cost);
    scratch = scratch_create();
    copy(password, text);
    made = crypt_r(text, setting, scratch);
    if (made == NULL || strlen(made) != PASSWORD_HASH_SIZE)
        err = fault_set(fault, ERR_INTERNAL, "libcrypt makes no bcrypt hash");
    else
        memcpy(out, made, PASSWORD_HASH_SIZE + 1);
    OPENSSL_cleanse(text, sizeof(text));
    scratch_destroy(scratch);
    return err;
}

static bool check(struct slice hash, struct slice password, struct crypt_data *scratch)
{
    char setting[PASSWORD_HASH_SIZE + 1], text[CRYPT_MAX_PASSPHRASE_SIZE];
    const char *made;
    bool is_right;

    copy(hash, setting);
    copy(password, text);
    made = crypt_r(text, setting, scratch);
    is_right = made != NULL && strlen(made) == PASSWORD_HASH_SIZE &&
               CRYPTO_memcmp(made, setting, PASSWORD_HASH_SIZE) == 0;
    OPENSSL_cleanse(text, sizeof(text));
    return is_right;
}

/* The work of one hash. */
static void burn(unsigned cost, struct crypt_data *scratch)
{
    char setting[SETTING_SIZE + 1] = "$2b$00$abcdefghijklmnopqrstuu";

    setting[4] = (char)('0' + cost / 10);
    setting[5] = (char)('0' + cost % 10);
    (void)crypt_r("nothing in particular", setting, scratch);
}

static bool fits(struct slice password)
{
    return password.n < CRYPT_MAX_PASSPHRASE_SIZE && slice_find_char(password, '\0') == password.n;
}

bool password_matches(struct slice hash, struct slice password, unsigned cost)
{
    struct crypt_data *scratch = scratch_create();
    unsigned its_cost;
    bool is_right = false;

    if (password_hash_parse(hash, &its_cost, NULL) != 0 || !fits(password)) {
        burn(cost, scratch);
    } else {
        is_right = check(hash, password, scratch);
        for (unsigned c = its_cost; !is_right && c < cost; c++)
            burn(c, scratch);
    }
    scratch_destroy(scratch);
    return is_right;
}
