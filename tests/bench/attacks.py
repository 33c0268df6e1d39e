# SPDX-License-Identifier: Apache-2.0
"""What hostile clients do, each until it is killed: attack(address, clients, digest of a blob that
is larger than what the kernel holds for a connection)."""

import contextlib
import time

import http1
from crowd import Crowd
from image import digest_of

HOST = b'Host: localhost\r\n'
GET = b'GET /v2/bench/blobs/%s HTTP/1.1\r\n' + HOST + b'\r\n'
POST = (b'POST /v2/attack/blobs/uploads/?digest=' + digest_of(b'never').encode() +
        b' HTTP/1.1\r\n' + HOST)


def keep_adding(crowd, pieces, pause_s):
    """Each of them says a little more, round after round."""
    while True:
        for number, one in enumerate(crowd.sockets):
            Crowd.write(one, pieces)
            if number % 100 == 0:
                time.sleep(pause_s / (len(crowd.sockets) / 100 + 1))


def silence(address, clients, _):
    with Crowd(address) as crowd:
        crowd.join(clients)
        time.sleep(3600)


def slow_heads(address, clients, _):
    with Crowd(address) as crowd:
        crowd.join(clients, b'GET /v2/ HTTP/1.1\r\n' + HOST)
        keep_adding(crowd, b'X-A: 1\r\n', 1.0)


def slow_bodies(address, clients, _):
    with Crowd(address) as crowd:
        crowd.join(min(clients, 2000), POST + b'Content-Length: 100000000\r\n\r\nx')
        keep_adding(crowd, b'x' * 10, 1.0)


def slow_readers(address, clients, digest):
    with Crowd(address, receive_buffer=4096) as crowd:
        crowd.join(min(clients, 1000), GET.replace(b'%s', digest.encode()))
        while True:
            for one in crowd.sockets:
                with contextlib.suppress(OSError):
                    one.recv(64)
            time.sleep(1)


def floods(address, *_):
    """Requests without end, whose answers are not read."""
    data = b'GET /v2/ HTTP/1.1\r\n' + HOST + b'\r\n'
    with Crowd(address) as crowd:
        crowd.join(50)
        while True:
            for one in crowd.sockets:
                Crowd.write(one, data * 500)
            time.sleep(0.01)


def tiny_uploads(address, *_):
    """Beginning uploads, as fast as one connection can."""
    request = (b'POST /v2/attack/blobs/uploads/ HTTP/1.1\r\n' + HOST +
               b'Content-Length: 0\r\n\r\n')
    with http1.Connection(address, source='127.0.0.2') as connection:
        while True:
            connection.send(request * 10)
            for _ in range(10):
                connection.response('POST')


def malformed(address, *_):
    """New connections with something that is refused, as fast as they can be made."""
    while True:
        with contextlib.suppress(OSError), Crowd(address) as crowd:
            crowd.join(20, b'GET / HTTP/9.9\r\n\r\n')


ATTACKS = (silence, slow_heads, slow_bodies, slow_readers, floods, tiny_uploads, malformed)
