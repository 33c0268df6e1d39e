#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that come in crowds: thousands of connections that say half of something, sockets left in
every state, uploads begun and never finished, pipelined floods, lies about length. Memory stays
bounded, others are served, nothing is lost. $TIDEMARK_HOSTILE_ALL=1: in full."""

import os
import sys

import check
import http1
from crowd import Crowd
from image import digest_of, noise
from memory import Memory
from registry import OCTETS, Registry, with_query
from scenario import (events, files_under, metric, raise_descriptor_limit, serves, serving,
                      uploads_are_gone)
from server import is_sanitized
from tap import Suite, note

KIB, MIB = 1 << 10, 1 << 20
ALL = os.environ.get('TIDEMARK_HOSTILE_ALL') == '1'
HOST = b'Host: localhost\r\n'

suite = Suite()


def is_quiet(server):
    """Only the question itself is connected, and nothing it held is held."""
    return (metric(server, 'tidemark_http_connections') == 1 and
            metric(server, 'tidemark_upload_buffer_bytes') == 0 and
            metric(server, 'tidemark_event_waiters') == 0)


def is_within(memory_kib, limit_kib):
    if not is_sanitized():
        check.true(memory_kib < limit_kib, f'{memory_kib} KiB, more than {limit_kib}')


def works(server):
    """An honest push and pull."""
    registry = Registry(server.address)
    content = noise(300 * KIB, 'honest')
    digest = registry.push_blob('honest', content)
    check.true(registry.get_blob('honest', digest).body == content, 'a pulled blob differs')


# ---- Many connections

CONNECTIONS = 20000 if ALL else 500 if is_sanitized() else 2000


@suite.case(f'{CONNECTIONS} connections with half a head each: an honest client is served, memory is '
            'bounded')
def half_heads(_):
    # Two for each connection in the server, one here.
    have = raise_descriptor_limit(2 * CONNECTIONS + 1000)
    count = min(CONNECTIONS, have // 2 - 400)
    with serving(f'http:\n  head_timeout: {"60s" if ALL else "8s"}\n  max_connections: 30000\n'
                 '  connect_rate: 0\nlog:\n  access: off\n') as server:
        before = server.memory_kib()
        with Memory(server) as memory, Crowd(server.address) as crowd:
            crowd.join(count, b'GET /v2/ HTTP/1.1\r\n' + HOST)
            check.eventually('all are there', lambda: metric(
                server, 'tidemark_http_connections') > count)
            works(server)
            check.eventually('all were told that they are late', lambda: all(
                (Crowd.read(one) or b'').startswith(b'HTTP/1.1 408') for one in crowd.sockets[:1]),
                seconds=90)
            works(server)
        check.eventually('all are gone', lambda: is_quiet(server))
        note(f'{count} connections; RssAnon {before} KiB before, {memory.peak_kib} KiB at most, '
             f'{server.memory_kib()} KiB afterwards')
        is_within(memory.peak_kib, before + count * 12 + 32 * KIB)
        is_within(server.memory_kib(), before + count * 6 + 32 * KIB)


# ---- Sockets left in every state

def post(target, fields=b'', body=b''):
    return b'POST ' + target + b' HTTP/1.1\r\n' + HOST + fields + b'\r\n' + body


CHUNKED = b'Transfer-Encoding: chunked\r\n'
UPLOAD = b'/v2/states/blobs/uploads/?digest=' + digest_of(b'never').encode()
GET_BLOB = b'GET /v2/states/blobs/%s HTTP/1.1\r\n' + HOST + b'\r\n'
STATES = (
    ('nothing sent', b''),
    ('half a request line', b'GET /v'),
    ('half a head', b'GET /v2/ HTTP/1.1\r\n' + HOST + b'X-A: 1'),
    ('a head, no body', post(UPLOAD, b'Content-Length: 1000\r\n')),
    ('a head that waits for 100', post(UPLOAD, b'Content-Length: 9\r\nExpect: 100-continue\r\n')),
    ('half a body', post(UPLOAD, b'Content-Length: 1000\r\n', b'x' * 500)),
    ('half a chunk size', post(UPLOAD, CHUNKED, b'1')),
    ('half a chunk', post(UPLOAD, CHUNKED, b'100\r\nabc')),
    ('half a trailer', post(UPLOAD, CHUNKED, b'1\r\na\r\n0\r\nX-T')),
    ('half a manifest', b'PUT /v2/states/manifests/x HTTP/1.1\r\n' + HOST +
     b'Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 99\r\n\r\n{'),
    ('half a file', b'PUT /files/states:1/a.txt HTTP/1.1\r\n' + HOST +
     b'Content-Length: 1000\r\n\r\nabc'),
    ('an answer it does not read', GET_BLOB),
    ('an answer it does not read, and more requests', GET_BLOB * 20),
    ('a wait for events', b'GET /api/v1/events?wait=50s&after=1000000 HTTP/1.1\r\n' + HOST +
     b'\r\n'),
    ('a stream of events', b'GET /api/v1/events HTTP/1.1\r\n' + HOST +
     b'Accept: text/event-stream\r\n\r\n'),
    ('refused, and it goes on sending', b'GET / HTTP/9.9\r\n\r\n' + b'x' * 100000),
    ('an early error, and it goes on sending',
     post(b'/nothing', b'Content-Length: 10000000\r\n', b'x' * 100000)),
)


def leave(crowd, how):
    if how == 'FIN':
        crowd.finish()
    elif how == 'RST':
        crowd.reset()


def states(_, how):
    """All states at once; the timeouts end what the client does not. No file stays open after its
    readers, or it would be counted."""
    config = ('http:\n  head_timeout: 2s\n  body_timeout: 2s\n  write_timeout: 2s\n'
              '  idle_timeout: 3s\nlog:\n  access: off\nblobs:\n  open_files: 0\n')
    with serving(config) as server:
        registry = Registry(server.address)
        digest = registry.push_blob('states', noise(8 * MIB, 'states')).encode()
        works(server)
        descriptors = f'/proc/{server.process.pid}/fd'
        before = len(os.listdir(descriptors))
        with Crowd(server.address, receive_buffer=4096) as crowd:
            for _ in range(10):
                for _, data in STATES:
                    crowd.join(1, data.replace(b'%s', digest))
            serves(server)
            leave(crowd, how)
            works(server)
            if how == 'silence':
                # Streams of events may last; everything else has a timeout.
                check.eventually('all but streams are gone', lambda: metric(
                    server, 'tidemark_http_connections') <= 1 + 2 * 10)
        check.eventually('all are gone', lambda: is_quiet(server))
        uploads_are_gone(server)
        check.eventually('no descriptor is left', lambda: len(os.listdir(descriptors)) <= before)
        works(server)


for ending in ('silence', 'FIN', 'RST'):
    suite.add(f'{len(STATES)} states of a connection, then {ending}: all of them end, nothing is '
              'left of them', states, ending)


# ---- Uploads begun and never finished

UPLOADS = 999990 if ALL else 300 if is_sanitized() else 3000


def begin_uploads(server, count, source):
    """`count` POSTs on one connection from 127.0.0.<source>, pipelined; the statuses of all."""
    request = post(b'/v2/tiny/blobs/uploads/', b'Content-Length: 0\r\n')
    found = {}
    with http1.Connection(server.address, source=f'127.0.0.{source}') as connection:
        for begin in range(0, count, 100):
            n = min(100, count - begin)
            connection.send(request * n)
            for _ in range(n):
                answer = connection.response('POST')
                found.setdefault(answer.status, []).append(answer.field('location'))
    return found


@suite.case(f'{UPLOADS} uploads begun and never finished: swept, and nothing is left on the disk')
def tiny_uploads(_):
    def config(expire):
        return (f'uploads:\n  max: {min(UPLOADS + 10, 1000000)}\n  expire: {expire}\nlog:\n  access: off\n'
                'server:\n  drain_timeout: 1s\n')
    with serving(config('1h')) as server:
        works(server)
        uploads_are_gone(server)
        before = server.memory_kib()
        found = begin_uploads(server, UPLOADS, 2)
        check.equal({status: len(some) for status, some in found.items()}, {202: UPLOADS})
        with http1.Connection(server.address) as connection:
            for location in found[202][::1 if not ALL else 50]:
                check.status(connection.request('PATCH', location, OCTETS, b'x'), 202)
        works(server)
        full = server.memory_kib()
        check.equal(len(files_under(server, 'uploads')), 2 * UPLOADS, 'files under uploads/')
        with open(server.config, 'w', encoding='ascii') as file:
            file.write(config('1s'))
        server.reload()
        check.eventually('all are swept', lambda: metric(server, 'tidemark_uploads') == 0,
                         seconds=1200)
        check.equal(files_under(server, 'uploads'), [], 'files under uploads/')
        after = server.memory_kib()
        note(f'{UPLOADS} uploads: RssAnon {before} KiB before, {full} KiB with all of them '
             f'({(full - before) * KIB // UPLOADS} bytes each), {after} KiB when they are swept')
        is_within(full, before + 2 * UPLOADS + 16 * KIB)
        works(server)


@suite.case('one client takes all of uploads.max: another one gets its share')
def unfair_share(_):
    with serving('uploads:\n  max: 64\nlog:\n  access: off\n') as server:
        found = begin_uploads(server, 200, 2)
        check.equal(len(found[202]), 64, 'uploads begun')
        check.equal(len(found[429]), 136, 'uploads refused')
        with http1.Connection(server.address, source='127.0.0.2') as hog:
            for location in found[202]:
                check.status(hog.request('PATCH', location, OCTETS, b'x'), 202)
        registry = Registry(server.address)

        def begins():
            answer = registry.request('POST', '/v2/fair/blobs/uploads/')
            return answer.field('location') if answer.status == 202 else None
        # Not at once: what the other works on is let alone for a moment.
        mine = [check.eventually('there is room', begins) for _ in range(16)]
        for number, location in enumerate(mine):
            content = b'%d' % number
            check.status(registry.request('PUT', with_query(
                location, f'digest={digest_of(content)}'), OCTETS, content), 201)
        # It lost those it had left alone for longest, and only as many as were needed.
        with http1.Connection(server.address, source='127.0.0.2') as hog:
            left = [hog.request('GET', location).status for location in found[202]]
        check.true(left.count(204) >= 64 - 16, f'{left.count(204)} of its uploads are left')
        works(server)


# ---- Pipelined floods

@suite.case('floods of requests whose answers nobody reads: memory is bounded, the connections end')
def floods(_):
    count = 100 if ALL else 40
    with serving('http:\n  write_timeout: 2s\nlog:\n  access: off\n  level: debug\n') as server:
        registry = Registry(server.address)
        digest = registry.push_blob('flood', noise(50 * KIB, 'flood'))
        requests = (b'GET /v2/flood/blobs/' + digest.encode() + b' HTTP/1.1\r\n' + HOST + b'\r\n' +
                    b'GET /v2/flood/tags/list HTTP/1.1\r\n' + HOST + b'\r\n') * 30000
        before = server.memory_kib()
        with Memory(server) as memory, Crowd(server.address, receive_buffer=4096) as crowd:
            crowd.join(count)
            taken = dict.fromkeys(crowd.sockets, 0)
            # As much as the server takes: it stops reading when its answers are not read.
            for _ in range(20):
                for one in crowd.sockets:
                    taken[one] += Crowd.write(one, memoryview(requests)[taken[one]:])
            works(server)
            check.eventually('all were closed', lambda: len([
                event for event in events(server, 'conn.close')
                if 'of its answer' in event['reason'] or 'min_rate' in event['reason']]) >= count)
            check.true(max(taken.values()) < len(requests), 'all of it was taken')
        check.eventually('all are gone', lambda: is_quiet(server))
        note(f'{count} clients sent {sum(taken.values()) >> 10} KiB; RssAnon {before} KiB before, '
             f'{memory.peak_kib} KiB at most')
        # A receive buffer, an answer, and what one request needs.
        is_within(memory.peak_kib, before + count * 150 + 32 * KIB)
        serves(server)


@suite.case('answers in memory that nobody reads: at most http.answer_memory of them')
def unread_answers(_):
    config = ('http:\n  answer_memory: 1MiB\n  write_timeout: 3s\nlists:\n  max_page: 10000\n'
              'manifests:\n  max_tags_per_put: 100\nlog:\n  access: off\n  level: debug\n')
    with serving(config) as server:
        registry = Registry(server.address)
        registry.push_blob('unread', b'{}')
        body = (b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
                b'"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"' +
                digest_of(b'{}').encode() + b'","size":2},"layers":[]}')
        for part in range(20):
            query = '&'.join(f'tag={"t" * 100}{part:02}{i:03}' for i in range(100))
            check.status(registry.put_manifest(
                'unread', f'{digest_of(body)}?{query}', body,
                'application/vnd.oci.image.manifest.v1+json'), 201)
        page = b'GET /v2/unread/tags/list HTTP/1.1\r\n' + HOST + b'\r\n'
        before = server.memory_kib()
        with Memory(server) as memory, Crowd(server.address, receive_buffer=2048) as crowd:
            # So many that what the kernel takes for each is full.
            crowd.join(30, page * 100)
            check.eventually('some are closed for it', lambda: [
                event for event in events(server, 'conn.close')
                if 'http.answer_memory' in event['reason']])
            check.equal(len(registry.tags('unread')), 2000, 'tags, for one that reads')
        note(f'RssAnon {before} KiB before, {memory.peak_kib} KiB at most')
        is_within(memory.peak_kib, before + 32 * KIB)
        serves(server)


# ---- Lies about length

def lies_of(size):
    """(name, fields, bytes sent, statuses): of a PATCH to an upload that is at 0."""
    body = b'x' * size
    length = str(size)
    chunked = {'Transfer-Encoding': 'chunked'}
    return (
        ('Content-Range longer than the length', {'Content-Range': f'0-{size}',
                                                  'Content-Length': length}, body, {400, 416}),
        ('Content-Range shorter than the length', {'Content-Range': f'0-{size - 2}',
                                                   'Content-Length': length}, body, {400, 416}),
        ('Content-Range longer than the chunks', {'Content-Range': f'0-{size}', **chunked},
         http1.chunked(body), {400}),
        ('Content-Range shorter than the chunks', {'Content-Range': f'0-{size - 2}', **chunked},
         http1.chunked(body), {400}),
        ('Content-Range that begins elsewhere', {'Content-Range': f'7-{size + 6}',
                                                 'Content-Length': length}, body, {416}),
        ('Content-Range backwards', {'Content-Range': f'{size}-0', 'Content-Length': length}, body,
         {400, 416}),
        ('Content-Range 0-2^64', {'Content-Range': '0-18446744073709551616',
                                  'Content-Length': length}, body, {400, 416}),
        ('Content-Range 0-2^63', {'Content-Range': '0-9223372036854775808',
                                  'Content-Length': length}, body, {400, 416}),
        ('Content-Range bytes', {'Content-Range': f'bytes 0-{size - 1}/{size}',
                                 'Content-Length': length}, body, {400, 416}),
        ('Content-Range twice', [('Content-Range', f'0-{size - 1}'), ('Content-Range', '0-0'),
                                 ('Content-Length', length)], body, {202, 400, 416}),
        ('Content-Length 2^63 - 1', {'Content-Length': '9223372036854775807'}, body, {413, 507}),
        ('Content-Length 2^63', {'Content-Length': '9223372036854775808'}, body, {400}),
        ('Content-Length -1', {'Content-Length': '-1'}, body, {400}),
        ('Content-Length above blobs.max_size', {'Content-Length': str(2 << 40)}, body, {413}),
        ('a chunk of 2^63 - 1', chunked, b'7fffffffffffffff\r\n' + body, {408}),
        ('a chunk of 2^64 - 1', chunked, b'ffffffffffffffff\r\n' + body, {400, 408}),
        ('less than the length', {'Content-Length': str(size + 1)}, body, {408}),
        ('less than the chunk', chunked, b'%x\r\n' % (size + 1) + body, {408}),
    )


@suite.case('lies about length: each is refused or waited for, and the upload says how much it has')
def lies(_):
    size = 1000
    with serving('http:\n  body_timeout: 500ms\n') as server:
        registry = Registry(server.address)
        for name, fields, sent, statuses in lies_of(size):
            location = registry.begin_upload('lies')
            with http1.Connection(server.address) as connection:
                connection.send(http1.head(connection.host, 'PATCH', location, fields) + sent)
                check.status(connection.response('PATCH'), statuses, name)
            answer = check.eventually(f'{name}: the upload is free', lambda: (
                lambda reply: reply if reply.status != 409 else None)(registry.request(
                    'PATCH', location, {**OCTETS, 'Content-Length': '0'})))
            # What it says it has is what it has: the rest makes the whole.
            if answer.status == 404:
                continue
            last = int(check.status(answer, 202, name).field('range').partition('-')[2])
            have = last + 1 if last > 0 else 0
            check.true(have <= size, f'{name}: {have} bytes')
            whole = b'x' * size + b'end'
            check.status(registry.request(
                'PUT', with_query(location, f'digest={digest_of(whole)}'), OCTETS, whole[have:]),
                201, name)
        serves(server)


sys.exit(suite.run(None))
