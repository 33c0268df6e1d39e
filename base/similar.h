/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean": how near what somebody wrote is to a name there is. Any thread.
 */
#ifndef BASE_SIMILAR_H
#define BASE_SIMILAR_H

#include <stdint.h>

#include "base/slice.h"

#define SIMILAR_NOT UINT32_MAX

/* Letters to insert, remove, change or swap with their neighbour, when they are so few that a slip
 * can explain them; else SIMILAR_NOT. */
unsigned similar_distance(struct slice given, struct slice name);

#endif
