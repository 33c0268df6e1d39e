/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML document as a tree with positions, over libyaml. Anchors, aliases, tags and several
 * documents are refused; size (1 MiB), depth (64) and number of nodes (65,536) are limited:
 * ERR_LIMIT. Texts and keys hold no NUL, and one follows them. One thread at a time.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/slice.h"

enum yaml_type { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml {
    enum yaml_type type;
    struct slice text; /* YAML_SCALAR */
    bool quoted;       /* YAML_SCALAR written in quotes or as a block (|, >) */
    struct slice key;  /* when inside a mapping */
    int line, column;  /* of the value, 1-based */
    int key_line, key_column;
    struct yaml *first, *next;
};

/* An empty document gives an empty mapping. ERR_SYNTAX with "line:column: why" in `fault`;
 * duplicate keys of one mapping are ERR_SYNTAX too. */
int yaml_parse(struct arena *arena, struct slice document, struct yaml **root,
               struct fault *fault) MUST_CHECK;

#endif
