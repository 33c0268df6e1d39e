/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "tests/support/cunit_main.h"

#include "registry/layer.h"
#include "registry/tar.h"

#include <CUnit/CUnit.h>

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define ARCHIVE_MAX ((size_t)4 << 20)

static struct buf archive, listing;
static unsigned stop_after; /* entries; 0: never */

/* "f 5 644 0 path>target\n" for each entry. */
static int add_entry(const struct tar_entry *entry, void *arg)
{
    unsigned *n = arg;

    buf_addf(&listing, "%c %llu %o %lld " SLICE_FMT, "fdlho"[entry->type],
             (unsigned long long)entry -> size, (unsigned)entry -> mode, (long long)entry -> mtime,
             SLICE_ARG(entry->path));
    if (entry->link_target.n > 0)
        buf_addf(&listing, ">" SLICE_FMT, SLICE_ARG(entry->link_target));
    buf_add_char(&listing, '\n');
    return ++*n == stop_after ? ERR_BUSY : 0;
}

/*
 * Archives.
 */

struct header {
    const char *name, *link, *prefix, *magic;
    char type;
    const char *size, *mode, *mtime; /* as in the field */
};

static void put(uint8_t *field, const char *text)
{
    if (text != NULL)
        memcpy(field, text, strlen(text));
}

static void seal(uint8_t block[TAR_BLOCK])
{
    unsigned sum = 0;
    char text[9];

    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += block[i];
    snprintf(text, sizeof(text), "%06o", sum);
    memcpy(block + 148, text, 7);
}

static void fill_header(uint8_t block[TAR_BLOCK], const struct header *h)
{
    memset(block, 0, TAR_BLOCK);
    put(block, h->name);
    put(block + 100, h->mode != NULL ? h->mode : "0000644");
    put(block + 124, h->size != NULL ? h->size : "00000000000");
    put(block + 136, h->mtime != NULL ? h->mtime : "00000000000");
    block[156] = (uint8_t)h->type;
    put(block + 157, h->link);
    if (h->magic == NULL)
        memcpy(block + 257, "ustar\00000", 8);
    else
        put(block + 257, h->magic);
    put(block + 345, h->prefix);
    seal(block);
}

static void add_block(const uint8_t block[TAR_BLOCK])
{
    buf_add(&archive, slice_make(block, TAR_BLOCK));
}

static void add_header(struct header h)
{
    uint8_t block[TAR_BLOCK];

    fill_header(block, &h);
    add_block(block);
}

static void add_contents(struct slice content)
{
    static const uint8_t zeroes[TAR_BLOCK];

    buf_add(&archive, content);
    buf_add(&archive, slice_make(zeroes, (size_t)(-content.n & (TAR_BLOCK - 1))));
}

static void add_meta(char type, struct slice content)
{
    char size[12];

    snprintf(size, sizeof(size), "%011zo", content.n);
    add_header((struct header){.name = "meta", .type = type, .size = size});
    add_contents(content);
}

static void add_end(void)
{
    static const uint8_t zeroes[2 * TAR_BLOCK];

    buf_add(&archive, slice_make(zeroes, sizeof(zeroes)));
}

static void begin(void)
{
    buf_reset(&archive);
    buf_reset(&listing);
    stop_after = 0;
}

/* Feeds the archive in pieces; *ended as the reader says. */
static int read_in(size_t piece, bool *ended)
{
    struct tar_reader tar;
    unsigned n = 0;
    int err = 0;

    buf_reset(&listing);
    tar_init(&tar, add_entry, &n);
    for (size_t at = 0; at < archive.n && err == 0; at += piece)
        err = tar_feed(&tar, slice_sub(buf_slice(&archive), at, piece));
    *ended = tar.ended;
    if (err != 0)
        CU_ASSERT_NOT_EQUAL(tar_feed(&tar, SLICE("x")), 0);
    tar_fini(&tar);
    return err;
}

static void check_list(int err, bool ends, const char *expected)
{
    static const size_t pieces[] = {SIZE_MAX / 2, 1, 511, 512, 513, 1000};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        bool ended;
        CU_ASSERT_EQUAL(read_in(pieces[i], &ended), err);
        CU_ASSERT_EQUAL(ended, ends);
        bool same = slice_eq(buf_slice(&listing), slice_from_cstr(expected));
        CU_ASSERT_TRUE(same);
        if (!same)
            printf("# " SLICE_FMT "# not %s", SLICE_ARG(buf_slice(&listing)), expected);
    }
}

/*
 * Cases.
 */

