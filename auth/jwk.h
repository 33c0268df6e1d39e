/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys of who signs tokens, as a JWK Set has them (RFC 7517, 7518, 8037): RSA of 2048 to
 * 8192 bits (RS256, PS256), EC P-256 (ES256) and P-384 (ES384), Ed25519 (EdDSA). Other kinds, keys
 * for other uses, symmetric and private ones are skipped and counted, as RFC 7517 section 5 asks.
 *
 * A key knows which algorithms it may be used with; a token can only choose among these. A set is
 * immutable once parsed: any thread, several at a time.
 */
#ifndef AUTH_JWK_H
#define AUTH_JWK_H

#include "base/arena.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

#define JWK_SET_MAX  (64 * 1024) /* bytes of a document */
#define JWK_KEYS_MAX 64          /* members of `keys` */
#define JWK_KID_MAX  256         /* bytes */

enum jwk_algorithm {
    JWK_RS256,
    JWK_PS256,
    JWK_ES256,
    JWK_ES384,
    JWK_EDDSA,
};

/* "RS256" ...; parse is false for any other (RFC 7518 section 3.1: names are case-sensitive). EdDSA
 * has a second name, "Ed25519". */
const char *jwk_algorithm_name(enum jwk_algorithm algorithm);
bool jwk_algorithm_parse(struct slice text, enum jwk_algorithm *algorithm);

struct jwk;
struct jwk_set;

/* Texts of the set are in the arena, which must outlive it. ERR_SYNTAX, ERR_INVALID: no JWK Set;
 * ERR_LIMIT: too large. A set without usable keys is one with jwk_set_count 0. */
int jwk_set_parse(struct arena *arena, struct slice json, struct jwk_set **set,
                  struct fault *fault) MUST_CHECK;
/* NULL does nothing. Before the arena goes. */
void jwk_set_destroy(struct jwk_set *set);

unsigned jwk_set_count(const struct jwk_set *set);   /* usable keys */
unsigned jwk_set_skipped(const struct jwk_set *set); /* the others */

/* The key named `kid` that may be used with `alg` (as a token writes it). With an empty kid: the
 * only key for that algorithm. NULL when there is none, or no single one. */
const struct jwk *jwk_set_find(const struct jwk_set *set, struct slice kid, struct slice alg);

/* Empty when it has none. */
struct slice jwk_kid(const struct jwk *key);

/* Is `signature` (as JWS has it: raw r || s for ECDSA) one of `message`? ERR_UNAUTHORIZED: no, the
 * length is wrong, or the key is not for this algorithm. */
int jwk_verify(const struct jwk *key, enum jwk_algorithm algorithm, struct slice message,
               struct slice signature, struct fault *fault) MUST_CHECK;

#endif
