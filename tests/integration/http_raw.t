#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the server makes of bytes on a socket: malformed and ambiguous requests, framing, order."""

import re
import select
import socket
import struct
import sys
import threading

import check
import http1
import image
from image import digest_of
from registry import Registry, with_query
from server import run_suite
from tap import Suite

CONFIG = '''\
http:
  head_timeout: 500ms
  body_timeout: 2s
  idle_timeout: 2s
  write_timeout: 1s
'''

HOST = b'Host: 127.0.0.1:5000\r\n'
# A second request in the same write: when it is answered, the first was cut elsewhere than we cut
# it, and that is how requests are smuggled past a proxy.
SMUGGLED = b'GET /v2/smuggled/tags/list HTTP/1.1\r\n' + HOST + b'\r\n'

suite = Suite()


def get(target=b'/v2/', fields=b'', version=b'HTTP/1.1'):
    return b'GET ' + target + b' ' + version + b'\r\n' + HOST + fields + b'\r\n'


def put(fields, body, version=b'HTTP/1.1'):
    return (b'PUT /v2/raw/manifests/x ' + version + b'\r\n' + HOST +
            b'Content-Type: application/vnd.oci.image.manifest.v1+json\r\n' +
            fields + b'\r\n' + body)


def serves(server):
    check.status(http1.request(server.address, 'GET', '/v2/'), 200, 'GET /v2/ afterwards')


# ---- Refused: an answer that says why, then the end of the connection

CHUNKED = b'Transfer-Encoding: chunked\r\n'
BODY = b'4\r\nabcd\r\n0\r\n\r\n'
TOO_MANY_FIELDS = b''.join(b'X-%d: 1\r\n' % i for i in range(101))

