/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: a machine that takes whole blocks for headers and counts bytes for everything else. What
 * an extended header says is kept until the entry it describes. Where the formats leave things
 * open, it does what the container runtimes' reader (Go's archive/tar) does, so that the list shows
 * what a runtime would unpack: links, directories and devices have no contents whatever their size
 * field says; a global pax header changes no entry.
 */
#include "config.h"
#include "registry/tar.h"

#include <limits.h>

enum { STATE_HEADER, STATE_CONTENTS, STATE_META, STATE_SPARSE, STATE_PADDING, STATE_FAILED };

/* Where the fields of a header are. */
enum {
    NAME_AT = 0,
    NAME_N = 100,
    MODE_AT = 100,
    MODE_N = 8,
    SIZE_AT = 124,
    SIZE_N = 12,
    MTIME_AT = 136,
    MTIME_N = 12,
    CHECKSUM_AT = 148,
    CHECKSUM_N = 8,
    TYPE_AT = 156,
    LINK_AT = 157,
    LINK_N = 100,
    MAGIC_AT = 257,
    SPARSE_MORE_AT = 482, /* old GNU: blocks with more of the map follow */
    SPARSE_SIZE_AT = 483, /* old GNU: the size with its holes */
    PREFIX_AT = 345,
    PREFIX_N = 155,
    SPARSE_BLOCK_MORE_AT = 504, /* in those blocks: another one follows */
};

void tar_init(struct tar_reader *tar, int (*each)(const struct tar_entry *entry, void *arg),
              void *arg)
{
    *tar = (struct tar_reader){.each = each, .arg = arg, .state = STATE_HEADER};
    buf_init(&tar->meta, TAR_META_MAX);
    buf_init(&tar->path, TAR_PATH_MAX);
    buf_init(&tar->link_target, TAR_PATH_MAX);
}

void tar_fini(struct tar_reader *tar)
{
    buf_fini(&tar->meta);
    buf_fini(&tar->path);
    buf_fini(&tar->link_target);
}

/*
 * Fields.
 */

/* Up to the first NUL. */
static struct slice text_of(const uint8_t *field, size_t n)
{
    struct slice text = slice_make(field, n);

    text.n = slice_find_char(text, '\0');
    return text;
}

/* Base 256, for what does not fit into octal digits: the first bit is the mark, then a number of
 * two's complement. */
static bool parse_binary(const uint8_t *field, size_t n, int64_t *value)
{
    bool negative = field[0] & 0x40;
    uint64_t number = negative ? UINT64_MAX : 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t byte = i > 0 ? field[i] : (uint8_t)(negative ? field[0] | 0x80 : field[0] & 0x7f);
        if (number >> 55 != (negative ? 0x1ff : 0)) /* the next shift would lose something */
            return false;
        number = number << 8 | byte;
    }
    *value = (int64_t)number;
    return true;
}

/* Octal digits between spaces and NULs; an empty field is 0. */
static bool parse_number(const uint8_t *field, size_t n, int64_t *value)
{
    size_t i = 0;

    if (field[0] & 0x80)
        return parse_binary(field, n, value);
    *value = 0;
    while (i < n && (field[i] == ' ' || field[i] == '\0'))
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) {
        if (*value > INT64_MAX >> 3)
            return false;
        *value = *value << 3 | (field[i] - '0');
    }
    while (i < n && (field[i] == ' ' || field[i] == '\0'))
        i++;
    return i == n;
}

/* The sum of all bytes with the sum's own as spaces; there were implementations that added signed
 * ones. */
static bool has_checksum(const uint8_t *block)
{
    int64_t expected, is_unsigned = 0, is_signed = 0;

    if (!parse_number(block + CHECKSUM_AT, CHECKSUM_N, &expected))
        return false;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        uint8_t byte = i - CHECKSUM_AT < CHECKSUM_N ? ' ' : block[i];
        is_unsigned += byte;
        is_signed += (int8_t)byte;
    }
    return expected == is_unsigned || expected == is_signed;
}

static bool is_zero(const uint8_t *block)
{
    for (size_t i = 0; i < TAR_BLOCK; i++)
        if (block[i] != 0)
            return false;
    return true;
}

/* What is longer than the buffer is cut: it is for showing. */
static void keep(struct buf *buf, struct slice text)
{
    buf_reset(buf);
    buf_add(buf, slice_sub(text, 0, buf->max));
}

/* There was no memory for a name, of which the beginning would be another one. */
static bool lacks_names(const struct tar_reader *tar)
{
    return tar->path.no_memory || tar->link_target.no_memory;
}

/*
 * Extended headers.
 */

static bool parse_decimal(struct slice text, uint64_t max, uint64_t *value)
{
    return slice_parse_u64(text, value) && *value <= max;
}

