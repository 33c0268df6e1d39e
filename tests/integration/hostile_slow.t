#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that take their time: slowhttptest in all its modes, bodies and readers below
http.min_rate, and honest ones that are only slow."""

import os
import re
import subprocess
import sys
import threading

import check
import command
import http1
from crowd import Crowd
from image import digest_of, noise
from memory import Memory
from registry import OCTETS, Registry, with_query
from scenario import events, metric, raise_descriptor_limit, serves, serving, uploads_are_gone
from server import is_sanitized
from tap import Suite, note

KIB, MIB = 1 << 10, 1 << 20
# $TIDEMARK_HOSTILE_ALL=1: as many as the tool and the machine allow.
ALL = os.environ.get('TIDEMARK_HOSTILE_ALL') == '1'
SLOW_CLIENTS = 10000 if ALL else 200 if is_sanitized() else 800
SECONDS = 60 if ALL else 6

suite = Suite()


def honest(server, stop):
    """Pushes and pulls until told to stop; returns how often. Any failure is raised."""
    registry = Registry(server.address)
    rounds = 0
    while not stop.is_set():
        content = noise(100 * KIB, f'honest {rounds}')
        digest = registry.push_blob('honest', content)
        check.equal(digest_of(registry.get_blob('honest', digest).body), digest, 'a pulled blob')
        rounds += 1
    return rounds


class Honest:
    """An honest client beside whatever the body of the with statement does."""

    def __init__(self, server):
        self._server = server
        self._stop = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run)
        self.rounds = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self):
        try:
            self.rounds = honest(self._server, self._stop)
        # Told to the thread that waits for it.
        except Exception as error:
            self._error = error


# ---- slowhttptest

MODES = (
    ('slow heads (slowloris)', ['-H', '-i', '1', '-x', '24'], '/v2/'),
    ('slow bodies (R-U-Dead-Yet)', ['-B', '-i', '1', '-x', '10', '-s', '100000'],
     '/v2/slow/blobs/uploads/?digest={digest}'),
    ('many ranges', ['-R', '-a', '1', '-b', '1500'], '/v2/slow/blobs/{digest}'),
    ('slow readers', ['-X', '-k', '3', '-n', '1', '-z', '16', '-w', '16', '-y', '64'],
     '/v2/slow/blobs/{digest}'),
)

# All of them have one address, and the limit of that has its own case (limits.t).
CONFIG = '''\
http:
  connect_rate: 0
  head_timeout: 2s
  body_timeout: 2s
  write_timeout: 2s
  idle_timeout: 2s
log:
  access: off
  level: debug
'''


def slowhttptest(server, options, target):
    """What it printed, without colours."""
    run = subprocess.run(
        [command.find('slowhttptest'), *options, '-c', str(SLOW_CLIENTS), '-r', str(SLOW_CLIENTS),
         '-l', str(SECONDS), '-p', '5', '-u', f'http://{server.address}{target}'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS * 3 + 60, check=False)
    text = re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', run.stdout.decode(errors='replace'))
    return re.sub(r'[ \t]+', ' ', text)


def attack(_, options, target):
    raise_descriptor_limit(40000)
    with serving(CONFIG) as server:
        registry = Registry(server.address)
        # More than the kernel holds for a client.
        digest = registry.push_blob('slow', noise(8 * MIB, 'slow'))
        before = server.memory_kib()
        with Honest(server) as client, Memory(server) as memory:
            output = slowhttptest(server, options, target.format(digest=digest))
        check.contains(output, 'service available: YES', 'the report of slowhttptest')
        check.true('service available: NO' not in output, 'a probe had no answer in 5 s')
        check.true(client.rounds > 0, 'the honest client came to nothing')
        check.eventually('all of them are gone',
                         lambda: metric(server, 'tidemark_http_connections') == 1)
        uploads_are_gone(server)
        note(f'{SLOW_CLIENTS} clients, {client.rounds} pushes and pulls of an honest one beside '
             f'them; RssAnon {before} KiB before, {memory.peak_kib} KiB at most')
        # Each has at most an exchange with a few KiB of its buffer, or a share of the buffers of
        # all uploads.
        if not is_sanitized():
            limit = before + SLOW_CLIENTS * 40 + 64 * KIB
            check.true(memory.peak_kib < limit, f'{memory.peak_kib} KiB, more than {limit}')
        serves(server)


for mode, arguments, path in MODES:
    suite.add(f'slowhttptest, {mode}: ended by timeouts, an honest client is served, memory is '
              'bounded', attack, arguments, path)


# ---- Bodies below the least rate

RATE = '''\
http:
  min_rate: 4KiB
  body_timeout: 1s
  write_timeout: 1s
log:
  level: debug
'''


def trickle(connection, piece, pause_s, most):
    """Sends `piece` after each pause until an answer comes; at most `most` times."""
    pause = threading.Event()
    connection.socket.settimeout(0.01)
    for _ in range(most):
        pause.wait(pause_s)
        try:
            if connection._fill():
                break
        except OSError:
            pass
        connection.send(piece)
    connection.socket.settimeout(30)


@suite.case('a body below http.min_rate: 408 that names it, and the upload keeps what came')
def slow_body(_):
    with serving(RATE) as server:
        registry = Registry(server.address)
        location = registry.begin_upload('rate')
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', location,
                                       {**OCTETS, 'Content-Length': str(MIB)}))
            # A byte renews nothing: 100 bytes a second.
            trickle(connection, b'x' * 5, 0.05, 600)
            answer = check.status(connection.response('PATCH'), 408)
            check.contains(answer.body.decode(), 'http.min_rate')
            check.true(connection.is_closed(), 'the connection stays open')
        have = int(check.status(registry.request('GET', location), 204)
                   .field('range').partition('-')[2]) + 1
        check.true(have >= 5, f'{have} bytes are there')
        check.status(registry.request(
            'PUT', with_query(location, f'digest={digest_of(b"x" * have)}'), OCTETS), 201)


@suite.case('a body that stops is 408 that names http.body_timeout')
def stopped_body(_):
    with serving(RATE) as server:
        registry = Registry(server.address)
        location = registry.begin_upload('rate')
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', location,
                                       {**OCTETS, 'Content-Length': str(MIB)}) + b'x' * 100)
            answer = check.status(connection.response('PATCH'), 408)
            check.contains(answer.body.decode(), 'http.')


@suite.case('a manifest must be complete in http.body_timeout, whatever its rate')
def slow_manifest(_):
    with serving(RATE) as server:
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PUT', '/v2/rate/manifests/tag', {
                'Content-Type': 'application/vnd.oci.image.manifest.v1+json',
                'Content-Length': str(4 * MIB)}))
            trickle(connection, b' ' * 1000, 0.05, 600)
            answer = check.status(connection.response('PUT'), 408)
            check.contains(answer.body.decode(), 'http.body_timeout')


@suite.case('a client of 100 KiB a second with pauses pushes and pulls for longer than the timeouts')
def honest_slow(_):
    with serving(RATE) as server:
        registry = Registry(server.address)
        content = noise(400 * KIB, 'honest')
        location = registry.begin_upload('rate')
        target = with_query(location, f'digest={digest_of(content)}')
        pause = threading.Event()
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PUT', target, OCTETS, content))
            for begin in range(0, len(content), 10 * KIB):
                pause.wait(0.1)
                connection.send(content[begin:begin + 10 * KIB])
            check.status(connection.response('PUT'), 201)


@suite.case('http.min_rate: 0: a few bytes in each time are enough')
def no_rate(_):
    with serving(RATE.replace('4KiB', '0')) as server:
        registry = Registry(server.address)
        location = registry.begin_upload('rate')
        content = b'0123456789'
        pause = threading.Event()
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', location, OCTETS, content))
            for byte in content:
                pause.wait(0.3)
                connection.send(bytes([byte]))
            check.equal(check.status(connection.response('PATCH'), 202).field('range'), '0-9')


# ---- Readers below the least rate

def closes(server, words):
    return [event for event in events(server, 'conn.close') if words in event.get('reason', '')]


def read_slowly(server, target, piece, pause_s, until, buffer=4096):
    """Reads `piece` bytes after each pause until `until()`; returns how many came."""
    pause = threading.Event()
    received = 0
    with http1.Connection(server.address, receive_buffer=buffer) as reader:
        reader.send(http1.head(reader.host, 'GET', target, {'Connection': 'close'}))
        try:
            while not until():
                pause.wait(pause_s)
                part = reader.socket.recv(piece)
                received += len(part)
                if part == b'':
                    break
        except ConnectionError:
            pass
    return received


@suite.case('a reader below http.min_rate: closed, and the log says why')
def slow_reader(_):
    with serving(RATE.replace('4KiB', '64KiB')) as server:
        registry = Registry(server.address)
        digest = registry.push_blob('rate', noise(16 * MIB, 'reader'))
        received = read_slowly(server, f'/v2/rate/blobs/{digest}', 1000, 0.05,
                               lambda: closes(server, 'slower than http.min_rate'))
        check.eventually('the log says why', lambda: closes(server, 'slower than http.min_rate'))
        check.true(received < 16 * MIB, 'the whole blob came')
        check.true(any('min_rate' in event.get('reason', '') for event in
                       events(server, 'http.request')), 'no access line with the reason')
        serves(server)


@suite.case('a reader that stops is reset: the kernel keeps nothing of its answer either')
def stopped_reader(_):
    with serving(RATE) as server:
        registry = Registry(server.address)
        digest = registry.push_blob('rate', noise(16 * MIB, 'stopped'))
        with http1.Connection(server.address, receive_buffer=4096) as reader:
            reader.send(http1.head(reader.host, 'GET', f'/v2/rate/blobs/{digest}'))
            check.eventually('it is closed', lambda: closes(server, 'the client takes'))
            received, is_reset = 0, False
            try:
                while part := reader.socket.recv(1 << 16):
                    received += len(part)
            except ConnectionResetError:
                is_reset = True
            check.true(is_reset, f'the end, not a reset, after {received} bytes')
        serves(server)


def unsent_kib(server):
    """What the kernel holds of answers for all clients of this server."""
    port = int(server.address.rsplit(':', 1)[1])
    total = 0
    with open('/proc/net/tcp', encoding='ascii') as file:
        for line in list(file)[1:]:
            fields = line.split()
            if int(fields[1].rpartition(':')[2], 16) == port:
                total += int(fields[4].partition(':')[0], 16)
    return total // KIB


@suite.case('readers that do not read: the kernel holds little for each of them')
def unread_in_kernel(_):
    count = 20
    with serving('log:\n  access: off\n') as server:
        registry = Registry(server.address)
        digest = registry.push_blob('rate', noise(16 * MIB, 'unread'))
        with Crowd(server.address, receive_buffer=4096) as crowd:
            crowd.join(count, f'GET /v2/rate/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\n\r\n'
                       .encode())
            check.eventually('all of them wait', lambda: unsent_kib(server) > count * 200)
            serves(server)
            held = unsent_kib(server)
            note(f'{held // count} KiB for each')
            check.true(held < count * 512, f'{held} KiB for {count} clients')


@suite.case('a reader above it gets the whole, however often it waits')
def steady_reader(_):
    with serving(RATE) as server:
        registry = Registry(server.address)
        content = noise(8 * MIB, 'steady')
        digest = registry.push_blob('rate', content)
        # More than the kernel holds for it, so that it is the server that waits for the reader.
        received = read_slowly(server, f'/v2/rate/blobs/{digest}', 256 * KIB, 0.05, lambda: False,
                               buffer=256 * KIB)
        check.true(received > len(content), f'{received} bytes came')
        check.equal(closes(server, 'min_rate'), [], 'connections closed for their rate')


sys.exit(suite.run(None))
