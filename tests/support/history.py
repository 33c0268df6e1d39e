# SPDX-License-Identifier: Apache-2.0
"""Clients at work while the server is killed and paused, and what the event log makes of it.

The clients and the check of their history are a Go program, tests/linearise; `./dev` builds it.
"""

import collections
import json
import random
import subprocess
import time

import check
import command

WRITES = ('put', 'delete', 'delete-manifest')
BINDS = ('tag.bound', 'tag.moved')


def program():
    return command.find('linearise')


class Clients:
    """Clients at work. Use as a context manager; the history is complete afterwards."""

    def __init__(self, path, repository, *options):
        self.path = path
        self._command = [program(), 'load', '-repository', repository, *options, path]
        self._process = None

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, exception_type, *_):
        _, errors = self._process.communicate()
        if exception_type is None:
            check.equal(self._process.returncode, 0, f'{errors}exit status of the clients')

    def say(self, *words):
        self._process.stdin.write(' '.join(map(str, words)) + '\n')
        self._process.stdin.flush()


def run_disturbed(server, clients, seconds, seed):
    """The clients work that long; the server is paused and killed meanwhile. Returns how often."""
    choice = random.Random(seed)
    counts = collections.Counter()
    clients.say('up', 0, server.address)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(choice.uniform(0.2, 0.8))
        if choice.random() < 0.5:
            server.pause()
            time.sleep(choice.uniform(0.02, 0.5))
            if choice.random() < 0.7:
                server.resume()
                counts['pauses'] += 1
                continue
            # Killed where it stands, with requests it has read and not answered.
        process = counts['kills']
        server.kill()
        clients.say('down', process)
        counts['kills'] += 1
        server.start()
        clients.say('up', process + 1, server.address)
    return counts


def read(path):
    with open(path, encoding='utf-8') as file:
        return [json.loads(line) for line in file]


def write(path, records):
    with open(path, 'w', encoding='utf-8') as file:
        file.writelines(json.dumps(record) + '\n' for record in records)


def verdict(path):
    """(True or False, what was said about it)."""
    result = subprocess.run([program(), 'check', path], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    return result.returncode == 0, result.stdout


# ---- The history and the log of events

class Count:
    """How often something was acknowledged, and how often it was asked without an answer."""

    def __init__(self):
        self.ok = self.unknown = 0

    def add(self, result):
        self.ok += result == 'ok'
        self.unknown += result == 'unknown'


def counted(records, key):
    counts = collections.defaultdict(Count)
    for record in records:
        if record['op'] in WRITES:
            counts[key(record)].add(record['result'])
    return counts


def check_events(records, events):
    """Each acknowledged change stands in the log exactly once, one without an answer at most once,
    and nothing else does. `events` are those of the repository of the history."""
    asked = counted(records, lambda record: (record['op'], record.get('tag'), record.get('digest')))
    bound = collections.Counter(('put', event['tag'], event['digest'])
                                for event in events if event['type'] in BINDS)
    _check_binds(asked, bound)
    _check_removals(records, events, asked)
    _check_order(records, events, asked)


def _check_binds(asked, bound):
    for key, times in bound.items():
        check.true(times <= asked[key].ok + asked[key].unknown,
                   f'{times} events of {key}, more than were asked for')
    for key, count in asked.items():
        if key[0] == 'put' and count.ok > 0:
            check.true(bound[key] >= 1, f'no event of {key}, which was acknowledged')
            # The same again while the tag names it is no change, so more may be fewer.
            if count.ok == 1 and count.unknown == 0:
                check.equal(bound[key], 1, f'events of {key}')


def _with_manifest(events):
    """Numbers of the tag.deleted events that may be part of the deletion of their manifest: one
    transaction, so they stand right before it."""
    numbers, run = set(), []
    for event in events:
        if event['type'] == 'manifest.deleted':
            numbers |= {each['number'] for each in run if each['digest'] == event['digest']}
        if event['type'] != 'tag.deleted':
            run = []
        elif run and run[0]['digest'] != event['digest']:
            run = [event]
        else:
            run.append(event)
    return numbers


def _check_removals(records, events, asked):
    together = _with_manifest(events)
    tags = counted(records, lambda record: (record['op'], record.get('tag')))
    for tag in {record['tag'] for record in records if 'tag' in record}:
        numbers = [event['number'] for event in events
                   if event['type'] == 'tag.deleted' and event['tag'] == tag]
        alone = len([number for number in numbers if number not in together])
        count = tags['delete', tag]
        check.true(count.ok <= len(numbers),
                   f'{len(numbers)} events of removals of {tag}, {count.ok} acknowledged')
        check.true(alone <= count.ok + count.unknown,
                   f'{alone} events of removals of {tag}, {count.ok} acknowledged and '
                   f'{count.unknown} without an answer')
    gone = collections.Counter(event['digest'] for event in events
                               if event['type'] == 'manifest.deleted')
    for key in set(gone) | {key[2] for key in asked if key[0] == 'delete-manifest'}:
        count = asked['delete-manifest', None, key]
        check.true(count.ok <= gone[key] <= count.ok + count.unknown,
                   f'{gone[key]} events of the deletion of {key}, {count.ok} acknowledged and '
                   f'{count.unknown} without an answer')


def _check_order(records, events, asked):
    """The numbers follow real time: what was acknowledged before another was asked for has the
    lower number. Looked at where a change and its event belong together without doubt."""
    numbers = {(event['tag'], event['digest']): event['number']
               for event in events if event['type'] in BINDS}
    sure = []
    for record in records:
        if record['op'] == 'put' and record['result'] == 'ok':
            count = asked['put', record['tag'], record['digest']]
            if count.ok == 1 and count.unknown == 0:
                sure.append((record['begin'], record['end'],
                             numbers[record['tag'], record['digest']]))
    ends = sorted((end, number) for _, end, number in sure)
    newest, at = 0, 0
    for begin, _, number in sorted(sure):
        while at < len(ends) and ends[at][0] < begin:
            newest = max(newest, ends[at][1])
            at += 1
        check.true(number > newest, f'event {number} is of a change that was asked for after '
                                    f'event {newest} was acknowledged')
