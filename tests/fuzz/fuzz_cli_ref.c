/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what may be written. A text that is taken is its parts put together again,
 * each of which can stand in a URL as it is; every refusal has words that a terminal can print.
 */
#include "config.h"
#include "base/buf.h"
#include "cli/ref.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plain(struct slice s, const char *also)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr(also, c))))
            abort();
    }
}

static void check_parts(struct slice text, unsigned want, const struct ref *ref)
{
    struct buf again;

    check_plain(ref->server, ".-:[]/");
    check_plain(ref->repository, "._-/");
    check_plain(ref->tag, "._-");
    check_plain(ref->digest, ":");
    if ((ref->tag.n > 0 && ref->digest.n > 0) || (ref->tag.n > 0 && !(want & REF_TAG)) ||
        (ref->digest.n > 0 && !(want & REF_DIGEST)))
        abort();
    if (ref->repository.n == 0) {
        if (!(want & REF_SERVER_ONLY) || ref->server.n == 0 || ref_version(ref).n > 0)
            abort();
        return;
    }
    if (ref_version(ref).n == 0 && !(want & REF_REPOSITORY))
        abort();
    buf_init(&again, 1 << 20);
    buf_add(&again, ref->server);
    if (ref->server.n > 0)
        buf_add_char(&again, '/');
    buf_add(&again, ref->repository);
    if (ref->tag.n > 0)
        buf_add_char(&again, ':');
    if (ref->digest.n > 0)
        buf_add_char(&again, '@');
    buf_add(&again, ref_version(ref));
    if (!slice_eq(buf_slice(&again), text))
        abort();
    buf_fini(&again);
}

static void check_words(int err, const struct fault *fault)
{
    if (err != ERR_INVALID || fault->code != err || fault->text[0] == '\0')
        abort();
    for (const char *c = fault->text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(size > 1 ? data + 1 : NULL, size > 1 ? size - 1 : 0);
    struct fault fault = FAULT_INIT;
    struct slice server;
    struct ref ref;
    int err;

    if (size == 0)
        return 0;
    err = ref_parse(text, data[0], &ref, &fault);
    if (err == 0)
        check_parts(text, data[0], &ref);
    else
        check_words(err, &fault);
    fault = (struct fault)FAULT_INIT;
    err = ref_parse_server(text, &server, &fault);
    if (err != 0)
        check_words(err, &fault);
    else
        check_plain(server, ".-:[]/");
    return 0;
}