static void test_types(void)
{
    begin();
    add_header((struct header){.name = "d/", .type = '5', .mode = "0000755"});
    add_header((struct header){.name = "d/f", .type = '0', .size = "00000000005"});
    add_contents(SLICE("hello"));
    add_header((struct header){.name = "old", .size = "00000000001"});
    add_contents(SLICE("x"));
    add_header((struct header){.name = "olddir/", .size = "00000000001"});
    add_header((struct header){.name = "d/l", .type = '2', .link = "f"});
    /* What has no contents has none, whatever its size field says. */
    add_header((struct header){.name = "h", .type = '1', .link = "d/f", .size = "00000001000"});
    add_header((struct header){.name = "dev", .type = '3', .mtime = "14000000000"});
    add_header((struct header){.name = "set", .type = '7', .mode = "0004755 "});
    add_end();
    check_list(0, true,
               "d 0 755 0 d/\nf 5 644 0 d/f\nf 1 644 0 old\nd 0 644 0 olddir/\nl 0 644 0 d/l>f\n"
               "h 0 644 0 h>d/f\no 0 644 1610612736 dev\nf 0 4755 0 set\n");
}

static void test_names(void)
{
    char name[101], expected[512];

    memset(name, 'n', 100);
    name[100] = '\0';
    begin();
    add_header((struct header){.name = "b", .prefix = "a/very/long", .type = '0'});
    /* GNU keeps other things there. */
    add_header((struct header){.name = "b", .prefix = "12345", .magic = "ustar  ", .type = '0'});
    add_header((struct header){.name = name, .link = name, .type = '2'});
    snprintf(expected, sizeof(expected), "f 0 644 0 a/very/long/b\nf 0 644 0 b\nl 0 644 0 %s>%s\n",
             name, name);
    check_list(0, false, expected);
}

static void test_long_names(void)
{
    begin();
    add_meta('L', SLICE("a long name\0"));
    add_meta('K', SLICE("a long target\0"));
    add_header((struct header){.name = "short", .link = "s", .type = '2'});
    add_header((struct header){.name = "next", .type = '0'}); /* they count once */
    check_list(0, false, "l 0 644 0 a long name>a long target\nf 0 644 0 next\n");
}

static void test_pax(void)
{
    begin();
    add_meta('g', SLICE("20 path=not for you\n")); /* global: changes no entry */
    add_meta('x', SLICE("17 path=the path\n19 linkpath=target\n20 mtime=1500000.75\n"
                        "13 comment=a\n"));
    add_header((struct header){.name = "short", .type = '2'});
    add_meta('x', SLICE("10 size=5\n"));
    add_header((struct header){.name = "f", .type = '0'});
    add_contents(SLICE("hello"));
    add_meta('x', SLICE("14 mtime=-1.5\n"));
    add_header((struct header){.name = "before", .type = '0'});
    add_meta('x', SLICE("21 GNU.sparse.name=s\n28 GNU.sparse.realsize=4096\n"));
    add_header((struct header){.name = "x", .type = '0', .size = "00000000001"});
    add_contents(SLICE("x"));
    check_list(0, false,
               "l 0 644 1500000 the path>target\nf 5 644 0 f\nf 0 644 -2 before\n"
               "f 4096 644 0 s\n");
}

static void test_pax_refused(void)
{
    static const struct slice bad[] = {
        {"10 size=x\n", 10},
        {"10 size=-\n", 10},
        {"99 size=5\n", 10},
        {"8 size=5\n", 9},
        {"10 size=5x", 10},
        {"x size=5\n", 9},
        {"7 =abc\n", 7},
        {"6 abc\n", 6},
        {"14 mtime=1e400", 14},
        {"11 mtime=x\n", 11},
        {"0 \n", 3},
        {" a=b\n", 5},
        {"29 size=99999999999999999999\n", 29},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        add_meta('x', bad[i]);
        add_header((struct header){.name = "f", .type = '0'});
        check_list(ERR_SYNTAX, false, "");
    }
}

static void add_sparse(bool more)
{
    uint8_t block[TAR_BLOCK];

    fill_header(block, &(struct header){
                           .name = "s", .type = 'S', .size = "00000000001", .magic = "ustar  "});
    block[482] = more;
    memcpy(block + 483, "00000010000", 11);
    seal(block);
    add_block(block);
}

static void test_sparse(void)
{
    uint8_t map[TAR_BLOCK] = {0};

    begin();
    add_sparse(true);
    map[504] = 1;
    add_block(map);
    map[504] = 0;
    add_block(map);
    add_contents(SLICE("x"));
    add_sparse(false);
    add_contents(SLICE("x"));
    add_header((struct header){.name = "f", .type = '0'});
    check_list(0, false, "f 4096 644 0 s\nf 4096 644 0 s\nf 0 644 0 f\n");
}

