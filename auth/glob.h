/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Globs over names of repositories and over claims: `*` is any run of bytes without '/', `**` any
 * run of bytes, everything else is itself. "team/" with one star is what lies directly under
 * "team", with two all that lies under it; neither is "team" itself. Any thread.
 */
#ifndef AUTH_GLOB_H
#define AUTH_GLOB_H

#include <stdbool.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/slice.h"

#define GLOB_MAX       255 /* bytes of a pattern */
#define GLOB_STARS_MAX 8   /* runs of `*` in one */

/* ERR_INVALID says what is wrong: empty, too long, too many stars, three stars in a row, a control
 * byte. */
int glob_check(struct slice pattern, struct fault *fault) MUST_CHECK;

/* In time of the length of the text times that of the pattern, at most. */
bool glob_match(struct slice pattern, struct slice text);

#endif
