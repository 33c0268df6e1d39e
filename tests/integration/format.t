#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data of every format there was: today's server opens it, answers what the server of then answered,
and goes on with it. tests/fixtures/make_format_<n>.py made each archive, once."""

import base64
import contextlib
import json
import os
import sys
import tarfile
import time

import check
from backups import Expected, Restored, back_up, events_of, target_of
from image import Image, digest_of, noise, small
from registry import OCTETS, Registry, with_query
from scenario import serving
from tap import Suite

FIXTURES = os.path.join(os.environ['TOP_SRCDIR'], 'tests', 'fixtures')

# Nothing in it may be too old, whenever this runs.
CONFIG = 'uploads:\n  expire: 365d\nfiles:\n  draft_expire: 30d\n'

# Row families that were written then; docs/STORAGE.md has their numbers.
FAMILIES = {1: {'meta': 0x01, 'name': 0x10, 'digest': 0x11, 'obj': 0x12, 'body': 0x13, 'link': 0x14,
                'use': 0x15, 'tag': 0x16, 'tagof': 0x17, 'referrer': 0x19, 'due': 0x1c,
                'draft': 0x1f, 'event': 0xf0}}

suite = Suite()


@contextlib.contextmanager
def serving_format(number):
    """A server on the data of that format, and what was answered then."""
    found = {}

    def unpack(server):
        with tarfile.open(os.path.join(FIXTURES, f'format-{number}.tar.xz')) as tar:
            # The times of files are those of now: an upload must not be old.
            for member in tar.getmembers():
                member.mtime = time.time()
            tar.extractall(server.directory)
        with open(os.path.join(server.directory, 'answers.json'), encoding='utf-8') as file:
            found.update(json.load(file))

    with serving(CONFIG, unpack) as server:
        yield server, found


def check_answers(server, found):
    registry = Registry.of(server)
    for wanted in found['answers']:
        answer = registry.request('GET', wanted['target'])
        check.equal(answer.status, wanted['status'], wanted['target'])
        for name, value in wanted['fields'].items():
            check.equal(answer.field(name), value, f'{name} of {wanted["target"]}')
        check.equal(answer.body, base64.b64decode(wanted['body']), wanted['target'])


def check_events(server, found):
    """Fields may come to them, none may change."""
    last = found['events'][-1]['number']
    events = events_of(server.address, last)
    check.equal([{key: event.get(key) for key in wanted}
                 for event, wanted in zip(events, found['events'])], found['events'], 'events')
    check.equal(len(events), last, 'number of events')


def answers(_, number):
    with serving_format(number) as (server, found):
        server.check_is_clean()
        check.true(len(found['answers']) > 20, 'hardly an answer')
        check_answers(server, found)
        check_events(server, found)
        Expected(found['events']).check(Registry.of(server))
        server.restart()
        check_answers(server, found)
        check_events(server, found)


def goes_on(_, number):
    with serving_format(number) as (server, found):
        registry = Registry.of(server)
        content = noise(5000, 'pending')
        progress = check.status(registry.request('GET', found['upload']), 204)
        check.equal(progress.field('range'), f'0-{found["uploaded"] - 1}', 'Range of the upload')
        check.status(registry.request('PUT', with_query(
            found['upload'], f'digest={digest_of(content)}'), OCTETS,
            content[found['uploaded']:]), 201)
        check.equal(registry.get_blob('team/app', digest_of(content)).body, content)
        # A draft ends after 30 days at most, and so does this one.
        draft = check.status(registry.request('POST', '/files/team/files:2.0/?publish'), {201, 404})
        if draft.status == 201:
            check.equal(registry.request('GET', '/files/team/files:2.0/c.txt').body, b'draft')
        image = small('today')
        registry.push('team/app', image, 'today')
        # What was deleted then: its blobs are still there.
        registry.push('team/app', Image([{'name': b'doomed'}]), 'doomed')
        registry.check_holds('team/app', 'doomed')
        check_events(server, found)


def backs_up(_, number):
    with serving_format(number) as (server, found):
        back_up(server, target_of(server))
        with Restored(target_of(server)) as restored:
            restored.start()
            check_answers(restored.server, found)
            restored.end()


def has_every_family(_, number):
    """Each is looked for in the pages of the index: its byte, then what a key may begin with."""
    with serving_format(number) as (server, _):
        server.stop()
        with open(os.path.join(server.data, 'index', 'data.mdb'), 'rb') as file:
            keys = keys_of(file.read())
        for name, byte in FAMILIES[number].items():
            check.true(any(key[0] == byte for key in keys), f'no row of the family {name}')


def keys_of(data, page_bytes=4096):
    """The keys on the leaf pages of an LMDB file: of the live tree and of pages freed since."""
    keys = []
    for at in range(2 * page_bytes, len(data), page_bytes):
        page = data[at:at + page_bytes]
        flags, lower = (int.from_bytes(page[i:i + 2], 'little') for i in (10, 12))
        if flags & 0xff != 0x02:   # P_LEAF
            continue
        for slot in range(16, lower, 2):
            node = int.from_bytes(page[slot:slot + 2], 'little')
            size = int.from_bytes(page[node + 6:node + 8], 'little')
            if 0 < size < 512:
                keys.append(page[node + 8:node + 8 + size])
    return keys


for format_number in FAMILIES:
    for words, case in (('is answered byte for byte, and fsck finds nothing', answers),
                        ('goes on: uploads, drafts, pushes, what was deleted', goes_on),
                        ('is backed up and restored', backs_up),
                        ('has a row of every family there was', has_every_family)):
        suite.add(f'data of format {format_number} {words}', case, format_number)

sys.exit(suite.run(None))
