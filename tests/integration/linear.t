#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that share a few tags while the server is killed and paused: every tag is one register
to all of them, and the event log has each change once.

TIDEMARK_LINEAR_SECONDS says how long (20); TIDEMARK_LINEAR_SEED what happens when.
"""

import copy
import glob
import os
import shutil
import sys
import tempfile
import time

import check
import event_log
import history
import image
from registry import Registry
from server import Server
from tap import Suite, note

SECONDS = float(os.environ.get('TIDEMARK_LINEAR_SECONDS', '20'))
SEED = int(os.environ.get('TIDEMARK_LINEAR_SEED', time.time_ns() % 1000000))
REPOSITORY = 'linear/app'
CONFIG = 'server:\n  workers: 4\n'

suite = Suite()


class Run:
    """One run of the clients, and everything the cases look at."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='tidemark-')
        self.path = os.path.join(self.folder, 'history')
        self.server = Server(config=CONFIG)
        self.records = self.events = self.dumped = self.tags = self.manifests = None

    def remove(self):
        self.server.remove()
        shutil.rmtree(self.folder)

    def variant(self, records):
        path = os.path.join(self.folder, 'variant')
        history.write(path, records)
        return history.verdict(path)


# ---- Histories that are known

def known(kind):
    folder = os.path.join(os.environ['TOP_SRCDIR'], 'tests', 'linearise', 'histories')
    paths = sorted(glob.glob(os.path.join(folder, f'{kind}-*.jsonl')))
    check.true(len(paths) > 0, f'no {kind} histories in {folder}')
    return paths


@suite.case('histories that are good are found to be good')
def good(_):
    for path in known('good'):
        is_good, said = history.verdict(path)
        check.true(is_good, f'{path}: {said}')


@suite.case('histories that are bad are refused')
def bad(_):
    for path in known('bad'):
        is_good, said = history.verdict(path)
        check.true(not is_good, f'{path}: {said}')
        check.contains(said, 'NOT LINEARISABLE', path)


# ---- One that is made now

@suite.case(f'{SECONDS:g} seconds of kills and pauses: no answer that a server may not give')
def run_clients(run):
    note(f'TIDEMARK_LINEAR_SEED={SEED}')
    run.server.start()
    registry = Registry.of(run.server)
    registry.push_blob(REPOSITORY, b'{}')
    with history.Clients(run.path, REPOSITORY, '-seed', str(SEED)) as clients:
        counts = history.run_disturbed(run.server, clients, SECONDS, SEED)
    run.records = [record for record in history.read(run.path) if record['op'] != 'down']
    unknown = [record for record in run.records if record['result'] == 'unknown']
    note(f'{len(run.records)} requests, {len(unknown)} without an answer, '
         f'{counts["kills"]} kills, {counts["pauses"]} pauses')
    check.true(counts['kills'] > 0 and counts['pauses'] > 0, f'hardly disturbed: {counts}')
    check.true(len(unknown) > 0, 'every request was answered')


@suite.case('every tag is a register')
def linearisable(run):
    is_good, said = history.verdict(run.path)
    note(said)
    check.true(is_good, said)


@suite.case('the same history with one stale read is refused')
def stale(run):
    records = copy.deepcopy(history.read(run.path))
    first = next(record for record in records if record['op'] == 'get' and
                 record['result'] == 'ok')
    later = [record for record in records if record['op'] in ('get', 'head') and
             record['result'] == 'ok' and record['tag'] == first['tag'] and
             record['digest'] != first['digest'] and record['begin'] > first['end']]
    later[-1]['digest'] = first['digest']
    is_good, said = run.variant(records)
    check.true(not is_good, said)


@suite.case('the same history without one acknowledged push is refused')
def lost(run):
    records = copy.deepcopy(history.read(run.path))
    seen = {record.get('digest') for record in records if record['op'] in ('get', 'head')}
    for record in records:
        if record['op'] == 'put' and record['result'] == 'ok' and record['digest'] in seen:
            record['digest'] = 'sha256:' + '0' * 64
    is_good, said = run.variant(records)
    check.true(not is_good, said)


# ---- The log of events

@suite.case('the API gives all events, without a gap')
def dense(run):
    run.events = event_log.by_api(run.server.address)
    event_log.check_dense(run.events)
    registry = Registry.of(run.server)
    run.tags = {tag: registry.digest(REPOSITORY, tag) for tag in registry.tags(REPOSITORY)}
    pushed = {record['digest'] for record in run.records if record['op'] == 'put'}
    run.manifests = {digest for digest in pushed if registry.digest(REPOSITORY, digest)}
    run.server.check_is_clean()
    run.server.stop()


@suite.case('the index has the same events, and each hash follows from the one before')
def chained(run):
    run.dumped = event_log.by_dump(run.server.data)
    event_log.check_same(run.events, run.dumped)


@suite.case('a chain with one changed byte, and one with a gap, are refused')
def broken_chain(_):
    record = bytes.fromhex('0101') + bytes(8)
    rows, before = [], bytes(32)
    for number in range(1, 4):
        before = event_log.hashlib.sha256(before + record).digest()
        rows.append((number.to_bytes(8, 'big'), record + before))
    check.equal(len(event_log.chained(rows)), 3, 'events of the whole one')
    changed = rows[:1] + [(rows[1][0], b'\1\2' + rows[1][1][2:])] + rows[2:]
    for wrong in (changed, rows[:1] + rows[2:]):
        check.true(fails(event_log.chained, wrong), 'it was not refused')


def own_events(run):
    return [event for event in run.events if event.get('repository') == REPOSITORY]


@suite.case('each acknowledged change is in the log exactly once, and nothing else')
def exactly_once(run):
    history.check_events(run.records, own_events(run))


def fails(function, *arguments):
    try:
        function(*arguments)
    except AssertionError:
        return True
    return False


@suite.case('the log without one event, or with one twice, is refused')
def not_once(run):
    events = own_events(run)
    # Asked for once, so that there can be no second event of it.
    asked = history.counted(run.records, lambda record: (record.get('tag'), record.get('digest')))
    answered = {key for key, count in asked.items() if (count.ok, count.unknown) == (1, 0)}
    at = next(i for i, event in enumerate(events) if event['type'] in history.BINDS and
              (event['tag'], event['digest']) in answered)
    for wrong in (events[:at] + events[at + 1:], events[:at + 1] + events[at:]):
        check.true(fails(history.check_events, run.records, wrong), 'the check did not see it')
        check.true(fails(event_log.replayed, run.events[:1] + wrong), 'the replay did not see it')


@suite.case('the log replayed gives the tags and manifests there are')
def replayed(run):
    state = event_log.replayed(run.events)[REPOSITORY]
    check.equal(state.tags, run.tags, 'tags')
    check.equal(state.manifests, run.manifests, 'manifests')
    check.equal(state.blobs, {image.digest_of(b'{}')}, 'blobs')


def main():
    run = Run()
    try:
        return suite.run(run)
    finally:
        run.remove()


sys.exit(main())