REFUSED = (
    # The length of the body
    ('Content-Length, then chunked', {400}, put(b'Content-Length: 4\r\n' + CHUNKED, BODY)),
    ('chunked, then Content-Length', {400}, put(CHUNKED + b'Content-Length: 4\r\n', BODY)),
    ('two equal Content-Lengths', {400}, put(b'Content-Length: 4\r\n' * 2, b'abcd')),
    ('two different Content-Lengths', {400},
     put(b'Content-Length: 4\r\nContent-Length: 5\r\n', b'abcde')),
    ('a list as Content-Length', {400}, put(b'Content-Length: 4, 4\r\n', b'abcd')),
    ('Content-Length +4', {400}, put(b'Content-Length: +4\r\n', b'abcd')),
    ('Content-Length -4', {400}, put(b'Content-Length: -4\r\n', b'abcd')),
    ('Content-Length 0x4', {400}, put(b'Content-Length: 0x4\r\n', b'abcd')),
    ('Content-Length 4.0', {400}, put(b'Content-Length: 4.0\r\n', b'abcd')),
    ('an empty Content-Length', {400}, put(b'Content-Length: \r\n', b'abcd')),
    ('Content-Length 4 with a space inside', {400}, put(b'Content-Length: 4 4\r\n', b'abcd')),
    ('Content-Length 2^63', {400}, put(b'Content-Length: 9223372036854775808\r\n', b'abcd')),
    ('Content-Length 2^64', {400}, put(b'Content-Length: 18446744073709551616\r\n', b'abcd')),
    ('Content-Length 2^64 + 4', {400}, put(b'Content-Length: 18446744073709551620\r\n', b'abcd')),
    ('Transfer-Encoding xchunked', {400, 501}, put(b'Transfer-Encoding: xchunked\r\n', BODY)),
    ('Transfer-Encoding identity', {400, 501}, put(b'Transfer-Encoding: identity\r\n', BODY)),
    ('Transfer-Encoding gzip', {400, 501}, put(b'Transfer-Encoding: gzip\r\n', BODY)),
    ('Transfer-Encoding chunked, gzip', {400, 501},
     put(b'Transfer-Encoding: chunked, gzip\r\n', BODY)),
    ('Transfer-Encoding gzip, chunked', {400, 501},
     put(b'Transfer-Encoding: gzip, chunked\r\n', BODY)),
    ('Transfer-Encoding chunked, chunked', {400, 501},
     put(b'Transfer-Encoding: chunked, chunked\r\n', BODY)),
    ('two Transfer-Encodings', {400, 501}, put(CHUNKED * 2, BODY)),
    ('Transfer-Encoding "chunked" in quotes', {400, 501},
     put(b'Transfer-Encoding: "chunked"\r\n', BODY)),
    ('an empty Transfer-Encoding', {400, 501}, put(b'Transfer-Encoding:\r\n', BODY)),
    ('a vertical tab before chunked', {400, 501}, put(b'Transfer-Encoding: \x0bchunked\r\n', BODY)),
    ('chunked with HTTP/1.0', {400}, put(CHUNKED, BODY, b'HTTP/1.0')),
    # Chunks
    ('a chunk size that is no number', {400}, put(CHUNKED, b'xyz\r\nabcd\r\n0\r\n\r\n')),
    ('an empty chunk size', {400}, put(CHUNKED, b'\r\nabcd\r\n0\r\n\r\n')),
    ('a chunk size with 0x', {400}, put(CHUNKED, b'0x4\r\nabcd\r\n0\r\n\r\n')),
    ('a chunk size with a sign', {400}, put(CHUNKED, b'+4\r\nabcd\r\n0\r\n\r\n')),
    ('a negative chunk size', {400}, put(CHUNKED, b'-4\r\nabcd\r\n0\r\n\r\n')),
    ('a space before the chunk size', {400}, put(CHUNKED, b' 4\r\nabcd\r\n0\r\n\r\n')),
    ('a chunk size "4 ;x"', {400}, put(CHUNKED, b'4 ;x\r\nabcd\r\n0\r\n\r\n')),
    ('a chunk size of 2^64', {400}, put(CHUNKED, b'10000000000000000\r\nabcd\r\n0\r\n\r\n')),
    ('a chunk size of 17 f', {400, 413}, put(CHUNKED, b'fffffffffffffffff\r\nabcd\r\n0\r\n\r\n')),
    ('a chunk size that ends in a bare LF', {400}, put(CHUNKED, b'4\nabcd\r\n0\r\n\r\n')),
    ('a chunk without CR LF after its data', {400}, put(CHUNKED, b'4\r\nabcd0\r\n\r\n')),
    ('a chunk with a bare LF after its data', {400}, put(CHUNKED, b'4\r\nabcd\n0\r\n\r\n')),
    ('a chunk longer than its size', {400}, put(CHUNKED, b'4\r\nabcdef\r\n0\r\n\r\n')),
    ('a control byte in a chunk extension', {400}, put(CHUNKED, b'4;x\x00\r\nabcd\r\n0\r\n\r\n')),
    ('a bare LF in a chunk extension', {400}, put(CHUNKED, b'4;x\ny\r\nabcd\r\n0\r\n\r\n')),
    ('a chunk extension of 20 KiB', {400, 413, 431},
     put(CHUNKED, b'4;' + b'x' * 20480 + b'\r\nabcd\r\n0\r\n\r\n')),
    ('a trailer without a colon', {400}, put(CHUNKED, b'4\r\nabcd\r\n0\r\nbad\r\n\r\n')),
    ('a space before the colon of a trailer', {400},
     put(CHUNKED, b'4\r\nabcd\r\n0\r\nX : 1\r\n\r\n')),
    ('a trailer that ends in a bare LF', {400}, put(CHUNKED, b'4\r\nabcd\r\n0\r\nX: 1\n\r\n')),
    # Fields
    ('a space before the colon', {400}, get(fields=b'X-A : 1\r\n')),
    ('a tab before the colon', {400}, get(fields=b'X-A\t: 1\r\n')),
    ('a space before the colon of Content-Length', {400}, put(b'Content-Length : 4\r\n', b'abcd')),
    ('a bare CR in a field', {400}, get(fields=b'X-A: 1\rX-B: 2\r\n')),
    ('a bare CR before CR LF', {400}, get(fields=b'X-A: 1\r\r\n')),
    ('a bare LF after a field', {400}, get(fields=b'X-A: 1\nX-B: 2\r\n')),
    ('a bare LF after the request line', {400}, b'GET /v2/ HTTP/1.1\n' + HOST + b'\r\n'),
    ('a head that ends in LF LF', {400}, b'GET /v2/ HTTP/1.1\r\n' + HOST[:-2] + b'\n\n'),
    ('a folded field', {400}, get(fields=b'X-A: 1\r\n 2\r\n')),
    ('a field folded by a tab', {400}, get(fields=b'X-A: 1\r\n\t2\r\n')),
    ('a first field that begins with a space', {400},
     b'GET /v2/ HTTP/1.1\r\n X-A: 1\r\n' + HOST + b'\r\n'),
    ('NUL in a field value', {400}, get(fields=b'X-A: a\x00b\r\n')),
    ('a control byte in a field value', {400}, get(fields=b'X-A: a\x01b\r\n')),
    ('DEL in a field value', {400}, get(fields=b'X-A: a\x7fb\r\n')),
    ('NUL in a field name', {400}, get(fields=b'X\x00A: 1\r\n')),
    ('a field name with a space', {400}, get(fields=b'X A: 1\r\n')),
    ('a field name of 8-bit bytes', {400}, get(fields=b'X-\xe9: 1\r\n')),
    ('a field name in brackets', {400}, get(fields=b'(X): 1\r\n')),
    ('an empty field name', {400}, get(fields=b': 1\r\n')),
    ('a field without a colon', {400}, get(fields=b'X-A\r\n')),
    ('101 fields and Host', {400, 431}, get(fields=TOO_MANY_FIELDS)),
    ('a head of 40 KiB', {431}, get(fields=b'X-A: ' + b'a' * 40960 + b'\r\n')),
    ('a head of many fields, 40 KiB', {431}, get(fields=(b'X-A: ' + b'a' * 800 + b'\r\n') * 50)),
    ('a target of 40 KiB', {400, 414, 431}, get(b'/v2/' + b'a' * 40960)),
    # Host
    ('no Host', {400}, b'GET /v2/ HTTP/1.1\r\n\r\n'),
    ('two Hosts', {400}, get(fields=HOST)),
    ('two different Hosts', {400}, get(fields=b'Host: other\r\n')),
    ('an empty Host', {400}, b'GET /v2/ HTTP/1.1\r\nHost:\r\n\r\n'),
    ('a Host with a space', {400}, b'GET /v2/ HTTP/1.1\r\nHost: a b\r\n\r\n'),
    ('a Host with a path', {400}, b'GET /v2/ HTTP/1.1\r\nHost: a/b\r\n\r\n'),
    ('a Host with a user', {400}, b'GET /v2/ HTTP/1.1\r\nHost: user@a\r\n\r\n'),
    ('a list of Hosts', {400}, b'GET /v2/ HTTP/1.1\r\nHost: a, b\r\n\r\n'),
    ('an 8-bit Host', {400}, b'GET /v2/ HTTP/1.1\r\nHost: \xe9\r\n\r\n'),
    # The request line
    ('NUL in the target', {400}, get(b'/v2/\x00')),
    ('a control byte in the target', {400}, get(b'/v2/\x01')),
    ('DEL in the target', {400}, get(b'/v2/\x7f')),
    ('8-bit in the target', {400}, get(b'/v2/\xc3\xa9/tags/list')),
    ('a tab in the target', {400}, get(b'/v2/\t')),
    ('a space in the target', {400, 505}, get(b'/v2/ x')),
    ('two spaces before the target', {400}, get(b' /v2/')),
    ('two spaces before the version', {400}, get(b'/v2/ ')),
    ('a tab instead of a space', {400}, b'GET\t/v2/ HTTP/1.1\r\n' + HOST + b'\r\n'),
    ('no target', {400}, b'GET HTTP/1.1\r\n' + HOST + b'\r\n'),
    ('a space before the method', {400}, b' GET /v2/ HTTP/1.1\r\n' + HOST + b'\r\n'),
    ('a method with a bracket', {400}, b'GE(T /v2/ HTTP/1.1\r\n' + HOST + b'\r\n'),
    ('HTTP/0.9', {400, 505}, b'GET /v2/\r\n\r\n'),
    ('version HTTP/0.9', {400, 505}, get(version=b'HTTP/0.9')),
    ('version HTTP/1.2', {505}, get(version=b'HTTP/1.2')),
    ('version HTTP/2.0', {505}, get(version=b'HTTP/2.0')),
    ('version HTTP/3.0', {505}, get(version=b'HTTP/3.0')),
    ('version HTTP/11', {400}, get(version=b'HTTP/11')),
    ('version HTTP/1.10', {400}, get(version=b'HTTP/1.10')),
    ('version http/1.1', {400}, get(version=b'http/1.1')),
    ('version XTTP/1.1', {400}, get(version=b'XTTP/1.1')),
    ('the preface of HTTP/2', {400, 505}, b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    ('the first bytes of TLS', {400}, bytes.fromhex('1603010200010001fc0303') + bytes(200)),
    ('an SMTP greeting', {400, 501, 505}, b'EHLO example.org\r\n\r\n'),
)


def is_refused(server, allowed, data):
    with http1.Connection(server.address) as connection:
        connection.send(data + SMUGGLED)
        answer = check.status(connection.response(), allowed)
        check.true(len(answer.body) > 0, 'a refusal without a word')
        check.equal((answer.field('connection') or '').lower(), 'close', 'Connection')
        check.true(connection.is_closed(), 'the connection stays open')
    serves(server)


for name, statuses, request_bytes in REFUSED:
    suite.add(f'refused: {name}', is_refused, statuses, request_bytes)


# ---- Understood, and answered with an error; the connection may go on

UNDERSTOOD = (
    ('a bad percent escape in a name', {400, 404}, 'GET', '/v2/a%zz/tags/list'),
    ('half a percent escape', {400, 404}, 'GET', '/v2/a%4/tags/list'),
    ('%2f in a name', {400, 404}, 'GET', '/v2/a%2fb/tags/list'),
    ('%00 in a name', {400, 404}, 'GET', '/v2/a%00b/tags/list'),
    ('.. as a name', {400, 404}, 'GET', '/v2/../tags/list'),
    ('.. inside a name', {400, 404}, 'GET', '/v2/a/../b/tags/list'),
    ('%2e%2e inside a name', {400, 404}, 'GET', '/v2/a/%2e%2e/b/tags/list'),
    ('.. out of /v2', {400, 404}, 'GET', '/v2/../../etc/passwd'),
    ('.. as a digest', {400, 404}, 'GET', '/v2/a/blobs/..'),
    ('%2e%2e%2f as a digest', {400, 404}, 'GET', '/v2/a/blobs/%2e%2e%2f%2e%2e%2fformat'),
    ('a path of an upload out of its folder', {400, 404}, 'GET', '/v2/a/blobs/uploads/..%2f..'),
    ('an empty path segment', {400, 404}, 'GET', '/v2//tags/list'),
    ('a bad percent escape in a query', {400}, 'GET', '/v2/_catalog?n=%zz'),
    ('NUL in a query', {400}, 'GET', '/v2/_catalog?last=%00'),
    ('an unknown path', {404}, 'GET', '/nothing'),
    ('/v2 without more', {301, 308, 404, 200}, 'GET', '/v2'),
    ('an unknown method', {400, 405, 501}, 'BREW', '/v2/'),
    ('a method in lower case', {400, 405, 501}, 'get', '/v2/'),
    ('a method that stands in no row of the path', {405}, 'DELETE', '/v2/'),
    ('TRACE', {400, 405, 501}, 'TRACE', '/v2/'),
    ('CONNECT', {400, 405, 501}, 'CONNECT', '127.0.0.1:22'),
    ('OPTIONS *', {200, 204, 400, 404, 405}, 'OPTIONS', '*'),
    ('GET *', {400, 404}, 'GET', '*'),
    ('a target without a slash', {400, 404}, 'GET', 'v2/'),
    ('a fragment', {400, 404}, 'GET', '/v2/#x'),
)


def is_answered(server, allowed, method, target):
    with http1.Connection(server.address) as connection:
        answer = check.status(connection.request(method, target), allowed)
        if answer.status == 405:
            check.true(answer.field('allow') is not None, '405 without Allow')
    serves(server)


for name, statuses, verb, path in UNDERSTOOD:
    suite.add(f'answered: {name}', is_answered, statuses, verb, path)


@suite.case('the absolute form of a target is the same as its path, or refused')
def absolute_form(server):
    plain = http1.request(server.address, 'GET', '/v2/')
    full = http1.request(server.address, 'GET', f'http://{server.address}/v2/')
    check.status(full, {200, 400})
    if full.status == 200:
        check.equal(full.body, plain.body, 'body')


# ---- Chunks that are well-formed

def push_chunked(server, body_bytes):
    """PATCH with these bytes as a chunked body; returns the status and the Range."""
    registry = Registry.of(server)
    location = registry.begin_upload('raw')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location,
                                   {'Transfer-Encoding': 'chunked'}) + body_bytes)
        answer = connection.response('PATCH')
        if answer.status == 202:
            check.status(connection.request('GET', '/v2/'), 200, 'next on the connection')
    return answer.status, answer.field('range')


