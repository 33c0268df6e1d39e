#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Backups and restores that go well: under load, again and again, and what a restored registry is."""

import os
import shutil
import sys

import backups
import check
import conformance
from backups import Expected, Load, Restored, back_up, events_of, target_of
from image import Artifact, digest_of, multi_arch, noise, small
from registry import OCTETS, Registry, with_query
from scenario import metric, serving
from tap import Suite

suite = Suite()


def fill(registry, name, n=3):
    for i in range(n):
        registry.push(name, small(f'{name} {i}'), f'tag-{i}')


def fill_index(server):
    """So that it is larger than what fits into a pipe and a socket."""
    registry = Registry.of(server)
    registry.push_blob('large', b'{}')
    for i in range(80):
        artifact = Artifact('application/x.test', b'{}', annotations={'n': f'{i:05}' * 9000})
        check.status(registry.put_manifest('large', f'tag-{i}', artifact.body,
                                           artifact.media_type), 201)


def blobs_in(target):
    found = set()
    for _, _, names in os.walk(os.path.join(target, 'blobs')):
        found |= set(names)
    return found - {'ready'}


def rich(server):
    """Something of everything; returns the location of an unfinished upload."""
    registry = Registry.of(server)
    fill(registry, 'app')
    registry.push('app', multi_arch('multi'), 'multi')
    large = Artifact('application/x.test', b'large', annotations={'n': 'n' * 100000})
    registry.push('app', large, 'large')
    registry.push('app', Artifact('application/x.sbom', b'sbom', subject=large))
    registry.push_blob('app', b'by sha512', 'sha512')
    check.status(registry.request('PUT', '/files/files/app:1/a.txt', OCTETS, b'a file'), 201)
    check.status(registry.request('PUT', '/files/files/app:2/b.txt?draft', OCTETS, b'a draft'), 202)
    doomed = small('doomed')
    registry.push('app', doomed, 'doomed')
    check.status(registry.delete_manifest('app', doomed.digest), 202)
    location = registry.begin_upload('app')
    check.status(registry.request('PATCH', location, OCTETS, noise(1000, 'pending')), 202)
    return location


# ---- Under load

@suite.case('under load: exactly the state of one event, everything acknowledged before, and pushes '
            'go on meanwhile')
def under_load(_):
    with serving() as server:
        target = target_of(server)
        fill(Registry.of(server), 'ballast', 30)
        with Load(server) as load:
            load.wait_for(10)
            for _ in range(3):
                acknowledged = load.acknowledged()
                back_up(server, target)
                check_restored(server, target, acknowledged)
                load.wait_for(3)
            # Pushes were answered while the copy was made, too.
            check.true(len(load.acknowledged()) > len(acknowledged) + 3, 'pushes stood still')
        load.check_went_well()
        check.equal(metric(server, 'tidemark_backups'), 0, 'backups that have not ended')


def check_restored(server, target, acknowledged):
    last = backups.info(target)['event']['number']
    events = events_of(server.address, last)
    check.equal(len(events), last, 'events up to the backup')
    expected = Expected(events)
    with Restored(target) as restored:
        registry = restored.start()
        check.equal(events_of(restored.server.address), events, 'the log')
        expected.check(registry)
        for repository, digest in acknowledged:
            registry.check_holds(repository, digest)
        restored.end()


@suite.case('a backup holds up no push: an asker that reads nothing keeps one snapshot, and that is '
            'all')
def idle_asker(_):
    with serving() as server:
        registry = Registry.of(server)
        fill_index(server)
        asker = backups.Asker(server)
        asker.ask()
        check.true(asker.read_some().startswith(b'bytes '), 'the answer')
        before = metric(server, 'tidemark_index_commits_total')
        fill(registry, 'meanwhile', 5)
        check.true(metric(server, 'tidemark_index_commits_total') > before, 'no commit was made')
        check.true(metric(server, 'tidemark_index_oldest_reader') > 0, 'the snapshot is not seen')
        check.equal(metric(server, 'tidemark_backups'), 1, 'backups being made')
        asker.socket.close()
        check.eventually('the pause is over', lambda: metric(server, 'tidemark_backups') == 0)
        check.eventually('the snapshot is given back',
                         lambda: metric(server, 'tidemark_index_oldest_reader') == 0)
        back_up(server, target_of(server))


