/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of an absolute http or https URL, split by the parser that base/fetch.h uses too, so
 * that what is checked is what is asked. Any thread.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

#define URL_TEXT_MAX 2048

struct url {
    bool is_https;
    struct slice host; /* lower case; an IPv6 address in its brackets */
    uint16_t port;     /* that of the scheme when the text has none */
    struct slice path; /* "/" when the text has none */
    bool has_user;     /* a name or a password before the host */
    bool has_query;    /* also an empty one */
    bool has_fragment; /* also an empty one */
};

/* The parts are in `arena`. ERR_SYNTAX with what is wrong; ERR_NO_MEMORY. */
int url_parse(struct arena *arena, struct slice text, struct url *url,
              struct fault *fault) MUST_CHECK;

/* Scheme, host and port are the same. */
bool url_is_same_origin(const struct url *a, const struct url *b);

#endif
