# SPDX-License-Identifier: Apache-2.0
"""Fails the n-th call of a request, n = 1, 2, .. until none fails any more, and judges the answer.

DESIGN: what must hold after each fault, whatever failed: the client has a whole answer, the wanted
one or one of the error table with a status that blames the server (a 404 for a disk that cannot be
read would be a lie); the connection is closed without one only where the connection itself failed;
the process lives and answers; what it acknowledged is there; the same requests come through as soon
as nothing fails. A writer that has stopped goes on after a restart, which checks the index.
"""

import collections
import contextlib
import json
import os
import re
import signal
import time
from dataclasses import dataclass

import check
import http1
from fault_calls import FaultCalls
from fault_scenarios import Client, Cut, Ended, Gone, Refused
from image import digest_of
from registry import OCTETS, Registry
from scenario import events, is_sound
from server import Server, binary
from tap import note

# (kind, way, sticky)
SWEEPS = [('alloc', 'hard', False), ('alloc', 'hard', True),
          ('put', 'hard', False), ('put', 'full', True),
          ('call', 'hard', False), ('call', 'hard', True),
          ('call', 'full', False), ('call', 'full', True),
          ('call', 'short', False), ('call', 'short', True),
          ('call', 'intr', False), ('call', 'again', False)]

# A call of the connection itself: nobody is left to be answered.
OF_CONNECTION = {'accept4', 'recv', 'send', 'sendmsg', 'epoll_ctl', 'setsockopt'}
# And those of a body whose head is gone already.
OF_BODY = OF_CONNECTION | {'sendfile', 'pread', 'preadv2'}

# Where no memory means no connection.
CONNECTION_MEMORY = ('conn_open', 'worker_give', 'worker_take_exchange', 'epoll_ctl')

# Of server/worker.c: what is kept of connections that had their memory already.
RESERVE_EXCHANGES = 16

PATIENCE_SECONDS = 1
DEADLINE_SECONDS = 20
CONFIG = 'server:\n  workers: 1\n  cpu_threads: 1\n  io_threads: 2\nstorage:\n  reserve: 0\n'
KEPT = b'kept all the time'
FINDINGS_MAX = 20


def sweep_name(kind, way, sticky):
    return f'{kind} {way}' + (' sticky' if sticky else '')


class Finding(AssertionError):
    """What must not happen after a fault."""


@dataclass
class Totals:
    injected: int = 0
    absorbed: int = 0
    refused: int = 0
    closed: int = 0
    restarts: int = 0

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self):
        return (f'{self.injected} faults: {self.absorbed} made no difference, {self.refused} '
                f'refused, {self.closed} closed; {self.restarts} restarts')


def error_table():
    path = os.path.join(os.environ['TOP_SRCDIR'], 'base', 'err.def')
    with open(path, encoding='utf-8') as file:
        return re.findall(r'^X\((\w+), (\d+), "(\w+)",', file.read(), re.MULTILINE)


TABLE = error_table()


def check_refusal(answer):
    """An answer that blames the server, of the error table, well-formed."""
    what = f'{answer.request}: {answer.status} {answer.body[:300]!r}'
    if answer.status not in (500, 503, 507):
        raise Finding(f'an answer that does not fit the fault: {what}')
    if answer.request.startswith('HEAD'):
        return
    try:
        document = json.loads(answer.body)
        if 'errors' in document:
            code, text = document['errors'][0]['code'], document['errors'][0]['message']
            known = {(int(status), oci) for _, status, oci in TABLE}
        else:
            code, text = document['code'], document['title']
            known = {(int(status), name) for name, status, _ in TABLE}
            check.equal(document['status'], answer.status, 'status in the document')
    except (ValueError, KeyError, AssertionError) as error:
        raise Finding(f'no error document ({error}): {what}') from None
    if (answer.status, code) not in known or text == '':
        raise Finding(f'not of the error table: {what}')


