#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/api/v1 at its edges: what it refuses and in which words, cursors, limits, clients that wait."""

import gzip
import io
import json
import signal
import socket
import sys
import tarfile

import check
import http1
from image import (Artifact, Image, descriptor, digest_of, multi_arch, to_json, OCI_CONFIG,
                   OCI_LAYER, OCI_MANIFEST)
from registry import Registry
from scenario import metric
from server import is_sanitized, run_suite
from tap import Suite

CONFIG = '''\
http:
  max_event_streams: 24
layers:
  max_unpacked: 1MiB
lists:
  max_page: 60
server:
  drain_timeout: 60s
'''

STREAM = {'Accept': 'text/event-stream'}

suite = Suite()


def get(server, path, fields=None, method='GET'):
    return http1.request(server.address, method, f'/api/v1/{path}', fields)


def ask(server, path):
    answer = check.status(get(server, path), 200)
    check.equal(answer.field('content-type'), 'application/json', 'Content-Type')
    return json.loads(answer.body)


def problem(answer, status, code, *words):
    """A problem document (RFC 9457) that says what is wrong."""
    check.status(answer, status)
    check.equal(answer.field('content-type'), 'application/problem+json', 'Content-Type')
    document = json.loads(answer.body)
    check.equal((document['status'], document['code']), (status, code), answer.request)
    check.true(isinstance(document['title'], str) and document['title'] != '', 'title')
    check.true(isinstance(document['detail'], str) and document['detail'] != '', 'detail')
    for word in words:
        check.contains(document['detail'], word, 'detail')


def last_event(server):
    return ask(server, 'events?after=last')['last']


def push(server, repository, tag):
    image = Image([{'tag': f'{repository}:{tag}'.encode()}])
    Registry.of(server).push(repository, image, tag)
    return image.digest


def waiters(server):
    return metric(server, 'tidemark_event_waiters')


# ---- Words and statuses

@suite.case('what there is to look at')
def arrange(server):
    registry = Registry.of(server)
    registry.push('edge/image', multi_arch(), 'latest')
    for i in range(7):
        registry.push(f'edge/many-{i}', Image([{'many': b'%d' % i}]), 'one')
        registry.put_manifest('edge/image', f't{i}', multi_arch().body, multi_arch().media_type)


PATHS = ('version', 'repos', 'repos/edge/image', 'repos/edge/image/-/tags',
         'repos/edge/image/-/tags/latest', 'repos/edge/image/-/manifests/latest',
         'repos/edge/image/-/manifests/latest/referrers', 'events')


for one_path in PATHS:
    @suite.case(f'methods, HEAD and entity tags of {one_path}', one_path)
    def methods(server, path):
        for method in ('PUT', 'POST', 'DELETE', 'PATCH'):
            answer = get(server, path, method=method)
            check.status(answer, 405)
            check.equal(json.loads(answer.body)['status'], 405, 'problem')
            allowed = {name.strip() for name in answer.field('allow').split(',')}
            check.equal(allowed, {'GET', 'HEAD'}, f'Allow of {path}')
        whole, head = get(server, path), get(server, path, method='HEAD')
        check.status(whole, 200)
        check.status(head, 200)
        for field in ('etag', 'content-type', 'content-length'):
            check.equal(head.field(field), whole.field(field), f'{field} of HEAD')
        tag = whole.field('etag')
        for value, status in ((tag, 304), (f'W/{tag}', 304), ('*', 304), (f'"x", {tag}', 304),
                              ('"x"', 200), (tag.strip('"'), 200)):
            for method in ('GET', 'HEAD'):
                answer = get(server, path, {'If-None-Match': value}, method)
                check.status(answer, status, f'{method} {path} with {value}')
                check.equal(answer.field('etag'), tag, 'ETag')