@suite.case('index.copy_timeout: a copy that takes too long ends, and says so')
def copy_timeout(_):
    with serving('index:\n  copy_timeout: 1s\n') as server:
        fill_index(server)
        asker = backups.Asker(server)
        asker.ask()
        asker.read_some()
        check.eventually('the pause is over', lambda: metric(server, 'tidemark_backups') == 0)
        text = asker.read_all()
        check.true(b'index.copy_timeout' in text[-200:] and text.endswith(b'exit 1\n'),
                   f'the end of the answer: {text[-200:]}')


@suite.case('a server that stops does not wait for a backup')
def stops(_):
    with serving() as server:
        fill_index(server)
        with backups.Asker(server) as holding:
            holding.ask()
            check.true(holding.read_all().endswith(b'exit 0\n'), 'the end of the answer')
            check.equal(metric(server, 'tidemark_backups'), 1, 'backups being made')
            with backups.Asker(server) as reading:
                reading.ask()
                reading.read_some()
                server.stop()


# ---- Again and again

@suite.case('the second backup copies only what is new, and removes what nothing names')
def incremental(_):
    with serving() as server:
        registry, target = Registry.of(server), target_of(server)
        fill(registry, 'app')
        check.contains(back_up(server, target).stdout, '9 copied')
        inodes = {name: os.stat(path_in(target, name)).st_ino for name in blobs_in(target)}
        check.equal(len(inodes), 9, 'blobs')
        check.contains(back_up(server, target).stdout, ' 0 copied')
        registry.push('app', small('new'), 'new')
        stray = digest_of(b'stray')
        with open(path_in(target, stray.partition(':')[2]), 'wb') as file:
            file.write(b'stray')
        result = back_up(server, target)
        check.contains(result.stdout, ' 3 copied')
        check.contains(result.stdout, ' 1 removed')
        for name, inode in inodes.items():
            check.equal(os.stat(path_in(target, name)).st_ino, inode, 'inode of a blob kept')
        check.equal(len(blobs_in(target)), 12, 'blobs')
        check.equal(sorted(set(os.listdir(target)) - {'index.a', 'index.b'}),
                    ['backup.json', 'blobs', 'incoming', 'lock'])
        check.equal(len({'index.a', 'index.b'} & set(os.listdir(target))), 1, 'copies of the index')
        check.equal(os.listdir(os.path.join(target, 'incoming')), [])


def path_in(target, name):
    return os.path.join(target, 'blobs', 'sha256' if len(name) == 64 else 'sha512', name[:2], name)


@suite.case('--verify reads again what was copied before, and replaces what is damaged')
def verify(_):
    with serving() as server:
        target = target_of(server)
        fill(Registry.of(server), 'app')
        back_up(server, target)
        name = sorted(blobs_in(target))[0]
        path = path_in(target, name)
        with open(path, 'r+b') as file:
            file.write(b'!')
        check.contains(back_up(server, target).stdout, ' 0 copied')
        check.contains(back_up(server, target, '--verify').stdout, ' 1 copied')
        with open(path, 'rb') as file:
            check.equal(digest_of(file.read()), f'sha256:{name}', 'the blob')
        # A size that differs needs no --verify.
        os.truncate(path, 3)
        check.contains(back_up(server, target).stdout, ' 1 copied')


@suite.case('without a server, the verb takes the lock')
def offline(_):
    with serving() as server:
        target = target_of(server)
        fill(Registry.of(server), 'app')
        server.stop()
        back_up(server, target)
        with Restored(target) as restored:
            Registry(restored.start().address).check_holds('app', 'tag-0')
            restored.end()


@suite.case('a backup can be moved, and copied to where empty folders and links are lost')
def moved(_):
    with serving() as server:
        target = target_of(server)
        fill(Registry.of(server), 'app')
        back_up(server, target)
        moved_to = target_of(server, 'moved')
        for parent, _, names in os.walk(target):
            for name in names:
                if name in ('lock', 'ready'):
                    continue
                to = os.path.join(moved_to, os.path.relpath(parent, target))
                os.makedirs(to, exist_ok=True)
                shutil.copyfile(os.path.join(parent, name), os.path.join(to, name))
        shutil.rmtree(target)
        with Restored(moved_to) as restored:
            restored.start().check_holds('app', 'tag-2')
            restored.end()
        # It is also where the next one may go.
        Registry.of(server).push('app', small('later'), 'later')
        check.contains(back_up(server, moved_to).stdout, ' 3 copied')
        with Restored(moved_to) as restored:
            restored.start().check_holds('app', 'later')
            restored.end()