@suite.case('chunked: several chunks, upper and lower case, leading zeros')
def chunks(server):
    body = b'a\r\n0123456789\r\nA\r\n0123456789\r\n0004\r\nabcd\r\n0\r\n\r\n'
    check.equal(push_chunked(server, body), (202, '0-23'))


@suite.case('chunked: the coding is named in upper case')
def upper_case_coding(server):
    location = Registry.of(server).begin_upload('raw')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location,
                                   {'transfer-encoding': 'CHUNKED'}) + BODY)
        check.equal(check.status(connection.response(), 202).field('range'), '0-3')


@suite.case('chunked: extensions are ignored, or refused: the bytes never change')
def extensions(server):
    for extension in (b';a', b';a=1', b';a="b c"', b';a=1;b=2'):
        status, sent = push_chunked(server, b'4' + extension + b'\r\nabcd\r\n0\r\n\r\n')
        check.one_of((status, sent), {(202, '0-3'), (400, None)})


@suite.case('chunked: trailers are ignored, or refused: they are no fields of the request')
def trailers(server):
    status, sent = push_chunked(server, b'4\r\nabcd\r\n0\r\nContent-Range: 7-9\r\nX: 1\r\n\r\n')
    check.one_of((status, sent), {(202, '0-3'), (400, None)})


