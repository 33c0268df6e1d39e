/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: two passes. The scan runs as bytes arrive and only finds line ends; a client that sends a
 * byte at a time costs no more than one that sends all at once. The parse runs once over the
 * complete head. Everything refused ends the connection, so no position has to be kept.
 */
#include "config.h"

#include "server/http_head.h"

#include <string.h>

/* RFC 9110 section 5.6.2: what names and methods are made of; upper case maps to lower. */
static const unsigned char token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',   ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',   ['j'] = 'j',
    ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',   ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',   ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',   ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l',
    ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',   ['S'] = 's',
    ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',   ['Z'] = 'z',
};

static int bad(struct fault *fault, const char *why)
{
    return fault_set(fault, ERR_HTTP_BAD_REQUEST, "malformed request: %s", why);
}

static int too_large(const struct http_head_scan *scan, const struct http_head_limits *limits,
                     struct fault *fault)
{
    if (scan->lines == 0)
        return fault_set(fault, ERR_HTTP_URI_TOO_LONG,
                         "the request line is longer than http.max_head, %zu bytes",
                         limits->max_bytes);
    return fault_set(fault, ERR_HTTP_HEAD_TOO_LARGE,
                     "the request head is larger than http.max_head, %zu bytes", limits->max_bytes);
}

int http_head_scan(struct http_head_scan *scan, struct slice bytes,
                   const struct http_head_limits *limits, size_t *head_n, struct fault *fault)
{
    /* Something that is not HTTP at all (TLS, say) may never send a line end: do not wait for it.
     */
    if (bytes.n > 0 && token_lower[(unsigned char)bytes.p[0]] == 0)
        return bad(fault, "it does not begin with a method");
    while (scan->seen < bytes.n) {
        const char *from = bytes.p + scan->seen;
        const char *lf = memchr(from, '\n', bytes.n - scan->seen);
        if (lf == NULL) {
            scan->seen = bytes.n;
            break;
        }
        size_t at = (size_t)(lf - bytes.p);
        if (at == 0 || bytes.p[at - 1] != '\r')
            return bad(fault, "a line ends in LF without CR");
        scan->seen = at + 1;
        if (scan->seen > limits->max_bytes)
            return too_large(scan, limits, fault);
        if (at - 1 == scan->line) {
            *head_n = scan->seen;
            return 0;
        }
        scan->line = scan->seen;
        /* The request line is no field. */
        if (scan->lines++ > limits->max_fields)
            return fault_set(fault, ERR_HTTP_HEAD_TOO_LARGE,
                             "the request has more than http.max_fields, %u fields",
                             limits->max_fields);
    }
    return scan->seen >= limits->max_bytes ? too_large(scan, limits, fault) : ERR_AGAIN;
}

/* The bytes before the next CR LF, which is there: the scan has found it. */
static struct slice take_line(char **p, char *end)
{
    char *begin = *p;
    char *lf = memchr(begin, '\n', (size_t)(end - begin));

    *p = lf + 1;
    return slice_make(begin, (size_t)(lf - 1 - begin));
}

static int parse_version(struct slice version, struct http_head *head, struct fault *fault)
{
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[6] != '.' ||
        version.p[5] < '0' || version.p[5] > '9' || version.p[7] < '0' || version.p[7] > '9')
        return bad(fault, "the request line does not end in HTTP/1.1");
    if (version.p[5] != '1' || version.p[7] > '1')
        return fault_set(fault, ERR_HTTP_VERSION, "this server speaks HTTP/1.1 and HTTP/1.0");
    head->is_http_10 = version.p[7] == '0';
    return 0;
}

/* RFC 9112 section 3: method SP target SP version, exactly one space each. */
static int parse_request_line(struct slice line, struct http_head *head, struct fault *fault)
{
    size_t n = 0;

    while (n < line.n && token_lower[(unsigned char)line.p[n]] != 0)
        n++;
    if (n == 0 || n == line.n || line.p[n] != ' ')
        return bad(fault, "the method is not a token followed by one space");
    head->method = slice_sub(line, 0, n);
    size_t begin = ++n;
    while (n < line.n && line.p[n] > ' ' && line.p[n] < 0x7f)
        n++;
    if (n == begin || n == line.n || line.p[n] != ' ')
        return bad(fault, "the target is not printable ASCII followed by one space");
    head->target = slice_sub(line, begin, n - begin);
    return parse_version(slice_sub(line, n + 1, SIZE_MAX), head, fault);
}

