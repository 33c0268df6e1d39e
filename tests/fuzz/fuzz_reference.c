/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that is taken consists of the characters the grammar has and of components that are taken
 * on their own; a reference that is taken is what it says; every refusal comes with a reason.
 */
#include "config.h"
#include "registry/reference.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct slice name)
{
    struct fault fault = FAULT_INIT;
    struct slice rest = name, part;
    int err = repository_name_check(name, &fault);

    if (err != 0) {
        if (err != ERR_NAME_INVALID || fault.code != err || fault.text[0] == '\0')
            abort();
        return;
    }
    if (fault.code != 0 || name.n == 0 || name.n > REPOSITORY_NAME_MAX || name.p[name.n - 1] == '/')
        abort();
    for (size_t i = 0; i < name.n; i++)
        if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9') ||
              name.p[i] == '.' || name.p[i] == '_' || name.p[i] == '-' || name.p[i] == '/'))
            abort();
    while (slice_split(&rest, '/', &part))
        if (part.n == 0 || repository_name_check(part, NULL) != 0)
            abort();
}

static void check_reference(struct slice text)
{
    struct fault fault = FAULT_INIT;
    struct reference reference;
    char out[DIGEST_TEXT_MAX];
    int err = reference_parse(text, &reference, &fault);

    if (err != 0) {
        if (fault.code != err || fault.text[0] == '\0' ||
            (err != ERR_TAG_INVALID && err != ERR_DIGEST_INVALID && err != ERR_DIGEST_UNSUPPORTED))
            abort();
    } else if (reference.is_digest) {
        if (!slice_eq(digest_format(&reference.digest, out), text))
            abort();
    } else if (!slice_eq(reference.tag, text) || text.n == 0 || text.n > TAG_MAX ||
               tag_check(text, NULL) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(size ? data : NULL, size);

    check_name(input);
    check_reference(input);
    return 0;
}