@suite.case('chunked: byte by byte')
def chunks_byte_by_byte(server):
    location = Registry.of(server).begin_upload('raw')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location,
                                   {'Transfer-Encoding': 'chunked'}))
        for byte in b'4;x=y\r\nabcd\r\n2\r\nef\r\n0\r\nT: 1\r\n\r\n':
            connection.send(bytes([byte]))
        check.equal(check.status(connection.response(), 202).field('range'), '0-5')


# ---- Order and pace

@suite.case('a head that comes byte by byte')
def head_byte_by_byte(server):
    with http1.Connection(server.address) as connection:
        for byte in get():
            connection.send(bytes([byte]))
        check.status(connection.response(), 200)


@suite.case('ten requests in one write are answered in order')
def pipelined(server):
    registry = Registry.of(server)
    contents = [f'content {i}'.encode() * (i + 1) for i in range(10)]
    digests = [registry.push_blob('raw', content) for content in contents]
    with http1.Connection(server.address) as connection:
        connection.send(b''.join(get(f'/v2/raw/blobs/{digest}'.encode()) for digest in digests))
        for content in contents:
            check.equal(check.status(connection.response(), 200).body, content)


@suite.case('pipelined requests of different kinds are answered in order')
def pipelined_mix(server):
    kinds = ((b'/livez', 200), (b'/v2/', 200), (b'/nothing', 404), (b'/v2/_catalog', 200),
             (b'/v2/UPPER/tags/list', 400), (b'/readyz', 200)) * 3
    with http1.Connection(server.address) as connection:
        connection.send(b''.join(get(target) for target, _ in kinds))
        for target, wanted in kinds:
            check.status(connection.response(), wanted, target.decode())