@suite.case('bad cursors and parameters are 400, with words')
def bad_parameters(server):
    long = 'x' * 300
    tags, tree = 'repos/edge/image/-/tags', 'repos/edge/image/-/manifests/latest/referrers'
    for path in ('repos', tags):
        for n in ('0', '-1', 'x', '1x', '', '%20', '1.5', '0x10'):
            answer = get(server, f'{path}?n={n}')
            problem(answer, 400, 'PAGINATION_INVALID', 'n must be')
        # No query holds a NUL.
        problem(get(server, f'{path}?after=%00'), 400, 'HTTP_BAD_REQUEST')
        for after in (long, 'a%0Ab', '%20', '%7F', '%FF'):
            problem(get(server, f'{path}?after={after}'), 400, 'INVALID', 'after')
        problem(get(server, f'{path}?n=%zz'), 400, 'HTTP_BAD_REQUEST')
    for depth in ('0', '9', 'x', '-1', '99999999999999999999', ''):
        problem(get(server, f'{tree}?depth={depth}'), 400, 'INVALID', 'depth')
    problem(get(server, f'{tree}?artifactType={"x" * 1021}'), 400, 'INVALID', 'artifactType')
    for query, *words in (('after=x', 'after'), ('after=-1', 'after'), ('after=1.0', 'after'),
                          ('after=18446744073709551616', 'after'), ('wait=61s', 'wait'),
                          ('wait=2m', 'wait'), ('wait=x', 'wait'), ('wait=-1s', 'wait'),
                          ('wait=99999999999999s', 'wait'), ('wait=s', 'wait'),
                          ('types=tag', 'types'), ('types=tag.bound,,', 'types'),
                          (f'types={"x" * 513}', 'types')):
        for fields in (None, STREAM):
            if fields is None or not query.startswith('wait'):
                problem(get(server, f'events?{query}', fields), 400, 'INVALID', *words)
    problem(get(server, 'events?repo=UPPER'), 400, 'NAME_INVALID')
    problem(get(server, 'events?repo=..'), 400, 'NAME_INVALID')
    problem(get(server, 'events', {**STREAM, 'Last-Event-ID': 'x'}), 400, 'INVALID')


@suite.case('what is not there is 404, and what cannot be is 400')
def unknown(server):
    zero, zero512 = 'sha256:' + '0' * 64, 'sha512:' + '0' * 128
    here = 'repos/edge/image/-'
    for path in ('repos/no', 'repos/no/-/tags', 'repos/no/-/tags/x', 'repos/no/-/manifests/x',
                 f'repos/no/-/manifests/{zero}', 'repos/no/-/manifests/x/referrers',
                 f'repos/no/-/layers/{zero}'):
        for method in ('GET', 'HEAD'):
            check.status(get(server, path, method=method), 404)
        problem(get(server, path), 404, 'NAME_UNKNOWN')
    problem(get(server, f'{here}/tags/x'), 404, 'TAG_UNKNOWN')
    problem(get(server, f'{here}/manifests/x'), 404, 'TAG_UNKNOWN')
    problem(get(server, f'{here}/manifests/x/referrers'), 404, 'TAG_UNKNOWN')
    for digest in (zero, zero512):
        problem(get(server, f'{here}/manifests/{digest}'), 404, 'MANIFEST_UNKNOWN')
        problem(get(server, f'{here}/layers/{digest}'), 404, 'BLOB_UNKNOWN')
    problem(get(server, f'{here}/manifests/sha256:00'), 400, 'DIGEST_INVALID')
    problem(get(server, f'{here}/layers/latest'), 400, 'DIGEST_INVALID')
    problem(get(server, f'{here}/tags/-x'), 400, 'TAG_INVALID')
    problem(get(server, f'{here}/tags/{"x" * 129}'), 400, 'TAG_INVALID')


# ---- Pages

@suite.case('pages of every size hold every entry once')
def pages(server):
    for path, member, key in (('repos', 'repositories', 'name'),
                              ('repos/edge/image/-/tags', 'tags', 'tag')):
        whole = ask(server, f'{path}?n=60')[member]
        check.true(len(whole) >= 8, 'entries')
        for n in (1, 2, 3, len(whole) - 1, len(whole), len(whole) + 1):
            found, after = [], ''
            while after is not None:
                page = ask(server, f'{path}?n={n}{after}')
                check.true(len(page[member]) == n or 'next' not in page, 'a short page')
                check.true(page[member] != [], f'an empty page of {n} of {len(whole)}')
                found += page[member]
                after = f'&after={page["next"]}' if 'next' in page else None
            check.equal(found, whole, f'pages of {n}')
        # A cursor needs not be an entry: another client may have deleted it.
        rest = [entry[key] for entry in ask(server, f'{path}?after={whole[1][key]}.')[member]]
        check.equal(rest, [entry[key] for entry in whole if entry[key] > f'{whole[1][key]}.'])
        check.equal(ask(server, f'{path}?after=~')[member], [], 'past the end')


@suite.case('manifests and layers under sha512')
def sha512(server):
    registry = Registry.of(server)
    image = Image([{'five': b'twelve'}])
    layer = registry.push_blob('edge/sha512', image.layers[0], 'sha512')
    registry.push_blob('edge/sha512', image.config)
    body = to_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST,
                    'config': descriptor(OCI_CONFIG, image.config),
                    'layers': [{'mediaType': OCI_LAYER, 'digest': layer,
                                'size': len(image.layers[0])}]})
    digest = digest_of(body, 'sha512')
    check.status(registry.put_manifest('edge/sha512', digest, body, OCI_MANIFEST), 201)
    check.status(registry.put_manifest('edge/sha512', f'{digest}?tag=one', body, OCI_MANIFEST), 201)
    document = ask(server, f'repos/edge/sha512/-/manifests/{digest}')
    check.equal((document['digest'], document['tags'], document['layers'][0]['digest'],
                 document['layers'][0]['present']), (digest, ['one'], layer, True))
    check.equal(ask(server, 'repos/edge/sha512/-/tags/one')['digest'], digest)
    listed = ask(server, f'repos/edge/sha512/-/layers/{layer}')
    check.equal(([entry['path'] for entry in listed['entries']], listed['digest']),
                (['five'], layer))
    events = ask(server, f'events?after={document["event"] - 1}&n=1')['events']
    check.equal(events[0]['digest'], digest, 'digest of the event')


