# SPDX-License-Identifier: Apache-2.0
"""Load: wrk for many small requests, sockets and curl for bodies."""

import os
import re
import subprocess
import threading
import time

import command
import http1
from image import digest_of
from registry import OCTETS, Registry, with_query

UNITS = {'us': 1e-6, 'ms': 1e-3, 's': 1.0, 'm': 60.0}


class Result:
    """What one case gave: a rate or a time, CPU per request, latencies."""

    def __init__(self, value, unit, cpu_us=None, p50=None, p99=None, errors=0):
        self.value = value
        self.unit = unit
        self.cpu_us = cpu_us
        self.p50 = p50
        self.p99 = p99
        self.errors = errors


def seconds(text):
    match = re.fullmatch(r'([0-9.]+)(us|ms|s|m)', text)
    # A run with too few requests has none.
    return float(match.group(1)) * UNITS[match.group(2)] if match else None


def wrk(peer, target, connections, duration, script=None, fields=(), arguments=()):
    """Requests a second, with the server's CPU time for each."""
    argv = [command.find('wrk'), '-t1', f'-c{connections}', f'-d{duration}s', '--latency']
    for field in fields:
        argv += ['-H', field]
    if script is not None:
        argv += ['-s', script]
    argv += [f'http://{peer.address}{target}', '--', *arguments]
    before = peer.cpu_seconds()
    text = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    cpu = peer.cpu_seconds() - before
    rate = float(re.search(r'Requests/sec:\s+([0-9.]+)', text).group(1))
    count = int(re.search(r'(\d+) requests in', text).group(1))
    bad = re.search(r'Non-2xx or 3xx responses: (\d+)', text)
    return Result(rate, '/s', cpu * 1e6 / max(count, 1),
                  seconds(re.search(r'50%\s+(\S+)', text).group(1)),
                  seconds(re.search(r'99%\s+(\S+)', text).group(1)),
                  int(bad.group(1)) if bad else 0)


def push_with_curl(peer, repository, path, digest):
    location = Registry(peer.address).begin_upload(repository)
    if location.startswith('http'):
        location = '/' + location.split('/', 3)[3]
    subprocess.run(['curl', '-sSf', '-o', os.devnull, '-H', 'Expect:', '-H',
                    'Content-Type: application/octet-stream', '-T', path,
                    f'http://{peer.address}{with_query(location, "digest=" + digest)}'],
                   check=True)


def in_threads(work, items, count):
    """Wall seconds for `work(item)` over all items by `count` threads."""
    items = list(items)
    lock = threading.Lock()
    failures = []

    def run():
        while True:
            with lock:
                if not items or failures:
                    return
                item = items.pop()
            try:
                work(item)
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.monotonic() - began


class BlobPusher:
    """Pushes blobs in memory over keep-alive connections, one a thread."""

    def __init__(self, peer, repository):
        self.peer = peer
        self.repository = repository
        self.local = threading.local()

    def connection(self):
        if not hasattr(self.local, 'connection'):
            self.local.connection = http1.Connection(self.peer.address)
        return self.local.connection

    def __call__(self, content):
        connection = self.connection()
        answer = connection.request('POST', f'/v2/{self.repository}/blobs/uploads/')
        location = answer.field('location')
        if location.startswith('http'):
            location = '/' + location.split('/', 3)[3]
        answer = connection.request(
            'PUT', with_query(location, f'digest={digest_of(content)}'), OCTETS, content)
        if answer.status != 201:
            raise RuntimeError(f'{self.peer.name}: PUT of a blob: {answer.status} {answer.body!r}')