@suite.case('a PUT and a GET of it in one write: the GET sees it')
def put_then_get(server):
    content = b'pipelined content'
    digest = digest_of(content)
    target = with_query(Registry.of(server).begin_upload('raw'), f'digest={digest}')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PUT', target, None, content) + content +
                        http1.head(connection.host, 'GET', f'/v2/raw/blobs/{digest}'))
        check.status(connection.response('PUT'), 201)
        check.equal(check.status(connection.response(), 200).body, content)


@suite.case('a body that comes byte by byte')
def body_byte_by_byte(server):
    registry = Registry.of(server)
    location = registry.begin_upload('raw')
    content = b'x' * 300
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location, None, content))
        for byte in content:
            connection.send(bytes([byte]))
        check.equal(check.status(connection.response(), 202).field('range'), '0-299')


def ends(connection, allowed):
    """The server ends the connection, after one answer of these statuses or without any."""
    try:
        check.status(connection.response(), allowed)
    except (http1.Closed, ConnectionError):
        return
    check.true(connection.is_closed(), 'the connection stays open')


@suite.case('half a head: the connection ends')
def slow_head(server):
    with http1.Connection(server.address) as connection:
        connection.send(b'GET /v2/ HTTP/1.1\r\nHost: a\r\n')
        ends(connection, {408})
    serves(server)


