# SPDX-License-Identifier: Apache-2.0
"""Load: wrk for many small requests, http_load for what wrk cannot, sockets and curl for bodies."""

import json
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Optional

import command
import http1
from image import OCI_MANIFEST, digest_of
from registry import OCTETS, Registry, path_of, with_query

HERE = os.path.dirname(os.path.abspath(__file__))
# Some peers hide OCI manifests from clients without it.
ACCEPT = (f'Accept: {OCI_MANIFEST}',)


@dataclass
class Result:
    """What one case gave; `value` None: nothing, and `note` says why."""

    value: Optional[float]
    unit: str = ''
    cpu_us: Optional[float] = None    # of the server, for each request
    memory: Optional[tuple] = None    # (RssAnon, RssFile) in bytes, when the case was over
    errors: int = 0
    note: str = ''


def not_measured(why):
    return Result(None, note=why)


def program(name):
    """One of the C programs beside this file, as make built it."""
    return os.path.join(os.path.dirname(os.environ['TIDEMARK']), 'tests', 'bench', name)


def script(name):
    return os.path.join(HERE, name)


class Cpu:
    """CPU seconds of a peer while this is open."""

    def __init__(self, peer):
        self.peer = peer
        self.seconds = 0.0

    def __enter__(self):
        self._before = self.peer.cpu_seconds()
        return self

    def __exit__(self, *_):
        self.seconds = self.peer.cpu_seconds() - self._before

    def us_each(self, count):
        return self.seconds * 1e6 / max(count, 1)


def wrk(peer, target, connections, seconds, lua=None, fields=ACCEPT, arguments=(), threads=1):
    """Requests a second, with the server's CPU time for each."""
    argv = [command.find('wrk'), f'-t{threads}', f'-c{connections}', f'-d{seconds}s', '--timeout', '30s']
    for field in fields:
        argv += ['-H', field]
    if lua is not None:
        argv += ['-s', script(lua)]
    argv += [f'{peer.url}{target}', '--', *arguments]
    with Cpu(peer) as cpu:
        text = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    rate = float(re.search(r'Requests/sec:\s+([0-9.]+)', text).group(1))
    count = int(re.search(r'(\d+) requests in', text).group(1))
    bad = re.search(r'Non-2xx or 3xx responses: (\d+)', text)
    broken = re.search(r'Socket errors: connect (\d+), read (\d+), write (\d+)', text)
    errors = (int(bad.group(1)) if bad else 0) + sum(map(int, broken.groups() if broken else ()))
    return Result(rate, '/s', cpu.us_each(count), errors=errors)


def http_load(peer, connections, seconds, *arguments):
    """(what it printed, CPU µs of the server for each request)."""
    argv = [program('http_load'), peer.address, str(connections), str(seconds), *arguments]
    with Cpu(peer) as cpu:
        text = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    told = json.loads(text)
    return told, cpu.us_each(told['requests'])


def push_with_curl(peer, repository, path, digest):
    """POST, then PUT of a file; Expect is off, because not every peer answers it at once."""
    location = path_of(Registry(peer.address).begin_upload(repository))
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
    """Pushes (digest, bytes) over keep-alive connections, one a thread."""

    def __init__(self, peer, repository):
        self.peer = peer
        self.repository = repository
        self.local = threading.local()

    def connection(self):
        if not hasattr(self.local, 'connection'):
            self.local.connection = http1.Connection(self.peer.address)
        return self.local.connection

    def __call__(self, blob):
        digest, content = blob
        connection = self.connection()
        answer = connection.request('POST', f'/v2/{self.repository}/blobs/uploads/')
        location = path_of(answer.field('location'))
        answer = connection.request('PUT', with_query(location, f'digest={digest}'), OCTETS,
                                    content)
        if answer.status != 201:
            raise RuntimeError(f'{self.peer.name}: PUT of a blob: {answer.status} {answer.body!r}')


def with_digest(content):
    return digest_of(content), content
