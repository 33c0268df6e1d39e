#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 before each storage system call of a scenario: nothing acknowledged is lost.

This shows the order of what is written, not that it is synced: what a process wrote survives it.
"""

import concurrent.futures
import os
import shutil
import sys
import tempfile

import check
import kill_matrix
from image import digest_of
from kill_matrix import Traced
from ledger import judge
from server import is_sanitized
from storage_scenario import SHARED, Setting
from tap import Suite, note

AT_ONCE = 4   # each waits for processes to begin and end most of the time

suite = Suite()


@suite.case('killed before a storage call: everything acknowledged is there, nothing dangles')
def matrix(setting):
    points = kill_matrix.find_points(setting)
    for call in ('fdatasync', 'fsync', 'pwrite64'):
        check.true(any(point.call == call for point in points), f'no {call} was seen')
    check.true(any(point.call.startswith('rename') for point in points), 'no rename was seen')
    failures = []

    def one(point):
        try:
            return kill_matrix.killed_at(setting, point)
        # Whatever it is, it is the failure of this point, and the others are still to be tried.
        except Exception as error:
            failures.append(f'{point}: {type(error).__name__}: {error}')
            return True

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        killed = sum(pool.map(one, points))
    note(f'{len(points)} storage calls, killed at {killed}')
    check.true(not failures, '\n'.join(failures))
    check.true(killed * 10 >= len(points) * 9, f'killed only {killed} times of {len(points)}')


class Aftermath:
    """What a kill after the scenario left, for controls to damage copies of. Made once."""

    def __init__(self):
        self.server = None
        self.ledger = None

    def of(self, setting):
        if self.server is None:
            self.server, self.ledger = Traced(), setting.ledger.copy()
            shutil.copytree(setting.server.data, self.server.data)
            self.server.start()
            setting.run(self.server, self.ledger)
            self.server.kill()
        return self

    def remove(self):
        if self.server is not None:
            self.server.remove()


aftermath = Aftermath()


def after_scenario(setting, damage):
    """Damages what the scenario left, and judges it."""
    origin = aftermath.of(setting)
    server, ledger = Traced(), origin.ledger.copy()
    try:
        shutil.copytree(origin.server.data, server.data,
                        ignore=shutil.ignore_patterns('control.sock'))
        damage(server, ledger)
        judge(server, ledger)
    finally:
        server.remove()


def is_noticed(setting, damage):
    try:
        after_scenario(setting, damage)
    except AssertionError as error:
        note(f'noticed: {str(error)[:150]}')
        return
    check.true(False, 'the loss was not noticed')


def lose_blob(server, _):
    name = digest_of(SHARED).partition(':')[2]
    os.remove(os.path.join(server.data, 'blobs', 'sha256', name[:2], name))


def lose_fact(kind):
    """Nothing is gone, but one more thing was promised: what the requests see, fsck cannot."""
    def damage(_, ledger):
        key = next(key for key in ledger.facts if key[0] == kind)
        ledger.facts[key] = {'another'}
    return damage


def lose_upload(server, ledger):
    location = next(iter(ledger.uploads))
    name = location.partition('?')[0].rpartition('/')[2]
    os.truncate(os.path.join(server.data, 'uploads', name), 10)


suite.add('a control: undamaged there is nothing to report', after_scenario, lambda *_: None)
suite.add('a control: a blob file that is missing is reported', is_noticed, lose_blob)
suite.add('a control: an upload that is shorter than acknowledged is reported', is_noticed,
          lose_upload)
for each in ('blob', 'manifest', 'tag', 'files'):
    suite.add(f'a control: not what was acknowledged is reported ({each})', is_noticed,
              lose_fact(each))


if is_sanitized():
    print('1..0 # SKIP sanitizers do not work under a tracer')
    sys.exit(0)
tempfile.tempdir = kill_matrix.temporary_directory()
try:
    with Setting() as context:
        status = suite.run(context)
finally:
    aftermath.remove()
sys.exit(status)
