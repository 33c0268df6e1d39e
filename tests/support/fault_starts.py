# SPDX-License-Identifier: Apache-2.0
"""Fails the n-th call of a process that starts: a server, fsck, check-config.

DESIGN: what is to fail is written into the shared page before the process runs. Whatever failed, it
does its work, or it ends with a status that is not 0 and words of its own; it neither hangs nor
ends by a signal other than the abort that follows the words. Then the next one, in which nothing
fails, does the work, and what was in the data directory is there.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import check
import http1
from fault_calls import FaultCalls
from fault_loop import CONFIG, FINDINGS_MAX, Finding, KEPT, PATIENCE_SECONDS, sweep_name
from image import digest_of
from registry import OCTETS, Registry, path_of
from scenario import is_sound
from server import REPORTS, START_SECONDS, Server, StartError, binary
from tap import note

# (kind, way, sticky)
START_SWEEPS = [('alloc', 'hard', False), ('alloc', 'hard', True), ('fixed', 'hard', False),
                ('put', 'hard', False), ('put', 'full', True),
                ('call', 'hard', False), ('call', 'hard', True),
                ('call', 'full', False), ('call', 'full', True), ('call', 'short', True)]

# The n-th that there is not.
NEVER = 1 << 40

STARTS = []


def free_port():
    """A server whose log has no memory cannot say where it listens."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def check_words(status, text):
    """Of a process that did not do its work."""
    for report in REPORTS:
        check.true(report not in text, f'a sanitizer has reported: {text[-6000:]}')
    check.true(status > 0 or status == -signal.SIGABRT, f'the end was {status}: {text[-2000:]}')
    check.true('tidemark' in text or '"level":"error"' in text or 'error: ' in text,
               f'status {status} without a word: {text[-2000:]!r}')


class Start:
    """One kind of process, over one data directory for each sweep. `begin(server)` fills it, `go`
    runs the process with the faults and says whether it did its work, `verify` looks at the data
    afterwards."""

    in_ci = False

    def __init__(self, name, in_ci=False):
        self.name = name
        self.in_ci = in_ci

    def sweep(self, kind, way, sticky, totals, limit):
        """About `limit` of the calls, evenly: a start has thousands. Returns how many failed."""
        fired, findings, more, step = 0, [], True, None
        while more and len(findings) < FINDINGS_MAX:
            # A finding may have spoilt the directory.
            with self._directory(kind) as (server, calls):
                step = step or 1 + self._count(server, calls, kind, way) // limit
                while more:
                    n = 1 + fired * step
                    try:
                        self.again(server)
                        calls.arm(n, kind, way, sticky)
                        more = self._one(server, calls, totals,
                                         f'{sweep_name(kind, way, sticky)} {n}')
                    except Finding as finding:
                        note(finding)
                        findings.append(finding)
                        break
                    finally:
                        fired += more
        if findings:
            raise Finding(f'{len(findings)} findings, told above; the last: {findings[-1]}')
        return fired

    def _count(self, server, calls, kind, way):
        self.again(server)
        calls.arm(NEVER, kind, way)
        self.go(server, calls)
        calls.disarm()
        return calls.count()

    @contextlib.contextmanager
    def _directory(self, kind):
        calls = FaultCalls()
        server = Server(config=CONFIG)
        calls.prepare(server)
        if kind == 'fixed':
            # OpenSSL loses some bytes when it has no memory to begin with. The other kinds look.
            options = os.environ.get('ASAN_OPTIONS', '')
            server.environment['ASAN_OPTIONS'] = f'{options}:detect_leaks=0'
        try:
            self.begin(server)
            yield server, calls
            is_sound(server)
        finally:
            server.remove()
            calls.close()

    def again(self, server):
        """Before each process."""

    def _one(self, server, calls, totals, what):
        text = ''
        try:
            did, text = self.go(server, calls)
            calls.disarm()
            hit = calls.hit()
            if hit.fired == 0:
                check.true(did, f'it failed without a fault: {text[-2000:]}')
                return False
            totals.injected += 1
            if did:
                totals.absorbed += 1
            else:
                totals.refused += 1
            self.verify(server)
            return True
        except (AssertionError, OSError, StartError, http1.Closed,
                subprocess.TimeoutExpired) as error:
            hit = calls.hit()
            raise Finding(f'{self.name}, {what}: {hit}: {type(error).__name__}: {error}\n'
                          f'  {hit.where(binary())}\n{text[-1500:]}') from None
        finally:
            calls.disarm()


