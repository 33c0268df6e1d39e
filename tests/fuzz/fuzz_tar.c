/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer, tar or tar+gzip, whole and in pieces: the same entries come out, in the same order, with
 * bounded paths and within the limits; and the reader always comes to an end.
 */
#include "config.h"

#include "registry/layer.h"

#include <stdlib.h>

#define ENTRIES_MAX  50u
#define UNPACKED_MAX (UINT64_C(4) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    unsigned entries;
    uint64_t sum; /* of everything, so that a difference shows */
};

static void add(struct seen *seen, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        seen->sum = seen->sum * 31 + (unsigned char)text.p[i];
}

static int on_entry(const struct tar_entry *entry, void *arg)
{
    struct seen *seen = arg;

    if (entry->path.n > TAR_PATH_MAX || entry->link_target.n > TAR_PATH_MAX ||
        ++seen->entries > ENTRIES_MAX)
        abort();
    add(seen, entry->path);
    add(seen, entry->link_target);
    seen->sum = seen->sum * 31 + entry->size + entry->mode + (uint64_t)entry->mtime + entry->type;
    return 0;
}

/* The end of it; `piece` bytes are given at a time. */
static int read_layer(struct slice bytes, size_t piece, struct seen *seen)
{
    const struct layer_limits limits = {ENTRIES_MAX, UNPACKED_MAX};
    struct layer_reader *layer;
    int err = layer_create(&limits, on_entry, seen, &layer);

    if (err != 0)
        return err;
    while (err == 0 && (bytes.n > 0 || layer_has_more(layer))) {
        struct slice next = slice_sub(bytes, 0, piece);
        size_t before = next.n;
        err = layer_feed(layer, &next);
        if (next.n > before ||
            (err == 0 && next.n == before && before > 0 && !layer_has_more(layer)))
            abort(); /* it must take something or have something to give */
        bytes = slice_sub(bytes, before - next.n, SIZE_MAX);
    }
    if (err == 0)
        err = layer_finish(layer);
    if (err == 0)
        abort();
    layer_destroy(layer);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_make(size > 0 ? (const void *)data : "", size);
    struct seen whole = {0}, pieces = {0};

    int err = read_layer(bytes, SIZE_MAX, &whole);
    if (read_layer(bytes, size % 61 + 1, &pieces) != err || pieces.entries != whole.entries ||
        pieces.sum != whole.sum)
        abort();
    return 0;
}
