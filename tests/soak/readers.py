# SPDX-License-Identifier: Apache-2.0
"""Actors that only read, and those that do it badly."""

import json
import socket
import struct
import time

import check
import http1
from actor import Actor
from event_stream import EventStream
from image import Image, digest_of, noise
from registry import Registry


class Library:
    """Images that everybody pulls and nobody changes."""

    repository = 'soak/library'

    def __init__(self):
        self.images = [Image([{'x': noise(40000, f'library {i}')}, {'y': noise(100, f'y {i}')}])
                       for i in range(4)]
        self.large = noise(4 << 20, 'large')
        self.tags = [f't{i}' for i in range(len(self.images))]

    def push(self, server):
        registry = Registry.of(server)
        for tag, image in zip(self.tags, self.images):
            registry.push(self.repository, image, tag)
        registry.push_blob(self.repository, self.large)


class LibraryActor(Actor):
    def __init__(self, world, number, library):
        super().__init__(world, number)
        self.library = library
        self.repository = library.repository
        self.large = f'/v2/{self.repository}/blobs/{digest_of(library.large)}'


class Puller(LibraryActor):
    """Images whole, in parts, and not at all because nothing changed."""

    def step(self):
        image = self.random.choice(self.library.images)
        tag = self.library.tags[self.library.images.index(image)]
        answer = self.ask(200, 'GET', self.manifest(tag))
        check.true(answer.body == image.body, 'another manifest')
        self.ask(304, 'GET', self.manifest(tag), {'If-None-Match': answer.field('etag')}, what='304')
        for blob in image.blobs():
            answer = self.ask(200, 'GET', f'/v2/{self.repository}/blobs/{digest_of(blob)}')
            check.true(answer.body == blob, 'another blob')
        self._ranges()

    def _ranges(self):
        content = self.library.large
        begin = self.random.randrange(len(content) - 100000)
        answer = self.ask(206, 'GET', self.large, {'Range': f'bytes={begin}-{begin + 99999}'},
                          what='range')
        check.true(answer.body == content[begin:begin + 100000], 'another part')
        answer = self.ask(206, 'GET', self.large, {'Range': 'bytes=0-9,100-109,-5'}, what='ranges')
        check.true(answer.body.count(b'Content-Range') == 3, 'not three parts')
        self.ask(416, 'GET', self.large, {'Range': f'bytes={len(content)}-'}, what='no range')


class Lister(LibraryActor):
    """Every list there is."""

    def step(self):
        image = self.library.images[0]
        answer = self.ask(200, 'GET', f'/v2/{self.repository}/tags/list?n=2', what='tags')
        check.equal(json.loads(answer.body)['tags'], self.library.tags[:2], 'tags')
        answer = self.ask(200, 'GET', '/v2/_catalog?n=1000', what='catalog')
        check.true(self.repository in json.loads(answer.body)['repositories'], 'it is not listed')
        base = f'/api/v1/repos/{self.repository}'
        for target in ('/api/v1/version', '/api/v1/repos', base, f'{base}/-/tags',
                       f'{base}/-/tags/t0', f'{base}/-/manifests/t0',
                       f'{base}/-/layers/{digest_of(image.layers[0])}'):
            self.ask(200, 'GET', target, what='api')
        self.ask(404, 'GET', f'/v2/{self.repository}/manifests/nothing', what='not there')
        self.ask(404, 'GET', '/nothing', what='not there')


class Metrics(Actor):
    pause_seconds = 0.5

    def step(self):
        for target in ('/metrics', '/livez', '/readyz'):
            self.ask(200, 'GET', target, what=target.strip('/'))


class EventReader(Actor):
    """Follows the log of events from where it is at first, across restarts, and misses none."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.last = None

    def step(self):
        if self.last is None:
            answer = self.ask(200, 'GET', '/api/v1/events?after=last', what='events')
            self.last = json.loads(answer.body)['last']
        self.follow()

    def follow(self):
        raise NotImplementedError


class Poller(EventReader):
    """By long poll."""

    def follow(self):
        answer = self.ask(200, 'GET', f'/api/v1/events?after={self.last}&n=1000&wait=1s',
                          what='long poll')
        document = json.loads(answer.body)
        numbers = [event['number'] for event in document['events']]
        check.equal(numbers, list(range(self.last + 1, self.last + 1 + len(numbers))), 'events')
        self.last = document['last']


class Follower(EventReader):
    """By a stream, which it leaves now and then."""

    def follow(self):
        with EventStream(self.world.address(), '', str(self.last)) as stream:
            check.equal(stream.status(), 200, 'status of a stream')
            self.world.count('stream')
            stream.socket.settimeout(1)
            for _ in range(self.random.randrange(1, 500)):
                if not self._take(stream):
                    break

    def _take(self, stream):
        """False when it is to leave."""
        try:
            message = stream.message()
        except socket.timeout:
            return not self.world.is_resting()
        if message is None:
            return False
        check.equal(int(message['id']), self.last + 1, 'the number of an event')
        self.last += 1
        self.world.count('event streamed')
        return not self.world.is_resting()


class Flooder(LibraryActor):
    """Many requests at once on one connection; the answers come in their order."""

    def step(self):
        connection = self.connection()
        targets = [self.manifest(self.random.choice(self.library.tags)) for _ in range(100)]
        connection.send(b''.join(http1.head(connection.host, 'GET', target) for target in targets))
        bodies = dict(zip(self.library.tags, (image.body for image in self.library.images)))
        for target in targets:
            answer = check.status(connection.response(), 200)
            check.true(answer.body == bodies[target.rpartition('/')[2]], 'another answer')
            self.world.count('pipelined')
        # And away before all of it has come.
        connection.send(b''.join([http1.head(connection.host, 'GET', self.large)] * 20))
        check.status(connection.response(), 200)
        self.hang_up()
        self.world.count('flood left')


class Nuisance(LibraryActor):
    """Slow, broken and lying clients."""

    pause_seconds = 0.2

    def step(self):
        kind = self.random.choice((self._slow, self._half_head, self._late_head, self._reset,
                                   self._garbage, self._short_body, self._silent))
        kind()
        self.hang_up()
        self.world.count(kind.__name__.strip('_').replace('_', ' '))

    def _slow(self):
        connection = self.connection()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.send(http1.head(connection.host, 'GET', self.large))
        for _ in range(20):
            check.true(connection.socket.recv(2048) != b'', 'the answer ends early')
            time.sleep(0.02)

    def _half_head(self):
        self.connection().send(b'GET /v2/ HTTP/1.1\r\nHost: x')

    def _late_head(self):
        connection = self.connection()
        connection.send(b'GET /v2/ HTTP/1.1\r\n')
        check.status(connection.response(), 408)

    def _reset(self):
        connection = self.connection()
        connection.send(http1.head(connection.host, 'POST', '/v2/soak/nuisance/blobs/uploads/',
                                   {'Content-Length': '100000'}) + bytes(3000))
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

    def _garbage(self):
        connection = self.connection()
        connection.send(self.random.choice((b'\0\1\2\3\r\n\r\n', b'GET /\r\n\r\n',
                                            b'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
                                            b'GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n')))
        check.status(connection.response(), {400, 505})

    def _short_body(self):
        connection = self.connection()
        connection.send(http1.head(connection.host, 'PUT', self.manifest('short'),
                                   {'Content-Type': 'application/json', 'Content-Length': '500'}))
        connection.send(b'{"schemaVersion":')
        connection.socket.shutdown(socket.SHUT_WR)
        check.true(connection.is_closed(60), 'it waits for more')

    def _silent(self):
        self.connection()
        time.sleep(0.5)
