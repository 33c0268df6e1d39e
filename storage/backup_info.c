/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/backup_info.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "storage/datadir.h"

#include <stdio.h>
#include <stdlib.h>

#define WORD_BITS (8 * (unsigned)sizeof(void *))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_NAME "little"
#else
#define BYTE_ORDER_NAME "big"
#endif

/*
 * Writing.
 */

static void put_text(struct json_writer *w, struct slice name, const char *text)
{
    json_name(w, name);
    json_string(w, slice_from_cstr(text));
}

static void put_u64(struct json_writer *w, struct slice name, uint64_t value)
{
    json_name(w, name);
    json_u64(w, value);
}

static void put_time(struct json_writer *w, struct slice name, int64_t ms)
{
    char text[CLOCK_RFC3339_MAX];

    clock_format_rfc3339(ms, text);
    put_text(w, name, text);
}

static void put_digest(struct json_writer *w, const struct digest *digest)
{
    char text[DIGEST_TEXT_MAX];

    json_string(w, digest_format(digest, text));
}

static void put_index(struct json_writer *w, const struct backup_info *info)
{
    json_name(w, SLICE("index"));
    json_object_begin(w);
    put_text(w, SLICE("folder"), info->index);
    put_u64(w, SLICE("format"), info->index_format);
    put_u64(w, SLICE("bytes"), info->index_bytes);
    json_name(w, SLICE("digest"));
    put_digest(w, &info->index_digest);
    /* LMDB's files are those of the machine that wrote them. */
    put_u64(w, SLICE("word_bits"), WORD_BITS);
    put_text(w, SLICE("byte_order"), BYTE_ORDER_NAME);
    json_object_end(w);
}

static void put_event(struct json_writer *w, const struct backup_info *info)
{
    struct buf hash;

    buf_init(&hash, sizeof(info->event_hash) * 2 + 1);
    buf_add_hex(&hash, slice_make(info->event_hash, sizeof(info->event_hash)));
    json_name(w, SLICE("event"));
    json_object_begin(w);
    put_u64(w, SLICE("number"), info->event);
    json_name(w, SLICE("hash"));
    json_string(w, buf_slice(&hash));
    w->out->overflow = w->out->overflow || hash.overflow;
    json_object_end(w);
    buf_fini(&hash);
}

static void put_blobs(struct json_writer *w, const struct backup_info *info)
{
    json_name(w, SLICE("blobs"));
    json_object_begin(w);
    put_u64(w, SLICE("files"), info->files);
    put_u64(w, SLICE("bytes"), info->file_bytes);
    put_u64(w, SLICE("damaged"), info->damaged_n);
    json_name(w, SLICE("damaged_digests"));
    json_array_begin(w);
    for (uint64_t i = 0; i < info->damaged_n && i < BACKUP_DAMAGED_MAX; i++)
        put_digest(w, &info->damaged[i]);
    json_array_end(w);
    json_object_end(w);
}

void backup_info_encode(struct buf *out, const struct backup_info *info)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    put_u64(&w, SLICE("tidemark_backup"), BACKUP_FORMAT);
    put_text(&w, SLICE("version"), info->version);
    put_u64(&w, SLICE("data_format"), info->data_format);
    put_time(&w, SLICE("begun"), info->begun_ms);
    put_time(&w, SLICE("finished"), info->finished_ms);
    put_event(&w, info);
    put_u64(&w, SLICE("manifests"), info->manifests);
    put_blobs(&w, info);
    put_index(&w, info);
    json_object_end(&w);
    buf_add_char(out, '\n');
}

/*
 * Reading.
 */

static bool get_u64(const struct json *object, struct slice name, uint64_t *value)
{
    const struct json *member = json_member(object, name);

    if (member == NULL || member->type != JSON_INTEGER || member->integer < 0)
        return false;
    *value = (uint64_t)member->integer;
    return true;
}

static bool get_text(const struct json *object, struct slice name, char *text, size_t size)
{
    const struct json *member = json_member(object, name);

    if (member == NULL || member->type != JSON_STRING || member->text.n == 0 ||
        member->text.n >= size)
        return false;
    snprintf(text, size, SLICE_FMT, SLICE_ARG(member->text));
    return true;
}

static bool get_format(const struct json *object, struct slice name, unsigned *format)
{
    uint64_t value;

    if (!get_u64(object, name, &value) || value == 0 || value > 1000000)
        return false;
    *format = (unsigned)value;
    return true;
}

static bool get_digest(const struct json *value, struct digest *digest)
{
    return value != NULL && value->type == JSON_STRING &&
           digest_parse(value->text, digest, NULL) == 0;
}

static bool get_hash(const struct json *object, uint8_t hash[EVENT_HASH_SIZE])
{
    char text[2 * EVENT_HASH_SIZE + 1], name[DIGEST_TEXT_MAX];
    struct digest digest;

    if (!get_text(object, SLICE("hash"), text, sizeof(text)))
        return false;
    int n = snprintf(name, sizeof(name), "sha256:%s", text);
    if (digest_parse(slice_make(name, (size_t)n), &digest, NULL) != 0)
        return false;
    memcpy(hash, digest.raw, EVENT_HASH_SIZE);
    return true;
}

