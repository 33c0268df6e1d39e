/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a byte that says how the rest is cut into pieces, then a layer: a tar archive, or one by
 * gzip. Whatever it is, entries keep their bounds, limits hold, and the list does not depend on the
 * pieces in which the bytes came.
 */
#include "config.h"
#include "registry/layer.h"

#include <stdlib.h>

#define ENTRIES_MAX  64
#define UNPACKED_MAX ((uint64_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct listing {
    struct buf text;
    unsigned n;
};

static int add_entry(const struct tar_entry *entry, void *arg)
{
    struct listing *list = arg;

    if (entry->path.n > TAR_PATH_MAX || entry->link_target.n > TAR_PATH_MAX ||
        entry->mode > 07777 || entry->type > TAR_OTHER || entry->size > INT64_MAX ||
        ++list->n > ENTRIES_MAX)
        abort();
    if (entry->link_target.n > 0 && entry->type != TAR_SYMLINK && entry->type != TAR_HARDLINK)
        abort();
    buf_addf(&list->text, "%d %llu %o %lld ", (int)entry->type, (unsigned long long)entry->size,
             (unsigned)entry->mode, (long long)entry->mtime);
    buf_add(&list->text, entry->path);
    buf_add_char(&list->text, ' ');
    buf_add(&list->text, entry->link_target);
    buf_add_char(&list->text, '\n');
    return 0;
}

static int read_layer(struct slice bytes, size_t piece_n, struct listing *list)
{
    const struct layer_limits limits = {.max_entries = ENTRIES_MAX,
                                        .max_unpacked_bytes = UNPACKED_MAX};
    struct layer_reader *layer;
    int err = layer_create(&limits, add_entry, list, &layer);

    if (err != 0)
        abort();
    for (size_t at = 0; at < bytes.n && err == 0; at += piece_n) {
        struct slice piece = slice_sub(bytes, at, piece_n);
        while (err == 0 && (piece.n > 0 || layer_has_more(layer)))
            err = layer_feed(layer, &piece);
    }
    if (err == 0)
        err = layer_finish(layer);
    if (err != ERR_NOT_FOUND && err != ERR_HTTP_MEDIA_TYPE && err != ERR_LIMIT && err != ERR_SYNTAX)
        abort();
    layer_destroy(layer);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct listing whole = {0}, cut = {0};

    if (size == 0)
        return 0;
    struct slice bytes = slice_make(data + 1, size - 1);
    buf_init(&whole.text, (size_t)4 << 20);
    buf_init(&cut.text, (size_t)4 << 20);
    (void)read_layer(bytes, bytes.n + 1, &whole);
    (void)read_layer(bytes, (size_t)data[0] + 1, &cut);
    if (whole.n != cut.n || !slice_eq(buf_slice(&whole.text), buf_slice(&cut.text)))
        abort();
    buf_fini(&whole.text);
    buf_fini(&cut.text);
    return 0;
}
