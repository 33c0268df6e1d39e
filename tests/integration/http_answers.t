#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What stands in answers: HEAD, conditions, ranges, fields; and who is answered at all."""

import json
import random
import sys

import check
import http1
import image
from registry import Registry
from server import run_suite
from tap import Suite

suite = Suite()


# ---- HEAD, conditions, ranges

CONTENT = bytes(range(256)) * 4


def content_blob(server):
    registry = Registry.of(server)
    return registry, registry.push_blob('app', CONTENT)


@suite.case('HEAD has the fields of GET and no body')
def head_without_body(server):
    _, digest = content_blob(server)
    for target in ('/v2/', '/v2/_catalog', f'/v2/app/blobs/{digest}', '/livez',
                   '/v2/app/manifests/none', '/nothing'):
        with http1.Connection(server.address) as connection:
            got = connection.request('GET', target)
            bare = connection.request('HEAD', target)
            check.status(bare, got.status)
            for name in ('content-length', 'content-type', 'etag', 'docker-content-digest'):
                check.equal(bare.field(name), got.field(name), f'{name} of HEAD {target}')
            check.status(connection.request('GET', '/v2/'), 200, 'next on the connection')


@suite.case('every answer has a Date; /v2 the API version, nosniff')
def common_fields(server):
    for target in ('/v2/', '/livez', '/v2/x/tags/list', '/nothing'):
        answer = http1.request(server.address, 'GET', target)
        check.true(answer.field('date') is not None, f'{target} without Date')
        check.equal(answer.field('x-content-type-options'), 'nosniff', target)
        if target.startswith('/v2'):
            check.equal(answer.field('docker-distribution-api-version'), 'registry/2.0', target)


@suite.case('If-None-Match: 304 without a body')
def not_modified(server):
    registry, digest = content_blob(server)
    for value in (f'"{digest}"', f'W/"{digest}"', f'"other", "{digest}"', '*'):
        for method in ('GET', 'HEAD'):
            answer = registry.get_blob('app', digest, {'If-None-Match': value}, method)
            check.status(answer, 304, f'{method} If-None-Match: {value}')
            check.equal(answer.field('etag'), f'"{digest}"', 'ETag')
    answer = registry.get_blob('app', digest, {'If-None-Match': '"other"'})
    check.equal(check.status(answer, 200).body, CONTENT)


SINGLE_RANGES = (
    ('bytes=0-9', 0, 9), ('bytes=0-0', 0, 0), ('bytes=1000-', 1000, 1023),
    ('bytes=-24', 1000, 1023),
    ('bytes=1023-1023', 1023, 1023), ('bytes=0-99999', 0, 1023), ('bytes=-99999', 0, 1023),
    ('bytes=1000-18446744073709551615', 1000, 1023), ('bytes= 5-9', 5, 9),
)


@suite.case('a range: 206 with just these bytes')
def single_range(server):
    registry, digest = content_blob(server)
    for value, first, last in SINGLE_RANGES:
        answer = check.status(registry.get_blob('app', digest, {'Range': value}), {200, 206}, value)
        if answer.status == 200 and value in ('bytes= 5-9', 'bytes=1000-18446744073709551615'):
            check.equal(answer.body, CONTENT, value)
            continue
        check.status(answer, 206, value)
        check.equal(answer.field('content-range'), f'bytes {first}-{last}/1024', value)
        check.equal(answer.body, CONTENT[first:last + 1], value)
        check.equal(answer.field('accept-ranges'), 'bytes', 'Accept-Ranges')


@suite.case('a range nothing satisfies: 416 with the size')
def unsatisfiable(server):
    registry, digest = content_blob(server)
    for value in ('bytes=1024-', 'bytes=1024-2000', 'bytes=-0', 'bytes=5000-6000,7000-',
                  'bytes=9-0'):
        answer = registry.get_blob('app', digest, {'Range': value})
        check.status(answer, 416, value)
        check.equal(answer.field('content-range'), 'bytes */1024', value)


@suite.case('a Range that is none: the whole')
def no_range(server):
    registry, digest = content_blob(server)
    for value in ('bytes=', 'bytes=a-b', 'items=0-9', 'bytes=-', '0-9', 'bytes=0-9x',
                  'bytes=1--2', 'bytes=0x0-0x9'):
        answer = registry.get_blob('app', digest, {'Range': value})
        check.equal(check.status(answer, 200, value).body, CONTENT, value)


@suite.case('several ranges: multipart/byteranges, each part with its bytes')
def multi_range(server):
    registry, digest = content_blob(server)
    answer = check.status(registry.get_blob('app', digest, {'Range': 'bytes=0-9,100-199,-5'}), 206)
    media_type, _, boundary = answer.field('content-type').partition('; boundary=')
    check.equal(media_type, 'multipart/byteranges')
    check.equal(answer.field('content-range'), None, 'Content-Range')
    check.equal(parts_of(answer.body, boundary.strip('"').encode()),
                [('bytes 0-9/1024', CONTENT[:10]), ('bytes 100-199/1024', CONTENT[100:200]),
                 ('bytes 1019-1023/1024', CONTENT[-5:])])


def parts_of(body, boundary):
    pieces = body.split(b'--' + boundary)
    check.one_of(pieces[0], {b'', b'\r\n'}, 'preamble')
    check.one_of(pieces[-1], {b'--', b'--\r\n'}, 'end')
    parts = []
    for piece in pieces[1:-1]:
        fields, _, content = piece[2:].partition(b'\r\n\r\n')
        named = dict(line.split(': ', 1) for line in fields.decode().lower().split('\r\n'))
        check.true('content-type' in named, 'a part without Content-Type')
        check.true(content.endswith(b'\r\n'), 'a part that does not end in CR LF')
        parts.append((named['content-range'], content[:-2]))
    return parts


