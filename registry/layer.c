/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the first bytes decide between gzip and tar, whatever the media type says. A gzip file
 * may have several members, which unpack to one stream (tools that compress in parallel make
 * them); bytes after the last that begin no member are passed over, as gzip does.
 */
#include "config.h"
#include "registry/layer.h"

#include "base/mem.h"

#include <stdlib.h>
#include <zlib.h>

#define MAGIC_N     4
#define OUT_BYTES   65536u
#define GZIP_WINDOW (15 + 16) /* the largest window; gzip framing only */

struct layer_reader {
    struct layer_limits limits;
    enum layer_format format;
    uint8_t magic[MAGIC_N];
    size_t magic_n;
    struct tar_reader tar;
    int (*each)(const struct tar_entry *entry, void *arg);
    void *arg;
    z_stream stream;
    bool has_stream;
    gz_header header; /* of the member being read */
    bool has_more;    /* unpacked bytes that did not fit a turn */
    uint64_t unpacked;
    uint8_t out[OUT_BYTES];
};

static int give_entry(const struct tar_entry *entry, void *arg)
{
    struct layer_reader *layer = arg;

    if (layer->tar.entries > layer->limits.max_entries)
        return ERR_LIMIT;
    return layer->each(entry, layer->arg);
}

/* zlib tells when it has read the header of a member, however its bytes came. */
static bool begin_member(struct layer_reader *layer)
{
    layer->header = (gz_header){0};
    return inflateGetHeader(&layer->stream, &layer->header) == Z_OK;
}

int layer_create(const struct layer_limits *limits,
                 int (*each)(const struct tar_entry *entry, void *arg), void *arg,
                 struct layer_reader **out)
{
    struct layer_reader *layer = xcalloc(1, sizeof(*layer));

    layer->limits = *limits;
    layer->each = each;
    layer->arg = arg;
    tar_init(&layer->tar, give_entry, layer);
    if (inflateInit2(&layer->stream, GZIP_WINDOW) != Z_OK) {
        layer_destroy(layer);
        return ERR_NO_MEMORY;
    }
    layer->has_stream = true;
    if (!begin_member(layer)) {
        layer_destroy(layer);
        return ERR_INTERNAL;
    }
    *out = layer;
    return 0;
}

void layer_destroy(struct layer_reader *layer)
{
    if (layer == NULL)
        return;
    if (layer->has_stream)
        inflateEnd(&layer->stream);
    tar_fini(&layer->tar);
    free(layer);
}

enum layer_format layer_format(const struct layer_reader *layer)
{
    return layer->format;
}

static int feed_tar(struct layer_reader *layer, struct slice bytes)
{
    if (bytes.n > layer->limits.max_unpacked_bytes - layer->unpacked)
        return ERR_LIMIT;
    layer->unpacked += bytes.n;
    int err = tar_feed(&layer->tar, bytes);
    if (err == ERR_SYNTAX && layer->tar.entries == 0)
        return ERR_HTTP_MEDIA_TYPE;
    return err == 0 && layer->tar.ended ? ERR_NOT_FOUND : err;
}

static enum layer_format format_of(const uint8_t magic[MAGIC_N])
{
    if (magic[0] == 0x1f && magic[1] == 0x8b)
        return LAYER_TAR_GZIP;
    if (memcmp(magic, "\x28\xb5\x2f\xfd", MAGIC_N) == 0)
        return LAYER_ZSTD;
    if (memcmp(magic, "BZh", 3) == 0 || memcmp(magic,
                                               "\xfd"
                                               "7zX",
                                               MAGIC_N) == 0)
        return LAYER_OTHER;
    return LAYER_TAR;
}