/* RFC 9112 section 5. A name followed by a space, or a line that begins with one, is refused. */
static int parse_field(char *line, size_t line_n, struct http_field *field, struct fault *fault)
{
    size_t n = 0;

    while (n < line_n && token_lower[(unsigned char)line[n]] != 0) {
        line[n] = (char)token_lower[(unsigned char)line[n]];
        n++;
    }
    if (n == 0 || n == line_n || line[n] != ':')
        return bad(fault, "a field name is not a token followed by a colon");
    field->name = slice_make(line, n);
    field->value = slice_trim(slice_make(line + n + 1, line_n - n - 1));
    return slice_has_control(field->value) ? bad(fault, "a field value has control bytes") : 0;
}

/* RFC 9110 section 7.2: host and port, nothing else; an empty one names no server. */
bool http_host_is_valid(struct slice host)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr("-._~:[]!$&'()*+,;=%", c) != NULL))
            return false;
    }
    return host.n > 0;
}

static int take_framing_field(const struct http_field *field, struct http_head *head,
                              unsigned *hosts, struct fault *fault)
{
    if (slice_eq(field->name, SLICE("host"))) {
        head->host = field->value;
        if (++*hosts > 1)
            return bad(fault, "it has two Host fields");
        return http_host_is_valid(field->value) ? 0 : bad(fault, "Host is not a host and port");
    }
    if (slice_eq(field->name, SLICE("content-length"))) {
        if (head->has_length)
            return bad(fault, "it has two Content-Length fields");
        head->has_length = true;
        if (!slice_parse_u64(field->value, &head->content_length) ||
            head->content_length > INT64_MAX)
            return bad(fault, "Content-Length is not a number of bytes");
        return 0;
    }
    if (slice_eq(field->name, SLICE("transfer-encoding"))) {
        if (head->is_chunked)
            return bad(fault, "it has two Transfer-Encoding fields");
        head->is_chunked = true;
        if (!slice_eq_nocase(field->value, SLICE("chunked")))
            return bad(fault, "the only Transfer-Encoding is chunked");
    }
    return 0;
}

static int check_framing(const struct http_head *head, unsigned hosts, struct fault *fault)
{
    if (hosts == 0 && !head->is_http_10)
        return bad(fault, "HTTP/1.1 needs a Host field");
    if (head->is_chunked && head->has_length)
        return bad(fault, "it has both Content-Length and Transfer-Encoding");
    if (head->is_chunked && head->is_http_10)
        return bad(fault, "HTTP/1.0 has no Transfer-Encoding");
    return 0;
}

int http_head_parse(struct arena *arena, char *bytes, size_t n, unsigned lines,
                    struct http_head *head, struct fault *fault)
{
    char *p = bytes, *end = bytes + n;
    unsigned hosts = 0;
    struct http_field *fields = arena_alloc(arena, lines * sizeof(*fields));

    *head = (struct http_head){0};
    if (fields == NULL)
        return ERR_NO_MEMORY;
    int err = parse_request_line(take_line(&p, end), head, fault);
    for (unsigned i = 0; err == 0 && i + 1 < lines; i++) {
        char *begin = p;
        struct slice line = take_line(&p, end);
        if (memchr(line.p, '\r', line.n) != NULL)
            return bad(fault, "a CR stands without LF");
        err = parse_field(begin, line.n, &fields[i], fault);
        if (err == 0)
            err = take_framing_field(&fields[i], head, &hosts, fault);
    }
    head->fields = fields;
    head->fields_n = lines > 0 ? lines - 1 : 0;
    return err == 0 ? check_framing(head, hosts, fault) : err;
}
