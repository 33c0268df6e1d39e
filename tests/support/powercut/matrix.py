# SPDX-License-Identifier: Apache-2.0
"""The scenario of the storage under the recorder, and states of its disk tried on servers."""

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
from dataclasses import dataclass

import check
from kill_matrix import GONE
from ledger import Client, check_uploads_loosely, judge
from powercut.disk import Disk, entries_under
from powercut.recording import Kind, Recorder, TimedLedger
from powercut.states import BYTES_ONLY, EVERYTHING, NAMES_ONLY, NOTHING, Choice, State
from server import Server, StartError
from storage_scenario import CONFIG, LARGE, NEW, RESUMED, SHARED, Setting

AT_ONCE = 2 * (os.cpu_count() or 1)
# One state is a few MiB, and there are AT_ONCE of them.
ROOM = 512 << 20

# Between so many calls that only make one of the 256 folders of the blobs there is one cut.
MKDIRS = 32

# What a control tries behind a sync that was left out.
CALLS_BEHIND = 12
CHOICES_BEHIND = 60

# Not by calls, and rebuilt by each start.
NOT_RECORDED = {'data/index/lock.mdb', 'data/lock.mdb', 'data/control.sock'}


@dataclass(frozen=True)
class Recording:
    """`initial` is what was there and durable (disk.entries_under); `history` that of a TimedLedger.
    """

    initial: dict
    ops: list
    history: list
    second_start: int = 0   # the number then, of a server that was killed

    def promised(self, time):
        """(number of the entry of the history, Ledger)"""
        number = sum(1 for since, _ in self.history if since <= time) - 1
        return number, self.history[number][1]

    def disk(self, time, ignores=lambda op: False):
        return Disk(self.initial, self.ops, time, ignores)

    def times(self):
        """When the power is lost: after each call, and at each request and answer."""
        found, mkdirs = {since for since, _ in self.history}, 0
        for op in self.ops:
            mkdirs = mkdirs + 1 if op.kind == Kind.MKDIR else 0
            if mkdirs % MKDIRS in (0, 1):
                found.add(op.end + 1)
        return sorted(found)

    def last_call(self, time):
        return next((op for op in reversed(self.ops) if op.end < time), None)

    def sites(self):
        """Who asked for a sync, each once."""
        return list(dict.fromkeys(op.site for op in self.ops if op.kind == Kind.SYNC))


def record(run, setting=None, preload=(), environment=None):
    """`run(server, ledger)` starts and stops the server, and tells the ledger what was promised; it
    may return the second_start. It begins with nothing, or with what a Setting has made."""
    with tempfile.TemporaryDirectory(prefix='tidemark-') as directory:
        recorder = Recorder(directory, preload, environment)
        server = Server(config=CONFIG, environment=recorder.environment)
        try:
            if setting is not None:
                shutil.copytree(setting.server.data, server.data)
            os.remove(server.config)   # no part of what a power cut may change
            initial = entries_under(server.directory)
            server.write_config(CONFIG)
            ledger = TimedLedger(recorder, setting and setting.ledger)
            second_start = run(server, ledger) or 0
            recording = Recording(initial, recorder.ops(), ledger.history, second_start)
            check_complete(recording, server.directory)
            return recording
        finally:
            server.remove()


def record_scenario(preload=(), environment=None):
    """From an empty directory on."""
    def run(server, ledger):
        setting = Setting(server, ledger)
        setting.prepare()
        server.start()
        setting.run(server, ledger)
        server.stop()
    return record(run, None, preload, environment)


def record_killed(time, setting=None):
    """A server that is killed at a time of its first start, or with `setting` of the scenario; the
    clients push all of it again to the next one, as they do."""
    def run(server, ledger):
        server.environment['POWERCUT_KILL_AT'] = str(time)
        with contextlib.suppress(StartError, *GONE):
            server.start()
            if setting is not None:
                setting.run(server, ledger)
        server.process.terminate()
        check.one_of(server.process.wait(60), {0, -signal.SIGKILL}, 'the end of the server')
        del server.environment['POWERCUT_KILL_AT']
        second_start = ledger.now()
        server.start()
        push_again(Client(server, ledger))
        server.stop()
        return second_start
    return record(run, setting)


def record_served(setting):
    """The scenario alone."""
    def run(server, ledger):
        server.start()
        setting.run(server, ledger)
        server.stop()
    return record(run, setting)


def push_again(client):
    client.push('app', 'new', NEW)
    client.push('app', 'large', LARGE)
    client.put_manifest('app', 'moved', NEW)
    client.push_at_once('app', SHARED)
    client.mount('other', 'app', SHARED)
    client.push_blob('app', RESUMED)
    client.publish('files/app:two', [('a', b'first'), ('b', b'second')])