@suite.case('a head that never ends, a few bytes now and then: the connection ends')
def trickled_head(server):
    with http1.Connection(server.address) as connection:
        connection.send(b'GET /v2/ HTTP/1.1\r\nHost: a\r\n')
        for i in range(300):
            readable, _, _ = select.select([connection.socket], [], [], 0.1)
            if readable:
                break
            connection.send(b'X-%d: 1\r\n' % (i % 10))
        else:
            check.true(False, 'the server waits for ever')
        ends(connection, {408})
    serves(server)


@suite.case('a body that stops: the connection ends, the upload can be continued')
def stalled_body(server):
    registry = Registry.of(server)
    location = registry.begin_upload('raw')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location, {'Content-Length': '1000'}) +
                        b'x' * 400)
        ends(connection, {408})
    wait_for_offset(registry, location, '0-399')


@suite.case('a connection without a request ends')
def idle(server):
    with http1.Connection(server.address) as connection:
        check.status(connection.request('GET', '/v2/'), 200)
        ends(connection, {408})


# ---- Expect: 100-continue

def wait_for_offset(registry, location, wanted):
    """While a request writes to an upload, its status tells how far that has come."""
    check.eventually(f'the upload is at {wanted}', lambda: check.status(
        registry.request('GET', location), 204).field('range') == wanted)


EXPECT = {'Expect': '100-continue'}


@suite.case('100-continue: asked for where the body is wanted')
def continue_wanted(server):
    location = Registry.of(server).begin_upload('raw')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location, EXPECT, b'abcd'))
        check.status(connection.response('PATCH'), 100)
        connection.send(b'abcd')
        check.equal(check.status(connection.response('PATCH'), 202).field('range'), '0-3')
        check.status(connection.request('GET', '/v2/'), 200, 'next on the connection')


@suite.case('100-continue: a body that comes at once needs none')
def continue_not_awaited(server):
    location = Registry.of(server).begin_upload('raw')
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, 'PATCH', location, EXPECT, b'abcd') + b'abcd')
        answer = connection.response('PATCH')
        if answer.status == 100:
            answer = connection.response('PATCH')
        check.equal(check.status(answer, 202).field('range'), '0-3')


