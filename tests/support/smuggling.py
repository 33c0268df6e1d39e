# SPDX-License-Identifier: Apache-2.0
"""Requests that readers of HTTP/1.1 have been seen to understand differently, each followed by a
second one in the same write: whoever cuts the first elsewhere sees other requests.

A payload is (name, verdict, bytes). In the bytes %(m)b stands for the name of a repository, which
is another one for each payload and so marks what came of it. The verdict is what the server makes of
the first request when nothing stands in between:

  TAKEN    understood, and the second request is answered as well
  REFUSED  400 or the like, then the end: the second is never seen
  CUT      understood, and what then follows is no request: refused
  LEFT     understood, but answered before its end was seen, and so the connection ends
  WAITING  not complete: it ends by a timeout, or by the client
"""

from image import digest_of

TAKEN, REFUSED, CUT, LEFT, WAITING = 'taken', 'refused', 'cut', 'left', 'waiting'

HOST = b'Host: 127.0.0.1:5000\r\n'
SECOND = b'GET /v2/%(m)b/second/tags/list HTTP/1.1\r\n' + HOST + b'\r\n'
DIGEST = digest_of(b'abcd').encode()
CHUNKED = b'Transfer-Encoding: chunked\r\n'
CHUNKS = b'4\r\nabcd\r\n0\r\n\r\n'


def push(fields, body, version=b'HTTP/1.1'):
    """A blob in one request; 201 says that its bytes were understood as they were meant."""
    return (b'POST /v2/%(m)b/blobs/uploads/?digest=' + DIGEST + b' ' + version + b'\r\n' + HOST +
            fields + b'\r\n' + body)


def ask(fields=b'', body=b'', method=b'GET', target=b'/v2/%(m)b/tags/list', version=b'HTTP/1.1',
        host=HOST):
    return method + b' ' + target + b' ' + version + b'\r\n' + host + fields + b'\r\n' + body


def length(n, more=b''):
    return b'Content-Length: %d\r\n' % n + more


HIDDEN = b'GET /v2/%(m)b/hidden/tags/list HTTP/1.1\r\n' + HOST + b'\r\n'
# The marks in it have their final length: see bytes_of.
HIDDEN_N = len(HIDDEN) - len('%(m)b') + len('m000')


def chunk(size_line, end=b'\r\n0\r\n\r\n'):
    return push(CHUNKED, size_line + b'\r\nabcd' + end)