/* The folder's name becomes a path: only the two there are. */
static bool get_index(const struct json *index, struct backup_info *info)
{
    return get_text(index, SLICE("folder"), info->index, sizeof(info->index)) &&
           (strcmp(info->index, "index.a") == 0 || strcmp(info->index, "index.b") == 0) &&
           get_u64(index, SLICE("bytes"), &info->index_bytes) &&
           get_digest(json_member(index, SLICE("digest")), &info->index_digest);
}

static bool get_blobs(const struct json *blobs, struct backup_info *info)
{
    const struct json *list = json_member(blobs, SLICE("damaged_digests"));
    size_t n = 0;

    if (!get_u64(blobs, SLICE("files"), &info->files) ||
        !get_u64(blobs, SLICE("bytes"), &info->file_bytes) ||
        !get_u64(blobs, SLICE("damaged"), &info->damaged_n) || list == NULL ||
        list->type != JSON_ARRAY)
        return false;
    for (const struct json *each = list->first; each != NULL; each = each->next)
        if (n == BACKUP_DAMAGED_MAX || !get_digest(each, &info->damaged[n++]))
            return false;
    return n == info->damaged_n || (n == BACKUP_DAMAGED_MAX && n < info->damaged_n);
}

static int check_formats(const struct json *root, const char *name, struct backup_info *info,
                         struct fault *fault)
{
    unsigned format;

    if (!get_format(root, SLICE("tidemark_backup"), &format) ||
        !get_text(root, SLICE("version"), info->version, sizeof(info->version)))
        return fault_set(fault, ERR_CORRUPT, "%s is not the backup.json of a backup", name);
    if (format > BACKUP_FORMAT)
        return fault_set(fault, ERR_CONFIG,
                         "%s is of a newer Tidemark: version %s wrote backup format %u, this one "
                         "knows %d; restore it with that version",
                         name, info->version, format, BACKUP_FORMAT);
    const struct json *index = json_member(root, SLICE("index"));
    if (!get_format(root, SLICE("data_format"), &info->data_format) ||
        !get_format(index, SLICE("format"), &info->index_format))
        return fault_set(fault, ERR_CORRUPT, "%s does not say which format its data has", name);
    if (info->data_format > DATADIR_FORMAT || info->index_format > KV_FORMAT)
        return fault_set(fault, ERR_CONFIG,
                         "%s is of a newer Tidemark: version %s has data format %u and index "
                         "format %u, this one knows %d and %d; restore it with that version",
                         name, info->version, info->data_format, info->index_format, DATADIR_FORMAT,
                         KV_FORMAT);
    return 0;
}

static int check_machine(const struct json *root, const char *name, struct fault *fault)
{
    const struct json *index = json_member(root, SLICE("index"));
    uint64_t bits = 0;
    char order[16] = "";

    if (get_u64(index, SLICE("word_bits"), &bits) && bits == WORD_BITS &&
        get_text(index, SLICE("byte_order"), order, sizeof(order)) &&
        strcmp(order, BYTE_ORDER_NAME) == 0)
        return 0;
    return fault_set(fault, ERR_CONFIG,
                     "%s is of another kind of machine (%ju bits, byte order %s), and the index "
                     "cannot be read on this one (%u bits, %s): restore it on such a machine, and "
                     "copy the images with a client",
                     name, (uintmax_t)bits, order, WORD_BITS, BYTE_ORDER_NAME);
}

static int read_root(const struct json *root, const char *name, struct backup_info *info,
                     struct fault *fault)
{
    const struct json *event = json_member(root, SLICE("event"));
    int err = check_formats(root, name, info, fault);

    if (err == 0)
        err = check_machine(root, name, fault);
    if (err != 0)
        return err;
    if (!get_u64(event, SLICE("number"), &info->event) || !get_hash(event, info->event_hash) ||
        !get_u64(root, SLICE("manifests"), &info->manifests) ||
        !get_blobs(json_member(root, SLICE("blobs")), info) ||
        !get_index(json_member(root, SLICE("index")), info))
        return fault_set(fault, ERR_CORRUPT, "%s is damaged", name);
    return 0;
}

int backup_info_decode(struct slice document, const char *name, struct backup_info *info,
                       struct fault *fault)
{
    static const struct json_limits limits = {.max_depth = 8, .max_values = 4096};
    struct fault why = FAULT_INIT;
    struct arena arena;
    struct json *root;

    *info = (struct backup_info){0};
    arena_init(&arena, 4 * BACKUP_INFO_MAX);
    int err = json_parse(&arena, document, &limits, &root, &why);
    if (err == 0)
        err = read_root(root, name, info, fault);
    else
        err = fault_set(fault, ERR_CORRUPT, "%s is damaged: %s", name, fault_text(&why, err));
    arena_fini(&arena);
    return err;
}
