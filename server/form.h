/* SPDX-License-Identifier: Apache-2.0 */
/*
 * application/x-www-form-urlencoded (as HTML forms send it, and OAuth 2.0). Any thread.
 */
#ifndef SERVER_FORM_H
#define SERVER_FORM_H

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

/* The value of a parameter, decoded into the arena; '+' is a space. `index` counts parameters of
 * that name from 0. ERR_NOT_FOUND; ERR_HTTP_BAD_REQUEST for broken escapes or a NUL. */
int form_value(struct arena *arena, struct slice form, struct slice name, unsigned index,
               struct slice *value, struct fault *fault) MUST_CHECK;

/* One that may come once: twice is ERR_HTTP_BAD_REQUEST, because who reads the first and who reads
 * the last would differ. Empty when it is not there. */
int form_single(struct arena *arena, struct slice form, struct slice name, struct slice *value,
                struct fault *fault) MUST_CHECK;

#endif
