#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A blob larger than any buffer: pushed in three ways and pulled back, in little memory.

TIDEMARK_BIG_BLOB_MIB sets its size in MiB (1024). The server's own memory (RssAnon) is looked at
all the while; the blob's pages in the page cache are the kernel's and do not count.
"""

import hashlib
import os
import random
import subprocess
import sys
import tempfile

import check
import command
import http1
from memory import Memory
from registry import Registry, with_query
from server import is_sanitized, run_suite
from tap import Suite, note

MIB = 1 << 20
SIZE_MIB = int(os.environ.get('TIDEMARK_BIG_BLOB_MIB', '1024'))
CHUNK_MIB = 64
MEMORY_MIB = 64

suite = Suite()


class Blob:
    """The file that is pushed. Blocks differ by their number; making it costs one hash."""

    def __init__(self, directory):
        self.path = os.path.join(directory, 'blob')
        self.size = SIZE_MIB * MIB
        block = bytearray(random.Random('big blob').randbytes(MIB))
        digest = hashlib.sha256()
        with open(self.path, 'wb') as file:
            for number in range(SIZE_MIB):
                block[:8] = number.to_bytes(8, 'big')
                digest.update(block)
                file.write(block)
        self.digest = f'sha256:{digest.hexdigest()}'


def curl(server, target, *arguments, **options):
    return command.run('curl', '-sS', '--fail-with-body', '-H', 'Expect:', *arguments,
                       f'http://{server.address}{target}', timeout=1800, **options)


def watched(what):
    """A case around which the server's memory is looked at; not in sanitized builds, whose
    allocator keeps what was freed."""
    def run(server, blob):
        with Memory(server) as memory:
            what(server, blob)
        note(f'{what.__name__}: RssAnon at most {memory.peak_kib} KiB, '
             f'VmHWM {server.memory_kib("VmHWM")} KiB')
        if not is_sanitized():
            check.true(memory.peak_kib < MEMORY_MIB * 1024,
                       f'the server had {memory.peak_kib} KiB, not below {MEMORY_MIB} MiB')
    return run


def is_stored(server, repository, blob):
    answer = Registry.of(server).get_blob(repository, blob.digest, method='HEAD')
    check.equal(check.status(answer, 200).field('content-length'), str(blob.size), 'size')


def monolithic(server, blob):
    location = Registry.of(server).begin_upload('big/monolithic')
    curl(server, with_query(location, f'digest={blob.digest}'), '-T', blob.path)
    is_stored(server, 'big/monolithic', blob)


def streamed(server, blob):
    """One PATCH in the chunked coding, from a pipe."""
    registry = Registry.of(server)
    location = registry.begin_upload('big/streamed')
    with open(blob.path, 'rb') as file:
        result = subprocess.run(
            [command.find('curl'), '-sS', '--fail-with-body', '-X', 'PATCH', '-H', 'Expect:',
             '-T', '-', f'http://{server.address}{location}'], stdin=file, timeout=1800,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check.equal(result.returncode, 0, f'curl: {result.stdout}')
    answer = registry.request('PUT', with_query(location, f'digest={blob.digest}'))
    check.status(answer, 201)
    is_stored(server, 'big/streamed', blob)


def chunks(server, blob):
    """Many PATCHes, each with its Content-Range."""
    location = Registry.of(server).begin_upload('big/chunks')
    with open(blob.path, 'rb') as file, http1.Connection(server.address, 600) as connection:
        for first in range(0, blob.size, CHUNK_MIB * MIB):
            last = min(first + CHUNK_MIB * MIB, blob.size) - 1
            connection.send(http1.head(connection.host, 'PATCH', location, {
                'Content-Range': f'{first}-{last}', 'Content-Length': str(last - first + 1)}))
            connection.socket.sendfile(file, first, last - first + 1)
            check.equal(check.status(connection.response('PATCH'), 202).field('range'), f'0-{last}')
        target = with_query(location, f'digest={blob.digest}')
        check.status(connection.request('PUT', target), 201)
    is_stored(server, 'big/chunks', blob)


def pulled(server, blob):
    """To a pipe, hashed as it comes."""
    process = subprocess.Popen(
        [command.find('curl'), '-sS', '--fail', f'http://{server.address}'
         f'/v2/big/monolithic/blobs/{blob.digest}'], stdout=subprocess.PIPE)
    digest = hashlib.sha256()
    while data := process.stdout.read(MIB):
        digest.update(data)
    check.equal(process.wait(), 0, 'exit status of curl')
    check.equal(f'sha256:{digest.hexdigest()}', blob.digest, 'digest of what came')


def pulled_by_range(server, blob):
    """The last MiB, as a client does that goes on after a cut."""
    with tempfile.NamedTemporaryFile() as file:
        first = blob.size - MIB
        curl(server, f'/v2/big/chunks/blobs/{blob.digest}', '-r', f'{first}-', '-o', file.name)
        with open(blob.path, 'rb') as source:
            source.seek(first)
            check.equal(file.read() == source.read(), True, 'the part is that of the blob')


def main():
    with tempfile.TemporaryDirectory(prefix='tidemark-big-') as directory:
        blob = Blob(directory)
        for name, what in (('pushed whole by one PUT', monolithic),
                           ('pushed in the chunked coding by one PATCH', streamed),
                           (f'pushed by PATCHes of {CHUNK_MIB} MiB', chunks),
                           ('pulled back', pulled), ('its last MiB pulled', pulled_by_range)):
            suite.add(f'{SIZE_MIB} MiB: {name}, in less than {MEMORY_MIB} MiB of memory',
                      watched(what), blob)
        return run_suite(suite)


sys.exit(main())
