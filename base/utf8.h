/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Well-formed UTF-8 as the Unicode standard defines it: no overlong forms, no surrogates, nothing
 * past U+10FFFF. Any thread.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* U+FFFD, what readers put in the place of bytes that are no character. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Whether `s` (not empty) starts with a well-formed character. *length is the bytes of that
 * character, or of the broken one which a single U+FFFD replaces. */
bool utf8_next(struct slice s, size_t *length);

/* Bytes of `s` before the first that is not well-formed; s.n when all of it is. */
size_t utf8_valid_prefix(struct slice s);

#endif