@suite.case('ranges of a blob that is sent in many turns')
def large_ranges(server):
    content = image.noise(5 << 20, 'large ranges')
    registry = Registry.of(server)
    digest = registry.push_blob('app', content)
    dice = random.Random('large ranges')
    for _ in range(30):
        first = dice.randrange(len(content))
        last = dice.randrange(first, len(content))
        answer = registry.get_blob('app', digest, {'Range': f'bytes={first}-{last}'})
        check.true(check.status(answer, 206).body == content[first:last + 1], f'{first}-{last}')
    pairs = [sorted(dice.randrange(len(content)) for _ in range(2)) for _ in range(8)]
    value = 'bytes=' + ','.join(f'{first}-{last}' for first, last in pairs)
    answer = check.status(registry.get_blob('app', digest, {'Range': value}), {200, 206})
    if answer.status == 206:
        boundary = answer.field('content-type').partition('; boundary=')[2].strip('"').encode()
        parts = parts_of(answer.body, boundary)
        check.equal([field for field, _ in parts],
                    [f'bytes {first}-{last}/{len(content)}' for first, last in pairs])
        for (field, part), (first, last) in zip(parts, pairs):
            check.true(part == content[first:last + 1], field)


@suite.case('of several ranges only what can be satisfied')
def partly_satisfiable(server):
    registry, digest = content_blob(server)
    answer = registry.get_blob('app', digest, {'Range': 'bytes=5000-,10-19'})
    check.status(answer, 206)
    if answer.field('content-range') is not None:
        check.equal(answer.field('content-range'), 'bytes 10-19/1024')
        check.equal(answer.body, CONTENT[10:20])
    else:
        boundary = answer.field('content-type').partition('; boundary=')[2].strip('"').encode()
        check.equal(parts_of(answer.body, boundary), [('bytes 10-19/1024', CONTENT[10:20])])


@suite.case('more ranges than http.max_ranges: never more bytes than the whole')
def many_ranges(server):
    registry, digest = content_blob(server)
    value = 'bytes=' + ','.join('0-' for _ in range(200))
    answer = check.status(registry.get_blob('app', digest, {'Range': value}), {200, 416})
    if answer.status == 200:
        check.equal(answer.body, CONTENT)


@suite.case('If-Range: the part when it still is the same, else the whole')
def if_range(server):
    registry, digest = content_blob(server)
    same = registry.get_blob('app', digest, {'Range': 'bytes=0-9', 'If-Range': f'"{digest}"'})
    check.equal(check.status(same, 206).body, CONTENT[:10])
    for other in ('"other"', f'W/"{digest}"', 'Wed, 21 Oct 2015 07:28:00 GMT'):
        answer = registry.get_blob('app', digest, {'Range': 'bytes=0-9', 'If-Range': other})
        check.equal(check.status(answer, 200, f'If-Range: {other}').body, CONTENT)


@suite.case('Range of a HEAD and of an empty blob')
def odd_ranges(server):
    registry, digest = content_blob(server)
    check.status(registry.get_blob('app', digest, {'Range': 'bytes=0-9'}, 'HEAD'), {200, 206})
    empty = registry.push_blob('app', b'')
    check.status(registry.get_blob('app', empty), 200)
    check.status(registry.get_blob('app', empty, {'Range': 'bytes=0-0'}), {200, 416})


# ---- Who may ask an open server

PROXIED = (('Forwarded', 'for=192.0.2.1'), ('X-Forwarded-For', '192.0.2.1'),
           ('X-Forwarded-Host', 'example.org'), ('X-Forwarded-Proto', 'https'))


@suite.case('a request that came through a proxy: 403 names the key that allows it')
def proxied(server):
    for name, value in PROXIED:
        answer = http1.request(server.address, 'GET', '/v2/', {name: value})
        check.error(answer, 403, 'DENIED', 'http.allow_proxy')


@suite.case('a request of a web page: 403 unless Host and the page are loopback')
def cross_origin(server):
    for name, value in (('Origin', 'https://example.org'), ('Sec-Fetch-Site', 'cross-site')):
        for host in ('example.org', 'localhost.example.org', '127.0.0.1.example.org', '192.0.2.7'):
            answer = http1.request(server.address, 'GET', '/v2/', {'Host': host, name: value})
            check.error(answer, 403, 'DENIED')
        for host in ('localhost', '127.0.0.1:5000', '[::1]:5000', 'LOCALHOST:5000'):
            answer = http1.request(server.address, 'GET', '/v2/', {'Host': host, name: value})
            check.error(answer, 403, 'DENIED')
    for host in ('localhost', '127.0.0.1:5000', '[::1]:5000', 'LOCALHOST:5000'):
        for name, value in (('Origin', 'http://localhost:8080'), ('Origin', 'https://127.0.0.1'),
                            ('Sec-Fetch-Site', 'same-origin'), ('Sec-Fetch-Site', 'none')):
            answer = http1.request(server.address, 'GET', '/v2/', {'Host': host, name: value})
            check.status(answer, 200, f'Host: {host}, {name}: {value}')


@suite.case('a refused PUT of a web page leaves nothing behind')
def cross_origin_write(server):
    answer = http1.request(server.address, 'POST', '/v2/evil/blobs/uploads/',
                           {'Host': 'example.org', 'Origin': 'https://example.org'})
    check.error(answer, 403, 'DENIED')
    catalog = json.loads(http1.request(server.address, 'GET', '/v2/_catalog').body)
    check.true('evil' not in catalog['repositories'], 'the repository is there')


sys.exit(run_suite(suite))