BIG = {'Expect': '100-continue', 'Content-Length': str(5 << 20),
       'Content-Type': 'application/vnd.oci.image.manifest.v1+json'}
NO_CONTINUE = (
    ('an unknown upload', 404, 'PATCH', '/v2/raw/blobs/uploads/0123456789abcdef', BIG),
    ('an unknown endpoint', 404, 'PUT', '/nothing', BIG),
    ('a method without handler', 405, 'PUT', '/v2/', BIG),
    ('a bad repository name', 400, 'POST', '/v2/UPPER/blobs/uploads/', BIG),
    ('a bad digest', 400, 'POST', '/v2/raw/blobs/uploads/?digest=sha256:12', BIG),
    ('a bad tag', 400, 'PUT', '/v2/raw/manifests/-bad', BIG),
    ('a manifest above the limit', 413, 'PUT', '/v2/raw/manifests/big', BIG),
)


def gets_no_continue(server, wanted, method, target, fields):
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(connection.host, method, target, fields))
        check.status(connection.response(method), wanted)
    serves(server)


for name, *row in NO_CONTINUE:
    suite.add(f'100-continue: none for {name}', gets_no_continue, *row)


@suite.case('an unknown expectation is 417, or ignored')
def unknown_expectation(server):
    answer = http1.request(server.address, 'GET', '/v2/', {'Expect': 'miracles'})
    check.status(answer, {200, 417})


# ---- Errors before the body is through, clients that go away

def push_until_answered(connection, size):
    """Sends a body until an answer begins, as clients do that do not wait for 100."""
    block = b'x' * 65536
    while size > 0:
        readable, _, _ = select.select([connection.socket], [], [], 0)
        if readable:
            return
        size -= connection.socket.send(block[:size])


@suite.case('an error before 64 MiB of body: the client reads the status, not a reset')
def early_error(server):
    for _ in range(5):
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', '/v2/raw/blobs/uploads/0123',
                                       {'Content-Length': str(64 << 20)}))
            push_until_answered(connection, 64 << 20)
            check.error(connection.response('PATCH'), 404, 'BLOB_UPLOAD_UNKNOWN')
    serves(server)


@suite.case('an error before a body of 300 KiB that is sent whole: the status is read afterwards')
def early_error_small(server):
    content = b'x' * (300 << 10)
    for _ in range(5):
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', '/v2/raw/blobs/uploads/0123', None,
                                       content))
            connection.send(content)
            check.error(connection.response('PATCH'), 404, 'BLOB_UPLOAD_UNKNOWN')


def begin_body(connection, location, fields):
    """Returns when the server has given the upload to this request."""
    connection.send(http1.head(connection.host, 'PATCH', location, {**EXPECT, **fields}))
    check.status(connection.response('PATCH'), 100)


@suite.case('a client that goes away in a body leaves an upload that can be continued')
def gone_in_body(server):
    registry = Registry.of(server)
    location = registry.begin_upload('raw')
    with http1.Connection(server.address) as connection:
        begin_body(connection, location, {'Content-Length': '100000'})
        connection.send(b'a' * 40000)
    wait_for_offset(registry, location, '0-39999')

    def go_on():
        answer = registry.request('PATCH', location, {'Content-Range': '40000-40003'}, b'abcd')
        return answer if answer.status != 409 else None
    answer = check.eventually('the upload is free again', go_on)
    check.equal(check.status(answer, 202).field('range'), '0-40003')


@suite.case('a client that resets in a chunked body leaves an upload that can be continued')
def reset_in_body(server):
    registry = Registry.of(server)
    location = registry.begin_upload('raw')
    with http1.Connection(server.address) as connection:
        begin_body(connection, location, {'Transfer-Encoding': 'chunked'})
        connection.send(b'ffff\r\n' + b'a' * 1000)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    answer = check.status(registry.request('GET', location), 204)
    have = int(answer.field('range').partition('-')[2]) + 1
    check.true(have <= 1000, f'the upload has {have} bytes')
    check.eventually('it can be cancelled',
                     lambda: registry.request('DELETE', location).status == 204)


