/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a secret: "tmk_", a letter for its kind, "_", the id (11 characters of base64url),
 * "_", 256 random bits (43 characters). The id finds the row; only the SHA-256 of the whole text is
 * kept. The beginning lets scanners of source code find a leaked one. Any thread.
 */
#ifndef AUTH_TOKEN_SECRET_H
#define AUTH_TOKEN_SECRET_H

#include "base/fault.h"
#include "storage/rows.h"

#define TOKEN_TEXT_SIZE 61 /* bytes of every secret */
#define TOKEN_ID_SIZE   11 /* of the text of an id alone */

struct token_secret {
    enum token_kind kind;
    uint64_t id;
    uint8_t sha256[TOKEN_HASH_SIZE];
    char text[TOKEN_TEXT_SIZE + 1]; /* set by make only; wipe it with token_secret_wipe */
};

/* A new one. ERR_INTERNAL when there are no random bytes. */
int token_secret_make(enum token_kind kind, struct token_secret *secret) MUST_CHECK;
void token_secret_wipe(struct token_secret *secret);

/* True when it begins as a secret of ours does: then it is no password. */
bool token_secret_is_one(struct slice text);

/* ERR_INVALID for what token_secret_make cannot have made. `secret->text` stays empty. */
int token_secret_parse(struct slice text, struct token_secret *secret) MUST_CHECK;

/* Constant time. */
bool token_secret_matches(const struct token_secret *secret, const uint8_t sha256[TOKEN_HASH_SIZE]);

/* The id as lists show it. `out` is returned; parse gives ERR_TOKEN_UNKNOWN for what is none. */
struct slice token_id_format(uint64_t id, char out[TOKEN_ID_SIZE + 1]);
int token_id_parse(struct slice text, uint64_t *id) MUST_CHECK;

/* "personal", "robot", "refresh", "bootstrap". */
const char *token_kind_name(enum token_kind kind);

#endif