PAYLOADS = (
    # ---- Chunk sizes
    ('chunks, plain', TAKEN, chunk(b'4')),
    ('chunk size 0004', TAKEN, chunk(b'0004')),
    ('chunk size of 16 digits', TAKEN, chunk(b'0000000000000004')),
    ('last chunk 00000', TAKEN, chunk(b'4', b'\r\n00000\r\n\r\n')),
    ('chunk size 0x4', REFUSED, chunk(b'0x4')),
    ('chunk size +4', REFUSED, chunk(b'+4')),
    ('chunk size -4', REFUSED, chunk(b'-4')),
    ('chunk size 4_0', REFUSED, chunk(b'4_0')),
    ('chunk size 4.0', REFUSED, chunk(b'4.0')),
    ('chunk size 4g', REFUSED, chunk(b'4g')),
    ('chunk size "4 "', REFUSED, chunk(b'4 ')),
    ('chunk size "4<tab>"', REFUSED, chunk(b'4\t')),
    ('chunk size " 4"', REFUSED, chunk(b' 4')),
    ('chunk size "4 4"', REFUSED, chunk(b'4 4')),
    ('chunk size "4<NUL>"', REFUSED, chunk(b'4\0')),
    ('chunk size "4<vertical tab>"', REFUSED, chunk(b'4\x0b')),
    ('chunk size 2^64 + 4', REFUSED, chunk(b'10000000000000004')),
    ('chunk size 2^32 + 4', WAITING, chunk(b'100000004')),
    ('chunk size of 17 f', REFUSED, chunk(b'f' * 17)),
    ('chunk size in full-width digits', REFUSED, chunk('４'.encode())),
    ('no chunk size', REFUSED, chunk(b'')),
    # ---- Chunk extensions
    ('extension ;a', TAKEN, chunk(b'4;a')),
    ('extension ;a=b', TAKEN, chunk(b'4;a=b')),
    ('extension ;a="b;c"', TAKEN, chunk(b'4;a="b;c"')),
    ('extension with a bare LF', REFUSED, chunk(b'4;a\nb')),
    ('extension with a bare LF and a size', REFUSED, chunk(b'4;\n0')),
    ('extension with a bare CR', REFUSED, chunk(b'4;a\rb')),
    ('extension with a quoted CR LF', REFUSED, chunk(b'4;a="\r\nabcd\r\n0\r\n\r\n"')),
    ('extension with NUL', REFUSED, chunk(b'4;a=\0')),
    ('extension of 20,000 bytes', REFUSED, chunk(b'4;a=' + b'x' * 20000)),
    ('extension of the last chunk', TAKEN, chunk(b'4', b'\r\n0;a=b\r\n\r\n')),
    ('extension of the last chunk with a bare LF', REFUSED, chunk(b'4', b'\r\n0;\n\r\n\r\n')),
    # ---- Ends of chunks
    ('no CR LF after a chunk', REFUSED, chunk(b'4', b'0\r\n\r\n')),
    ('LF after a chunk', REFUSED, chunk(b'4', b'\n0\r\n\r\n')),
    ('CR after a chunk', REFUSED, chunk(b'4', b'\r0\r\n\r\n')),
    ('two bytes for CR LF after a chunk', REFUSED, chunk(b'4', b'xx0\r\n\r\n')),
    ('LF CR after a chunk', REFUSED, chunk(b'4', b'\n\r0\r\n\r\n')),
    ('size lines that end in LF', REFUSED, push(CHUNKED, b'4\nabcd\n0\n\n')),
    ('last chunk that ends in LF LF', REFUSED, chunk(b'4', b'\r\n0\n\n')),
    ('last chunk with CR LF LF', REFUSED, chunk(b'4', b'\r\n0\r\n\n')),
    ('last chunk with CR CR LF', REFUSED, chunk(b'4', b'\r\n0\r\r\n\r\n')),
    # ---- Trailers
    ('trailer', TAKEN, chunk(b'4', b'\r\n0\r\nX-Trailer: 1\r\n\r\n')),
    ('trailer Content-Length', TAKEN, chunk(b'4', b'\r\n0\r\nContent-Length: 50\r\n\r\n')),
    ('trailer Transfer-Encoding', REFUSED,
     chunk(b'4', b'\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n')),
    ('trailer Host', TAKEN, chunk(b'4', b'\r\n0\r\nHost: other\r\n\r\n')),
    ('trailer without a colon', REFUSED, chunk(b'4', b'\r\n0\r\nGET /v2/ HTTP/1.1\r\n\r\n')),
    ('trailer that ends in LF', REFUSED, chunk(b'4', b'\r\n0\r\nX: 1\n\r\n')),
    ('trailer with a bare CR', REFUSED, chunk(b'4', b'\r\n0\r\nX: 1\rY: 2\r\n\r\n')),
    ('trailer with NUL', REFUSED, chunk(b'4', b'\r\n0\r\nX: \0\r\n\r\n')),
    ('trailer that begins with a space', REFUSED, chunk(b'4', b'\r\n0\r\n X: 1\r\n\r\n')),
    ('trailer folded', REFUSED, chunk(b'4', b'\r\n0\r\nX: 1\r\n 2\r\n\r\n')),
    # ---- Content-Length beside chunks, and chunks in disguise
    ('CL.TE', REFUSED, push(length(4) + CHUNKED, CHUNKS)),
    ('TE.CL', REFUSED, push(CHUNKED + length(4), CHUNKS)),
    ('CL.TE with a hidden request', REFUSED,
     push(length(5 + HIDDEN_N) + CHUNKED, b'0\r\n\r\n' + HIDDEN)),
    ('Transfer-Encoding twice', REFUSED, push(CHUNKED * 2, CHUNKS)),
    ('Transfer-Encoding chunked, then identity', REFUSED,
     push(CHUNKED + b'Transfer-Encoding: identity\r\n', CHUNKS)),
    ('Transfer-Encoding: identity', REFUSED, push(b'Transfer-Encoding: identity\r\n', CHUNKS)),
    ('Transfer-Encoding: xchunked', REFUSED, push(b'Transfer-Encoding: xchunked\r\n', CHUNKS)),
    ('Transfer-Encoding: gzip, chunked', REFUSED,
     push(b'Transfer-Encoding: gzip, chunked\r\n', CHUNKS)),
    ('Transfer-Encoding: chunked, chunked', REFUSED,
     push(b'Transfer-Encoding: chunked, chunked\r\n', CHUNKS)),
    ('Transfer-Encoding: chunked,', REFUSED, push(b'Transfer-Encoding: chunked,\r\n', CHUNKS)),
    ('Transfer-Encoding: "chunked"', REFUSED, push(b'Transfer-Encoding: "chunked"\r\n', CHUNKS)),
    ('Transfer-Encoding: chunked;q=1', REFUSED,
     push(b'Transfer-Encoding: chunked;q=1\r\n', CHUNKS)),
    ('Transfer-Encoding: <obs-text>chunked', REFUSED,
     push(b'Transfer-Encoding: \xffchunked\r\n', CHUNKS)),
    ('Transfer-Encoding: <vertical tab>chunked', REFUSED,
     push(b'Transfer-Encoding: \x0bchunked\r\n', CHUNKS)),
    ('Transfer-Encoding<space>: chunked, with a length', REFUSED,
     push(length(len(CHUNKS), b'Transfer-Encoding : chunked\r\n'), CHUNKS)),
    ('Transfer-Encoding<CR LF>', REFUSED, push(b'Transfer-Encoding:\r\n chunked\r\n', CHUNKS)),
    ('<space>Transfer-Encoding: chunked, with a length', REFUSED,
     push(length(len(CHUNKS), b' Transfer-Encoding: chunked\r\n'), CHUNKS)),
    ('X: x<LF>Transfer-Encoding: chunked, with a length', REFUSED,
     push(length(len(CHUNKS), b'X: x\nTransfer-Encoding: chunked\r\n'), CHUNKS)),
    ('X: x<CR>Transfer-Encoding: chunked, with a length', REFUSED,
     push(length(len(CHUNKS), b'X: x\rTransfer-Encoding: chunked\r\n'), CHUNKS)),
    ('Transfer_Encoding: chunked, with a length', TAKEN,
     push(length(4, b'Transfer_Encoding: chunked\r\n'), b'abcd')),
    ('Transfer-Encoding: <tab>chunked', TAKEN, push(b'Transfer-Encoding:\tchunked\r\n', CHUNKS)),
    ('Transfer-Encoding: CHUNKED', TAKEN, push(b'Transfer-Encoding: CHUNKED\r\n', CHUNKS)),
    ('chunked with HTTP/1.0', REFUSED, push(CHUNKED, CHUNKS, b'HTTP/1.0')),
    # ---- Lengths
    ('Content-Length', TAKEN, push(length(4), b'abcd')),
    ('Content-Length 0004', TAKEN, push(b'Content-Length: 0004\r\n', b'abcd')),
    ('Content-Length twice, equal', REFUSED, push(length(4) * 2, b'abcd')),
    ('Content-Length twice, different', REFUSED, push(length(4) + length(0), b'abcd')),
    ('Content-Length 4, 4', REFUSED, push(b'Content-Length: 4, 4\r\n', b'abcd')),
    ('Content-Length 0, 4', REFUSED, push(b'Content-Length: 0, 4\r\n', b'abcd')),
    ('Content-Length +4', REFUSED, push(b'Content-Length: +4\r\n', b'abcd')),
    ('Content-Length -4', REFUSED, push(b'Content-Length: -4\r\n', b'abcd')),
    ('Content-Length 0x4', REFUSED, push(b'Content-Length: 0x4\r\n', b'abcd')),
    ('Content-Length 4<NUL>', REFUSED, push(b'Content-Length: 4\0\r\n', b'abcd')),
    ('Content-Length 4<vertical tab>', REFUSED, push(b'Content-Length: 4\x0b\r\n', b'abcd')),
    ('Content-Length, folded', REFUSED, push(b'Content-Length:\r\n 4\r\n', b'abcd')),
    ('Content-Length, empty', REFUSED, push(b'Content-Length:\r\n', b'abcd')),
    ('Content-Length 2^64 + 4', REFUSED, push(b'Content-Length: 18446744073709551620\r\n',
                                              b'abcd')),
    ('Content-Length<space>: 4', REFUSED, push(b'Content-Length : 4\r\n', b'abcd')),
    ('Content_Length: 4', TAKEN, push(length(4, b'Content_Length: 0\r\n'), b'abcd')),
    ('Content-Length, a byte too many', CUT, push(length(4), b'abcd ')),
    ('Content-Length, longer than what comes', WAITING, push(length(1 << 20), b'abcd')),
    # ---- Doubled fields, 8-bit bytes
    ('Host twice', REFUSED, ask(HOST)),
    ('Host twice, different', REFUSED, ask(b'Host: other\r\n')),
    ('Host<space>: before Host', REFUSED, ask(host=b'Host : other\r\n' + HOST)),
    ('no Host', REFUSED, ask(host=b'')),
    ('an empty Host', REFUSED, ask(host=b'Host:\r\n')),
    ('Host with a path', REFUSED, ask(host=b'Host: 127.0.0.1/v2\r\n')),
    ('Host of 8-bit bytes', REFUSED, ask(host=b'Host: 127.0.0.1\xe9\r\n')),
    ('a doubled Accept', TAKEN, ask(b'Accept: a/b\r\nAccept: c/d\r\n')),
    ('a doubled Content-Type', TAKEN,
     push(length(4, b'Content-Type: a/b\r\nContent-Type: c/d\r\n'), b'abcd')),
    ('a doubled Connection', TAKEN, ask(b'Connection: keep-alive\r\nConnection: X-A\r\n')),
    ('8-bit bytes in a value', TAKEN, ask(b'X-A: \xe9\xff\x80\r\n')),
    ('8-bit bytes in a name', REFUSED, ask(b'X-\xe9: 1\r\n')),
    ('NUL in a value', REFUSED, ask(b'X-A: a\0b\r\n')),
    ('a bare CR in a value', REFUSED, ask(b'X-A: a\rX-B: b\r\n')),
    ('a folded field', REFUSED, ask(b'X-A: a\r\n b\r\n')),
    ('a field without a colon', REFUSED, ask(b'X-A\r\n')),
    ('a field without a name', REFUSED, ask(b': a\r\n')),
    ('a head that ends in LF LF', REFUSED, ask()[:-4] + b'\n\n'),
    # ---- Targets
    ('absolute form', TAKEN, ask(target=b'http://127.0.0.1:5000/v2/%(m)b/tags/list')),
    ('absolute form, another host than Host', TAKEN,
     ask(target=b'http://localhost/v2/%(m)b/tags/list')),
    ('absolute form of https', TAKEN, ask(target=b'https://127.0.0.1:5000/v2/%(m)b/tags/list')),
    ('absolute form with a user', TAKEN,
     ask(target=b'http://user@127.0.0.1:5000/v2/%(m)b/tags/list')),
    ('absolute form without a host', TAKEN, ask(target=b'http:///v2/%(m)b/tags/list')),
    ('authority form', REFUSED, ask(target=b'127.0.0.1:5000')),
    ('CONNECT', REFUSED, ask(method=b'CONNECT', target=b'127.0.0.1:22')),
    ('CONNECT with a hidden request as its body', REFUSED,
     ask(length(HIDDEN_N), HIDDEN, method=b'CONNECT', target=b'127.0.0.1:22')),
    ('asterisk form', TAKEN, ask(target=b'*')),
    ('OPTIONS *', TAKEN, ask(method=b'OPTIONS', target=b'*')),
    ('two slashes', TAKEN, ask(target=b'//v2/%(m)b/tags/list')),
    ('a backslash', TAKEN, ask(target=b'/v2\\%(m)b/tags/list')),
    ('dots', TAKEN, ask(target=b'/v2/x/../%(m)b/tags/list')),
    ('a fragment', TAKEN, ask(target=b'/v2/%(m)b/tags/list#x')),
    ('a space in the target', REFUSED, ask(target=b'/v2/%(m)b/tags/list HTTP/1.1 x')),
    ('8-bit bytes in the target', REFUSED, ask(target=b'/v2/%(m)b/\xe9/tags/list')),
    ('CR LF before the request', REFUSED, b'\r\n' + ask()),
    ('LF before the request', REFUSED, b'\n' + ask()),
    ('a space before the request', REFUSED, b' ' + ask()),
    # ---- Versions
    ('HTTP/0.9', REFUSED, b'GET /v2/%(m)b/tags/list\r\n'),
    ('version HTTP/0.9', REFUSED, ask(version=b'HTTP/0.9')),
    ('HTTP/1.0', LEFT, ask(version=b'HTTP/1.0')),
    ('HTTP/1.0 with keep-alive', TAKEN, ask(b'Connection: keep-alive\r\n', version=b'HTTP/1.0')),
    ('HTTP/1.10', REFUSED, ask(version=b'HTTP/1.10')),
    ('HTTP/1.2', REFUSED, ask(version=b'HTTP/1.2')),
    ('HTTP/01.1', REFUSED, ask(version=b'HTTP/01.1')),
    ('HTTP/2.0', REFUSED, ask(version=b'HTTP/2.0')),
    ('http/1.1', REFUSED, ask(version=b'http/1.1')),
    ('the preface of HTTP/2', REFUSED, b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    # ---- Bodies where none is expected
    ('GET with a length', TAKEN, ask(length(4), b'abcd')),
    ('GET with a hidden request as its body', TAKEN, ask(length(HIDDEN_N), HIDDEN)),
    ('GET with chunks', LEFT, ask(CHUNKED, CHUNKS)),
    ('GET with a hidden request in chunks', LEFT,
     ask(CHUNKED, b'%x\r\n' % HIDDEN_N + HIDDEN + b'\r\n0\r\n\r\n')),
    ('HEAD with a hidden request as its body', TAKEN,
     ask(length(HIDDEN_N), HIDDEN, method=b'HEAD')),
    ('DELETE with a hidden request as its body', TAKEN,
     ask(length(HIDDEN_N), HIDDEN, method=b'DELETE', target=b'/v2/%(m)b/manifests/tag')),
    ('OPTIONS with a hidden request as its body', TAKEN,
     ask(length(HIDDEN_N), HIDDEN, method=b'OPTIONS')),
    ('TRACE with a hidden request as its body', TAKEN,
     ask(length(HIDDEN_N), HIDDEN, method=b'TRACE')),
    ('GET with a length of 0', TAKEN, ask(length(0))),
    ('POST without a length', TAKEN, push(b'', b'')),
    # ---- Upgrade, Expect, Connection
    ('Upgrade: websocket', TAKEN,
     ask(b'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
         b'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n')),
    ('Upgrade: h2c', TAKEN,
     ask(b'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n')),
    ('Upgrade: TLS/1.0', TAKEN, ask(b'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n')),
    ('Upgrade with a hidden request as its body', TAKEN,
     ask(b'Connection: Upgrade\r\nUpgrade: h2c\r\n' + length(HIDDEN_N), HIDDEN)),
    ('Expect: 100-continue, the body at once', TAKEN,
     push(length(4, b'Expect: 100-continue\r\n'), b'abcd')),
    ('Expect: 100-continue on GET with a hidden request', LEFT,
     ask(b'Expect: 100-continue\r\n' + length(HIDDEN_N), HIDDEN)),
    ('Expect: y 100-continue', REFUSED, push(length(4, b'Expect: y 100-continue\r\n'), b'abcd')),
    ('Connection: Content-Length', TAKEN,
     push(length(4, b'Connection: Content-Length\r\n'), b'abcd')),
    ('Connection: Transfer-Encoding', TAKEN,
     push(CHUNKED + b'Connection: Transfer-Encoding\r\n', CHUNKS)),
    ('Connection: Host', TAKEN, ask(b'Connection: Host\r\n')),
    ('Connection: close, Host', LEFT, ask(b'Connection: close, Host\r\n')),
    # ---- Methods
    ('a method in lower case', REFUSED, ask(method=b'get')),
    ('an unknown method', REFUSED, ask(method=b'BREW')),
    ('a method with a body in its name', REFUSED, ask(method=b'GET\0')),
    ('a tab after the method', REFUSED, ask().replace(b'GET ', b'GET\t', 1)),
    ('two spaces after the method', REFUSED, ask().replace(b'GET ', b'GET  ', 1)),
)


def bytes_of(payload, number, prefix=b'm'):
    """(mark, first request, second request)."""
    mark = prefix + b'%03d' % number
    return mark.decode(), *(part.replace(b'%(m)b', mark) for part in (payload, SECOND))
