# SPDX-License-Identifier: Apache-2.0
"""A client that keeps account of what a server promised it, and kills at chosen system calls.

DESIGN: strace counts the calls of each thread for itself, so "the n-th fsync of the process" cannot
be named. A point is therefore (thread, call, n), which names every call exactly once. The main
thread is traced from the first instruction, so that the making of the data directory and the
reading of one that is there are covered; the others are attached to when the server is ready. The
signal comes at the entry of the call, which is then not carried out: state before the n-th call.
"""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

import check
import command
import http1
from image import Artifact, Image, OCI_MANIFEST, digest_of, noise
from registry import OCTETS, Registry, with_query
from scenario import files_under
from server import Server, StartError
from tap import NotRun

CALLS = ('pwrite64', 'pwritev', 'pwritev2', 'write', 'fdatasync', 'fsync', 'msync', 'rename',
         'renameat', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'ftruncate', 'mkdir',
         'mkdirat', 'openat')

# Nothing of the scenario may expire but what was made to look old.
CONFIG = '''\
server:
  workers: 1
  io_threads: 1
uploads:
  expire: 10m
'''
LINE = re.compile(r'(\w+)\((.*)')
GONE = (OSError, http1.Closed, AssertionError)


class Lost(AssertionError):
    """A promise that was not kept."""


@dataclass(frozen=True)
class Point:
    """Before the `n`-th `call` of a thread. `fresh`: the start on an empty directory."""

    fresh: bool
    thread: str
    call: str
    n: int

    def __str__(self):
        where = 'first start' if self.fresh else 'scenario'
        return f'{where}: {self.thread} at {self.call} number {self.n}'


# ---- What was promised

class Ledger:
    """What may be seen afterwards: for each key the values allowed. A change allows the old and the
    new value while it is under way, and only the new one once it is acknowledged."""

    def __init__(self):
        self.facts = {}
        self.uploads = {}    # location -> Pending

    def copy(self):
        other = Ledger()
        other.facts = {key: set(values) for key, values in self.facts.items()}
        other.uploads = {location: Pending(**vars(each)) for location, each in self.uploads.items()}
        return other

    @contextlib.contextmanager
    def change(self, *changes):
        for key, value in changes:
            self.facts.setdefault(key, {None}).add(value)
        yield
        for key, value in changes:
            self.facts[key] = {value}


@dataclass
class Pending:
    """An upload: of `content`, `acknowledged` bytes by 202 and `sent` altogether."""

    content: bytes
    acknowledged: int = 0
    sent: int = 0
    may_be_gone: bool = False


class Client:
    """Writes to the server and to the ledger. Any other answer than the good one raises."""

    def __init__(self, server, ledger):
        self.registry = Registry.of(server)
        self.ledger = ledger

    def _do(self, status, method, target, fields=None, body=None):
        return check.status(self.registry.request(method, target, fields, body), status)

    def begin(self, repository, content):
        location = self._do(202, 'POST', f'/v2/{repository}/blobs/uploads/').field('location')
        self.ledger.uploads[location] = Pending(content)
        return location

    def patch(self, location, end):
        pending = self.ledger.uploads[location]
        begin, pending.sent = pending.acknowledged, end
        fields = {'Content-Range': f'{begin}-{end - 1}', **OCTETS}
        self._do(202, 'PATCH', location, fields, pending.content[begin:end])
        pending.acknowledged = end

    def finish(self, repository, location):
        pending = self.ledger.uploads[location]
        pending.may_be_gone, pending.sent = True, len(pending.content)
        digest = digest_of(pending.content)
        with self.ledger.change((('blob', repository, digest), pending.content)):
            self._do(201, 'PUT', with_query(location, f'digest={digest}'), OCTETS,
                     pending.content[pending.acknowledged:])
        del self.ledger.uploads[location]
        return digest

    def push_blob(self, repository, content):
        return self.finish(repository, self.begin(repository, content))

    def push_at_once(self, repository, content):
        digest = digest_of(content)
        with self.ledger.change((('blob', repository, digest), content)):
            self._do(201, 'POST', f'/v2/{repository}/blobs/uploads/?digest={digest}', OCTETS,
                     content)

    def mount(self, repository, source, content):
        digest = digest_of(content)
        with self.ledger.change((('blob', repository, digest), content)):
            self._do(201, 'POST', f'/v2/{repository}/blobs/uploads/?mount={digest}&from={source}')

    def put_manifest(self, repository, tag, image):
        with self.ledger.change((('manifest', repository, image.digest), image.body),
                                (('tag', repository, tag), image.digest)):
            self._do(201, 'PUT', f'/v2/{repository}/manifests/{tag}',
                     {'Content-Type': OCI_MANIFEST}, image.body)

    def push(self, repository, tag, image):
        for blob in image.blobs():
            self.push_blob(repository, blob)
        self.put_manifest(repository, tag, image)

    def delete_tag(self, repository, tag):
        with self.ledger.change((('tag', repository, tag), None)):
            self._do(202, 'DELETE', f'/v2/{repository}/manifests/{tag}')

    def delete_manifest(self, repository, digest, *tags):
        with self.ledger.change((('manifest', repository, digest), None),
                                *((('tag', repository, tag), None) for tag in tags)):
            self._do(202, 'DELETE', f'/v2/{repository}/manifests/{digest}')

    def put_file(self, reference, path, content):
        with self.ledger.change((('files', reference), ((path, content),))):
            self._do(201, 'PUT', f'/files/{reference}/{path}', OCTETS, content)

    def publish(self, reference, files):
        """All of them by a draft: together or not at all."""
        for path, content in files:
            self._do(202, 'PUT', f'/files/{reference}/{path}?draft', OCTETS, content)
        with self.ledger.change((('files', reference), tuple(files))):
            self._do(201, 'POST', f'/files/{reference}/?publish')


