#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that are full, nearly full or read-only, an index that cannot grow, directories that are
not ours: each says what is wrong, and the service goes on or does not begin."""

import contextlib
import os
import sys

import check
import http1
import mounts
from image import Artifact, OCI_MANIFEST, digest_of, noise
from registry import OCTETS, Registry, with_query
from scenario import files_under, is_sound, serves, serving, uploads_are_gone
from server import Server, StartError
from tap import Suite

MIB = 1 << 20

suite = Suite()


def on_disk(size):
    """Preparation of a server: a file system of its own for the data."""
    def prepare(server):
        mounts.tmpfs(server.data, size)
        return lambda: mounts.unmount(server.data)
    return prepare


class Ballast:
    """A file that takes room on the server's disk."""

    def __init__(self, server):
        self.path = os.path.join(server.data, 'lost+found')
        self.data = server.data

    def free(self):
        disk = os.statvfs(self.data)
        return disk.f_bavail * disk.f_frsize

    def leave(self, free):
        """Fill the disk until only `free` bytes are left."""
        self.remove()
        with open(self.path, 'wb') as file:
            os.posix_fallocate(file.fileno(), 0, self.free() - free)

    def take_rest(self):
        """What is free now, without giving anything back in between."""
        with open(self.path, 'ab', buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def remove(self):
        if os.path.exists(self.path):
            os.remove(self.path)


def measured(registry, status):
    """The server looks at the disk each second: waits until it answers a push with `status`."""
    content = b'of no interest'
    target = f'/v2/wait/blobs/uploads/?digest={digest_of(content)}'
    check.eventually(f'a push is answered {status}', lambda: registry.request(
        'POST', target, OCTETS, content).status == status)


def put_chunked(registry, location, content):
    """A PUT whose length the server does not know before. The answer may come early."""
    with http1.Connection(registry.address) as connection:
        connection.send(http1.head(
            connection.host, 'PUT', with_query(location, f'digest={digest_of(content)}'),
            {**OCTETS, 'Transfer-Encoding': 'chunked'}))
        try:
            connection.send(http1.chunked(content))
        except ConnectionError:
            pass
        return connection.response('PUT', 'chunked PUT')


# ---- A full disk

NO_RESERVE = 'storage:\n  reserve: 0\n'


@suite.case('disk full in a blob: 507 with words, nothing stays, reads and deletes go on, and when '
            'there is room again so do pushes')
def disk_full(_):
    with serving(NO_RESERVE, on_disk(64 * MIB)) as server:
        registry, ballast = Registry(server.address), Ballast(server)
        image = Artifact('application/x.test', b'here before')
        doomed = Artifact('application/x.test', b'to be deleted')
        for artifact, tag in ((image, 'kept'), (doomed, 'doomed')):
            registry.push('full', artifact, tag)
        before = files_under(server, 'blobs')
        ballast.leave(8 * MIB)
        big = noise(24 * MIB, 'big')
        for _ in range(3):
            answer = put_chunked(registry, registry.begin_upload('full'), big)
            check.error(answer, 507, 'DENIED', 'No space left')
            uploads_are_gone(server)
        check.equal(files_under(server, 'blobs'), before, 'blob files')
        serves(server)
        registry.check_holds('full', 'kept')
        check.status(registry.delete_manifest('full', doomed.digest), 202)
        check.equal(registry.digest('full', 'doomed'), None, 'the deleted tag')
        is_sound(server)
        ballast.remove()
        measured(registry, 201)
        digest = digest_of(big)
        check.status(put_chunked(registry, registry.begin_upload('full'), big), 201)
        check.equal(digest_of(registry.get_blob('full', digest).body), digest, 'the blob pushed')


@suite.case('not a byte left: pushes of all kinds are refused, and a PATCH loses its upload')
def nothing_left(_):
    with serving(NO_RESERVE, on_disk(48 * MIB)) as server:
        registry, ballast = Registry(server.address), Ballast(server)
        kept = Artifact('application/x.test', b'here before')
        registry.push('full', kept, 'kept')
        location = registry.begin_upload('full')
        ballast.leave(0)
        answer = registry.request('PATCH', location, OCTETS, noise(MIB, 'patch'))
        check.error(answer, 507, 'DENIED')
        # Manifests go into the index, which has some blocks in reserve: until those are used up
        # they may be accepted.
        statuses = set()
        for i in range(400):
            body = Artifact('application/x.test', kept.layers[0],
                            annotations={'n': f'{i}' * 16000}).body
            answer = registry.put_manifest('full', f'tag-{i}', body, OCI_MANIFEST)
            statuses.add(answer.status)
            if answer.status != 201:
                check.error(answer, 507, 'DENIED')
                break
        check.true(507 in statuses, 'a manifest that does not fit')
        serves(server)
        registry.check_holds('full', 'kept')
        is_sound(server)
        server.restart()
        # The upload that was lost, or a commit that was refused, may have left a block.
        ballast.take_rest()
        registry = Registry(server.address)
        registry.check_holds('full', 'kept')
        check.error(registry.request('POST', '/v2/full/blobs/uploads/'), 507, 'DENIED')
        ballast.remove()
        measured(registry, 201)
        registry.push('full', Artifact('application/x.test', b'after'), 'after')
        registry.check_holds('full', 'after')


@suite.case('below storage.reserve: pushes are refused before their bytes, reads and deletes work')
def reserve(_):
    with serving('storage:\n  reserve: 512MiB\n', on_disk(400 * MIB)) as server:
        registry, ballast = Registry(server.address), Ballast(server)
        kept = Artifact('application/x.test', b'here before')
        doomed = Artifact('application/x.test', b'to be deleted')
        for artifact, tag in ((kept, 'kept'), (doomed, 'doomed')):
            registry.push('low', artifact, tag)
        location = registry.begin_upload('low')
        ballast.leave(3 * MIB)   # 1 % of the disk are 4 MiB
        measured(registry, 507)
        content = noise(1000, 'small')
        put = with_query(location, f'digest={digest_of(content)}')
        for method, target, fields, body in (
                ('POST', '/v2/low/blobs/uploads/', None, None),
                ('POST', f'/v2/low/blobs/uploads/?digest={digest_of(content)}', OCTETS, content),
                ('PATCH', location, OCTETS, content),
                ('PUT', put, OCTETS, content),
                ('PUT', '/v2/low/manifests/new', {'Content-Type': OCI_MANIFEST}, kept.body)):
            check.error(registry.request(method, target, fields, body), 507, 'DENIED',
                        'storage.reserve', 'MiB free')
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(connection.host, 'PUT', put,
                                       {'Content-Length': '1000', 'Expect': '100-continue'}))
            check.error(connection.response('PUT'), 507, 'DENIED')
        registry.check_holds('low', 'kept')
        check.status(registry.delete_manifest('low', doomed.digest), 202)
        check.status(registry.delete_manifest('low', 'kept'), 202)
        serves(server)
        ballast.remove()
        measured(registry, 201)
        check.status(registry.request('PUT', put, OCTETS, content), 201)