class Loop:
    """One server, and faults in it. With `goes_on` a finding does not end a sweep, and end()
    fails."""

    def __init__(self, scenario, tag, goes_on=False):
        self.scenario = scenario
        self.tag = tag
        self.goes_on = goes_on
        self.findings = []
        self.calls = FaultCalls()
        self.server = Server(config=CONFIG + scenario.config)
        self.totals = Totals()
        self.sites = collections.Counter()
        self.longest_s = 0

    def __enter__(self):
        self.calls.prepare(self.server)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        self.server.start()
        Registry.of(self.server).push_blob('kept', KEPT)

    def __exit__(self, *_):
        self.server.remove()
        self.calls.close()

    def end(self):
        """No report of a sanitizer, no finding of fsck."""
        if self.findings:
            raise Finding(f'{len(self.findings)} findings, told above; '
                          f'the last: {self.findings[-1]}')
        self.server.stop()
        is_sound(self.server)

    def _anew(self):
        """A new server on new data, after a finding."""
        self.server.remove()
        self.calls.close()
        self.calls = FaultCalls()
        self.server = Server(config=CONFIG + self.scenario.config)
        self.calls.prepare(self.server)
        self._start()

    def sweep(self, kind, way, sticky, step=1, limit=None, only=''):
        """n = 1, 1 + step, ... until nothing fires; returns how many did."""
        fired, n = 0, 1
        while limit is None or fired < limit:
            seed = f'{self.tag}{kind}-{way}-{int(sticky)}-{n}-{only}'.rstrip('-')
            try:
                if not self.one(seed, n, kind, way, sticky, only):
                    break
            except Exception as error:
                note(f'{type(error).__name__}: {error}')
                self.findings.append(error)
                if not self.goes_on or len(self.findings) >= FINDINGS_MAX:
                    self.end()
                self._anew()
            fired += 1
            n += step
        return fired

    def one(self, seed, n, kind, way, sticky, only=''):
        """Fails the n-th; False when there is no n-th."""
        registry = Registry.of(self.server)
        self.scenario.arrange(registry, seed)
        client = Client(self.server.address, PATIENCE_SECONDS if sticky else None,
                        self._give_up, DEADLINE_SECONDS)
        begin = time.monotonic()
        with self._without_reserve() if kind == 'alloc' else contextlib.nullcontext():
            self.calls.arm(n, kind, way, sticky, only)
            try:
                outcome = self._run(client, seed)
                self.longest_s = max(self.longest_s, time.monotonic() - begin)
                self.calls.settle()
            finally:
                self.calls.disarm()
        hit = self.calls.hit()
        if hit.fired == 0:
            if isinstance(outcome, Exception):
                raise Finding(f'{self.scenario.name}: without a fault {outcome!r}')
            return False
        try:
            self._judge(outcome, hit, seed)
        except (AssertionError, OSError, Gone, Cut, Refused, http1.Closed) as error:
            log = self.server.log_text()[-1500:]
            raise Finding(f'{self.scenario.name}, {sweep_name(kind, way, sticky)} {n}: {hit}: '
                          f'{type(error).__name__}: {error}\n  {hit.where(binary())}\n{log}'
                          ) from None
        return True

    @contextlib.contextmanager
    def _without_reserve(self):
        """Connections in the middle of a head hold what the server keeps in reserve, so that the
        next one begins with nothing."""
        with contextlib.ExitStack() as stack:
            for _ in range(RESERVE_EXCHANGES):
                connection = stack.enter_context(http1.Connection(self.server.address))
                connection.send(http1.head(self.server.address, 'GET', '/livez') + b'GET')
                check.status(connection.response(), 200)
            yield

    def _give_up(self):
        """False when nothing has failed yet, so that it is only slow."""
        if self.calls.hit().fired == 0:
            return False
        self.calls.disarm()
        return True

    def _run(self, client, seed):
        """None, or how it ended early."""
        try:
            self.scenario.run(client, seed)
        except (Refused, Gone, Cut, AssertionError) as early:
            return early
        return None

    def _judge(self, outcome, hit, seed):
        if not self.server.is_running():
            raise Finding(f'the server ended with status {self.server.process.returncode}')
        self.totals.injected += 1
        self.sites[hit.name] += 1
        if isinstance(outcome, AssertionError):
            raise outcome
        if isinstance(outcome, Refused):
            check_refusal(outcome.response)
            self.totals.refused += 1
        elif isinstance(outcome, Gone):
            self._check_may_close(hit)
            self.totals.closed += 1
        elif isinstance(outcome, Cut):
            if hit.name not in OF_BODY and not isinstance(outcome, Ended):
                raise Finding(f'an answer was cut: {outcome}')
            self.totals.closed += 1
        registry = Registry.of(self.server)
        if outcome is None:
            self.scenario.verify(registry, seed)
            self.totals.absorbed += 1
        self._check_lives(registry)
        again = self._run(Client(self.server.address, deadline=DEADLINE_SECONDS), seed)
        if again is not None:
            raise Finding(f'after {outcome!r}, and now without a fault: {again!r}')
        self.scenario.verify(Registry.of(self.server), seed)

    def _check_may_close(self, hit):
        if hit.name in OF_CONNECTION:
            return
        # The first fault may have had its answer, and the next connection no memory.
        for stack in (hit.stack, hit.last):
            where = hit.where(binary(), stack)
            if any(name in where for name in CONNECTION_MEMORY):
                return
        raise Finding(f'closed without an answer; the last was {where}')

    def _check_lives(self, registry):
        check.status(http1.request(self.server.address, 'GET', '/livez'), 200)
        check.equal(registry.get_blob('kept', digest_of(KEPT)).body, KEPT, 'the blob that was there')
        if http1.request(self.server.address, 'GET', '/readyz').status == 200:
            return
        # The writer has stopped: no write is acknowledged by this process any more. The log has a
        # thread of its own.
        check.eventually('index.fatal is in the log', lambda: events(self.server, 'index.fatal'))
        target = f'/v2/kept/blobs/uploads/?digest={digest_of(b"no")}'
        check.error(registry.request('POST', target, OCTETS, b'no'), 503, 'UNKNOWN')
        self.server.restart()
        self.totals.restarts += 1
        check.equal(len(events(self.server, 'fsck.begin')), 1, 'checks at the start')

    def fixed(self, seed, n):
        """Fails the n-th allocation whose failure ends the process; False when there is none."""
        registry = Registry.of(self.server)
        self.scenario.arrange(registry, seed)
        self.calls.arm(n, 'fixed')
        try:
            outcome = self._run(Client(self.server.address, deadline=DEADLINE_SECONDS), seed)
            self.calls.settle()
        finally:
            self.calls.disarm()
        hit = self.calls.hit()
        if hit.fired == 0:
            return False
        check.equal(self.server.process.wait(DEADLINE_SECONDS), -signal.SIGABRT, 'the end')
        check.true(re.search('^tidemark: ', self.server.log_text(), re.MULTILINE), 'no last words')
        self.totals.injected += 1
        self.totals.closed += 1
        self.totals.restarts += 1
        is_sound(self.server)
        self.server.start()
        if outcome is None:
            self.scenario.verify(Registry.of(self.server), seed)
        again = self._run(Client(self.server.address, deadline=DEADLINE_SECONDS), seed)
        if again is not None:
            raise Finding(f'{self.scenario.name}, fixed {n}: after a restart {again!r}')
        self.scenario.verify(Registry.of(self.server), seed)
        return True
