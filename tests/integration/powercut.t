#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The power is lost at any call of the scenario: everything acknowledged is there afterwards.

A preloaded library writes down what the server does to its files (tests/support/powercut/); from
that come directories as a disk may have them after a loss of power, and a server is started on each.
1,000 of them; TIDEMARK_POWERCUT_STATES=N takes as many.

The controls: without syncs, with MDB_NOSYNC, and with the syncs of one place left out, for each
place, something acknowledged must be lost, or the states do not show what a sync is for.
"""

import concurrent.futures
import os
import sys

import check
import command
from powercut import matrix
from powercut.recording import Kind
from server import binary, is_sanitized
from storage_scenario import Setting
from tap import Suite, note

STATES = int(os.environ.get('TIDEMARK_POWERCUT_STATES', '1000'))
ALL = STATES > 1000
# Kills before the loss of power: of so many calls one. And states after each.
EVERY = 1 if ALL else 24
AFTER_KILL = 40 if ALL else 8

suite = Suite()


class Context:
    """The recording of the scenario, and the directory it begins with."""

    def __init__(self, setting):
        self.setting = setting
        self.scenario = matrix.record_scenario()


def try_states(recording, pairs, wanted):
    """Tries states until so many different ones were; returns how many, and what was lost."""
    tried, lost = 0, []
    with matrix.Trial(recording) as trial:
        for result in trial.results(pairs):
            if result is None:
                continue
            tried += 1
            if result:
                lost.append(result)
            if tried >= wanted or len(lost) >= 10:
                break
    return tried, lost


@suite.case('power lost in the scenario: everything acknowledged is there, nothing dangles')
def states(context):
    recording = context.scenario
    note(f'{len(recording.ops)} calls recorded, {len(recording.times())} times')
    tried, lost = try_states(recording, matrix.all_pairs(recording), STATES)
    note(f'{tried} different states tried, {len(lost)} with a loss')
    check.true(not lost, '\n'.join(lost))
    check.equal(tried, STATES, 'states tried')


def after_kills(setting, times):
    with concurrent.futures.ThreadPoolExecutor(matrix.AT_ONCE) as pool:
        results = list(pool.map(lambda time: matrix.try_killed(time, setting, AFTER_KILL), times))
    tried = sum(each for each, _ in results)
    lost = [text for _, texts in results for text in texts]
    note(f'{len(times)} kills, {tried} different states tried, {len(lost)} with a loss')
    check.true(not lost, '\n'.join(lost))
    check.true(tried >= len(times), f'only {tried} states after {len(times)} kills')


@suite.case('killed in the first start, then power lost under the next server')
def killed_first_start(context):
    ops = [op for op in context.scenario.ops if op.kind != Kind.MKDIR][:40]
    after_kills(None, [op.begin for op in ops[::max(1, EVERY // 8)]])


@suite.case('killed in the scenario, all pushed again, then power lost')
def killed(context):
    whole = matrix.record_served(context.setting)
    after_kills(context.setting, [op.begin for op in whole.ops[::EVERY]])


def is_reported(recording, ignores=lambda op: False):
    loss = matrix.first_loss(recording, ignores)
    check.true(loss is not None, 'the loss was not noticed')
    note(loss[:300])


@suite.case('a control: under libeatmydata, which makes all syncs do nothing, there is a loss')
def eatmydata(_):
    is_reported(matrix.record_scenario(preload=['libeatmydata.so']))


@suite.case('a control: with MDB_NOSYNC there is a loss')
def nosync(_):
    is_reported(matrix.record_scenario(environment={'POWERCUT_NOSYNC': '1'}))


def place_of(site):
    """Functions and lines of the program in a site, the innermost first. A compiler may have made
    several copies of one place."""
    name = os.path.basename(binary())
    offsets = [hex(int(frame.rpartition('+')[2], 16) - 1) for frame in site.split()
               if frame.startswith(f'{name}+')]
    found = command.run('addr2line', '-sfie', binary(), *offsets).splitlines()
    return ' <- '.join(f'{function} ({line.split()[0]})'
                       for function, line in list(zip(found[::2], found[1::2]))[:6])


@suite.case('a control: with the syncs of any one place left out there is a loss')
def each_place(context):
    places, unnoticed = {}, []
    for site in context.scenario.sites():
        places.setdefault(place_of(site), set()).add(site)
    for place, sites in places.items():
        loss = matrix.first_loss(context.scenario, lambda op, sites=sites: op.site in sites)
        note(f'{place}: {loss[:160] if loss else "NOT NOTICED"}')
        if loss is None:
            unnoticed.append(place)
    note(f'{len(places)} places')
    check.equal(unnoticed, [], 'places whose syncs seem to be for nothing')


if is_sanitized():
    print('1..0 # SKIP the recorder cannot be loaded before a sanitizer')
    sys.exit(0)
with Setting() as prepared:
    status = suite.run(Context(prepared))
sys.exit(status)