@suite.case('a chain of referrers as deep as it is asked for')
def chain(server):
    registry = Registry.of(server)
    links = [Image([{'chain': b'0'}])]
    registry.push('edge/chain', links[0], 'root')
    for i in range(10):
        links.append(Artifact('application/vnd.example.link', b'%d' % i, subject=links[-1]))
        registry.push('edge/chain', links[-1])
    for depth in range(1, 9):
        tree = ask(server, f'repos/edge/chain/-/manifests/root/referrers?depth={depth}')
        found, level = [], tree['referrers']
        while level:
            found.append(level[0]['digest'])
            level = level[0].get('referrers')
        check.equal(found, [link.digest for link in links[1:depth + 1]], f'depth {depth}')
        check.true(tree['truncated'], 'there is more')
    tree = ask(server, f'repos/edge/chain/-/manifests/{links[4].digest}/referrers?depth=8')
    check.true(not tree['truncated'], 'there is no more')


# ---- Layers

def layer_of(server, content):
    digest = Registry.of(server).push_blob('edge/layers', content)
    return get(server, f'repos/edge/layers/-/layers/{digest}')


@suite.case('an empty tar is a layer without files')
def empty_layer(server):
    for size in (1024, 10240, 1 << 20):
        for content, form in ((bytes(size), 'tar'),
                              (gzip.compress(bytes(size), mtime=0), 'tar+gzip')):
            document = json.loads(check.status(layer_of(server, content), 200).body)
            check.equal((document['format'], document['entries'], document['truncated']),
                        (form, [], False), f'{size} zeros, {form}')


@suite.case('1 GiB of zeros in a layer ends at layers.max_unpacked')
def bomb(server):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode='wb', compresslevel=1, mtime=0) as packed:
        info = tarfile.TarInfo('zeros')
        info.size = 1 << 30
        packed.write(info.tobuf())
        for _ in range(1024):
            packed.write(bytes(1 << 20))
    document = json.loads(check.status(layer_of(server, out.getvalue()), 200).body)
    check.equal(([(entry['path'], entry['size']) for entry in document['entries']],
                 document['truncated']), ([('zeros', 1 << 30)], True))


@suite.case('paths that are no text, and long ones, are shown all the same')
def odd_names(server):
    out = io.BytesIO()
    names = ['a\udcffb', 'quote"back\\slash', 'line\nbreak', 'tab\there', '../../up', '/root',
             'd' * 99, 'e' * 101, '/'.join(['f' * 200] * 10)]
    with tarfile.open(fileobj=out, mode='w', format=tarfile.GNU_FORMAT,
                      errors='surrogateescape') as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    document = json.loads(check.status(layer_of(server, out.getvalue()), 200).body)
    paths = [entry['path'] for entry in document['entries']]
    check.equal(paths[1:5] + paths[6:], names[1:5] + names[6:], 'paths')
    check.true(paths[0].startswith('a') and paths[0].endswith('b'), 'not UTF-8')


# ---- Clients that wait

class Stream:
    """Server-sent events on a bare socket; everything that came is in `text`."""

    def __init__(self, server, query, last_id=None, buffer=None):
        host, port = server.address.rsplit(':', 1)
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(60)
        self.socket.connect((host, int(port)))
        fields = STREAM if last_id is None else {**STREAM, 'Last-Event-ID': str(last_id)}
        self.socket.sendall(http1.head(server.address, 'GET', f'/api/v1/events{query}', fields))
        # The head comes in small reads, so that nothing of the events is taken with it.
        self.raw = b''
        while not self.raw.endswith(b'\r\n\r\n'):
            self.raw += self._some(1)
        check.contains(self.raw, b'text/event-stream', 'head')
        self.raw = self.text = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _some(self, size):
        data = self.socket.recv(size)
        check.true(data != b'', 'the stream was cut')
        return data

    def read(self):
        """One chunk; False for the last."""
        while b'\r\n' not in self.raw:
            self.raw += self._some(65536)
        line, _, self.raw = self.raw.partition(b'\r\n')
        size = int(line, 16)
        while len(self.raw) < size + 2:
            self.raw += self._some(65536)
        self.text += self.raw[:size]
        self.raw = self.raw[size + 2:]
        return size > 0

    def ids(self):
        """Numbers of all events that came."""
        whole = self.text[:self.text.rfind(b'\n\n') + 2]
        return [int(block.split(b'\n')[0][4:]) for block in whole.split(b'\n\n')
                if b'\ndata: ' in block]

    def read_until(self, number):
        while not self.ids() or self.ids()[-1] < number:
            check.true(self.read(), 'the stream ended')


