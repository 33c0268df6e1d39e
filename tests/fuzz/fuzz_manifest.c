/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a Content-Type up to the first newline, then the body. What is taken keeps the promises of
 * registry/manifest.h and is taken again, as the same, under its own media type; a refusal comes
 * with a reason.
 */
#include "config.h"
#include "base/json.h"
#include "registry/manifest.h"

#include <stdlib.h>

#define MEMORY_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct manifest_limits limits = {
    .max_bytes = 1 << 20,
    .max_descriptors = 16,
    .max_depth = 16,
    .max_annotation_bytes = 1024,
};

static void check_descriptor(const struct descriptor *d)
{
    char text[DIGEST_TEXT_MAX];
    struct digest digest;

    if (d->media_type.n == 0 || d->size > INT64_MAX || d->field == NULL ||
        digest_parse(digest_format(&d->digest, text), &digest, NULL) != 0)
        abort();
}

static void check_manifest(struct arena *arena, const struct manifest *m)
{
    const struct json_limits json_limits = {.max_depth = 16, .max_values = 100000};
    struct json *root;

    if (!slice_eq(m->media_type, slice_from_cstr(manifest_kind_media_type(m->kind))) ||
        m->descriptors_n > limits.max_descriptors)
        abort();
    for (unsigned i = 0; i < m->descriptors_n; i++)
        check_descriptor(&m->descriptors[i]);
    for (unsigned i = 0; i < m->descriptors_n; i++)
        for (unsigned j = 0; j < i; j++)
            if (digest_eq(&m->descriptors[i].digest, &m->descriptors[j].digest) &&
                m->descriptors[i].size != m->descriptors[j].size)
                abort();
    if (m->has_subject) {
        check_descriptor(&m->subject);
        if (m->annotations.n > limits.max_annotation_bytes)
            abort();
    }
    if (m->annotations.n > 0 &&
        (json_parse(arena, m->annotations, &json_limits, &root, NULL) != 0 ||
         root->type != JSON_OBJECT))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(size ? data : NULL, size);
    size_t line = slice_find_char(rest, '\n');
    struct slice content_type = slice_sub(rest, 0, line);
    struct slice body = slice_sub(rest, line < rest.n ? line + 1 : line, SIZE_MAX);
    struct fault fault = FAULT_INIT;
    struct manifest *manifest, *again;
    struct arena arena;

    arena_init(&arena, MEMORY_MAX);
    int err = manifest_parse(&arena, body, content_type, &limits, &manifest, &fault);
    if (err != 0) {
        if (err != ERR_MANIFEST_INVALID || manifest != NULL || fault.code != err ||
            fault.text[0] == '\0')
            abort();
    } else {
        check_manifest(&arena, manifest);
        if (manifest_parse(&arena, body, manifest->media_type, &limits, &again, NULL) != 0 ||
            again->kind != manifest->kind || again->descriptors_n != manifest->descriptors_n)
            abort();
    }
    arena_fini(&arena);
    return 0;
}
