#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every limit reached: the answer says which, others are served meanwhile, and it passes."""

import concurrent.futures
import contextlib
import json
import os
import resource
import select
import socket
import sys
import threading

import check
import http1
from image import Artifact, OCI_EMPTY, OCI_MANIFEST, descriptor, digest_of, noise, small, to_json
from registry import OCTETS, Registry, with_query
from scenario import (events, files_under, metric, raise_descriptor_limit, reset, serves, serving,
                      uploads_are_gone)
from server import is_sanitized
from tap import Suite, note

MIB = 1 << 20

suite = Suite()


def retry_after(answer):
    value = answer.field('retry-after')
    check.true(value is not None and value.isdigit(), f'Retry-After is {value}')


def at_once(count, work):
    """Runs work(0..count-1) on threads of their own; returns the results in order."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


# ---- Connections

@suite.case('more than http.max_connections: 503, Retry-After, closed; those inside are served; '
            'one that leaves makes room')
def max_connections(_):
    with serving('http:\n  max_connections: 5\n') as server:
        with contextlib.ExitStack() as stack:
            # The harness asked /readyz on a connection that may still be closing.
            inside = []
            while len(inside) < 5:
                connection = stack.enter_context(http1.Connection(server.address))
                answer = connection.request('GET', '/v2/')
                if answer.status == 200:
                    inside.append(connection)
            for _ in range(20):
                with http1.Connection(server.address) as connection:
                    # Refused before it asks: so it need not ask.
                    answer = check.status(connection.response(), 503)
                    retry_after(answer)
                    check.equal((answer.field('connection') or '').lower(), 'close', 'Connection')
                    check.true(connection.is_closed(), 'the connection stays open')
            for connection in inside:
                check.status(connection.request('GET', '/v2/'), 200)
            inside[0].close()
            check.eventually('a new connection is served', lambda: http1.request(
                server.address, 'GET', '/v2/').status == 200)
        check.eventually('all are gone', lambda: http1.request(
            server.address, 'GET', '/v2/').status == 200)
        Registry(server.address).push_blob('room', b'again')


FASTEST = 2
AT_ONCE = 10 * FASTEST # server/connect_rate.h


def refused_for_rate(server):
    text = http1.request(server.address, 'GET', '/metrics').body.decode()
    name = 'tidemark_http_refused_connections_total{reason="connect_rate"}'
    return next(int(line.rpartition(' ')[2]) for line in text.splitlines()
                if line.startswith(name))


def connect(server, source):
    """The status of a request on a new connection from 127.0.0.<source>."""
    with http1.Connection(server.address, source=f'127.0.0.{source}') as connection:
        # One that is refused is told so before it asks, and may be reset when it does.
        try:
            with contextlib.suppress(ConnectionError):
                connection.send(http1.head(connection.host, 'GET', '/v2/'))
            answer = connection.response()
        except ConnectionError:
            return 'reset'
        if answer.status == 429:
            retry_after(answer)
            check.equal((answer.field('connection') or '').lower(), 'close', 'Connection')
        return answer.status


@suite.case('an address that connects faster than http.connect_rate: 429, Retry-After, closed; '
            'others are served, and soon it is again')
def connect_rate(_):
    with serving(f'http:\n  connect_rate: {FASTEST}\n') as server:
        with http1.Connection(server.address, source='127.0.0.2') as first:
            check.status(first.request('GET', '/v2/'), 200)
            found = [connect(server, 2) for _ in range(4 * AT_ONCE)]
            check.equal(set(found[:AT_ONCE - 1]), {200}, 'the first at once')
            refused = len(found) - found.count(200)
            check.true(429 in found, f'nobody was told: {found}')
            # What is connected stays, and another address has its own allowance.
            check.status(first.request('GET', '/v2/'), 200)
            check.equal([connect(server, 3) for _ in range(AT_ONCE)], [200] * AT_ONCE)
        check.equal(refused_for_rate(server), refused, 'refused connections in /metrics')
        lines = events(server, 'http.refused')
        check.true(0 < len(lines) < refused, f'{len(lines)} lines for {refused} refusals')
        check.contains(lines[0]['reason'], 'http.connect_rate')
        check.eventually('it may connect again', lambda: connect(server, 2) == 200)


@suite.case('http.connect_rate: 0 and http.allow_proxy: any number of connections')
def no_connect_rate(_):
    for config in ('connect_rate: 0', f'connect_rate: {FASTEST}\n  allow_proxy: true'):
        with serving(f'http:\n  {config}\n') as server:
            found = [connect(server, 2) for _ in range(4 * AT_ONCE)]
            check.equal(set(found), {200}, config)


# Longer than a PATCH of one byte can be tried in the time of the case.
LETTERS = bytes(97 + i % 26 for i in range(100000))


@suite.case('out of descriptors: what is connected gets answers, what waits is served later, '
            'nothing is lost')
def out_of_descriptors(_):
    with serving() as server:
        registry = Registry(server.address)
        digest = registry.push_blob('few', b'content')
        artifact = Artifact('application/x.test', b'content')
        registry.push('few', artifact, 'tag')
        location = registry.begin_upload('few')
        check.status(registry.request('PATCH', location, OCTETS, b'abc'), 202)
        # From outside: the server has set its own limit of connections by what it had at the start.
        pid = server.process.pid
        limit = len(os.listdir(f'/proc/{pid}/fd')) + 20
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
        with http1.Connection(server.address) as inside, contextlib.ExitStack() as stack:
            check.status(inside.request('GET', '/v2/'), 200)
            waiting = [stack.enter_context(http1.Connection(server.address)) for _ in range(60)]
            check.eventually('the server is out of descriptors',
                             lambda: events(server, 'server.accept'))
            # What needs a file cannot be had now, and says so; what needs none works. A descriptor
            # that comes free goes to the next in the queue, which may take a moment.
            refused = set()
            sent = 3

            def ask(method, target, *rest):
                answer = inside.request(method, target, *rest)
                if answer.status == 503:
                    check.error(answer, 503, 'TOOMANYREQUESTS')
                    retry_after(answer)
                    refused.add(method)
                else:
                    check.status(answer, {200, 201, 202})
                return answer.status

            def all_refused():
                nonlocal sent
                check.status(inside.request('GET', '/livez'), 200)
                check.status(inside.request('GET', '/v2/few/manifests/tag'), 200)
                ask('GET', f'/v2/few/blobs/{digest}')
                # One that gets its descriptor goes on from there.
                if ask('PATCH', location, {**OCTETS, 'Content-Range': f'{sent}-{sent}'},
                       LETTERS[sent:sent + 1]) == 202:
                    sent += 1
                ask('POST', f'/v2/few/blobs/uploads/?digest={digest_of(b"new")}', OCTETS, b'new')
                return refused == {'GET', 'PATCH', 'POST'}
            check.eventually('each kind is refused', all_refused)
            for connection in waiting:
                connection.send(http1.head('localhost', 'GET', '/v2/', {'Connection': 'close'}))
            # Those accepted close after their answer, and so the others come in.
            for connection in waiting:
                check.status(connection.response(), 200)
        check.status(registry.get_blob('few', digest), 200)
        answer = check.status(registry.request('GET', location), 204)
        check.equal(answer.field('range'), f'0-{sent - 1}', 'Range')
        whole = with_query(location, f'digest={digest_of(LETTERS)}')
        check.status(registry.request('PUT', whole, OCTETS, LETTERS[sent:]), 201)
        registry.push('few', Artifact('application/x.test', b'after'), 'after')
        uploads_are_gone(server)


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90))


@suite.case('few descriptors from the start: fewer connections, and all as before when they end')
def few_from_the_start(_):
    with serving(preexec=few_descriptors) as server:
        registry = Registry(server.address)
        registry.push('app', small('before'), 'before')
        crowd = [http1.Connection(server.address) for _ in range(150)]
        # Some of them are served, the others wait or are turned away; none brings the server down.
        served = 0
        for number, connection in enumerate(crowd):
            connection.socket.settimeout(10 if number < 5 else 0.05)
            try:
                served += connection.request('GET', '/v2/').status == 200
            except (OSError, http1.Closed, AssertionError):
                continue
        check.true(served > 0, 'nobody was served')
        check.true(server.is_running(), 'the server ended')
        for connection in crowd:
            connection.close()

        def is_served():
            try:
                return http1.request(server.address, 'GET', '/v2/').status == 200
            except (OSError, http1.Closed):
                return False
        check.eventually('the server takes connections again', is_served)
        registry.push('app', small('after'), 'after')
        registry.check_holds('app', 'before')


@suite.case('10,000 idle connections: all are served, and memory stays in the promise')
def idle_connections(_):
    # The server keeps a second descriptor for each connection.
    count = min(10000, raise_descriptor_limit(21000) // 2 - 100)
    with serving('http:\n  idle_timeout: 1h\nserver:\n  drain_timeout: 1s\n') as server:
        before = server.memory_kib()
        with contextlib.ExitStack() as stack:
            connections = []
            for _ in range(count):
                connection = stack.enter_context(http1.Connection(server.address))
                connection.send(b'GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
                connections.append(connection)
            for connection in connections:
                check.status(connection.response(), 200)
            check.true(metric(server, 'tidemark_http_connections') >= count, 'connections counted')
            memory = server.memory_kib()
            note(f'{count} idle connections: RssAnon {before} KiB before, {memory} KiB now')
            if not is_sanitized():
                check.true(memory <= 120 * 1024, f'{memory} KiB for {count} idle connections')
            serves(server)
            Registry(server.address).push_blob('idle', b'content')
            for connection in connections[::500]:
                check.status(connection.request('GET', '/v2/'), 200)
        check.eventually('all connections are closed', lambda: metric(
            server, 'tidemark_http_connections') < 10)


@suite.case('clients that ask for 100 MiB and read nothing: http.write_timeout ends them, others '
            'are served meanwhile')
def slow_readers(_):
    size = (20 if is_sanitized() else 100) * MIB
    config = 'http:\n  write_timeout: 1s\nlog:\n  level: debug\n  access: off\n'
    with serving(config) as server:
        registry = Registry(server.address)
        content = noise(size, 'slow')
        digest = registry.push_blob('slow', content)
        with contextlib.ExitStack() as stack:
            readers = [stack.enter_context(http1.Connection(server.address)) for _ in range(20)]
            for reader in readers:
                reader.send(http1.head(reader.host, 'GET', f'/v2/slow/blobs/{digest}'))
            serves(server)
            check.true(registry.get_blob('slow', digest).body == content, 'a fast reader')

            def timed_out():
                serves(server)
                return len([event for event in events(server, 'conn.close')
                            if 'takes nothing' in event.get('reason', '')])
            check.eventually('all slow readers are closed', lambda: timed_out() >= len(readers))
            for reader in readers:
                check.true(received(reader) < size, 'a slow reader got everything')


def received(connection):
    """Bytes until the end of the connection, whichever it is."""
    total = 0
    with contextlib.suppress(ConnectionError):
        while True:
            part = connection.socket.recv(1 << 20)
            if part == b'':
                break
            total += len(part)
    return total


@suite.case('a reader that takes a little now and then gets the whole blob')
def steady_reader(_):
    with serving('http:\n  write_timeout: 1s\n') as server:
        registry = Registry(server.address)
        content = noise(8 * MIB, 'steady')
        digest = registry.push_blob('slow', content)
        with http1.Connection(server.address) as reader:
            reader.send(http1.head(reader.host, 'GET', f'/v2/slow/blobs/{digest}'))
            pause = threading.Event()
            for _ in range(8):
                pause.wait(0.4)
                reader._fill()
            check.true(reader.response().body == content, 'the blob differs')


# ---- Uploads

@suite.case('more than uploads.max: 429 with Retry-After; a finished one makes room')
def uploads_max(_):
    with serving('uploads:\n  max: 3\n') as server:
        registry = Registry(server.address)
        locations = [registry.begin_upload('many') for _ in range(3)]
        for _ in range(5):
            answer = registry.request('POST', '/v2/many/blobs/uploads/')
            check.error(answer, 429, 'TOOMANYREQUESTS', 'uploads.max')
            retry_after(answer)
        answer = registry.request('POST', f'/v2/many/blobs/uploads/?digest={digest_of(b"x")}',
                                  OCTETS, b'x')
        check.error(answer, 429, 'TOOMANYREQUESTS')
        content = b'content'
        check.status(registry.request(
            'PUT', with_query(locations[0], f'digest={digest_of(content)}'), OCTETS, content), 201)
        check.status(registry.request('DELETE', locations[1]), 204)
        check.eventually('there is room', lambda: registry.request(
            'POST', '/v2/many/blobs/uploads/').status == 202)
        # They count after a restart, too.
        check.eventually('there is room', lambda: registry.request(
            'POST', '/v2/many/blobs/uploads/').status == 202)
        server.restart()
        registry = Registry(server.address)
        check.error(registry.request('POST', '/v2/many/blobs/uploads/'), 429)
        check.status(registry.request('DELETE', locations[2]), 204)
        check.eventually('there is room', lambda: registry.request(
            'POST', '/v2/many/blobs/uploads/').status == 202)


@suite.case('a blob above blobs.max_size: 413 before a byte of it, or when it grows above')
def blob_size(_):
    with serving('blobs:\n  max_size: 100KiB\n') as server:
        registry = Registry(server.address)
        limit = 100 << 10
        registry.push_blob('app', b'x' * limit)
        location = registry.begin_upload('app')
        fields = {'Content-Length': str(limit + 1), 'Expect': '100-continue'}
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', location, fields))
            check.error(connection.response('PATCH'), 413, 'SIZE_INVALID', 'blobs.max_size')
        check.status(registry.request('PATCH', location, OCTETS, b'x' * limit), 202)
        check.error(registry.request('PATCH', location, OCTETS, b'x'), 413, 'SIZE_INVALID')
        location = registry.begin_upload('app')
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', location,
                                       {'Transfer-Encoding': 'chunked'}))
            connection.send(http1.chunked(b'x' * (limit + 1)))
            check.error(connection.response('PATCH'), 413, 'SIZE_INVALID')


@suite.case('buffers for 4 of 30 uploads, 10 of which stop in the middle: all the others end, then '
            'those')
def few_buffers(_):
    with serving('uploads:\n  buffer_total: 1MiB\n') as server:
        registry = Registry(server.address)
        go_on = threading.Event()
        fast = threading.Barrier(21)

        def push(number):
            content = noise(3 * MIB + number, number)
            location = registry.begin_upload('buffers')
            target = with_query(location, f'digest={digest_of(content)}')
            is_slow = number < 10
            with http1.Connection(server.address, timeout=120) as connection:
                connection.send(http1.head(connection.host, 'PUT', target, OCTETS, content))
                half = MIB + 12345 if is_slow else 0
                connection.send(content[:half])
                if is_slow:
                    check.true(go_on.wait(120), 'the others did not end')
                connection.send(content[half:])
                check.status(connection.response('PUT'), 201)
            if not is_slow:
                fast.wait(120)
            return digest_of(content)

        def release():
            fast.wait(120)
            go_on.set()

        releaser = threading.Thread(target=release, daemon=True)
        releaser.start()
        digests = at_once(30, push)
        releaser.join()
        for number, digest in enumerate(digests):
            check.true(registry.get_blob('buffers', digest).body == noise(3 * MIB + number, number),
                       f'blob {number} differs')
        check.equal(metric(server, 'tidemark_upload_buffer_bytes'), 0, 'buffers in use')


def half_way(address, location):
    """A PATCH of a MiB of which the first half has been sent."""
    connection = http1.Connection(address)
    connection.send(http1.head(connection.host, 'PATCH', location, {'Content-Length': str(MIB)}))
    connection.send(b'h' * (MIB // 2))
    return connection


@suite.case('64 clients killed at once in the middle of uploads: each upload can be continued')
def killed_uploads(_):
    with serving() as server:
        registry = Registry(server.address)
        locations = [registry.begin_upload('killed') for _ in range(64)]
        connections = [half_way(server.address, location) for location in locations]
        serves(server)
        for number, connection in enumerate(connections):
            if number % 2:
                connection.close()
            else:
                reset(connection)
        registry.push('killed', Artifact('application/x.test', b'meanwhile'), 'tag')
        for location in locations:
            check.eventually('the upload is free again', lambda: registry.request(
                'GET', location).status == 204)
            answer = check.status(registry.request('GET', location), 204)
            first = int(answer.field('range').partition('-')[2]) + 1
            check.true(first <= MIB // 2, f'the upload has {first} bytes')
        for location in locations[:32]:
            answer = check.status(registry.request('GET', location), 204)
            last = int(answer.field('range').partition('-')[2])
            begun = last + 1 if last > 0 else 0
            whole = b'h' * begun + b'end'
            check.status(registry.request(
                'PUT', with_query(location, f'digest={digest_of(whole)}'), OCTETS, b'end'), 201)
            check.true(registry.get_blob('killed', digest_of(whole)).body == whole, 'the blob')
        for location in locations[32:]:
            check.status(registry.request('DELETE', location), 204)
        uploads_are_gone(server)
        check.equal(metric(server, 'tidemark_upload_buffer_bytes'), 0, 'buffers in use')
        check.equal(metric(server, 'tidemark_uploads'), 0, 'uploads')


@suite.case('64 clients killed at once in the middle of single POSTs and manifests: nothing stays')
def killed_posts(_):
    with serving() as server:
        registry = Registry(server.address)
        before = files_under(server, 'blobs')
        connections = []
        for number in range(64):
            connection = http1.Connection(server.address)
            method, target = (
                ('POST', '/v2/killed/blobs/uploads/?digest=sha256:' + '0' * 64),
                ('PUT', '/v2/killed/manifests/tag'))[number % 2]
            connection.send(http1.head(connection.host, method, target,
                                       {'Content-Length': str(MIB), 'Content-Type': OCI_MANIFEST}))
            connection.send(b'{"' + b'h' * (MIB // 2))
            connections.append(connection)
        serves(server)
        for connection in connections:
            reset(connection)
        check.eventually('no upload is left', lambda: metric(server, 'tidemark_uploads') == 0)
        uploads_are_gone(server)
        check.equal(files_under(server, 'blobs'), before, 'blob files')
        serves(server)


@suite.case('uploads nobody finishes: uploads.expire removes them, one that goes on stays')
def uploads_expire(_):
    with serving('uploads:\n  expire: 2s\nhttp:\n  body_timeout: 1s\n') as server:
        registry = Registry(server.address)
        locations = [registry.begin_upload('left') for _ in range(50)]
        check.status(registry.request('PATCH', locations[0], OCTETS, b'some bytes'), 202)
        stuck = half_way(server.address, locations[1])
        busy = registry.begin_upload('left')
        content = b''

        def only_busy_is_left():
            nonlocal content
            check.status(registry.request('PATCH', busy, OCTETS, b'.'), 202)
            content += b'.'
            return metric(server, 'tidemark_uploads') == 1
        check.eventually('the others are gone', only_busy_is_left)
        with stuck:
            check.status(stuck.response('PATCH'), 408, 'the client that fell asleep')
        for location in locations:
            check.error(registry.request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')
        check.status(registry.request(
            'PUT', with_query(busy, f'digest={digest_of(content)}'), OCTETS), 201)
        uploads_are_gone(server)


@suite.case('uploads that were left before a restart expire as well')
def uploads_expire_after_restart(_):
    with serving('uploads:\n  expire: 1h\n') as server:
        registry = Registry(server.address)
        location = registry.begin_upload('left')
        check.status(registry.request('PATCH', location, OCTETS, b'some bytes'), 202)
        server.stop()
        server.write_config('uploads:\n  expire: 1s\n')
        server.start()
        uploads_are_gone(server)
        check.error(Registry(server.address).request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')


@suite.case('SIGTERM while 40 clients are stuck in uploads that wait for buffers: a clean end, and '
            'what they sent can be continued')
def stopped_uploads(_):
    config = 'uploads:\n  buffer_total: 1MiB\nserver:\n  drain_timeout: 500ms\n'
    with serving(config) as server:
        registry = Registry(server.address)
        locations = [registry.begin_upload('stuck') for _ in range(40)]
        with contextlib.ExitStack() as stack:
            for location in locations:
                client = stack.enter_context(http1.Connection(server.address))
                client.send(http1.head(client.host, 'PATCH', location,
                                       {'Content-Length': str(8 * MIB)}))
                client.socket.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    left = 3 * MIB
                    while left > 0:
                        left -= client.socket.send(b's' * left)
            server.restart()
        registry = Registry(server.address)
        for location in locations:
            answer = check.status(registry.request('GET', location), 204)
            last = int(answer.field('range').partition('-')[2])
            whole = b's' * (last + 1 if last > 0 else 0)
            check.status(registry.request(
                'PUT', with_query(location, f'digest={digest_of(whole)}'), OCTETS), 201)
        uploads_are_gone(server)


# ---- Manifests

def manifest_of_size(size, number=0):
    """An artifact manifest over `{}` of just so many bytes."""
    document = json.loads(Artifact('application/x.test', b'{}').body)
    document['annotations'] = {'number': f'{number:08}', 'fill': ''}
    document['annotations']['fill'] = 'f' * (size - len(to_json(document)))
    body = to_json(document)
    assert len(body) == size
    return body


@suite.case('manifests of just manifests.max_size, 8 clients at a time: all are there; a byte more '
            'is 413')
def manifest_size(_):
    # The second size does not fit into a row of the index: those bodies are files.
    for size in (60000, 200000):
        with serving(f'manifests:\n  max_size: {size}\n') as server:
            registry = Registry(server.address)
            registry.push_blob('size', b'{}')

            def push(client):
                bodies = [manifest_of_size(size, client * 100 + i) for i in range(12)]
                for body in bodies:
                    check.status(registry.put_manifest('size', digest_of(body), body,
                                                       OCI_MANIFEST), 201)
                return bodies

            for bodies in at_once(8, push):
                for body in bodies:
                    answer = check.status(registry.get_manifest('size', digest_of(body)), 200)
                    check.true(answer.body == body, 'a manifest has other bytes')
            body = manifest_of_size(size + 1)
            check.error(registry.put_manifest('size', 'tag', body, OCI_MANIFEST), 413,
                        'MANIFEST_INVALID', 'manifests.max_size')
            with http1.Connection(server.address) as connection:
                connection.send(http1.head(connection.host, 'PUT', '/v2/size/manifests/tag',
                                           {'Content-Type': OCI_MANIFEST,
                                            'Transfer-Encoding': 'chunked'}))
                connection.send(http1.chunked(body))
                check.error(connection.response('PUT'), 413, 'MANIFEST_INVALID')
            check.equal(registry.digest('size', 'tag'), None, 'the tag')


def manifest_with(count, registry):
    """An image manifest with `count` descriptors, all of one blob."""
    registry.push_blob('count', b'{}')
    empty = descriptor(OCI_EMPTY, b'{}')
    return to_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': empty,
                    'artifactType': 'application/x.test', 'layers': [empty] * (count - 1)})


@suite.case('just manifests.max_descriptors are taken, one more is refused by name')
def manifest_descriptors(_):
    for count in (2, 50, 10000):
        with serving(f'manifests:\n  max_descriptors: {count}\n') as server:
            registry = Registry(server.address)
            body = manifest_with(count, registry)
            check.status(registry.put_manifest('count', 'tag', body, OCI_MANIFEST), 201)
            check.true(registry.get_manifest('count', 'tag').body == body, 'other bytes')
            check.error(registry.put_manifest('count', 'more', manifest_with(count + 1, registry),
                                              OCI_MANIFEST),
                        400, 'MANIFEST_INVALID', 'manifests.max_descriptors')
            check.status(registry.delete_manifest('count', digest_of(body)), 202)


@suite.case('10,000 descriptors of different blobs: taken and deleted again')
def different_descriptors(_):
    count = 500 if is_sanitized() else 2000
    with serving('manifests:\n  max_descriptors: 10000\n') as server:
        contents = [b'%d' % i for i in range(count)]

        def push(client):
            with http1.Connection(server.address) as connection:
                for content in contents[client::16]:
                    answer = connection.request(
                        'POST', f'/v2/wide/blobs/uploads/?digest={digest_of(content)}', OCTETS,
                        content)
                    check.status(answer, 201)

        at_once(16, push)
        registry = Registry(server.address)
        body = to_json({
            'schemaVersion': 2, 'mediaType': OCI_MANIFEST,
            'config': descriptor(OCI_EMPTY, contents[0]), 'artifactType': 'application/x.test',
            'layers': [descriptor('application/x.layer', content) for content in contents[1:]]})
        check.status(registry.put_manifest('wide', 'tag', body, OCI_MANIFEST), 201)
        check.status(registry.delete_manifest('wide', digest_of(body)), 202)
        check.status(registry.put_manifest('wide', 'tag', body, OCI_MANIFEST), 201)
        missing = json.loads(body)
        missing['layers'] += [descriptor('application/x.layer', b'not there %d' % i)
                              for i in range(1000)]
        answer = registry.put_manifest('wide', 'other', to_json(missing), OCI_MANIFEST)
        check.error(answer, 400, 'MANIFEST_BLOB_UNKNOWN', '1000 of')


@suite.case('JSON of just manifests.max_depth is taken, one more level is refused by name')
def manifest_depth(_):
    for depth in (8, 64, 512):
        with serving(f'manifests:\n  max_depth: {depth}\n') as server:
            registry = Registry(server.address)
            registry.push_blob('depth', b'{}')
            plain = Artifact('application/x.test', b'{}').body

            def nested(levels):
                return plain[:-1] + b',"x":' + b'[' * levels + b']' * levels + b'}'
            # The document itself is the first level.
            answer = registry.put_manifest('depth', 'tag', nested(depth - 1), OCI_MANIFEST)
            check.status(answer, 201)
            for levels in (depth, depth + 1, 20000):
                check.error(registry.put_manifest('depth', 'more', nested(levels), OCI_MANIFEST),
                            400, 'MANIFEST_INVALID', 'nested')
            check.equal(registry.tags('depth'), ['tag'], 'tags')


@suite.case('just manifests.max_tags_per_put are bound at once, one more is 414 and binds none')
def tags_per_put(_):
    for count in (1, 16, 100):
        with serving(f'manifests:\n  max_tags_per_put: {count}\n') as server:
            registry = Registry(server.address)
            registry.push_blob('tags', b'{}')
            body = Artifact('application/x.test', b'{}').body

            def put(prefix, n):
                query = '&'.join(f'tag={prefix}{i:03}' for i in range(n))
                return registry.put_manifest('tags', f'{digest_of(body)}?{query}', body,
                                             OCI_MANIFEST)
            answer = check.status(put('t', count), 201)
            check.equal(len(answer.all_fields('oci-tag')), count, 'OCI-Tag fields')
            check.error(put('u', count + 1), 414, None, 'manifests.max_tags_per_put')
            check.equal(registry.tags('tags'), [f't{i:03}' for i in range(count)], 'tags')


@suite.case('lists.max_page: never more in one page, whatever n asks for; the pages are complete')
def max_page(_):
    with serving('lists:\n  max_page: 7\nmanifests:\n  max_tags_per_put: 100\n') as server:
        registry = Registry(server.address)
        registry.push_blob('page', b'{}')
        body = Artifact('application/x.test', b'{}').body
        tags = [f't{i:03}' for i in range(50)]
        query = '&'.join(f'tag={tag}' for tag in tags)
        check.status(registry.put_manifest('page', f'{digest_of(body)}?{query}', body,
                                           OCI_MANIFEST), 201)
        for i in range(20):
            registry.push_blob(f'page-{i:02}', b'{}')
        names = sorted(['page', *(f'page-{i:02}' for i in range(20))])
        for target, key, wanted in (('/v2/page/tags/list', 'tags', tags),
                                    ('/v2/_catalog', 'repositories', names)):
            for query in ('', '?n=7', '?n=8', '?n=1000000', '?n=18446744073709551615'):
                seen, page = [], target + query
                while page is not None:
                    answer = registry.request('GET', page)
                    if answer.status == 400:
                        check.true(len(query) > 12, f'{page} is refused')
                        seen = wanted
                        break
                    check.status(answer, 200)
                    entries = json.loads(answer.body)[key]
                    check.true(len(entries) <= 7, f'{page}: {len(entries)} entries')
                    seen += entries
                    link = answer.field('link')
                    page = link.partition('<')[2].partition('>')[0] if link else None
                check.equal(seen, wanted, f'all pages of {target}{query}')


# ---- Memory and queues

@suite.case('http.body_memory used up: 503 with Retry-After, and room again when it is given back')
def body_memory(_):
    config = 'http:\n  body_memory: 1MiB\nmanifests:\n  max_size: 1MiB\n'
    with serving(config) as server:
        registry = Registry(server.address)
        registry.push_blob('body', b'{}')
        # All but so little that no other manifest has room beside it.
        large, small = manifest_of_size(MIB - 1000), manifest_of_size(2000)

        def refused():
            answer = registry.put_manifest('body', 'tag', small, OCI_MANIFEST)
            if answer.status == 201:
                return False
            check.error(answer, 503, 'TOOMANYREQUESTS', 'http.body_memory')
            retry_after(answer)
            return True

        def hold(stack, is_chunked):
            """A client with all but the last byte of a large body, once others are refused."""
            holder = stack.enter_context(http1.Connection(server.address))
            sent = http1.chunked(large, len(large)) if is_chunked else large
            fields = {'Content-Type': OCI_MANIFEST}
            fields.update({'Transfer-Encoding': 'chunked'} if is_chunked
                          else {'Content-Length': str(len(large))})
            holder.send(http1.head(holder.host, 'PUT', '/v2/body/manifests/large', fields))
            with contextlib.suppress(ConnectionError):
                holder.send(sent[:-1])
            # It may have been refused itself, for what an earlier request had for a moment.
            while not select.select([holder.socket], [], [], 0.05)[0]:
                if refused():
                    return holder, sent[-1:]
            holder.close()
            return None

        for is_chunked in (True, False):
            for leaves in (True, False):
                with contextlib.ExitStack() as stack:
                    holder, last = check.eventually(
                        'the memory is taken',
                        lambda: hold(stack, is_chunked))
                    registry.push_blob('body', b'blobs need none of it')
                    check.status(registry.get_manifest('body', 'none'), 404)
                    if leaves:
                        reset(holder)
                    else:
                        holder.send(last)
                        check.status(holder.response('PUT'), {201, 503})
                    check.eventually('the memory is back', lambda: not refused())


@suite.case('more writes than index.queue_max: each is done or 503 with Retry-After, none is half '
            'done')
def queue_max(_):
    with serving('index:\n  queue_max: 16\n') as server:
        registry = Registry(server.address)
        registry.push_blob('queue', b'{}')
        accepted, refused = [], 0
        for round_number in range(5):
            with contextlib.ExitStack() as stack:
                waiting = []
                for i in range(150):
                    body = manifest_of_size(1000, round_number * 1000 + i)
                    tag = f'tag-{round_number}-{i}'
                    connection = stack.enter_context(http1.Connection(server.address))
                    connection.send(http1.head(
                        connection.host, 'PUT', f'/v2/queue/manifests/{tag}',
                        {'Content-Type': OCI_MANIFEST}, body) + body[:-1])
                    waiting.append((connection, tag, body))
                for connection, _, body in waiting:
                    connection.send(body[-1:])
                for connection, tag, body in waiting:
                    answer = check.status(connection.response('PUT'), {201, 503})
                    if answer.status == 201:
                        accepted.append((tag, body))
                        continue
                    check.error(answer, 503, 'TOOMANYREQUESTS')
                    retry_after(answer)
                    refused += 1
                    check.equal(registry.digest('queue', tag), None, 'a refused tag')
        note(f'{len(accepted)} writes done, {refused} refused')
        for tag, body in accepted:
            check.equal(registry.digest('queue', tag), digest_of(body), tag)
        registry.push('queue', Artifact('application/x.test', b'after'), 'after')


@suite.case('pages of tags while 40 clients push and delete: no request fails, no page is out of '
            'order')
def busy_lists(_):
    with serving() as server:
        registry = Registry(server.address)
        registry.push_blob('busy', b'{}')
        stop = threading.Event()

        def write(client):
            with http1.Connection(server.address) as connection:
                for i in range(6 if is_sanitized() else 20):
                    body = manifest_of_size(800, client * 1000 + i)
                    target = f'/v2/busy/manifests/c{client:02}-{i:02}'
                    check.status(connection.request('PUT', target, {'Content-Type': OCI_MANIFEST},
                                                    body), 201)
                    if i % 2:
                        check.status(connection.request('DELETE', target), 202)

        def read():
            while not stop.is_set():
                tags = registry.tags('busy') or []
                check.equal(tags, sorted(set(tags)), 'tags')
            return True

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reader = pool.submit(read)
            try:
                at_once(40, write)
            finally:
                stop.set()
            check.true(reader.result(), 'the reader')


sys.exit(suite.run(None))