def check_complete(recording, directory):
    """All that was recorded, applied in order, is what the server left: no call was missed."""
    told = State(recording.disk(float('inf')), Choice(EVERYTHING)).entries
    real = {path: entry.content for path, entry in entries_under(directory).items()}
    told, real = ({path: content for path, content in each.items()
                   if path.startswith('data/') and path not in NOT_RECORDED}
                  for each in (told, real))
    check.equal(sorted(told), sorted(real), 'files by the recording')
    for path, content in real.items():
        check.true(told[path] == content, f'{path} is not what was recorded')


# ---- Trying states

def try_state(state, ledger):
    """What a server makes of it; raises AssertionError or StartError when something is lost."""
    server = Server(config=CONFIG)
    try:
        state.write(server.directory)
        judge(server, ledger, check_pending=check_uploads_loosely)
    finally:
        server.remove()


class Trial:
    """States of one recording, tried by several processes. Use as a context manager."""

    def __init__(self, recording, ignores=lambda op: False):
        self._recording = recording
        self._ignores = ignores

    def __enter__(self):
        self._seen = tempfile.TemporaryDirectory(prefix='tidemark-')
        self._pool = concurrent.futures.ProcessPoolExecutor(
            AT_ONCE, multiprocessing.get_context('fork'), _begin,
            (self._recording, self._ignores, self._seen.name))
        return self

    def __exit__(self, *_):
        self._pool.shutdown(cancel_futures=True)
        self._seen.cleanup()

    def results(self, pairs):
        """For each (time, number) in any order: None when an equal state was tried before, '' or
        what was lost."""
        pairs = iter(pairs)
        waiting = {self._pool.submit(_try, *pair) for pair in itertools.islice(pairs, 2 * AT_ONCE)}
        while waiting:
            done, waiting = concurrent.futures.wait(
                waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                yield future.result()
            waiting |= {self._pool.submit(_try, *pair)
                        for pair in itertools.islice(pairs, len(done))}


_context = None


def _begin(*context):
    global _context
    _context = context
    if os.path.isdir('/dev/shm') and os.access('/dev/shm', os.W_OK):
        room = os.statvfs('/dev/shm')
        if room.f_bavail * room.f_frsize > ROOM:
            tempfile.tempdir = '/dev/shm'


def _is_new(name, folder):
    try:
        os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL, 0o600))
        return True
    except FileExistsError:
        return False


def _try(time, number):
    recording, ignores, seen = _context
    return try_at(recording, time, number, lambda name: _is_new(name, seen), ignores)


def try_at(recording, time, number, is_new, ignores=lambda op: False):
    """None when `is_new` says that an equal state was tried before, '' or what was lost."""
    state = State(recording.disk(time, ignores), Choice(number, time))
    entry, ledger = recording.promised(time)
    if not is_new(f'{entry}-{state.digest()}'):
        return None
    try:
        try_state(state, ledger.copy())
    except (AssertionError, StartError, OSError) as error:
        return (f'power lost at {time}, after {recording.last_call(time)}, choice {number}: '
                f'{type(error).__name__}: {str(error)[:1500]}')
    return ''


def try_killed(time, setting, wanted):
    """So many states of what the next server left after a kill at `time`: (tried, [lost])."""
    recording = record_killed(time, setting)
    seen, lost, tried = set(), [], 0

    def is_new(name):
        known = len(seen)
        seen.add(name)
        return len(seen) > known

    for when, number in promising_pairs(recording, 2):
        result = None
        if when >= recording.second_start:
            result = try_at(recording, when, number, is_new)
        if result is not None:
            tried += 1
            lost += [f'killed at {time}: {result}'] if result else []
        if tried >= wanted:
            break
    return tried, lost


def all_pairs(recording):
    """Nothing that was not synced is there, at each time; then everything else, without end."""
    times = recording.times()
    yield from ((time, NOTHING) for time in times)
    draw = random.Random(1)
    for begin in itertools.count(EVERYTHING, 8):
        pairs = [(time, number) for time in times for number in range(begin, begin + 8)]
        draw.shuffle(pairs)
        yield from pairs


def promising_pairs(recording, rounds):
    """Those that show a missing sync soonest: right after an answer."""
    times = [since for since, _ in recording.history]
    for number in [NOTHING, NAMES_ONLY, BYTES_ONLY, *range(BYTES_ONLY + 1, BYTES_ONLY + 1 + rounds)]:
        yield from ((time, number) for time in times)


def first_loss(recording, ignores=lambda op: False, rounds=1):
    """What is lost when those syncs do nothing, or None."""
    pairs = itertools.chain(promising_pairs(recording, rounds), pairs_behind(recording, ignores))
    with Trial(recording, ignores) as trial:
        return next((result for result in trial.results(pairs) if result), None)


def pairs_behind(recording, ignores):
    """All that may be there while the next calls are made behind a sync that does nothing: some
    are for the order of things, which only few states have wrong."""
    at = next((i for i, op in enumerate(recording.ops) if ignores(op)), None)
    if at is not None:
        times = [op.end + 1 for op in recording.ops[at:at + CALLS_BEHIND]]
        for number in range(BYTES_ONLY + 1, BYTES_ONLY + 1 + CHOICES_BEHIND):
            yield from ((time, number) for time in times)