static void add_binary(size_t at, size_t n, const char *bytes)
{
    uint8_t block[TAR_BLOCK];

    fill_header(block, &(struct header){.name = "f", .type = '5'});
    memcpy(block + at, bytes, n);
    seal(block);
    add_block(block);
}

static void test_numbers(void)
{
    begin();
    add_binary(136, 12, "\x80\0\0\0\0\0\0\0\0\0\x01\x02"); /* mtime 258 */
    add_binary(136, 12, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe");
    add_binary(124, 12, "            "); /* an empty size is none */
    check_list(0, false, "d 0 644 258 f\nd 0 644 -2 f\nd 0 644 0 f\n");
    begin();
    add_binary(124, 12, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"); /* -1 */
    check_list(ERR_SYNTAX, false, "");
    begin();
    add_binary(124, 12, "\x80\0\0\x01\0\0\0\0\0\0\0\0"); /* more than 64 bits */
    check_list(ERR_SYNTAX, false, "");
    begin();
    add_binary(124, 12, "12345678\0\0\0\0"); /* no octal digit */
    check_list(ERR_SYNTAX, false, "");
}

static void test_no_archive(void)
{
    begin();
    add_header((struct header){.name = "f", .type = '0'});
    archive.p[0] ^= 1;
    check_list(ERR_SYNTAX, false, "");
    begin();
    add_header((struct header){.name = "f", .type = '0'});
    add_contents(SLICE("this is no header"));
    check_list(ERR_SYNTAX, false, "f 0 644 0 f\n");
    begin(); /* one empty block, and then no end */
    add_header((struct header){.name = "f", .type = '0'});
    add_end();
    archive.n -= TAR_BLOCK;
    add_header((struct header){.name = "g", .type = '0'});
    check_list(ERR_SYNTAX, false, "f 0 644 0 f\n");
    begin(); /* what follows the end counts for nothing */
    add_end();
    add_contents(SLICE("garbage"));
    check_list(0, true, "");
}

static void test_limits(void)
{
    begin();
    add_header((struct header){.name = "meta", .type = 'x', .size = "00004000001"});
    check_list(ERR_LIMIT, false, "");
    begin();
    stop_after = 2;
    for (int i = 0; i < 3; i++)
        add_header((struct header){.name = "f", .type = '0'});
    check_list(ERR_BUSY, false, "f 0 644 0 f\nf 0 644 0 f\n");
    stop_after = 0;
}

/*
 * Layers: the same behind gzip.
 */

static int count_entry(const struct tar_entry *entry, void *arg)
{
    (void)entry;
    ++*(unsigned *)arg;
    return 0;
}

static int read_layer(struct slice bytes, size_t piece_n, const struct layer_limits *limits,
                      unsigned *entries, enum layer_format *format)
{
    struct layer_reader *layer;

    *entries = 0;
    int err = layer_create(limits, count_entry, entries, &layer);
    CU_ASSERT_EQUAL_FATAL(err, 0);
    for (size_t at = 0; at < bytes.n && err == 0; at += piece_n) {
        struct slice piece = slice_sub(bytes, at, piece_n);
        while (err == 0 && (piece.n > 0 || layer_has_more(layer)))
            err = layer_feed(layer, &piece);
    }
    if (err == 0)
        err = layer_finish(layer);
    *format = layer_format(layer);
    layer_destroy(layer);
    return err;
}

/* One gzip member of these bytes, appended to `out`. */
static void pack(struct buf *out, struct slice bytes)
{
    static uint8_t packed[ARCHIVE_MAX];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes.p,
                       .avail_in = (uInt)bytes.n,
                       .next_out = packed,
                       .avail_out = sizeof(packed)};

    CU_ASSERT_EQUAL_FATAL(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                          Z_OK);
    CU_ASSERT_EQUAL_FATAL(deflate(&stream, Z_FINISH), Z_STREAM_END);
    buf_add(out, slice_make(packed, stream.total_out));
    deflateEnd(&stream);
}

static void make_archive(unsigned files)
{
    char content[700];

    begin();
    for (unsigned i = 0; i < files; i++) {
        for (size_t j = 0; j < sizeof(content); j++)
            content[j] = (char)rand();
        add_header((struct header){.name = "file", .type = '0', .size = "00000001274"});
        add_contents(slice_make(content, sizeof(content)));
    }
    add_end();
}

static void check_layer(struct slice bytes, struct layer_limits limits, int expected_err,
                        enum layer_format expected_format, unsigned expected_entries)
{
    static const size_t pieces[] = {SIZE_MAX / 2, 1, 3, 4, 5, 600};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        enum layer_format format;
        unsigned entries;
        CU_ASSERT_EQUAL(read_layer(bytes, pieces[i], &limits, &entries, &format), expected_err);
        CU_ASSERT_EQUAL(format, expected_format);
        CU_ASSERT_EQUAL(entries, expected_entries);
    }
}

