/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "server/files_accept.h"

#include "base/mem.h"

/*
 * Accept.
 */

#define QUALITY_MAX 1000

/* "1", "0.5", "0.333": thousandths; what is malformed counts as 0. */
static unsigned parse_quality(struct slice text)
{
    unsigned value, scale = 100;

    if (text.n == 0 || text.n > 5 || (text.p[0] != '0' && text.p[0] != '1') ||
        (text.n > 1 && text.p[1] != '.'))
        return 0;
    value = text.p[0] == '1' ? QUALITY_MAX : 0;
    for (size_t i = 2; i < text.n; i++, scale /= 10) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return 0;
        value += (unsigned)(text.p[i] - '0') * scale;
    }
    return value <= QUALITY_MAX ? value : QUALITY_MAX;
}

/* One range of the list: its type, and its weight. */
static struct slice parse_range(struct slice range, unsigned *quality)
{
    struct slice type, parameter;

    *quality = QUALITY_MAX;
    if (!slice_split(&range, ';', &type))
        return range;
    while (slice_split(&range, ';', &parameter)) {
        parameter = slice_trim(parameter);
        if (slice_eq_nocase(slice_sub(parameter, 0, 2), SLICE("q=")))
            *quality = parse_quality(slice_sub(parameter, 2, SIZE_MAX));
    }
    return slice_trim(type);
}

/* The weight of the range that fits best: "a/b", then "a/" followed by a star, then all. */
static unsigned quality_of(struct slice accept, struct slice exact, struct slice group)
{
    unsigned best = 0, quality, found = 0;
    struct slice rest = accept, part;

    while (slice_split(&rest, ',', &part)) {
        struct slice type = parse_range(part, &quality);
        unsigned rank = slice_eq_nocase(type, exact)          ? 3
                        : slice_eq_nocase(type, group)        ? 2
                        : slice_eq_nocase(type, SLICE("*/*")) ? 1
                                                              : 0;
        if (rank > best) {
            best = rank;
            found = quality;
        }
    }
    return found;
}

bool accept_prefers_html(struct slice accept)
{
    return quality_of(accept, SLICE("text/html"), SLICE("text/*")) >
           quality_of(accept, SLICE("application/json"), SLICE("application/*"));
}

/*
 * The type.
 */

struct slice file_served_type(struct slice media_type)
{
    static const struct {
        const char *type, *served; /* NULL: itself */
    } allowed[] = {
        {"application/gzip", NULL},
        {"application/json", NULL},
        {"application/pdf", NULL},
        {"application/vnd.oci.image.layer.v1.tar", "application/x-tar"},
        {"application/vnd.oci.image.layer.v1.tar+gzip", "application/gzip"},
        {"application/vnd.oci.image.layer.v1.tar+zstd", "application/zstd"},
        {"application/x-bzip2", NULL},
        {"application/x-tar", NULL},
        {"application/x-xz", NULL},
        {"application/zip", NULL},
        {"application/zstd", NULL},
        {"image/gif", NULL},
        {"image/jpeg", NULL},
        {"image/png", NULL},
        {"image/webp", NULL},
        {"text/plain", "text/plain; charset=utf-8"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(allowed); i++)
        if (slice_eq_nocase(media_type, slice_from_cstr(allowed[i].type)))
            return slice_from_cstr(allowed[i].served != NULL ? allowed[i].served : allowed[i].type);
    return SLICE("application/octet-stream");
}

/*
 * The name.
 */

static bool is_attr_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$&+-.^_`|~", c) != NULL);
}

/* A separator of paths on some system: no client should look for a folder in a name. */
static bool separates(unsigned char c)
{
    return c == '/' || c == '\\';
}

void file_disposition(struct buf *out, struct slice path)
{
    struct slice name = path;
    size_t slash;

    while ((slash = slice_find_char(name, '/')) < name.n)
        name = slice_sub(name, slash + 1, SIZE_MAX);
    buf_add(out, SLICE("attachment; filename=\""));
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        /* Some clients decode escapes here although they mean nothing. */
        bool is_plain = c >= 0x20 && c < 0x7f && c != '"' && c != '%' && !separates(c);
        buf_add_char(out, is_plain ? (char)c : '_');
    }
    buf_add(out, SLICE("\"; filename*=UTF-8''"));
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (separates(c))
            buf_add_char(out, '_');
        else if (is_attr_char(c))
            buf_add_char(out, (char)c);
        else
            buf_addf(out, "%%%02X", (unsigned)c);
    }
}
