#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that fail: what happens when a commit or a sync is refused (base/fault_point.h)."""

import contextlib
import errno
import os
import signal
import sys

import check
import http1
from image import Artifact, OCI_MANIFEST, digest_of, noise
from registry import OCTETS, Registry, with_query
from scenario import events, files_under, is_sound, metric, serves, serving, uploads_are_gone
from server import binary
from tap import Suite

MARK = 'index.damaged'

suite = Suite()


class Faults:
    """The file that arms fault points of a server started with it."""

    def __init__(self):
        self.path = None

    def prepare(self, server):
        self.path = os.path.join(server.directory, 'faults')
        server.environment['FAULT_POINTS'] = self.path
        self.disarm()

    def arm(self, point, action=errno.EIO):
        self._write(f'{point} {action}\n')

    def disarm(self):
        self._write('')

    def _write(self, text):
        # Renamed into place: the server must not read half of it.
        with open(self.path + '.new', 'w', encoding='ascii') as file:
            file.write(text)
        os.rename(self.path + '.new', self.path)


@contextlib.contextmanager
def failing(config=''):
    faults = Faults()
    with serving(config, faults.prepare) as server:
        yield server, faults


def check_hits(server, count, what):
    """So often a fault was injected; the log comes a little behind the answers."""
    check.eventually(what, lambda: len(events(server, 'fault.injected')) >= count)
    check.equal(len(events(server, 'fault.injected')), count, what)


def has_mark(server):
    return os.path.exists(os.path.join(server.data, MARK))


def writes(registry, image, location):
    """One request of each kind that writes to the index."""
    blob = noise(100, 'refused')
    return [
        registry.request('POST', f'/v2/fault/blobs/uploads/?digest={digest_of(blob)}', OCTETS,
                         blob),
        registry.request('PUT', with_query(location, f'digest={digest_of(b"")}'), OCTETS),
        registry.request('POST', '/v2/other/blobs/uploads/?mount='
                         f'{digest_of(image.layers[0])}&from=fault'),
        registry.put_manifest('fault', 'refused', image.body, OCI_MANIFEST),
        registry.delete_manifest('fault', 'kept'),
        registry.delete_manifest('fault', image.digest),
        registry.request('DELETE', f'/v2/fault/blobs/{digest_of(image.layers[0])}'),
    ]


@suite.case('a commit that fails: no write is acknowledged again, reads go on, and the next start '
            'checks the index before it takes writes')
def failed_commit(_):
    with failing() as (server, faults):
        registry = Registry(server.address)
        image = Artifact('application/x.test', b'content')
        registry.push('fault', image, 'kept')
        last = metric(server, 'tidemark_event_last')
        location = registry.begin_upload('fault')
        files = files_under(server, 'blobs')
        faults.arm('index.commit')
        answer = registry.put_manifest('fault', 'lost', image.body, OCI_MANIFEST)
        check.error(answer, 503, 'UNKNOWN')
        check_hits(server, 1, 'commits tried')
        faults.disarm()   # the disk is well again, and that must not matter
        check.true(has_mark(server), 'no marker was left')
        check.equal(len(events(server, 'index.fatal')), 1, 'the log says so once')
        check.status(http1.request(server.address, 'GET', '/readyz'), 503)
        check.status(http1.request(server.address, 'GET', '/livez'), 200)
        check.equal(metric(server, 'tidemark_index_writable'), 0, 'the metric')
        check.error(registry.request('POST', '/v2/fault/blobs/uploads/'), 503, 'UNKNOWN', 'stopped')
        for _ in range(3):
            for answer in writes(registry, image, location):
                check.status(answer, {503, 404})
            check.equal(files_under(server, 'blobs'), files, 'blob files')
            check.equal(registry.digest('fault', 'lost'), None, 'the lost tag')
            check.equal(registry.digest('fault', 'refused'), None, 'the refused tag')
            registry.check_holds('fault', 'kept')
            check.equal(registry.tags('fault'), ['kept'], 'tags')
            check.equal(metric(server, 'tidemark_event_last'), last, 'the last event')
        server.stop()
        check.true(has_mark(server), 'the marker went without a check')
        server.start()
        registry = Registry(server.address)
        check.equal(len(events(server, 'fsck.begin')), 1, 'a check at the start')
        order = [event['event'] for event in server.log_events()]
        check.true(order.index('fsck.begin') < order.index('server.listening'),
                   'it listened before the check')
        check.true(not has_mark(server), 'the marker is still there')
        registry.check_holds('fault', 'kept')
        check.equal(registry.digest('fault', 'lost'), None, 'the lost tag')
        registry.push('fault', Artifact('application/x.test', b'after'), 'after')
        server.restart()
        check.equal(events(server, 'fsck.begin'), [], 'a check without need')