class Serve(Start):
    """`holds(server)` looks for what the directory must hold afterwards. With `is_first` it is
    empty before each start."""

    def __init__(self, name, holds, is_first=False, in_ci=False):
        super().__init__(name, in_ci)
        self.holds = holds
        self.is_first = is_first

    def begin(self, server):
        if not self.is_first:
            fill(server)

    def again(self, server):
        if self.is_first:
            shutil.rmtree(server.data, ignore_errors=True)

    def go(self, server, calls):
        port = free_port()
        path = os.path.join(server.directory, 'start')
        command = [binary(), 'serve', '--data', server.data, '--listen', f'127.0.0.1:{port}',
                   '--config', server.config]
        with open(path, 'wb') as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**os.environ, **server.environment})
        try:
            ready = self._wait(process, f'127.0.0.1:{port}', calls)
            calls.settle()
            calls.disarm()
            if ready:
                process.send_signal(signal.SIGTERM)
            status = process.wait(START_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        with open(path, encoding='utf-8', errors='replace') as log:
            text = log.read()
        if not ready:
            check_words(status, text)
            return False, text
        for report in REPORTS:
            check.true(report not in text, f'a sanitizer has reported: {text[-6000:]}')
        check.equal(status, 0, 'the end of a server that was ready')
        return True, text

    def _wait(self, process, address, calls):
        """True when it is ready, False when it has ended."""
        begin, first = time.monotonic(), None
        while process.poll() is None:
            try:
                with http1.Connection(address, PATIENCE_SECONDS) as connection:
                    if connection.request('GET', '/readyz').status == 200:
                        return True
            except (OSError, http1.Closed, AssertionError):
                pass
            now = time.monotonic()
            # It may never be ready while all fail; before the first does, it is only slow.
            first = first or (now if calls.hit().fired else None)
            if first is not None and now > first + PATIENCE_SECONDS:
                calls.disarm()
            check.true(now < begin + START_SECONDS, 'neither ready nor at its end')
            time.sleep(0.005)
        return False

    def verify(self, server):
        server.start()
        self.holds(server)
        server.stop()


class Verb(Start):
    """A verb that ends by itself; `words` are in its output when it did its work."""

    def __init__(self, name, arguments, words, in_ci=False):
        super().__init__(name, in_ci)
        self.arguments = arguments
        self.words = words

    def begin(self, server):
        fill(server)

    def go(self, server, calls):
        result = server.run_verb(*self.arguments(server), timeout=START_SECONDS)
        text = result.stdout + result.stderr
        if result.returncode != 0:
            check_words(result.returncode, text)
            return False, text
        for report in REPORTS:
            check.true(report not in text, f'a sanitizer has reported: {text[-6000:]}')
        check.contains(text, self.words(server), 'the output')
        return True, text

    def verify(self, server):
        result = server.run_verb(*self.arguments(server))
        check.equal(result.returncode, 0, f'again: {result.stdout}{result.stderr}')
        check.contains(result.stdout, self.words(server), 'the output')


# ---- What is in the data directory

BEGUN = b'begun and not finished'


def fill(server):
    """A blob, and an upload under way."""
    server.start()
    registry = Registry.of(server)
    registry.push_blob('kept', KEPT)
    location = path_of(registry.begin_upload('kept'))
    answer = registry.request('PATCH', location,
                              {'Content-Range': f'0-{len(BEGUN) - 1}', **OCTETS}, BEGUN)
    check.status(answer, 202)
    server.upload = path_of(answer.field('location'))
    server.stop()


def holds(server):
    registry = Registry.of(server)
    check.equal(registry.get_blob('kept', digest_of(KEPT)).body, KEPT, 'the blob that was there')
    answer = check.status(registry.request('GET', server.upload), 204)
    check.equal(answer.field('range'), f'0-{len(BEGUN) - 1}', 'the upload that was begun')


def takes_writes(server):
    digest = Registry.of(server).push_blob('new', KEPT)
    check.equal(Registry.of(server).get_blob('new', digest).body, KEPT, 'a blob')


def valid_words(server):
    return f'{server.config}: valid'


STARTS += [
    Serve('the start of a server on its data', holds, in_ci=True),
    Serve('the start of a server on an empty directory', takes_writes, is_first=True),
    Verb('fsck', lambda server: ['fsck', '--data', server.data, '--config', server.config],
         lambda server: ' 0 errors', in_ci=True),
    Verb('check-config', lambda server: ['check-config', '--config', server.config], valid_words,
         in_ci=True),
    Verb('check-config --dump-config',
         lambda server: ['check-config', '--dump-config', '--config', server.config],
         lambda server: 'workers: 1'),
]
