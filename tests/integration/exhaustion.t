#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs out: the disk, the index, descriptors, connections, uploads.

The server says so, goes on serving what it can, and is as before when there is room again.
"""

import os
import resource
import subprocess
import sys
import tempfile

import check
import http1
import image
from image import digest_of
from registry import OCTETS, Registry, with_query
from server import Server
from tap import NotRun, Suite

suite = Suite()


class SmallDisk:
    """A file system of its own, so that filling it harms nobody else."""

    def __init__(self, size_mib):
        self.path = tempfile.mkdtemp(prefix='tidemark-disk-')
        result = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size_mib}m,mode=0700',
                                 'tidemark', self.path], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        self._mounted = result.returncode == 0
        self.why = result.stdout.strip()

    def __enter__(self):
        if not self._mounted:
            os.rmdir(self.path)
            raise NotRun(f'no file system could be mounted: {self.why}')
        return self

    def __exit__(self, *_):
        subprocess.run(['umount', self.path], check=True)
        os.rmdir(self.path)


def fill(path):
    """Leaves no byte free; returns the file that did it."""
    name = os.path.join(path, 'filler')
    with open(name, 'wb', buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b'x' * size)
            except OSError:
                pass
    return name


def full_disk(reserve):
    """Pushes are 507 with `storage.reserve` as told, reads and deletes go on."""
    with SmallDisk(48) as disk:
        server = Server(config=f'storage:\n  reserve: {reserve}\nindex:\n  map_size: 16MiB\n')
        server.data = os.path.join(disk.path, 'data')
        with server:
            registry = Registry.of(server)
            kept, other = image.small('kept'), image.small('deleted')
            registry.push('app', kept, 'latest')
            registry.push('app', other, 'other')
            location = registry.begin_upload('app')
            content = image.noise(3 << 20, 'too much')
            check.status(registry.request('PATCH', location, OCTETS, content[:1000]), 202)
            filler = fill(disk.path)

            def is_refused():
                target = with_query(location, f'digest={digest_of(content)}')
                answer = registry.request('PUT', target, OCTETS, content[1000:])
                # After the first refusal the upload may be gone; a new one cannot begin either.
                if answer.status == 404:
                    answer = registry.request(
                        'POST', f'/v2/app/blobs/uploads/?digest={digest_of(content)}', OCTETS,
                        content)
                return answer if answer.status == 507 else None
            answer = check.eventually('pushes are refused', is_refused)
            check.error(answer, 507, 'DENIED')
            registry.check_holds('app', 'latest')
            check.status(registry.request('GET', '/readyz'), {200, 503})
            check.true(server.is_running(), 'the server ended')
            os.unlink(filler)

            def is_taken():
                location = registry.request('POST', '/v2/app/blobs/uploads/')
                return location.field('location') if location.status == 202 else None
            location = check.eventually('pushes are taken again', is_taken)
            target = with_query(location, f'digest={digest_of(content)}')
            check.status(registry.request('PUT', target, OCTETS, content), 201)
            check.status(registry.delete_manifest('app', other.digest), 202)
            server.check_is_clean()
            server.stop()
            server.start()
            Registry.of(server).check_holds('app', 'latest')
            server.stop()


suite.add('disk full in the middle of a push: 507, reads go on, and so do pushes with room again',
          full_disk, '0')
suite.add('disk below storage.reserve: 507 before a byte, deletes go on', full_disk, '8MiB')


@suite.case('index full: 507, reads go on, after a restart as well')
def index_full():
    with Server(config='index:\n  map_size: 16MiB\n') as server:
        registry = Registry.of(server)
        one = image.small('index full')
        registry.push('app', one, 'latest')
        # Manifests up to 64 KiB stand in the index: some hundreds of them fill it.
        answer = None
        for number in range(2000):
            body = image.Image([], annotations={'a': f'{number} ' + 'x' * 60000})
            if number == 0:
                registry.push_blob('app', body.config)
            answer = registry.put_manifest('app', f't{number}', body.body, body.media_type)
            if answer.status != 201:
                break
        check.error(answer, 507, 'DENIED', 'index')
        for _ in range(2):
            registry = Registry.of(server)
            registry.check_holds('app', 'latest')
            for i in range(0, number, 37):
                check.true(registry.digest('app', f't{i}') is not None, f't{i} is gone')
            check.equal(registry.digest('app', f't{number}'), None, 'the refused manifest')
            server.restart()
        server.check_is_clean()


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90))


@suite.case('out of descriptors: waiting connections are served when others end')
def out_of_descriptors():
    with Server(preexec=few_descriptors) as server:
        registry = Registry.of(server)
        one = image.small('descriptors')
        registry.push('app', one, 'latest')
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
        registry.push('app', image.small('descriptors 2'), 'more')
        registry.check_holds('app', 'latest')


def join(server):
    """A connection that is served, or None: one that ended just now may count still."""
    connection = http1.Connection(server.address)
    if connection.request('GET', '/v2/').status == 200:
        return connection
    connection.close()
    return None


@suite.case('more connections than http.max_connections: 503 for those, then as before')
def too_many_connections():
    with Server(config='http:\n  max_connections: 5\n') as server:
        crowd = [check.eventually('there is room', lambda: join(server)) for _ in range(5)]
        with http1.Connection(server.address) as late:
            late.send(http1.head(late.host, 'GET', '/v2/'))
            answer = check.status(late.response(), 503)
            check.equal((answer.field('connection') or '').lower(), 'close', 'Connection')
            check.true(late.is_closed(), 'the connection stays open')
        for connection in crowd:
            check.status(connection.request('GET', '/v2/'), 200)
            connection.close()
        check.eventually('there is room again', lambda: join(server)).close()


@suite.case('more uploads than uploads.max: 429, and again after one ends')
def too_many_uploads():
    with Server(config='uploads:\n  max: 3\n') as server:
        registry = Registry.of(server)
        locations = [registry.begin_upload('app') for _ in range(3)]
        answer = registry.request('POST', '/v2/app/blobs/uploads/')
        check.error(answer, 429, 'TOOMANYREQUESTS')
        check.status(registry.request('DELETE', locations[0]), 204)
        registry.begin_upload('app')


@suite.case('a blob above blobs.max_size: 413 before a byte of it, or when it grows above')
def blob_too_large():
    with Server(config='blobs:\n  max_size: 100KiB\n') as server:
        registry = Registry.of(server)
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


sys.exit(suite.run())
