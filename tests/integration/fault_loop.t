#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The n-th allocation, system call or put of a request fails: a whole answer, nothing lost, and the
same request comes through afterwards (tests/support/fault_loop.py says what is judged).

Ten scenarios, every few calls; TIDEMARK_FAULTS_ALL=1 takes every call of all scenarios, of which
TIDEMARK_FAULTS_JOBS run at once (2), each with a server of its own. TIDEMARK_FAULTS_ONLY=<part of a
name> leaves the others out.
"""

import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import sys
from functools import partial

import check
from fault_loop import Loop, SWEEPS, Totals, sweep_name
from fault_scenarios import SCENARIOS
from fault_starts import STARTS, START_SWEEPS
from image import digest_of
from registry import OCTETS, Registry
from scenario import serving
from fault_calls import FaultCalls
from server import binary
from tap import Suite, note

ALL = os.environ.get('TIDEMARK_FAULTS_ALL') == '1'
# Of a sampled sweep: every n-th, and so many.
STEP, LIMIT = 3, 6
# Of a start, of which each costs more than a request.
START_LIMIT = 60 if ALL else 2

suite = Suite()
totals = Totals()


def named(cases, name):
    return next(each for each in cases if each.name == name)


def loop_over(name):
    """All faults in one; returns the totals and what to tell."""
    scenario, told = named(SCENARIOS, name), []
    with Loop(scenario, '', goes_on=ALL) as loop:
        for kind, way, sticky in SWEEPS:
            if ALL:
                told.append(f'{sweep_name(kind, way, sticky)}: {loop.sweep(kind, way, sticky)}')
            else:
                loop.sweep(kind, way, sticky, STEP, LIMIT)
        loop.end()
        check.true(loop.totals.injected > 0, 'nothing was injected')
    told.append(f'{loop.totals}; {dict(loop.sites)}; longest {loop.longest_s:.1f} s')
    return loop.totals, told


def start_over(name):
    """All faults while a process starts and does its work."""
    start, told = named(STARTS, name), []
    totals_of_it = Totals()
    for kind, way, sticky in START_SWEEPS:
        fired = start.sweep(kind, way, sticky, totals_of_it, START_LIMIT)
        if ALL:
            told.append(f'{sweep_name(kind, way, sticky)}: {fired}')
    check.true(totals_of_it.injected > 0, 'nothing was injected')
    return totals_of_it, told + [str(totals_of_it)]


def report(_, work):
    """`work()` is what loop_over returns, when it is there."""
    found, told = work()
    totals.add(found)
    for line in told:
        note(line)


def add_loops(function, cases, pool):
    for each in cases:
        if ALL or each.in_ci:
            # Begun now, all of them; waited for in order.
            work = (pool.submit(function, each.name).result if pool
                    else partial(function, each.name))
            suite.add(f'faults in: {each.name}', report, work)


@suite.case('no memory where that ends the process: everything acknowledged is there after a start')
def fixed(_):
    with Loop(named(SCENARIOS, 'PUT of a manifest by tag'), 'fixed-') as loop:
        n = 1
        while (ALL or loop.totals.injected < 3) and loop.fixed(f'fixed-{n}', n):
            n += 1 if ALL else 5
        loop.end()
        totals.add(loop.totals)
        check.true(loop.totals.injected > 0, 'nothing was injected')


@suite.case('a control: faults are counted and reach a request')
def control(_):
    calls = FaultCalls()
    with serving(prepare=calls.prepare) as server:
        registry = Registry(server.address)
        content = b'control'
        target = f'/v2/app/blobs/uploads/?digest={digest_of(content)}'
        calls.arm(1, 'call', 'hard', only='renameat2')
        answer = registry.request('POST', target, OCTETS, content)
        calls.disarm()
        hit = calls.hit()
        if hit.fired == 0:
            calls.arm(1, 'call', 'hard', only='renameat')
            answer = registry.request('POST', target, OCTETS, content)
            calls.disarm()
            hit = calls.hit()
        check.equal(hit.fired, 1, 'calls that failed')
        check.error(answer, 500, 'UNKNOWN')
        check.status(registry.request('POST', target, OCTETS, content), 201)


@suite.case('the clock on the wall steps ahead and back: clock.stepped, requests and waits go on')
def clock(_):
    calls = FaultCalls()
    with serving(prepare=calls.prepare) as server:
        registry = Registry(server.address)
        for number, seconds in enumerate((86400, -86400, 6)):
            # A wait that is under way keeps its length, which the monotonic clock measures.
            location = registry.begin_upload('app')
            calls.step_wall(seconds)
            content = b'step %d' % number
            digest = registry.push_blob('app', content)
            check.equal(registry.get_blob('app', digest).body, content, 'the blob')
            answer = registry.request('GET', '/api/v1/events?after=last&wait=1s')
            check.status(answer, 200)
            check.status(registry.request('GET', location), {204, 404})
            check.eventually('clock.stepped is in the log', lambda: len(json.loads(
                registry.request('GET', '/api/v1/events?after=0&types=clock.stepped').body)
                ['events']) == number + 1)


def chosen(cases):
    return [each for each in cases if os.environ.get('TIDEMARK_FAULTS_ONLY', '') in each.name]


def pool_of_loops():
    jobs = int(os.environ.get('TIDEMARK_FAULTS_JOBS', '2' if ALL else '1'))
    if jobs < 2:
        return contextlib.nullcontext()
    return concurrent.futures.ProcessPoolExecutor(jobs, multiprocessing.get_context('fork'))


def has_fault_calls():
    with open(binary(), 'rb') as file:
        return b'FAULT_CALLS' in file.read()


if not has_fault_calls():
    print('1..0 # SKIP built without --enable-fault-injection')
    sys.exit(0)
with pool_of_loops() as pool:
    add_loops(loop_over, chosen(SCENARIOS), pool)
    add_loops(start_over, chosen(STARTS), pool)
    status = suite.run(None)
note(f'all scenarios: {totals}')
sys.exit(status)
