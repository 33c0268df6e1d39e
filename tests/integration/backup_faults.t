#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Backups and restores that go wrong: cut off at every step, no room, no right, damage, tricks. What
was there before stays, what is not whole is never taken for whole, and the way out is said."""

import concurrent.futures
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys

import backups
import check
import command
import mounts
import server as servers
from backups import Expected, Restored, back_up, events_of, says, target_of
from image import Artifact, digest_of, noise, small
from registry import OCTETS, Registry
from scenario import metric, serving
from tap import Suite, note

MIB = 1 << 20

# Calls that change something, for the kill; of each every n-th. Of the frequent ones only every fifth
# of those: nearly all are for folders that are there, and leave what the one before has left.
CALLS = ('fsync', 'fdatasync', 'renameat', 'unlinkat', 'ftruncate', 'pwrite64', 'mkdirat', 'write',
         'openat')
FREQUENT = ('openat', 'mkdirat', 'write')
AT_ONCE = 4
EVERY = int(os.environ.get('BACKUP_KILL_EVERY', '9'))

suite = Suite()
mounts.enter()


def filled(server, n=3):
    registry = Registry.of(server)
    for i in range(n):
        registry.push('app', small(i), f'tag-{i}')
    return registry


@contextlib.contextmanager
def filled_server(n=3):
    """A server with some images, its registry, and where a backup of it may go."""
    with serving() as server:
        yield server, filled(server, n), target_of(server)


def blob_path(tree, digest):
    name = digest.partition(':')[2]
    return os.path.join(tree, 'blobs', 'sha256', name[:2], name)


def a_blob(seed=0):
    return digest_of(small(seed).layers[1])


def check_restores(target, last, registry_holds):
    """The backup restores, to event `last`."""
    with Restored(target) as restored:
        registry = restored.start()
        check.equal(len(events_of(restored.server.address)), last, 'events')
        registry_holds(registry)
        restored.end()


# ---- Cut off

def traced(call, n, *verb):
    """The verb under strace, killed before its n-th `call`; None when it made fewer."""
    run = ['-f', '-qq', '-o', '/dev/null', '-e', f'trace={call}',
           '-e', f'inject={call}:signal=KILL:when={n}']
    result = servers.subprocess.run(
        [command.find('strace'), *run, servers.binary(), *verb],
        stdin=servers.subprocess.DEVNULL, stdout=servers.subprocess.PIPE,
        stderr=servers.subprocess.PIPE, check=False, timeout=120,
        # The leak checker cannot work under strace.
        env={**os.environ, 'ASAN_OPTIONS': 'detect_leaks=0'})
    check.one_of(result.returncode, {0, -signal.SIGKILL},
                 f'{verb[0]} at {call} number {n}: {result.stderr[-2000:]}')
    return None if result.returncode == 0 else result


def kill_points(cut):
    """Kills a verb at the n-th of each call until it has no more; returns how often it was.

    `cut(name)` gives (the verb, what is called before it, what is called with the point after it),
    with directories of that name: several go on at once.
    """
    def chain(call, first, step):
        verb, before, after = cut(f'{call}-{first}')
        killed, n = 0, first
        while True:
            before()
            if traced(call, n, *verb) is None:
                return killed
            killed += 1
            after(f'{call} number {n}')
            n += step

    chains = []
    for call in CALLS:
        step = 1 if call == 'renameat' else EVERY * 5 if call in FREQUENT else EVERY
        ways = AT_ONCE if call in FREQUENT else 1
        chains += [(call, 1 + i * step, step * ways) for i in range(ways)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda each: chain(*each), chains))


@suite.case('kill -9 of a backup at any call: the one before still restores, and the next one goes on')
def backup_killed(_):
    with filled_server(2) as (server, registry, target):
        back_up(server, target)
        first = Expected(events_of(server.address))
        first_last = backups.info(target)['event']['number']
        registry.push('app', small('second'), 'second')
        check.status(registry.delete_manifest('app', 'tag-0'), 202)
        second = Expected(events_of(server.address))
        second_last = len(events_of(server.address))

        works = []

        def cut(name):
            work = target_of(server, name)
            works.append(work)

            def before():
                shutil.rmtree(work, ignore_errors=True)
                shutil.copytree(target, work)

            def after(point):
                last = backups.info(work)['event']['number']
                check.one_of(last, {first_last, second_last}, f'the backup that counts after {point}')
                expected = first if last == first_last else second
                check_restores(work, last, expected.check)
                back_up(server, work)
                check.equal(backups.info(work)['event']['number'], second_last, point)
                check.true(not os.path.exists(os.path.join(work, 'unfinished')),
                           f'unfinished: {point}')

            return ('backup', '--data', server.data, '--to', work, '--quiet'), before, after

        killed = kill_points(cut)
        check_restores(works[0], second_last, second.check)
        note(f'{killed} kills')
        check.true(killed > 10, 'hardly any')
        check.eventually('no backup holds up removing',
                         lambda: metric(server, 'tidemark_backups') == 0)


@suite.case('kill -9 of the first backup: there is none yet, and that is said; the next one goes on')
def first_killed(_):
    with filled_server() as (server, _, target):
        check.true(traced('renameat', 2, 'backup', '--data', server.data, '--to', target) is not None,
                   'it was not killed')
        with Restored(target) as restored:
            says(restored.restore(status=1), 'never finished')
        result = back_up(server, target)
        check.contains(result.stderr, 'cut off')
        last = len(events_of(server.address))
        check_restores(target, last, Expected(events_of(server.address)).check)


@suite.case('kill -9 of a restore at any call: no server takes it for whole; again, and it is')
def restore_killed(_):
    with filled_server(2) as (server, _, target):
        back_up(server, target)
        events = events_of(server.address)
        expected = Expected(events)
        with contextlib.ExitStack() as stack:
            def cut(_):
                restored = stack.enter_context(Restored(target))
                data = restored.server.data

                def before():
                    shutil.rmtree(data, ignore_errors=True)

                def after(point):
                    check_cut(restored, point)
                    registry = Registry(start(restored))
                    expected.check(registry)
                    check.equal(events_of(restored.server.address), events,
                                f'the log after {point}')
                    restored.end()

                return ('restore', '--data', data, '--from', target, '--quiet'), before, after

            killed = kill_points(cut)
            note(f'{killed} kills')
            check.true(killed > 10, 'hardly any')


def check_cut(restored, point):
    """Either it was over, or serve refuses, or there is nothing yet; a second restore ends it."""
    data = restored.server.data
    if os.path.exists(os.path.join(data, 'restore.unfinished')):
        try:
            restored.server.start()
        except servers.StartError as error:
            check.contains(error.stderr, 'was not finished', f'what serve says after {point}')
        else:
            raise AssertionError(f'after {point} half a restore was served')
        result = backups.run(restored.server, 'fsck', status=1)
        check.contains(result.stderr, 'was not finished')
        restored.restore()
    elif not os.path.exists(os.path.join(data, 'format')):
        restored.restore()


def start(restored):
    restored.server.start()
    return restored.server.address


@suite.case('kill -9 of the server in the middle: the verb says so, and the next one works alone')
def server_killed(_):
    with filled_server() as (server, registry, target):
        registry.push_blob('large', b'{}')
        for i in range(80):
            artifact = Artifact('application/x.test', b'{}', annotations={'n': f'{i:05}' * 9000})
            check.status(registry.put_manifest('large', f'tag-{i}', artifact.body,
                                               artifact.media_type), 201)
        with backups.Asker(server) as asker:
            asker.ask()
            asker.read_some()
            # The next one waits behind it when the server dies.
            verb = servers.subprocess.Popen(
                [servers.binary(), 'backup', '--data', server.data, '--to', target],
                stderr=servers.subprocess.PIPE, text=True)
            check.eventually('the verb has begun',
                             lambda: os.path.exists(os.path.join(target, 'index.a', 'data.mdb')))
            server.kill()
            _, errors = verb.communicate(timeout=60)
        check.equal(verb.returncode, 1, 'exit status')
        check.contains(errors, 'did not answer to the end')
        back_up(server, target)
        server.start()
        events = events_of(server.address)
        check_restores(target, len(events), Expected(events).check)


# ---- No room, no right

@suite.case('a full disk: said, nothing is lost, and with room the backup goes on')
def target_full(_):
    with filled_server() as (server, registry, target):
        mounts.tmpfs(target, 8 * MIB)
        try:
            back_up(server, target)
            first = len(events_of(server.address))
            for i in range(12):
                registry.push_blob('app', noise(MIB, f'big {i}'))
            says(back_up(server, target, status=1), 'No space left')
            check.equal(backups.info(target)['event']['number'], first, 'the backup that counts')
            check_restores(target, first, lambda registry: registry.check_holds('app', 'tag-0'))
            mounts.resize(target, 64 * MIB)
            result = back_up(server, target)
            copied = int(result.stdout.partition(' copied')[0].rpartition(' ')[2])
            check.true(0 < copied < 12, f'it did not go on: {result.stdout}')
            events = events_of(server.address)
            check_restores(target, len(events), Expected(events).check)
        finally:
            mounts.unmount(target)


@suite.case('a full disk under the index copy: said, and the server is asked no more')
def target_full_index(_):
    with filled_server() as (server, _, target):
        mounts.tmpfs(target, 4096 * 560)  # folders, and hardly an index
        try:
            with open(os.path.join(target, 'lost+found'), 'wb') as file:
                os.posix_fallocate(file.fileno(), 0, 4096 * 556)
            says(back_up(server, target, status=1), 'No space left')
            check.eventually('the pause is over', lambda: metric(server, 'tidemark_backups') == 0)
        finally:
            mounts.unmount(target)


@suite.case('a full disk in a restore: said, and with room it goes on')
def restore_full(_):
    with filled_server() as (server, registry, target):
        for i in range(12):
            registry.push_blob('app', noise(MIB, f'big {i}'))
        back_up(server, target)
        events = events_of(server.address)
        with Restored(target) as restored:
            mounts.tmpfs(restored.server.data, 8 * MIB)
            try:
                says(restored.restore(status=1), 'No space left')
                mounts.resize(restored.server.data, 64 * MIB)
                Expected(events).check(restored.start())
                restored.end()
            finally:
                if restored.server.is_running():
                    restored.server.kill()
                mounts.unmount(restored.server.data)


@suite.case('a target that is read-only, missing, a file, or holds other things: refused with words')
def bad_targets(_):
    with filled_server() as (server, _, target):
        mounts.tmpfs(target, MIB)
        try:
            mounts.set_read_only(target)
            says(back_up(server, target, status=1), 'Read-only file system')
        finally:
            mounts.unmount(target)
        says(back_up(server, os.path.join(server.directory, 'no', 'where'), status=1),
             'does not exist')
        says(back_up(server, server.config, status=1), 'Not a directory')
        with open(os.path.join(target, 'diary'), 'w', encoding='ascii') as file:
            file.write('dear')
        says(back_up(server, target, status=1), 'diary', 'empty or new directory')
        check.equal(os.listdir(target), ['diary'], 'what is in it')
        for missing in (('backup',), ('restore',)):
            check.contains(backups.run(server, *missing, status=2).stderr, 'is missing')


@suite.case('a target in the data directory is refused, by whatever name')
def inside(_):
    with serving() as server:
        filled(server)
        link = target_of(server, 'link')
        os.symlink(server.data, link)
        for path in (server.data, os.path.join(server.data, 'backup'), link,
                     os.path.join(link, 'x'), os.path.join(server.data, 'blobs'),
                     os.path.join(server.data, 'blobs', '..', 'y')):
            says(back_up(server, path, status=1), 'lies in the data directory')
        check.equal(set(os.listdir(server.data)) - {'format', 'lock', 'control.sock', 'index',
                                                    'blobs', 'uploads'}, set(), 'left behind')
        target = target_of(server)
        back_up(server, target)
        with Restored(target) as restored:
            restored.server.data = os.path.join(target, 'blobs', 'data')
            says(restored.restore(status=1), 'lies in the backup')
            restored.server.data = server.data
            says(restored.restore(status=1), 'data directory already')


@suite.case('links in a backup and in the data lead nowhere')
def links(_):
    with filled_server() as (server, registry, target):
        back_up(server, target)
        away = target_of(server, 'away')
        os.mkdir(away)
        registry.push('app', small('new'), 'new')
        for name in ('blobs', 'incoming', 'index.b', 'lock', 'unfinished', 'backup.json',
                     'blobs/sha256', f'blobs/sha256/{a_blob("new")[7:9]}'):
            with replaced_by_link(os.path.join(target, name), away):
                back_up(server, target, status=1)
            check.equal(os.listdir(away), [], f'written through the link {name}')
        back_up(server, target)
        # A blob that is a link is not followed, in neither direction.
        secret = os.path.join(away, 'secret')
        with open(secret, 'wb') as file:
            file.write(small('new').layers[1])
        with replaced_by_link(blob_path(target, a_blob('new')), secret), Restored(target) as restored:
            check.contains(restored.restore(status=1).stderr, a_blob('new'))


class replaced_by_link:
    """The name is a link to something else meanwhile."""

    def __init__(self, path, to):
        self.path, self.to = path, to

    def __enter__(self):
        self.had = os.path.lexists(self.path)
        if self.had:
            os.rename(self.path, self.path + '.aside')
            # What is put aside must not be what the verb complains of.
            os.rename(self.path + '.aside', self.aside())
        os.symlink(self.to, self.path)

    def __exit__(self, *_):
        if os.path.islink(self.path):
            os.remove(self.path)
        elif self.had and os.path.lexists(self.path):
            os.remove(self.path)
        if self.had:
            os.rename(self.aside(), self.path)

    def aside(self):
        return os.path.join(os.path.dirname(self.to.rstrip('/')), 'put-aside')


@suite.case('two at once: into one directory the second is refused, into two both are made')
def two(_):
    with filled_server() as (server, _, target):
        back_up(server, target)
        with open(os.path.join(target, 'lock'), 'rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            says(back_up(server, target, status=1), 'under way')
            with Restored(target) as restored:
                says(restored.restore(status=1), 'under way')
        targets = [target_of(server, f'at-once-{i}') for i in range(4)]
        verbs = [servers.subprocess.Popen(
            [servers.binary(), 'backup', '--data', server.data, '--to', each, '--quiet'])
            for each in targets]
        check.equal([verb.wait(120) for verb in verbs], [0] * 4, 'exit statuses')
        events = events_of(server.address)
        for each in targets:
            check_restores(each, len(events), Expected(events).check)


@suite.case('another registry, or an older state of this one, does not replace a backup')
def another(_):
    with serving() as server, serving() as other:
        target = target_of(server)
        filled(server)
        back_up(server, target)
        last = backups.info(target)['event']['number']
        says(back_up(other, target, status=1), 'another registry')
        for i in range(10):
            Registry.of(other).push('app', small(f'other {i}'), f'tag-{i}')
        check.contains(back_up(other, target, status=1).stderr, 'differs')
        check_restores(target, last, lambda registry: registry.check_holds('app', 'tag-0'))


# ---- Damage

@suite.case('blobs that are missing or damaged: named, the rest is saved and restored, a push heals')
def damaged(_):
    with filled_server() as (server, registry, target):
        missing, wrong, short = a_blob(0), a_blob(1), a_blob(2)
        os.remove(blob_path(server.data, missing))
        with open(blob_path(server.data, wrong), 'r+b') as file:
            file.write(b'!')
        os.truncate(blob_path(server.data, short), 5)
        result = back_up(server, target, status=1)
        for digest, words in ((missing, 'is missing'), (wrong, 'other bytes'),
                              (short, 'has another size')):
            check.contains(result.stderr, f'{digest} {words}' if digest != wrong else digest)
        document = backups.info(target)
        check.equal(document['blobs']['damaged'], 3)
        check.equal(sorted(document['blobs']['damaged_digests']), sorted([missing, wrong, short]))
        with Restored(target) as restored:
            check.contains(restored.restore(status=1).stdout, 'restored')
            restored.server.start()
            other = Registry.of(restored.server)
            check.status(other.get_blob('app', missing), 404)
            check.status(other.get_manifest('app', 'tag-0'), 200)
            for i in range(3):
                other.push('app', small(i), f'tag-{i}')
                other.check_holds('app', f'tag-{i}')
            restored.end()
        # A blob that an earlier backup has is not lost with the one here.
        for i in range(3):
            registry.push('app', small(i), f'tag-{i}')
        back_up(server, target)
        os.remove(blob_path(server.data, missing))
        back_up(server, target)
        check.equal(backups.info(target)['blobs']['damaged'], 0)
        registry.push('app', small(0), 'tag-0')
        registry.check_holds('app', 'tag-0')


@suite.case('a damaged backup is not restored, and what it left is not served')
def damaged_backup(_):
    with filled_server() as (server, _, target):
        bad = target_of(server, 'bad')
        back_up(server, target)
        folder = backups.info(target)['index']['folder']
        index = os.path.join(folder, 'data.mdb')
        blob = os.path.relpath(blob_path(target, a_blob(1)), target)
        for path, damage, words in (
                (index, flip, 'index'), (index, cut, 'index'), (index, os.remove, 'data.mdb'),
                (blob, flip, a_blob(1)), (blob, cut, a_blob(1)), (blob, os.remove, a_blob(1))):
            shutil.rmtree(bad, ignore_errors=True)
            shutil.copytree(target, bad)
            damage(os.path.join(bad, path))
            with Restored(bad) as restored:
                check.contains(restored.restore(status=1).stderr, words)
                try:
                    restored.server.start()
                except servers.StartError as error:
                    check.contains(error.stderr, 'was not finished')
                else:
                    raise AssertionError(f'{path} damaged by {damage}, and served')
                # With a backup that is well, the same directory is made whole.
                restored.target = target
                restored.start().check_holds('app', 'tag-1')
                restored.end()


def flip(path):
    with open(path, 'r+b') as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


@suite.case('--no-verify trusts the sizes, and says nothing of bytes')
def no_verify(_):
    with filled_server() as (server, _, target):
        back_up(server, target)
        flip(blob_path(target, a_blob(1)))
        with Restored(target) as restored:
            restored.restore('--no-verify')


# ---- Formats

def altered(target, change):
    path = os.path.join(target, 'backup.json')
    with open(path, encoding='utf-8') as file:
        document = json.load(file)
    change(document)
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(document, file)


@suite.case('a backup of a newer version, of another machine, or none at all: refused, with words')
def formats(_):
    with filled_server() as (server, _, target):
        back_up(server, target)
        kept = os.path.join(server.directory, 'backup.json')
        shutil.copy(os.path.join(target, 'backup.json'), kept)
        cases = (
            (lambda d: d.update(tidemark_backup=2, version='9.9'), ('newer', '9.9', 'format 2')),
            (lambda d: d.update(data_format=2, version='9.9'), ('newer', '9.9', 'format 2')),
            (lambda d: d['index'].update(format=2), ('newer', 'index format 2')),
            (lambda d: d['index'].update(word_bits=32), ('another kind of machine', '32 bits')),
            (lambda d: d['index'].update(byte_order='big'), ('another kind of machine', 'big')),
            (lambda d: d.update(tidemark_backup='x'), ('not the backup.json',)),
            (lambda d: d['index'].update(folder='../../etc'), ('damaged',)),
            (lambda d: d['event'].update(hash='x'), ('damaged',)),
            (lambda d: d.pop('blobs'), ('damaged',)))
        for change, words in cases:
            shutil.copy(kept, os.path.join(target, 'backup.json'))
            altered(target, change)
            with Restored(target) as restored:
                says(restored.restore(status=1), *words)
                check.true(not os.path.exists(restored.server.data), 'something was made')
            # Nor is it replaced: who knows what it is worth.
            says(back_up(server, target, status=1), *words)
        with open(os.path.join(target, 'backup.json'), 'wb') as file:
            file.write(b'\x00{')
        with Restored(target) as restored:
            says(restored.restore(status=1), 'damaged')
            restored.target = server.data
            says(restored.restore(status=1), 'not a backup')
            restored.target = os.path.join(server.directory, 'nowhere')
            says(restored.restore(status=1), 'cannot open')


sys.exit(suite.run(None))