# ---- What a restored registry is

@suite.case('everything of every kind comes back; the unfinished upload does not')
def everything(_):
    with serving() as server:
        target = target_of(server)
        location = rich(server)
        back_up(server, target)
        events = events_of(server.address)
        registry = Registry.of(server)
        with Restored(target) as restored:
            other = restored.start()
            check.equal(events_of(restored.server.address), events, 'the log')
            Expected(events).check(other)
            for path in ('/v2/_catalog', '/v2/app/tags/list', '/api/v1/repos',
                         '/files/files/app:1/', '/files/files/app:1/a.txt',
                         f'/v2/app/referrers/{registry.digest("app", "large")}'):
                check.equal(same_part(other.request('GET', path)),
                            same_part(registry.request('GET', path)), path)
            check.status(registry.request('GET', location), 204)
            check.error(other.request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')
            published = other.request('POST', '/files/files/app:2/?publish')
            check.status(published, 201)
            check.equal(other.request('GET', '/files/files/app:2/b.txt').body, b'a draft')
            restored.end()


def same_part(answer):
    return answer.status, answer.field('etag'), answer.body


@suite.case('it goes on: the log with the next number, pushes, uploads, what was deleted taken back, '
            'backups into the same directory')
def goes_on(_):
    with serving() as server:
        target = target_of(server)
        rich(server)
        back_up(server, target)
        last = backups.info(target)['event']['number']
        with Restored(target) as restored:
            registry = restored.start()
            image = small('after')
            registry.push('app', image, 'after')
            events = events_of(restored.server.address)
            check.equal([event['number'] for event in events], list(range(1, len(events) + 1)))
            check.true(len(events) > last, 'no event after the restore')
            check.equal(events[-1]['type'], 'tag.bound')
            location = registry.begin_upload('app')
            content = noise(5000, 'later')
            check.status(registry.request('PATCH', location, OCTETS, content[:3000]), 202)
            check.status(registry.request('PUT', with_query(
                location, f'digest={digest_of(content)}'), OCTETS, content[3000:]), 201)
            # The blobs of what was deleted are in the backup as well: nothing is sent again.
            doomed = small('doomed')
            for blob in doomed.blobs():
                check.status(registry.request(
                    'POST', f'/v2/app/blobs/uploads/?digest={digest_of(blob)}', OCTETS, blob), 201)
            check.status(registry.put_manifest('app', 'doomed', doomed.body, doomed.media_type), 201)
            registry.check_holds('app', 'doomed')
            back_up(restored.server, target)
            check.equal(backups.info(target)['event']['number'],
                        len(events_of(restored.server.address)), 'events in the next backup')
            restored.end()


@suite.case('a registry without a single event')
def empty(_):
    with serving() as server:
        back_up(server, target_of(server))
        check.equal(backups.info(target_of(server))['event']['number'], 0)
        with Restored(target_of(server)) as restored:
            restored.start().push('app', small('first'), 'first')
            restored.end()


@suite.case('a restored registry passes the conformance suite')
def conforms(_):
    with serving() as server:
        rich(server)
        back_up(server, target_of(server))
        with Restored(target_of(server), environment=conformance.SERVER_ENVIRONMENT) as restored:
            restored.start()
            conformance.Run(restored.server).check_all()
            restored.end()


@suite.case('backup.json says what there is')
def describes(_):
    with serving() as server:
        target = target_of(server)
        rich(server)
        back_up(server, target)
        document = backups.info(target)
        check.equal(document['tidemark_backup'], 1)
        check.equal(document['data_format'], 1)
        check.equal(document['index']['format'], 1)
        check.equal(document['blobs']['damaged'], 0)
        check.equal(document['blobs']['files'], len(blobs_in(target)), 'files')
        size = sum(os.stat(path_in(target, name)).st_size for name in blobs_in(target))
        check.equal(document['blobs']['bytes'], size, 'bytes')
        check.equal(document['event']['number'],
                    len(events_of(server.address)), 'the last event')
        check.true(document['begun'] <= document['finished'], 'times')
        modes = {os.stat(os.path.join(parent, name)).st_mode & 0o077
                 for parent, folders, names in os.walk(target) for name in names + folders}
        check.equal(modes, {0}, 'rights of others')


sys.exit(suite.run(None))