/* Collects the first bytes; they are then fed on. */
static int decide_format(struct layer_reader *layer, struct slice *bytes)
{
    while (layer->magic_n < MAGIC_N && bytes->n > 0) {
        layer->magic[layer->magic_n++] = (uint8_t)bytes->p[0];
        *bytes = slice_sub(*bytes, 1, SIZE_MAX);
    }
    if (layer->magic_n < MAGIC_N)
        return 0;
    layer->format = format_of(layer->magic);
    if (layer->format != LAYER_TAR && layer->format != LAYER_TAR_GZIP)
        return ERR_HTTP_MEDIA_TYPE;
    struct slice magic = slice_make(layer->magic, MAGIC_N);
    while (magic.n > 0) {
        int err = layer_feed(layer, &magic);
        if (err != 0)
            return err;
    }
    return 0;
}

static bool is_in_member(const struct layer_reader *layer)
{
    return layer->format == LAYER_TAR_GZIP && layer->header.done == 1;
}

/* One round of zlib; *produced bytes are in `out`. ERR_NOT_FOUND after the last member. */
static int unpack(struct layer_reader *layer, struct slice *bytes, size_t *produced)
{
    z_stream *stream = &layer->stream;

    stream->next_in = (Bytef *)(uintptr_t)bytes->p;
    stream->avail_in = bytes->n < UINT32_MAX ? (uInt)bytes->n : UINT32_MAX;
    stream->next_out = layer->out;
    stream->avail_out = OUT_BYTES;
    uInt before = stream->avail_in;
    int result = inflate(stream, Z_NO_FLUSH);
    *bytes = slice_sub(*bytes, before - stream->avail_in, SIZE_MAX);
    *produced = OUT_BYTES - stream->avail_out;
    if (result == Z_STREAM_END)
        return inflateReset(stream) == Z_OK && begin_member(layer) ? 0 : ERR_INTERNAL;
    if (result == Z_OK || result == Z_BUF_ERROR)
        return 0;
    if (result == Z_MEM_ERROR)
        return ERR_NO_MEMORY;
    /* What follows a member and is none itself is no part of the file. */
    return !is_in_member(layer) && layer->tar.entries > 0 ? ERR_NOT_FOUND : ERR_SYNTAX;
}

static int feed_gzip(struct layer_reader *layer, struct slice *bytes)
{
    size_t produced = 0;

    for (size_t turn = 0; turn < LAYER_TURN_BYTES; turn += produced) {
        int err = unpack(layer, bytes, &produced);
        layer->has_more = produced == OUT_BYTES;
        if (produced > 0) {
            int tar_err = feed_tar(layer, slice_make(layer->out, produced));
            err = tar_err != 0 ? tar_err : err;
        }
        /* Damage before the first entry: it was no archive at all. */
        if (err == ERR_SYNTAX && layer->tar.entries == 0)
            return ERR_HTTP_MEDIA_TYPE;
        if (err != 0 || (bytes->n == 0 && !layer->has_more))
            return err;
    }
    return 0;
}

int layer_feed(struct layer_reader *layer, struct slice *bytes)
{
    switch (layer->format) {
    case LAYER_UNKNOWN:
        return decide_format(layer, bytes);
    case LAYER_TAR_GZIP:
        return feed_gzip(layer, bytes);
    case LAYER_TAR: {
        struct slice turn = slice_sub(*bytes, 0, LAYER_TURN_BYTES);
        *bytes = slice_sub(*bytes, turn.n, SIZE_MAX);
        return feed_tar(layer, turn);
    }
    case LAYER_ZSTD:
    case LAYER_OTHER:
        break;
    }
    return ERR_HTTP_MEDIA_TYPE;
}

bool layer_has_more(const struct layer_reader *layer)
{
    return layer->has_more;
}

/* Some writers leave out the two empty blocks at the end. */
int layer_finish(struct layer_reader *layer)
{
    if (layer->tar.entries == 0)
        return ERR_HTTP_MEDIA_TYPE;
    return is_in_member(layer) || !tar_is_between(&layer->tar) ? ERR_SYNTAX : ERR_NOT_FOUND;
}
