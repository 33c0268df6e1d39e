# SPDX-License-Identifier: Apache-2.0
"""Kills a server at chosen system calls.

DESIGN: strace counts the calls of each thread for itself, so "the n-th fsync of the process" cannot
be named. A point is therefore (thread, call, n), which names every call exactly once. The main
thread is traced from the first instruction, so that the making of the data directory and the
reading of one that is there are covered; the others are attached to when the server is ready. The
signal comes at the entry of the call, which is then not carried out: state before the n-th call.

All points are tried, so the directories are in memory where that is possible: what a killed process
wrote is still there because the kernel has it, on a disk as well, and waiting for a disk would
show nothing more.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass

import check
import command
import http1
from ledger import Ledger, judge
from server import Server, StartError
from storage_scenario import CONFIG
from tap import NotRun

CALLS = ('pwrite64', 'pwritev', 'pwritev2', 'write', 'fdatasync', 'fsync', 'msync', 'rename',
         'renameat', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'ftruncate', 'mkdir',
         'mkdirat', 'openat')

LINE = re.compile(r'(\w+)\((.*)')
GONE = (OSError, http1.Closed, AssertionError)

MEMORY = '/dev/shm'
ROOM = 256 << 20   # a directory is some MiB, and a few are there at a time


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


def temporary_directory():
    """Where the directories are best made: in memory, or where temporary files are made anyhow."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        return MEMORY
    return tempfile.gettempdir()


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