@suite.case('a blob larger than the free disk is refused before its bytes')
def too_large_for_disk(_):
    with serving(NO_RESERVE, on_disk(32 * MIB)) as server:
        registry = Registry(server.address)
        location = registry.begin_upload('large')
        with http1.Connection(server.address) as connection:
            connection.send(http1.head(
                connection.host, 'PUT', with_query(location, 'digest=sha256:' + '0' * 64),
                {'Content-Length': str(64 * MIB), 'Expect': '100-continue'}))
            check.error(connection.response('PUT'), 507, 'DENIED', 'MiB free')
        registry.push_blob('large', b'small')


# ---- A full index

FULL_INDEX = 'index:\n  map_size: 16MiB\nlog:\n  access: off\n'


def fat_manifest(i):
    """Nearly as large as a manifest that is kept in the index may be."""
    return Artifact('application/x.test', b'{}', annotations={'n': f'{i:06}' * 9500}).body


def fill_index(registry):
    """Pushes manifests until one is refused; returns the accepted bodies."""
    accepted = []
    while len(accepted) < 1000:
        body = fat_manifest(len(accepted))
        answer = registry.put_manifest('index', digest_of(body), body, OCI_MANIFEST)
        if answer.status != 201:
            check.error(answer, 507, 'DENIED', 'index is full')
            return accepted
        accepted.append(body)
    raise AssertionError('1000 manifests of 57 kB fit into 16 MiB')


@suite.case('index full: 507, what was accepted stays readable, also after a restart; with a '
            'larger map writes work again')
def index_full(_):
    with serving(FULL_INDEX) as server:
        registry = Registry(server.address)
        registry.push_blob('index', b'{}')
        accepted = fill_index(registry)
        check.true(len(accepted) > 50, f'only {len(accepted)} manifests fit')
        for _ in range(20):
            check.error(registry.put_manifest('index', 'tag', fat_manifest(2000), OCI_MANIFEST),
                        507, 'DENIED')
        for start in range(2):
            registry = Registry(server.address)
            serves(server)
            for body in accepted:
                answer = check.status(registry.get_manifest('index', digest_of(body)), 200)
                check.true(answer.body == body, 'a manifest has other bytes')
            check.status(registry.get_manifest('index', digest_of(fat_manifest(2000))), 404)
            is_sound(server)
            if start == 0:
                server.restart()
        check.equal(registry.digest('index', 'tag'), None, 'the tag of a refused manifest')
        # What was deleted makes room, if the deletes themselves still find some.
        answers = [registry.delete_manifest('index', digest_of(body)) for body in accepted[:5]]
        for answer in answers:
            check.status(answer, {202, 507})
        server.stop()
        server.write_config(FULL_INDEX.replace('16MiB', '64MiB'))
        server.start()
        registry = Registry(server.address)
        registry.push('index', Artifact('application/x.test', b'after'), 'after')
        check.status(registry.delete_manifest('index', digest_of(accepted[10])), 202)


# ---- Directories that cannot be used