static void test_layers(void)
{
    const struct layer_limits limits = {.max_entries = 10, .max_unpacked_bytes = ARCHIVE_MAX};
    struct buf packed;

    buf_init(&packed, ARCHIVE_MAX);
    make_archive(10);
    check_layer(buf_slice(&archive), limits, ERR_NOT_FOUND, LAYER_TAR, 10);
    pack(&packed, buf_slice(&archive));
    check_layer(buf_slice(&packed), limits, ERR_NOT_FOUND, LAYER_TAR_GZIP, 10);
    check_layer(slice_sub(buf_slice(&packed), 0, packed.n - 200), limits, ERR_SYNTAX,
                LAYER_TAR_GZIP, 10);
    buf_reset(&packed);
    pack(&packed, slice_sub(buf_slice(&archive), 0, 777));
    pack(&packed, slice_sub(buf_slice(&archive), 777, SIZE_MAX));
    buf_add(&packed, SLICE("\0\0\0garbage"));
    check_layer(buf_slice(&packed), limits, ERR_NOT_FOUND, LAYER_TAR_GZIP, 10);
    buf_fini(&packed);
}

static void test_layer_limits(void)
{
    struct layer_limits limits = {.max_entries = 9, .max_unpacked_bytes = ARCHIVE_MAX};
    struct buf packed;

    buf_init(&packed, ARCHIVE_MAX);
    make_archive(10);
    pack(&packed, buf_slice(&archive));
    check_layer(buf_slice(&packed), limits, ERR_LIMIT, LAYER_TAR_GZIP, 9);
    limits = (struct layer_limits){.max_entries = 100, .max_unpacked_bytes = archive.n - 1};
    enum layer_format format;
    unsigned entries;
    CU_ASSERT_EQUAL(read_layer(buf_slice(&packed), 100, &limits, &entries, &format), ERR_LIMIT);
    limits.max_unpacked_bytes = archive.n;
    check_layer(buf_slice(&packed), limits, ERR_NOT_FOUND, LAYER_TAR_GZIP, 10);
    buf_fini(&packed);
}

static void test_no_layers(void)
{
    const struct layer_limits limits = {.max_entries = 10, .max_unpacked_bytes = ARCHIVE_MAX};
    struct buf packed;

    buf_init(&packed, ARCHIVE_MAX);
    check_layer(SLICE(""), limits, ERR_HTTP_MEDIA_TYPE, LAYER_UNKNOWN, 0);
    check_layer(SLICE("\x28\xb5\x2f\xfdzstd"), limits, ERR_HTTP_MEDIA_TYPE, LAYER_ZSTD, 0);
    check_layer(SLICE("BZh9 and so on"), limits, ERR_HTTP_MEDIA_TYPE, LAYER_OTHER, 0);
    check_layer(SLICE("a text"), limits, ERR_HTTP_MEDIA_TYPE, LAYER_TAR, 0);
    check_layer(SLICE("\x1f\x8b but no gzip"), limits, ERR_HTTP_MEDIA_TYPE, LAYER_TAR_GZIP, 0);
    pack(&packed, SLICE("no archive"));
    check_layer(buf_slice(&packed), limits, ERR_HTTP_MEDIA_TYPE, LAYER_TAR_GZIP, 0);
    buf_fini(&packed);
}

static int set_up(void)
{
    buf_init(&archive, ARCHIVE_MAX);
    buf_init(&listing, ARCHIVE_MAX);
    return 0;
}

static int tear_down(void)
{
    buf_fini(&archive);
    buf_fini(&listing);
    return 0;
}

void test_suites(void)
{
    CU_pSuite suite = CU_add_suite("tar", set_up, tear_down);

    CU_add_test(suite, "types", test_types);
    CU_add_test(suite, "names", test_names);
    CU_add_test(suite, "long names", test_long_names);
    CU_add_test(suite, "pax headers", test_pax);
    CU_add_test(suite, "pax headers refused", test_pax_refused);
    CU_add_test(suite, "sparse files", test_sparse);
    CU_add_test(suite, "numbers", test_numbers);
    CU_add_test(suite, "no archive", test_no_archive);
    CU_add_test(suite, "limits", test_limits);
    CU_add_test(suite, "layers", test_layers);
    CU_add_test(suite, "limits of layers", test_layer_limits);
    CU_add_test(suite, "no layers", test_no_layers);
}