@suite.case('half-closed by the client: the answer still comes')
def half_closed(server):
    with http1.Connection(server.address) as connection:
        connection.send(get())
        connection.socket.shutdown(socket.SHUT_WR)
        check.status(connection.response(), 200)
        check.true(connection.is_closed(), 'the connection stays open')


# ---- How long a connection lives

@suite.case('keep-alive is the default of HTTP/1.1')
def keep_alive(server):
    with http1.Connection(server.address) as connection:
        for _ in range(5):
            check.status(connection.request('GET', '/v2/'), 200)


@suite.case('Connection: close is obeyed')
def close(server):
    for value in ('close', 'Close', 'foo, close'):
        with http1.Connection(server.address) as connection:
            answer = check.status(connection.request('GET', '/v2/', {'Connection': value}), 200)
            check.equal((answer.field('connection') or '').lower(), 'close', 'Connection')
            check.true(connection.is_closed(), f'open after Connection: {value}')


@suite.case('HTTP/1.0 closes unless asked not to')
def http_10(server):
    with http1.Connection(server.address) as connection:
        connection.send(get(version=b'HTTP/1.0'))
        check.status(connection.response(), 200)
        check.true(connection.is_closed(), 'open after HTTP/1.0')
    with http1.Connection(server.address) as connection:
        connection.send(b'GET /v2/ HTTP/1.0\r\n\r\n')
        check.status(connection.response(), 200, 'HTTP/1.0 without Host')


@suite.case('HTTP/1.0 with keep-alive: both sides agree about it')
def http_10_keep_alive(server):
    with http1.Connection(server.address) as connection:
        connection.send(get(fields=b'Connection: keep-alive\r\n', version=b'HTTP/1.0'))
        answer = check.status(connection.response(), 200)
        if (answer.field('connection') or '').lower() == 'keep-alive':
            connection.send(get(fields=b'Connection: close\r\n'))
            check.status(connection.response(), 200)
        else:
            check.true(connection.is_closed(), 'open without saying keep-alive')


# ---- Backpressure

@suite.case('2,000 requests written before an answer is read: all are answered, in order')
def pipelined_flood(server):
    registry = Registry.of(server)
    contents = [image.noise(3000, f'flood {i}') for i in range(4)]
    wanted = [registry.push_blob('raw', content) for content in contents]
    requests = b''.join(get(f'/v2/raw/blobs/{wanted[i % 4]}'.encode()) for i in range(2000))
    with http1.Connection(server.address) as connection:
        # More than the buffers of both sides hold: it ends only when answers are read.
        writer = threading.Thread(target=connection.send, args=(requests,))
        writer.start()
        for i in range(2000):
            check.equal(check.status(connection.response(), 200).body, contents[i % 4], f'{i}')
        writer.join()


def connections(server):
    """Open connections, that of the question included."""
    text = http1.request(server.address, 'GET', '/metrics').body.decode()
    return int(re.search(r'^tidemark_http_connections (\d+)$', text, re.M).group(1))


@suite.case('a client that does not read its answer: the connection ends, others are served')
def slow_reader(server):
    registry = Registry.of(server)
    # Larger than what the kernel takes for a socket.
    content = image.noise(32 << 20, 'slow reader')
    digest = registry.push_blob('raw', content)
    check.eventually('only the question is open', lambda: connections(server) == 1)
    with http1.Connection(server.address) as connection:
        connection.send(get(f'/v2/raw/blobs/{digest}'.encode()))
        received = len(connection.socket.recv(100))
        check.eventually('the connection has ended', lambda: connections(server) == 1)
        try:
            while data := connection.socket.recv(1 << 20):
                received += len(data)
        except ConnectionError:
            pass
        check.true(received < len(content), 'the whole blob came')
    check.status(registry.get_blob('raw', digest, method='HEAD'), 200)


sys.exit(run_suite(suite, config=CONFIG))