# ---- The scenario

def numbered(name, **more):
    return Image([{name: noise(3000, name)}], **more)


OLD, NEW, DOOMED = numbered('old'), numbered('new'), numbered('doomed')
LARGE = Artifact('application/x.test', b'of a large one', annotations={'n': 'n' * 100000})
SHARED = noise(30000, 'shared')
RESUMED = noise(700000, 'resumed')
LEFT = noise(50000, 'left')


class Setting:
    """The directory every run begins with, and the ledger of it. Use as a context manager."""

    def __enter__(self):
        self.server = Server(config=CONFIG)
        self.ledger = Ledger()
        try:
            self.server.start()
            self._fill(Client(self.server, self.ledger))
            self.server.stop()
            self._age()
        except BaseException:
            self.server.remove()
            raise
        return self

    def __exit__(self, *_):
        self.server.remove()

    def _fill(self, client):
        client.push('app', 'kept', OLD)
        client.put_manifest('app', 'moved', OLD)
        client.put_manifest('app', 'dropped', OLD)
        client.push('app', 'doomed', DOOMED)
        client.push_at_once('app', SHARED)
        self.resumed = client.begin('app', RESUMED)
        client.patch(self.resumed, 300000)
        stale = client.begin('app', LEFT)
        client.patch(stale, 1000)
        # Nobody continues it: no promise, but it must go.
        del self.ledger.uploads[stale]
        self.stale = stale.partition('?')[0].rpartition('/')[2]

    def _age(self):
        old = time.time() - 3600
        names = [name for name in files_under(self.server, 'uploads') if self.stale in name]
        check.true(len(names) == 2, f'not the two files of the upload: {names}')
        for name in names:
            os.utime(os.path.join(self.server.data, name), (old, old))

    def run(self, server, ledger):
        """The scenario; raises one of GONE when the server dies."""
        client = Client(server, ledger)
        client.push('app', 'new', NEW)
        client.push('app', 'large', LARGE)
        client.put_manifest('app', 'moved', NEW)
        client.delete_tag('app', 'dropped')
        client.delete_manifest('app', DOOMED.digest, 'doomed')
        client.mount('other', 'app', SHARED)
        client.patch(self.resumed, 500000)
        client.finish('app', self.resumed)
        client.patch(client.begin('app', LEFT), 20000)
        client.put_file('files/app:one', 'a', b'one file')
        client.publish('files/app:two', [('a', b'first'), ('b', b'second')])
        self._wait_for_sweep(server)

    def _wait_for_sweep(self, server):
        def is_over():
            if not server.is_running():
                raise http1.Closed('the server is gone')
            return not any(self.stale in name for name in files_under(server, 'uploads'))
        check.eventually('the stale upload is removed', is_over)


# ---- What is there