@suite.case('a commit that fails under load: what was acknowledged is there after kill -9, nothing '
            'else was')
def failed_commit_under_load(_):
    with failing() as (server, faults):
        registry = Registry(server.address)
        registry.push_blob('fault', b'{}')
        bodies = [Artifact('application/x.test', b'{}', annotations={'n': str(i)}).body
                  for i in range(60)]
        connections, answered = [], {}
        with contextlib.ExitStack() as stack:
            for i, body in enumerate(bodies):
                connection = stack.enter_context(http1.Connection(server.address))
                connection.send(http1.head(connection.host, 'PUT', f'/v2/fault/manifests/t{i}',
                                           {'Content-Type': OCI_MANIFEST}, body) + body[:-1])
                connections.append(connection)
            for i, connection in enumerate(connections):
                if i == 30:
                    faults.arm('index.commit')
                connection.send(bodies[i][-1:])
                if i < 30:
                    answered[i] = connection.response('PUT').status
            for i, connection in enumerate(connections[30:], 30):
                answered[i] = connection.response('PUT').status
        check.equal(sorted(set(answered.values())), [201, 503], 'statuses')
        server.kill()
        faults.disarm()
        server.start()
        registry = Registry(server.address)
        for i, status in answered.items():
            wanted = digest_of(bodies[i]) if status == 201 else None
            check.equal(registry.digest('fault', f't{i}'), wanted, f't{i}, answered {status}')


@suite.case('killed with the marker left: fsck by hand checks and clears it')
def fsck_by_hand(_):
    with failing() as (server, faults):
        registry = Registry(server.address)
        registry.push('fault', Artifact('application/x.test', b'content'), 'kept')
        faults.arm('index.commit')
        check.error(registry.delete_manifest('fault', 'kept'), 503)
        check.true(has_mark(server), 'no marker was left')
        is_sound(server)   # asked of the server that runs, which changes nothing
        check.true(has_mark(server), 'the marker is gone while the server runs')
        server.kill()
        faults.disarm()
        is_sound(server)
        check.true(not has_mark(server), 'the marker is still there')
        server.start()
        check.equal(events(server, 'fsck.begin'), [], 'checked again')
        Registry(server.address).check_holds('fault', 'kept')


@suite.case('no room for a commit: 507, and that is no reason to stop')
def full_commit(_):
    with failing() as (server, faults):
        registry = Registry(server.address)
        image = Artifact('application/x.test', b'content')
        registry.push('fault', image, 'kept')
        faults.arm('index.commit', errno.ENOSPC)
        check.error(registry.put_manifest('fault', 'full', image.body, OCI_MANIFEST), 507, 'DENIED')
        check.error(registry.delete_manifest('fault', 'kept'), 507, 'DENIED')
        blob = noise(1000, 'full')
        target = f'/v2/fault/blobs/uploads/?digest={digest_of(blob)}'
        check.error(registry.request('POST', target, OCTETS, blob), 507, 'DENIED')
        serves(server)
        faults.disarm()
        check.true(not has_mark(server), 'a marker was left')
        check.true(not registry.has_blob('fault', digest_of(blob)), 'the refused blob is there')
        check.equal([name for name in files_under(server, 'blobs')
                     if name.endswith(digest_of(blob)[7:])], [], 'its file')
        check.status(registry.request('POST', target, OCTETS, blob), 201)
        check.status(registry.put_manifest('fault', 'full', image.body, OCI_MANIFEST), 201)