def refused(server, *words):
    """The server ends at once and says why."""
    try:
        server.start()
    except StartError as error:
        check.one_of(error.status, {1}, 'exit status')
        for word in words:
            check.contains(error.stderr, word, 'what it wrote')
        return
    server.stop()
    raise AssertionError('the server started')


@suite.case('a read-only disk: no start, the message names the directory and the reason; writable '
            'again: a start')
def read_only(_):
    with serving('', on_disk(64 * MIB)) as server:
        registry = Registry(server.address)
        registry.push('ro', Artifact('application/x.test', b'content'), 'kept')
        server.stop()
        mounts.set_read_only(server.data)
        refused(server, server.data, 'read-only', 'storage.path')
        mounts.set_read_only(server.data, False)
        server.start()
        Registry(server.address).check_holds('ro', 'kept')


@suite.case('an empty read-only disk: no start')
def read_only_empty(_):
    server = Server()
    try:
        mounts.tmpfs(server.data, MIB)
        mounts.set_read_only(server.data)
        refused(server, server.data, 'read-only')
        mounts.unmount(server.data)
    finally:
        server.remove()


@suite.case('a new data directory without room for what a first start makes: no start, with words, '
            'and with room again a start')
def too_small(_):
    for pages in range(1, 24):
        server = Server()
        mounts.tmpfs(server.data, pages * 4096)
        try:
            for _ in range(2):
                try:
                    server.start()
                    server.stop()
                except StartError as error:
                    check.equal(error.status, 1, f'exit status with {pages} pages')
                    check.true('No space left' in error.stderr or 'disk is full' in error.stderr,
                               f'with {pages} pages: {error.stderr}')
                    check.true(server.fsck().returncode >= 0, 'fsck died of a signal')
            mounts.resize(server.data, 64 * MIB)
            server.start()
            server.stop()
            is_sound(server)
        finally:
            mounts.unmount(server.data)
            server.remove()


@suite.case('data of a newer version: no start, and the message says what to do')
def newer_format(_):
    with serving() as server:
        registry = Registry(server.address)
        registry.push('format', Artifact('application/x.test', b'content'), 'kept')
        server.stop()
        path = os.path.join(server.data, 'format')
        with open(path, encoding='ascii') as file:
            ours = file.read()
        for text, words in (('tidemark 2\n', ('newer', 'format 2')), ('', ('format',)),
                            ('tidemark x\n', ('format',)), ('something else\n', ('format',))):
            with open(path, 'w', encoding='ascii') as file:
                file.write(text)
            refused(server, server.data, *words)
        with open(path, 'w', encoding='ascii') as file:
            file.write(ours)
        server.start()
        Registry(server.address).check_holds('format', 'kept')


@suite.case('a directory with foreign files: no start, the file is named and untouched')
def foreign_files(_):
    server = Server()
    try:
        os.mkdir(server.data)
        path = os.path.join(server.data, 'precious.txt')
        with open(path, 'w', encoding='ascii') as file:
            file.write('mine')
        refused(server, server.data, 'precious.txt', 'storage.path')
        check.equal(os.listdir(server.data), ['precious.txt'], 'the directory')
        result = server.fsck()
        check.true(result.returncode != 0, 'fsck of a foreign directory')
        check.contains(result.stderr, 'not a data directory')
        os.remove(path)
        server.start()
        server.stop()
    finally:
        server.remove()


@suite.case('a file instead of a directory, a missing parent: no start, with words')
def no_directory(_):
    server = Server()
    try:
        with open(server.data, 'w', encoding='ascii') as file:
            file.write('mine')
        refused(server, server.data, 'not a directory')
        os.remove(server.data)
        server.data = os.path.join(server.data, 'below')
        refused(server, server.data, 'does not exist')
    finally:
        server.remove()


@suite.case('a directory in use: the second server names the first one\'s pid and ends; the first '
            'goes on')
def in_use(_):
    with serving() as server:
        registry = Registry(server.address)
        registry.push('lock', Artifact('application/x.test', b'content'), 'kept')
        second = Server()
        try:
            second.data = server.data
            refused(second, server.data, f'process {server.process.pid}')
        finally:
            second.remove()
        serves(server)
        registry.check_holds('lock', 'kept')
        server.kill()   # a lock left behind by a dead process stops nobody
        server.start()
        Registry(server.address).check_holds('lock', 'kept')


@suite.case('foreign files inside the data directory: reported, never touched')
def foreign_inside(_):
    with serving() as server:
        digest = Registry(server.address).push_blob('odd', b'content')
        server.stop()
        paths = [os.path.join(server.data, name)
                 for name in ('uploads/note.txt', 'blobs/note.txt', 'note.txt')]
        for path in paths:
            with open(path, 'w', encoding='ascii') as file:
                file.write('mine')
        server.start()
        check.status(Registry(server.address).get_blob('odd', digest), 200)
        server.restart()
        for path in paths:
            check.true(os.path.exists(path), f'{path} is gone')


mounts.enter()
sys.exit(suite.run(None))
