/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the parser is paused after every piece of body, so that a caller whose sink is full just
 * stops calling: nothing is buffered here. What is neither body nor head (chunk sizes, extensions,
 * trailers) is skipped, but only so much of it between two pieces.
 */
#include "config.h"

#include "server/http1.h"

#include "base/mem.h"

#include <assert.h>
#include <llhttp.h>
#include <stdlib.h>

#define OVERHEAD_MAX 8192u

struct http1 {
    llhttp_t parser;
    llhttp_settings_t settings;
    struct slice piece;
    bool head_complete, complete;
    bool is_chunked;
    size_t overhead; /* bytes since the last piece of body */
    char last;       /* byte of the framing that was looked at */
};

static int on_headers_complete(llhttp_t *parser)
{
    struct http1 *codec = parser->data;

    codec->head_complete = true;
    /* Upgrades are ignored: the request is answered as if it had not asked for one. */
    parser->upgrade = 0;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct http1 *codec = parser->data;

    codec->piece = slice_make(at, n);
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http1 *codec = parser->data;

    codec->complete = true;
    return HPE_PAUSED;
}

bool http1_knows_method(struct slice method)
{
    static const char *const names[] = {
#define X(number, name, text) #text,
        HTTP_ALL_METHOD_MAP(X)
#undef X
    };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (slice_eq(method, slice_from_cstr(names[i])))
            return true;
    }
    return false;
}

struct http1 *http1_create(void)
{
    struct http1 *codec = xcalloc(1, sizeof(*codec));

    llhttp_settings_init(&codec->settings);
    codec->settings.on_headers_complete = on_headers_complete;
    codec->settings.on_body = on_body;
    codec->settings.on_message_complete = on_message_complete;
    llhttp_init(&codec->parser, HTTP_REQUEST, &codec->settings);
    codec->parser.data = codec;
    return codec;
}

void http1_destroy(struct http1 *codec)
{
    free(codec);
}

/* Runs the parser over `bytes`; *used is how far it came. */
static int execute(struct http1 *codec, struct slice bytes, size_t *used, struct fault *fault)
{
    llhttp_errno_t err = llhttp_execute(&codec->parser, bytes.p, bytes.n);

    *used = bytes.n;
    if (err == HPE_OK)
        return 0;
    if (err != HPE_PAUSED) {
        const char *why = llhttp_get_error_reason(&codec->parser);
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "malformed request: %s",
                         why != NULL ? why : llhttp_errno_name(err));
    }
    *used = (size_t)(llhttp_get_error_pos(&codec->parser) - bytes.p);
    llhttp_resume(&codec->parser);
    return 0;
}

int http1_begin(struct http1 *codec, struct slice bytes, const struct http_head *head,
                bool *keep_alive, struct fault *fault)
{
    size_t used;

    llhttp_reset(&codec->parser);
    codec->head_complete = false;
    codec->complete = false;
    codec->overhead = 0;
    codec->last = '\0';
    int err = execute(codec, bytes, &used, fault);
    if (err != 0)
        return err;
    const llhttp_t *parser = &codec->parser;
    bool is_chunked = (parser->flags & F_CHUNKED) != 0;
    if (!codec->head_complete || used != bytes.n || is_chunked != head->is_chunked ||
        (head->has_length && parser->content_length != head->content_length))
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "malformed request: its framing is unclear");
    codec->is_chunked = is_chunked;
    *keep_alive = llhttp_should_keep_alive(parser) != 0;
    return 0;
}

/* What the parser takes in the lines of a chunked body even in strict mode, and proxies have been
 * seen not to; NULL: nothing of it. */
static const char *scan_framing(struct http1 *codec, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char c = bytes.p[i];
        if (c == '\n' && codec->last != '\r')
            return "malformed request: a line ends in LF without CR";
        if ((c == ' ' || c == '\t') && codec->last == '\n')
            return "malformed request: a line of a chunk or trailer begins with a space";
        codec->last = c;
    }
    return NULL;
}

static const char *find_laxness(struct http1 *codec, struct slice bytes,
                                const struct http1_step *step)
{
    struct slice used = slice_sub(bytes, 0, step->used);

    if (step->piece.n == 0)
        return scan_framing(codec, used);
    size_t before = (size_t)(step->piece.p - bytes.p);
    const char *found = scan_framing(codec, slice_sub(used, 0, before));
    return found != NULL ? found
                         : scan_framing(codec, slice_sub(used, before + step->piece.n, SIZE_MAX));
}

int http1_body(struct http1 *codec, struct slice bytes, struct http1_step *step,
               struct fault *fault)
{
    /* The parser takes a pointer, also with no bytes to go on with. */
    if (bytes.p == NULL)
        bytes.p = "";
    codec->piece = slice_make(NULL, 0);
    int err = execute(codec, bytes, &step->used, fault);
    step->piece = codec->piece;
    step->complete = codec->complete;
    if (err != 0)
        return err;
    const char *lax = step->used > 0 && codec->is_chunked ? find_laxness(codec, bytes, step) : NULL;
    if (lax != NULL)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST, "%s", lax);
    codec->overhead += step->used - step->piece.n;
    if (codec->overhead > OVERHEAD_MAX)
        return fault_set(fault, ERR_HTTP_BAD_REQUEST,
                         "malformed request: chunk extensions or trailers are too long");
    if (step->piece.n > 0)
        codec->overhead = 0;
    return 0;
}

uint64_t http1_body_left(const struct http1 *codec)
{
    return codec->is_chunked || codec->complete ? 0 : codec->parser.content_length;
}

/* The parser counts the rest of the body in this field, and looks at nothing else before it is 0.
 */
void http1_body_passed(struct http1 *codec, uint64_t n)
{
    assert(n < http1_body_left(codec));
    codec->parser.content_length -= n;
}