def failed_sync(_, point):
    """The fsync of a blob's bytes or folder: the request fails, nothing stays, no second try."""
    with failing() as (server, faults):
        registry = Registry(server.address)
        registry.push_blob('fault', b'before')
        before = files_under(server, 'blobs')
        blob = noise(3 << 20, point)
        digest = digest_of(blob)
        for tries in range(1, 4):
            location = registry.begin_upload('fault')
            faults.arm(point)
            answer = registry.request('PUT', with_query(location, f'digest={digest}'), OCTETS, blob)
            check.error(answer, 500)
            faults.disarm()
            check_hits(server, tries, 'syncs tried')
            uploads_are_gone(server)
            check.equal(files_under(server, 'blobs'), before, 'blob files')
            check.error(registry.request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')
            check.true(not registry.has_blob('fault', digest), 'the blob is there')
            serves(server)
        check.true(not has_mark(server), 'a marker was left')
        registry.push_blob('fault', blob)
        check.true(registry.get_blob('fault', digest).body == blob, 'the blob differs')


for name in ('upload.sync', 'blob.folder_sync'):
    suite.add(f'{name} fails: the push fails, its file is gone, it is not tried again, the next '
              'push works', failed_sync, name)


@suite.case('the folder\'s sync fails when a blob that is there is pushed again: it stays readable')
def failed_sync_of_known(_):
    with failing() as (server, faults):
        registry = Registry(server.address)
        blob = noise(100000, 'known')
        digest = registry.push_blob('fault', blob)
        faults.arm('blob.folder_sync')
        answer = registry.request('POST', f'/v2/fault/blobs/uploads/?digest={digest}', OCTETS, blob)
        check.status(answer, {201, 500})
        faults.disarm()
        check.true(registry.get_blob('fault', digest).body == blob, 'the blob differs')


@suite.case('a large manifest whose sync fails: refused, nothing stays, the next push works')
def failed_manifest_sync(_):
    with failing() as (server, faults):
        registry = Registry(server.address)
        image = Artifact('application/x.test', b'{}', annotations={'n': 'n' * 100000})
        registry.push_blob('fault', b'{}')
        before = files_under(server, 'blobs')
        for tries, point in enumerate(('blob.sync', 'blob.folder_sync', 'blob.sync'), 1):
            faults.arm(point)
            check.error(registry.put_manifest('fault', 'tag', image.body, OCI_MANIFEST), 500)
            faults.disarm()
            check_hits(server, tries, 'syncs tried')
            check.equal(files_under(server, 'blobs'), before, 'blob files')
            check.equal(files_under(server, 'uploads'), [], 'files under uploads/')
            check.equal(registry.digest('fault', 'tag'), None, 'the tag')
        check.status(registry.put_manifest('fault', 'tag', image.body, OCI_MANIFEST), 201)
        registry.check_holds('fault', 'tag')


def killed(_, point):
    """Ended at a point: what was acknowledged is there, what was not can be pushed again."""
    with failing() as (server, faults):
        registry = Registry(server.address)
        registry.push('fault', Artifact('application/x.test', b'content'), 'kept')
        image = Artifact('application/x.test', noise(100000, point),
                         annotations={'n': 'n' * 100000})
        faults.arm(point, 'kill')
        try:
            registry.push('fault', image, 'tag')
        except (OSError, http1.Closed, AssertionError):
            pass
        else:
            raise AssertionError('the push was acknowledged')
        check.equal(server.process.wait(60), -signal.SIGKILL, 'the end of the server')
        faults.disarm()
        is_sound(server)
        server.start()
        registry = Registry(server.address)
        registry.check_holds('fault', 'kept')
        check.equal(registry.digest('fault', 'tag'), None, 'the tag')
        registry.push('fault', image, 'tag')
        registry.check_holds('fault', 'tag')


for name in ('upload.sync', 'blob.folder_sync', 'blob.sync', 'index.commit'):
    suite.add(f'killed at {name}: restart without help', killed, name)


def has_fault_points():
    with open(binary(), 'rb') as file:
        return b'fault.injected' in file.read()


if not has_fault_points():
    print('1..0 # SKIP built without --enable-fault-injection')
    sys.exit(0)
sys.exit(suite.run(None))