@suite.case('cut anywhere and begun again, a stream has no gap and no event twice')
def resume(server):
    begin = last_event(server)
    for i in range(6):
        push(server, 'edge/resume', f'before{i}')
    got, at = [], begin
    for i in range(6):
        with Stream(server, '?after=0', at) as stream:
            push(server, 'edge/resume', f'live{i}')
            stream.read_until(at + 3)
            got += stream.ids()
            at = got[-1]
    end = last_event(server)
    if at < end:
        with Stream(server, '?after=0', at) as stream:
            stream.read_until(end)
            got += stream.ids()
    check.equal(got, list(range(begin + 1, end + 1)), 'numbers')


@suite.case('a silent stream says that it lives, and how far it has looked')
def comments(server):
    begin = last_event(server)
    with Stream(server, f'?after={begin}&repo=edge/silent') as stream:
        stream.read()
        check.true(stream.text.startswith(b':'), f'first came {stream.text!r}')
        push(server, 'edge/loud', 'one')
        end = last_event(server)
        while b'id: ' not in stream.text:
            stream.read()
        check.contains(stream.text, b'id: %d\n:\n\n' % end, 'comment')
        check.true(b'data:' not in stream.text, 'an event of another repository')


@suite.case('one push wakes every client that waits')
def crowd(server):
    begin = last_event(server)
    query = f'/api/v1/events?after={begin}&repo=edge/crowd&types=tag.bound&wait=60s'
    polls = [http1.Connection(server.address) for _ in range(24)]
    for poll in polls:
        poll.send(http1.head(server.address, 'GET', query))
    check.eventually('all wait', lambda: waiters(server) == 24)
    answer = check.status(get(server, 'events?after=last', STREAM), 503)
    check.contains(json.loads(answer.body)['detail'], 'http.max_event_streams', 'detail')
    check.status(get(server, 'events?after=last&wait=60s'), 503)
    # Those that need not wait are answered.
    check.status(get(server, 'events?n=1&wait=60s'), 200)
    digest = push(server, 'edge/crowd', 'one')
    for poll in polls:
        answer = check.status(poll.response(), 200)
        check.equal([event['digest'] for event in json.loads(answer.body)['events']], [digest])
        # The connection goes on.
        check.status(poll.request('GET', '/api/v1/version'), 200)
        poll.close()
    check.eventually('all places are free', lambda: waiters(server) == 0)


@suite.case('readers that do not read cost no memory and hold nobody up')
def slow_readers(server):
    begin = last_event(server)
    slow = [Stream(server, f'?after={begin}', buffer=2048) for _ in range(10)]
    before = server.memory_kib()
    image = Image([{'slow': b'readers'}])
    registry = Registry.of(server)
    registry.push('edge/slow', image, 'first')
    with Stream(server, f'?after={begin}') as quick:
        for i in range(500):
            query = '&'.join(f'tag=tag-{i}-{j}' for j in range(16))
            check.status(registry.put_manifest('edge/slow', f'{image.digest}?{query}', image.body,
                                               image.media_type), 201)
        end = last_event(server)
        check.true(end - begin >= 8000, 'events')
        quick.read_until(end)
        check.equal(quick.ids(), list(range(begin + 1, end + 1)), 'of the quick one')
    grown = server.memory_kib() - before
    # The memory of sanitized builds says nothing.
    check.true(grown < 16 * 1024 or is_sanitized(), f'10 slow readers: {grown} KiB more')
    for stream in slow:
        stream.socket.close()
    check.eventually('all places are free', lambda: waiters(server) == 0)


@suite.case('the server ends at once though streams and polls wait')
def drain(server):
    begin = last_event(server)
    streams = [Stream(server, f'?after={begin}') for _ in range(8)]
    polls = [http1.Connection(server.address) for _ in range(8)]
    for poll in polls:
        poll.send(http1.head(server.address, 'GET', f'/api/v1/events?after={begin}&wait=60s'))
    check.eventually('all wait', lambda: waiters(server) == 16)
    server.process.send_signal(signal.SIGTERM)
    for stream in streams:
        while stream.read():
            pass
        stream.socket.close()
    for poll in polls:
        answer = check.status(poll.response(), 200)
        check.equal(json.loads(answer.body), {'events': [], 'last': begin})
        poll.close()
    server.wait()
    server.start()


sys.exit(run_suite(suite, config=CONFIG))
