/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "storage/upload_meta.h"

#define HEAD  "tidemark upload 1\nalgorithm "
#define CHECK "check "

static void add_check(struct buf *out, struct slice lines)
{
    struct digest digest;

    digest_compute(DIGEST_SHA256, lines, &digest);
    buf_add(out, SLICE(CHECK));
    buf_add_hex(out, slice_make(digest.raw, digest_size(DIGEST_SHA256)));
    buf_add_char(out, '\n');
}

static void add_name(struct buf *out, struct slice label, struct slice name)
{
    buf_add(out, label);
    buf_add_u64(out, name.n);
    buf_add_char(out, ' ');
    buf_add(out, name);
    buf_add_char(out, '\n');
}

void upload_meta_encode(struct buf *out, const struct upload_meta *meta)
{
    buf_add(out, SLICE(HEAD));
    buf_add(out, slice_from_cstr(digest_algorithm_name(meta->algorithm)));
    buf_add_char(out, '\n');
    add_name(out, SLICE("repository "), meta->repository);
    add_name(out, SLICE("identity "), meta->identity);
    add_check(out, buf_slice(out));
}

static bool take(struct slice *rest, struct slice expected)
{
    if (!slice_starts_with(*rest, expected))
        return false;
    *rest = slice_sub(*rest, expected.n, rest->n);
    return true;
}

static bool take_name(struct slice *rest, struct slice label, struct slice *name)
{
    struct slice digits;
    uint64_t n;

    /* Zeros in front would be a second way to write the same. */
    if (!take(rest, label) || !slice_split(rest, ' ', &digits) || !slice_parse_u64(digits, &n) ||
        (digits.n > 1 && digits.p[0] == '0') || n > UPLOAD_META_NAME_MAX || n > rest->n)
        return false;
    *name = slice_sub(*rest, 0, (size_t)n);
    *rest = slice_sub(*rest, (size_t)n, rest->n);
    return take(rest, SLICE("\n"));
}

static bool take_check(struct slice bytes, struct slice *rest)
{
    char text[DIGEST_TEXT_MAX];
    struct digest digest;

    digest_compute(DIGEST_SHA256, slice_sub(bytes, 0, bytes.n - rest->n), &digest);
    struct slice hex = slice_sub(digest_format(&digest, text), sizeof("sha256:") - 1, SIZE_MAX);
    return take(rest, SLICE(CHECK)) && take(rest, hex) && slice_eq(*rest, SLICE("\n"));
}

int upload_meta_parse(struct slice bytes, struct upload_meta *meta)
{
    struct slice rest = bytes, algorithm;

    if (bytes.n > UPLOAD_META_MAX || !take(&rest, SLICE(HEAD)) ||
        !slice_split(&rest, '\n', &algorithm) ||
        digest_algorithm_parse(algorithm, &meta->algorithm) != 0 ||
        !take_name(&rest, SLICE("repository "), &meta->repository) ||
        !take_name(&rest, SLICE("identity "), &meta->identity) || !take_check(bytes, &rest))
        return ERR_CORRUPT;
    return 0;
}