def observe(registry, key):
    kind, *rest = key
    if kind == 'blob':
        answer = check.status(registry.get_blob(*rest), {200, 404})
        return answer.body if answer.status == 200 else None
    if kind == 'manifest':
        answer = check.status(registry.get_manifest(*rest), {200, 404})
        return answer.body if answer.status == 200 else None
    if kind == 'tag':
        return registry.digest(*rest)
    return read_files(registry, *rest)


def read_files(registry, reference):
    answer = check.status(registry.request('GET', f'/files/{reference}/'), {200, 404})
    if answer.status == 404:
        return None
    names = sorted(file['path'] for file in json_of(answer)['files'])
    return tuple((name, check.status(registry.request('GET', f'/files/{reference}/{name}'),
                                     200).body) for name in names)


def json_of(answer):
    return json.loads(answer.body)


def check_facts(registry, ledger):
    for key, allowed in ledger.facts.items():
        value = observe(registry, key)
        if value not in allowed:
            raise Lost(f'{key}: {str(value)[:200]}, not one of {str(allowed)[:400]}')


def check_nothing_dangles(registry):
    """Whatever is visible is whole."""
    answer = check.status(registry.request('GET', '/v2/_catalog'), 200)
    for repository in json_of(answer)['repositories']:
        for tag in registry.tags(repository):
            registry.check_holds(repository, tag)


def check_uploads(server, registry, ledger):
    """Those acknowledged go on, at no less than was acknowledged and no more than was sent."""
    for location, pending in ledger.uploads.items():
        answer = registry.request('GET', location)
        if answer.status == 404 and pending.may_be_gone:
            continue
        if answer.status != 204:
            raise Lost(f'an upload with {pending.acknowledged} bytes: {answer.status}')
        offset = int((answer.field('range') or '0-0').partition('-')[2]) + 1
        # "0-0" is what an upload without bytes answers.
        offset = 0 if offset == 1 else offset
        if not pending.acknowledged <= offset <= pending.sent:
            raise Lost(f'an upload is at {offset}; {pending.acknowledged} acknowledged, '
                       f'{pending.sent} sent')
        digest = digest_of(pending.content)
        target = with_query(location, f'digest={digest}')
        rest = pending.content[offset:]
        fields = {**OCTETS, 'Content-Range': f'{offset}-{len(pending.content) - 1}'} if rest \
            else OCTETS
        check.status(registry.request('PUT', target, fields, rest), 201)
        repository = location.split('/')[2]
        if registry.get_blob(repository, digest).body != pending.content:
            raise Lost('a continued upload has another content')
    names = {os.path.basename(name) for name in files_under(server, 'uploads')}
    halves = [name for name in names if not name.endswith('.meta') and f'{name}.meta' not in names]
    check.equal(halves, [], 'files under uploads/ that nothing will remove')


def judge(server, ledger):
    """`server` ended; whatever way, this must hold of its directory."""
    if os.path.isdir(server.data) and os.path.exists(os.path.join(server.data, 'format')):
        server.check_is_clean()
    server.start()
    registry = Registry.of(server)
    check_facts(registry, ledger)
    check_nothing_dangles(registry)
    check_uploads(server, registry, ledger)
    # And it takes writes again.
    registry.push('after', OLD, 'after')
    registry.check_holds('after', 'after')
    server.check_is_clean()
    server.stop()
    server.check_is_clean()


# ---- Under strace

class Traced(Server):
    """A server whose main thread is traced from the start, with the given options of strace."""

    def __init__(self, options=None, **more):
        super().__init__(config=CONFIG, **more)
        self.options = options

    def command(self):
        if self.options is None:
            return super().command()
        # -D: the server is our child, and strace the one that is detached.
        return [command.find('strace'), '-D', '-qq', *self.options, *super().command()]