/* "-12.75": whole seconds, downwards. */
static bool parse_time(struct slice text, int64_t *value)
{
    bool negative = slice_starts_with(text, SLICE("-"));
    struct slice whole = slice_sub(text, negative, SIZE_MAX);
    size_t point = slice_find_char(whole, '.');
    struct slice fraction = slice_sub(whole, point + 1, SIZE_MAX);
    uint64_t seconds;

    if (!parse_decimal(slice_sub(whole, 0, point), (uint64_t)INT64_MAX - 1, &seconds))
        return false;
    *value = negative ? -(int64_t)seconds : (int64_t)seconds;
    for (size_t i = 0; negative && i < fraction.n; i++) {
        if (fraction.p[i] != '0') {
            *value -= 1;
            break;
        }
    }
    return true;
}

static int take_record(struct tar_reader *tar, struct slice key, struct slice value)
{
    if (slice_eq(key, SLICE("path")) || slice_eq(key, SLICE("GNU.sparse.name"))) {
        keep(&tar->path, value);
    } else if (slice_eq(key, SLICE("linkpath"))) {
        keep(&tar->link_target, value);
    } else if (slice_eq(key, SLICE("size"))) {
        tar->has_size = value.n > 0; /* an empty value takes the header's back */
        if (tar->has_size && !parse_decimal(value, INT64_MAX, &tar->size))
            return ERR_SYNTAX;
    } else if (slice_eq(key, SLICE("GNU.sparse.realsize")) ||
               slice_eq(key, SLICE("GNU.sparse.size"))) {
        tar->has_real_size = parse_decimal(value, INT64_MAX, &tar->real_size);
    } else if (slice_eq(key, SLICE("mtime"))) {
        tar->has_mtime = value.n > 0;
        if (tar->has_mtime && !parse_time(value, &tar->mtime))
            return ERR_SYNTAX;
    }
    return 0;
}

/* "<length> <key>=<value>\n", the length being that of all of it. */
static int take_pax(struct tar_reader *tar, struct slice records)
{
    while (records.n > 0) {
        size_t space = slice_find_char(slice_sub(records, 0, 21), ' ');
        uint64_t length;
        if (!slice_parse_u64(slice_sub(records, 0, space), &length) || length > records.n ||
            length < space + 3 || records.p[length - 1] != '\n')
            return ERR_SYNTAX;
        struct slice record = slice_sub(records, space + 1, length - space - 2);
        size_t equals = slice_find_char(record, '=');
        if (equals == record.n || equals == 0)
            return ERR_SYNTAX;
        int err =
            take_record(tar, slice_sub(record, 0, equals), slice_sub(record, equals + 1, SIZE_MAX));
        if (err != 0)
            return err;
        records = slice_sub(records, length, SIZE_MAX);
    }
    return 0;
}

static int take_meta(struct tar_reader *tar)
{
    struct slice meta = buf_slice(&tar->meta);

    switch (tar->meta_type) {
    case 'L':
        keep(&tar->path, slice_sub(meta, 0, slice_find_char(meta, '\0')));
        return 0;
    case 'K':
        keep(&tar->link_target, slice_sub(meta, 0, slice_find_char(meta, '\0')));
        return 0;
    case 'x':
        return take_pax(tar, meta);
    default:
        return 0; /* global headers */
    }
}

/*
 * Headers.
 */

static void begin_data(struct tar_reader *tar, int state, uint64_t n)
{
    tar->left = n;
    tar->padding = (size_t)(-n & (TAR_BLOCK - 1));
    tar->state = n > 0 ? state : STATE_HEADER;
}

static int begin_meta(struct tar_reader *tar, char type, uint64_t n)
{
    if (n > TAR_META_MAX)
        return ERR_LIMIT;
    buf_reset(&tar->meta);
    tar->meta_type = type;
    begin_data(tar, STATE_META, n);
    return 0;
}

static enum tar_type type_of(char flag)
{
    switch (flag) {
    case '0':
    case '\0':
    case '7': /* contiguous */
    case 'S': /* sparse */
        return TAR_FILE;
    case '1':
        return TAR_HARDLINK;
    case '2':
        return TAR_SYMLINK;
    case '5':
        return TAR_DIRECTORY;
    default:
        return TAR_OTHER;
    }
}

/* The name of a header without an extended one. Only POSIX has a prefix there. */
static void join_name(struct tar_reader *tar, const uint8_t *block)
{
    struct slice name = text_of(block + NAME_AT, NAME_N);

    buf_reset(&tar->path);
    if (memcmp(block + MAGIC_AT, "ustar\0", 6) == 0 && block[PREFIX_AT] != '\0') {
        buf_add(&tar->path, text_of(block + PREFIX_AT, PREFIX_N));
        buf_add_char(&tar->path, '/');
    }
    buf_add(&tar->path, name);
}

/* What stands in an entry's own header, unless an extended one said it. */
static void take_names(struct tar_reader *tar, const uint8_t *block)
{
    if (tar->path.n == 0)
        join_name(tar, block);
    if (tar->link_target.n == 0)
        keep(&tar->link_target, text_of(block + LINK_AT, LINK_N));
}

