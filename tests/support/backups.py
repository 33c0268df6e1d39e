# SPDX-License-Identifier: Apache-2.0
"""Backups of a server in a test, and what a registry must hold by its events."""

import json
import os
import re
import socket
import threading

import check
import http1
from image import Artifact, OCI_MANIFEST, digest_of, noise
from registry import Registry
from server import REPORTS, Server

# Last in an answer of control.sock; the bytes before it end with no newline of their own.
EXIT = re.compile(rb'exit \d+\n\Z')


def run(server, *arguments, status=0, **options):
    """A verb on the server's data directory; returns the finished process."""
    result = server.run_verb(arguments[0], '--data', server.data, *arguments[1:], **options)
    for report in REPORTS:
        check.true(report not in result.stderr, f'a report: {result.stderr[-4000:]}')
    check.equal(result.returncode, status,
                f'exit status of {" ".join(arguments)} ({result.stdout}{result.stderr})')
    return result


def back_up(server, target, *more, **options):
    return run(server, 'backup', '--to', target, *more, **options)


def says(result, *words):
    for word in words:
        check.contains(result.stderr, word, 'standard error')
    check.equal(result.stderr.count('\n'), 1, 'lines of the message')


def info(target):
    with open(os.path.join(target, 'backup.json'), encoding='utf-8') as file:
        return json.load(file)


def target_of(server, name='backup'):
    return os.path.join(server.directory, name)


class Restored:
    """A server, not started, whose data directory is to come out of a backup. A context manager."""

    def __init__(self, target, **options):
        self.server = Server(**options)
        self.target = target

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.remove()

    def restore(self, *more, **options):
        return run(self.server, 'restore', '--from', self.target, *more, **options)

    def start(self):
        """Restores, serves, and returns the registry."""
        self.restore()
        self.server.start()
        return Registry.of(self.server)

    def end(self):
        self.server.stop()
        self.server.check_is_clean()


# ---- What must be there

def events_of(address, last=None):
    """All events up to number `last`."""
    events, after = [], 0
    while last is None or after < last:
        answer = check.status(http1.request(address, 'GET', f'/api/v1/events?after={after}&n=1000'),
                              200)
        page = json.loads(answer.body)
        if not page['events']:
            break
        events += page['events']
        after = page['last']
    return [event for event in events if last is None or event['number'] <= last]


class Expected:
    """The state after some events: names of tags, and what each repository has and had."""

    def __init__(self, events):
        self.tags = {}
        self.present = {'blob': set(), 'manifest': set()}
        self.deleted = {'blob': set(), 'manifest': set()}
        for event in events:
            self._apply(event)

    def _apply(self, event):
        kind, _, what = event['type'].partition('.')
        repository, digest = event.get('repository'), event.get('digest')
        if kind == 'tag' and what in ('bound', 'moved'):
            self.tags[repository, event['tag']] = digest
        elif kind == 'tag' and what == 'deleted':
            self.tags.pop((repository, event['tag']), None)
        elif what in ('pushed', 'mounted'):
            self.present[kind].add((repository, digest))
            self.deleted[kind].discard((repository, digest))
        elif what == 'deleted':
            self.present[kind].discard((repository, digest))
            self.deleted[kind].add((repository, digest))
            self.tags = {key: value for key, value in self.tags.items()
                         if kind != 'manifest' or (key[0], value) != (repository, digest)}

    def check(self, registry):
        """The registry holds this, byte for byte, and nothing else."""
        get = {'blob': registry.get_blob, 'manifest': registry.get_manifest}
        for kind, names in self.present.items():
            for repository, digest in sorted(names):
                answer = check.status(get[kind](repository, digest), 200)
                check.equal(digest_of(answer.body, digest.partition(':')[0]), digest, kind)
        for kind, names in self.deleted.items():
            for repository, digest in sorted(names):
                check.status(get[kind](repository, digest), 404)
        for repository in {name for name, _ in self.present['manifest']}:
            tags = {tag: registry.digest(repository, tag) for tag in registry.tags(repository)}
            wanted = {tag: digest for (name, tag), digest in self.tags.items()
                      if name == repository}
            check.equal(tags, wanted, f'tags of {repository}')


# ---- Load

class Load:
    """Threads that push, retag, mount and delete until the end; a context manager."""

    def __init__(self, server, threads=3):
        self._address = server.address
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._acknowledged = []
        self._failed = []
        self._threads = [threading.Thread(target=self._work, args=(i,)) for i in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def acknowledged(self):
        """(repository, digest of a manifest) of every push that was answered 201 and stays."""
        with self._lock:
            return list(self._acknowledged)

    def check_went_well(self):
        check.equal(self._failed[:1], [], 'what failed under load')

    def wait_for(self, n):
        """Until so many further pushes were answered."""
        goal = len(self.acknowledged()) + n
        check.eventually(f'{n} further pushes', lambda: self._failed or
                         len(self.acknowledged()) >= goal, seconds=120)
        self.check_went_well()

    def _work(self, i):
        registry, repository, n = Registry(self._address), f'load/{i}', 0
        try:
            while not self._stopping.is_set():
                self._round(registry, repository, n, f'{i} {n}')
                n += 1
        # Whatever it is, the case must hear of it.
        except Exception as error:
            self._failed.append(repr(error))

    def _round(self, registry, repository, n, seed):
        kept = Artifact('application/x.load', noise(20000, f'kept {seed}'))
        gone = Artifact('application/x.load', noise(2000, f'gone {seed}'))
        registry.push(repository, kept, f'tag-{n}')
        with self._lock:
            self._acknowledged.append((repository, kept.digest))
        registry.push(repository, gone, 'gone')
        check.status(registry.put_manifest(repository, 'latest', kept.body, OCI_MANIFEST), 201)
        digest = digest_of(kept.layers[0])
        check.status(registry.request('POST', f'/v2/{repository}-mounted/blobs/uploads/'
                                      f'?mount={digest}&from={repository}'), 201)
        check.status(registry.delete_manifest(repository, gone.digest), 202)
        if n % 3 == 0:
            check.status(registry.delete_manifest(repository, f'tag-{n}'), 202)


# ---- Asking as a backup would, but badly

class Asker:
    """A process that asks for a backup and reads only what it is told to; a context manager."""

    def __init__(self, server):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.path.join(server.data, 'control.sock'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, question=b'backup\n'):
        self.socket.sendall(question)

    def read_some(self):
        """Until something came."""
        self.socket.settimeout(60)
        return self.socket.recv(1000)

    def read_all(self):
        """Until the exit status."""
        self.socket.settimeout(60)
        text = b''
        while not EXIT.search(text[-20:]):
            piece = self.socket.recv(1 << 16)
            if piece == b'':
                break
            text += piece
        return text