def attach(pid, options):
    """strace on a thread (or, with -f, a process) that runs; returns it when it is in place."""
    tracer = subprocess.Popen([command.find('strace'), *options, '-p', str(pid)],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    ready, _, _ = select.select([tracer.stderr], [], [], 30)
    text = os.read(tracer.stderr.fileno(), 4096).decode() if ready else ''
    if 'attached' not in text:
        tracer.kill()
        tracer.wait()
        tracer.stderr.close()
        raise NotRun(f'strace cannot trace here: {text.strip()}')
    return tracer


def end(tracer):
    """It ends with what it traces; a killed one has nothing to lose."""
    try:
        tracer.wait(30)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.wait()
    tracer.stderr.close()


def threads_of(pid):
    """Name -> tid."""
    found = {}
    for tid in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{tid}/comm', encoding='utf-8') as file:
            found[file.read().strip() if int(tid) != pid else 'main'] = int(tid)
    return found


def points_of(path, fresh, names, data):
    """The points in a file that strace wrote; calls beside the data directory count, but nothing is
    killed there. `names` maps the tid in front of each line to a thread, or is one thread."""
    counts, points = {}, []
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file:
            thread = names
            if isinstance(names, dict):
                tid, _, line = line.partition(' ')
                thread = names.get(int(tid))
            match = LINE.match(line.strip())
            if match is None or thread is None or match.group(1) not in CALLS:
                continue
            key = (thread, match.group(1))
            counts[key] = counts.get(key, 0) + 1
            if data in match.group(2):
                points.append(Point(fresh, *key, counts[key]))
    return points


def trace_options(path, more=()):
    return ['-y', '-s', '0', '-o', path, '-e', 'trace=' + ','.join(CALLS), *more]


def find_points(setting):
    """Runs everything once undisturbed and lists its storage calls."""
    points = []
    for fresh in (True, False):
        server = Traced()
        path = os.path.join(server.directory, 'strace-main')
        server.options = trace_options(path)
        try:
            points += _find(setting, server, fresh, path)
        finally:
            server.remove()
    return points


def _find(setting, server, fresh, path):
    if fresh:
        server.start()
        server.stop()
        return points_of(path, True, 'main', server.data)
    shutil.copytree(setting.server.data, server.data)
    # The main thread, which has a tracer already, cannot get a second one.
    server.options = None
    server.start()
    names = {tid: name for name, tid in threads_of(server.process.pid).items() if name != 'main'}
    others = os.path.join(server.directory, 'strace-others')
    tracer = attach(server.process.pid, ['-f', *trace_options(others)])
    setting.run(server, setting.ledger.copy())
    server.stop()
    end(tracer)
    points = points_of(others, False, names, server.data)
    shutil.rmtree(server.data)
    shutil.copytree(setting.server.data, server.data)
    server.options = trace_options(path)
    server.start()
    setting.run(server, setting.ledger.copy())
    server.stop()
    return points_of(path, False, 'main', server.data) + points


def injection(point):
    return ['-o', '/dev/null', '-e', f'trace={point.call}',
            '-e', f'inject={point.call}:signal=KILL:when={point.n}']


def killed_at(setting, point):
    """Runs into `point` and judges. False: the point was not reached this time, which happens,
    because threads do not always meet in the same way; then what is there is judged all the same.
    """
    server = Traced()
    ledger = Ledger() if point.fresh else setting.ledger.copy()
    tracer = None
    try:
        if not point.fresh:
            shutil.copytree(setting.server.data, server.data)
        if point.thread == 'main':
            server.options = injection(point)
        with contextlib.suppress(StartError):
            server.start()
            if point.thread != 'main':
                tid = threads_of(server.process.pid)[point.thread]
                tracer = attach(tid, injection(point))
            _go(setting, server, ledger, point)
        if tracer is not None:
            end(tracer)
        status = server.process.wait(60)
        check.one_of(status, {0, -signal.SIGKILL}, 'the end of the server')
        server.options = None
        judge(server, ledger)
        return status != 0
    finally:
        server.remove()


def _go(setting, server, ledger, point):
    try:
        if not point.fresh:
            setting.run(server, ledger)
    except GONE:
        # An error of the scenario itself, not of a server that was killed.
        try:
            server.process.wait(2)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
        raise
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)


def sample(points):
    """The same choice each time: all renames and fsyncs; of every other call of every thread some,
    spread over all of it, and more of the writer, whose calls are all different states."""
    groups = {}
    for point in points:
        groups.setdefault((point.fresh, point.thread, point.call), []).append(point)
    chosen = []
    for (_, thread, call), group in groups.items():
        if call.startswith('rename') or call == 'fsync':
            chosen += group
        else:
            parts = 2 if thread == 'writer' else 1
            chosen += [group[len(group) * (2 * i + 1) // (2 * parts)] for i in range(parts)]
    return chosen