static int give_entry(struct tar_reader *tar, struct tar_entry *entry)
{
    if (lacks_names(tar))
        return ERR_NO_MEMORY;
    entry->path = buf_slice(&tar->path);
    if (entry->type == TAR_SYMLINK || entry->type == TAR_HARDLINK)
        entry->link_target = buf_slice(&tar->link_target);
    if (tar->has_real_size)
        entry->size = tar->real_size;
    if (tar->has_mtime)
        entry->mtime = tar->mtime;
    tar->entries++;
    int err = tar->each(entry, tar->arg);
    buf_reset(&tar->path);
    buf_reset(&tar->link_target);
    tar->has_size = tar->has_real_size = tar->has_mtime = false;
    return err;
}

/* An entry's own header, and on to its contents. */
static int take_entry(struct tar_reader *tar, const uint8_t *block, uint64_t stored)
{
    struct tar_entry entry = {0};
    char flag = (char)block[TYPE_AT];
    int64_t mode, sparse_size = 0;

    if (!parse_number(block + MODE_AT, MODE_N, &mode) ||
        !parse_number(block + MTIME_AT, MTIME_N, &entry.mtime) ||
        (flag == 'S' &&
         (!parse_number(block + SPARSE_SIZE_AT, SIZE_N, &sparse_size) || sparse_size < 0)))
        return ERR_SYNTAX;
    take_names(tar, block);
    /* Before POSIX a slash at the end made a directory. */
    if (flag == '\0' && slice_ends_with(buf_slice(&tar->path), SLICE("/")))
        flag = '5';
    if (tar->has_size)
        stored = tar->size;
    if (flag >= '1' && flag <= '6')
        stored = 0;
    entry.type = type_of(flag);
    entry.mode = (uint32_t)(mode & 07777);
    entry.size = flag == 'S' ? (uint64_t)sparse_size : stored;
    int err = give_entry(tar, &entry);
    if (err != 0)
        return err;
    begin_data(tar, STATE_CONTENTS, stored);
    if (flag == 'S' && block[SPARSE_MORE_AT] != 0)
        tar->state = STATE_SPARSE;
    return 0;
}

static int take_header(struct tar_reader *tar)
{
    const uint8_t *block = tar->block;
    char flag = (char)block[TYPE_AT];
    int64_t size;

    if (is_zero(block)) {
        tar->ended = ++tar->zeroes == 2;
        return 0;
    }
    if (tar->zeroes > 0 || !has_checksum(block) || !parse_number(block + SIZE_AT, SIZE_N, &size) ||
        size < 0)
        return ERR_SYNTAX;
    if (flag == 'L' || flag == 'K' || flag == 'x' || flag == 'g')
        return begin_meta(tar, flag, (uint64_t)size);
    return take_entry(tar, block, (uint64_t)size);
}

/*
 * Bytes.
 */

/* Fills the block from the front of *bytes; true when it is full (and then empty again). */
static bool fill_block(struct tar_reader *tar, struct slice *bytes)
{
    size_t room = TAR_BLOCK - tar->block_n;
    size_t n = bytes->n < room ? bytes->n : room;

    memcpy(tar->block + tar->block_n, bytes->p, n);
    tar->block_n += n;
    *bytes = slice_sub(*bytes, n, SIZE_MAX);
    if (tar->block_n < TAR_BLOCK)
        return false;
    tar->block_n = 0;
    return true;
}

/* The end of contents or an extended header. */
static int end_data(struct tar_reader *tar)
{
    int err = 0;

    if (tar->state == STATE_META)
        err = tar->meta.no_memory ? ERR_NO_MEMORY : take_meta(tar);
    if (err == 0 && lacks_names(tar))
        err = ERR_NO_MEMORY;
    tar->left = tar->padding;
    tar->state = tar->padding > 0 ? STATE_PADDING : STATE_HEADER;
    return err;
}

static int pass_data(struct tar_reader *tar, struct slice *bytes)
{
    size_t n = bytes->n < tar->left ? bytes->n : (size_t)tar->left;

    if (tar->state == STATE_META)
        buf_add(&tar->meta, slice_sub(*bytes, 0, n));
    *bytes = slice_sub(*bytes, n, SIZE_MAX);
    tar->left -= n;
    if (tar->left > 0)
        return 0;
    if (tar->state != STATE_PADDING)
        return end_data(tar);
    tar->state = STATE_HEADER;
    return 0;
}

static int step(struct tar_reader *tar, struct slice *bytes)
{
    if (tar->state == STATE_HEADER)
        return fill_block(tar, bytes) ? take_header(tar) : 0;
    if (tar->state == STATE_SPARSE) {
        if (fill_block(tar, bytes) && tar->block[SPARSE_BLOCK_MORE_AT] == 0)
            tar->state = tar->left > 0 ? STATE_CONTENTS : STATE_HEADER;
        return 0;
    }
    return pass_data(tar, bytes);
}

int tar_feed(struct tar_reader *tar, struct slice bytes)
{
    int err = tar->state == STATE_FAILED ? ERR_SYNTAX : 0;

    while (err == 0 && bytes.n > 0 && !tar->ended)
        err = step(tar, &bytes);
    if (err != 0)
        tar->state = STATE_FAILED;
    return err;
}

bool tar_is_between(const struct tar_reader *tar)
{
    return tar->state == STATE_HEADER && tar->block_n == 0;
}
