# SPDX-License-Identifier: Apache-2.0
"""The event log seen from outside: read by HTTP and from the index itself, checked, and replayed.

Nothing of the program is used for it: the index is dumped with LMDB's own tool and taken apart as
docs/STORAGE.md says.
"""

import base64
import hashlib
import json
import struct

import check
import command
import http1

TYPES = {1: 'repo.created', 2: 'blob.pushed', 3: 'blob.mounted', 4: 'blob.deleted',
         5: 'manifest.pushed', 6: 'manifest.deleted', 7: 'tag.bound', 8: 'tag.moved',
         9: 'tag.deleted', 10: 'clock.stepped', 11: 'fsck.run', 12: 'login.failed',
         13: 'login.locked', 14: 'account.created', 15: 'account.changed', 16: 'account.deleted',
         17: 'group.changed', 18: 'token.created', 19: 'token.revoked', 20: 'token.expiring',
         21: 'policy.changed', 22: 'key.rotated', 23: 'log.signed', 24: 'access.refused'}
TEXTS = {1: 'actor', 2: 'repository', 3: 'tag', 6: 'mediaType', 8: 'from', 9: 'subject',
         10: 'reason'}
BYTES = {11: 'key', 12: 'signature'}
DIGESTS = {4: 'digest', 5: 'previous'}
ALGORITHMS = {1: 'sha256', 2: 'sha512'}
EVENT_FAMILY = 'f0'
HASH_SIZE = 32


# ---- Reading

def by_api(address, after=0):
    """Every event after that number, page by page."""
    events = []
    with http1.Connection(address) as connection:
        while True:
            answer = connection.request('GET', f'/api/v1/events?n=1000&after={after}')
            page = json.loads(check.status(answer, 200).body)
            events += page['events']
            if page['last'] == after:
                return events
            after = page['last']


def by_dump(data):
    """Every event of a data directory that no server uses; the chain of hashes is checked."""
    dump = command.run('mdb_dump', f'{data}/index')
    lines = [line[1:] for line in dump.splitlines() if line.startswith(' ')]
    rows = [(bytes.fromhex(key[2:]), bytes.fromhex(value))
            for key, value in zip(lines[::2], lines[1::2]) if key.startswith(EVENT_FAMILY)]
    return chained(rows)


def chained(rows):
    """The events of (key, value) rows; AssertionError where a number or a hash does not follow."""
    events, before = [], bytes(HASH_SIZE)
    for wanted, (key, value) in enumerate(rows, 1):
        number, = struct.unpack('>Q', key)
        check.equal(number, wanted, 'the number of an event')
        record, stored = value[:-HASH_SIZE], value[-HASH_SIZE:]
        check.equal(stored.hex(), hashlib.sha256(before + record).hexdigest(),
                    f'the hash of event {number}')
        events.append({'number': number, **decoded(record)})
        before = stored
    return events


def decoded(record):
    """What a record says, named as the API names it; without the time."""
    version, kind, _ = struct.unpack('>BBq', record[:10])
    check.equal(version, 1, 'the version of a record')
    event, at, last = {'type': TYPES[kind]}, 10, 0
    while at < len(record):
        tag, length = struct.unpack('>BH', record[at:at + 3])
        field, at = record[at + 3:at + 3 + length], at + 3 + length
        check.true(tag > last, 'the fields of a record are not in order')
        check.equal(len(field), length, 'bytes of a field')
        last = tag
        if tag in TEXTS:
            event[TEXTS[tag]] = field.decode()
        elif tag in DIGESTS:
            event[DIGESTS[tag]] = f'{ALGORITHMS[field[0]]}:{field[1:].hex()}'
        elif tag in BYTES:
            event[BYTES[tag]] = base64.urlsafe_b64encode(field).rstrip(b'=').decode()
        elif tag == 7:
            event['size'], = struct.unpack('>Q', field)
    return event


def check_dense(events, first=1):
    for wanted, event in enumerate(events, first):
        check.equal(event['number'], wanted, 'the number of an event')


def check_same(by_api_, by_dump_):
    """Both tell the same story."""
    told = [{name: value for name, value in event.items() if name != 'time'} for event in by_api_]
    check.equal(len(told), len(by_dump_), 'events by the API')
    for one, other in zip(told, by_dump_):
        check.equal(one, other, 'an event by the API')


# ---- Replaying

class State:
    """What a repository must hold when exactly these events happened; each must follow from the
    ones before it, or there was a change without an event, or an event without a change."""

    def __init__(self):
        self.blobs, self.manifests, self.tags = set(), set(), {}

    def apply(self, event):
        act = getattr(self, '_' + event['type'].replace('.', '_'), None)
        if act is not None:
            act(event)

    @staticmethod
    def _need(condition, event, why):
        check.true(condition, f'{why}: {event}')

    def _blob_pushed(self, event):
        self._need(event['digest'] not in self.blobs, event, 'the blob was there')
        self.blobs.add(event['digest'])

    _blob_mounted = _blob_pushed

    def _blob_deleted(self, event):
        self._need(event['digest'] in self.blobs, event, 'there was no such blob')
        self.blobs.remove(event['digest'])

    def _manifest_pushed(self, event):
        self._need(event['digest'] not in self.manifests, event, 'the manifest was there')
        self.manifests.add(event['digest'])

    def _manifest_deleted(self, event):
        self._need(event['digest'] in self.manifests, event, 'there was no such manifest')
        self._need(event['digest'] not in self.tags.values(), event, 'a tag names it')
        self.manifests.remove(event['digest'])

    def _tag_bound(self, event):
        self._need(event['tag'] not in self.tags, event, 'the tag was there')
        self._bind(event)

    def _tag_moved(self, event):
        self._need(self.tags.get(event['tag']) == event['previous'], event,
                   f'the tag named {self.tags.get(event["tag"])}')
        self._need(event['digest'] != event['previous'], event, 'it did not move')
        self._bind(event)

    def _bind(self, event):
        self._need(event['digest'] in self.manifests, event, 'there is no such manifest')
        self.tags[event['tag']] = event['digest']

    def _tag_deleted(self, event):
        self._need(self.tags.get(event['tag']) == event['digest'], event,
                   f'the tag named {self.tags.get(event["tag"])}')
        del self.tags[event['tag']]


def replayed(events):
    """Repository -> State."""
    states = {}
    for event in events:
        name = event.get('repository')
        if event['type'] == 'repo.created':
            check.true(name not in states, f'there was that repository: {event}')
            states[name] = State()
        elif name is not None:
            check.true(name in states, f'there was no such repository: {event}')
            states[name].apply(event)
    return states
