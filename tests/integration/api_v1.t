#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/api/v1: what the registry knows, as scripts ask it; images come by skopeo, oras and curl's way."""

import gzip
import io
import json
import os
import signal
import sys
import tarfile
import threading

import check
import command
import http1
from event_stream import EventStream
from image import (Artifact, Image, Index, digest_of, noise, to_json, descriptor,
                   OCI_CONFIG, OCI_INDEX, OCI_MANIFEST)
from registry import Registry
from server import run_suite
from tap import Suite

CONFIG = '''\
http:
  max_event_streams: 40
layers:
  max_entries: 50
lists:
  max_page: 150
'''

suite = Suite()


def ask(server, path, fields=None, status=200, method='GET'):
    """The document at /api/v1/<path>."""
    answer = http1.request(server.address, method, f'/api/v1/{path}', fields)
    check.status(answer, status)
    if method == 'HEAD' or status == 304:
        return answer
    kind = 'application/json' if status < 400 else 'application/problem+json'
    check.equal(answer.field('content-type'), kind, f'Content-Type of {path}')
    return json.loads(answer.body)


def refused(server, path, status, code, *words):
    problem = ask(server, path, status=status)
    check.equal((problem['status'], problem['code']), (status, code), 'problem')
    for word in words:
        check.contains(problem['detail'], word, 'detail')


def pages(server, path, member, n):
    """All entries of a list, page by page; no page is longer than n."""
    entries, after = [], ''
    while True:
        page = ask(server, f'{path}?n={n}' + (f'&after={after}' if after else ''))
        check.true(len(page[member]) <= n, f'a page of {len(page[member])}')
        entries += page[member]
        after = page.get('next')
        if after is None:
            return entries


def registry(server):
    return Registry(server.address)


# ---- What is stored

@suite.case('the version')
def version(server):
    document = ask(server, 'version')
    check.equal(document['api'], 'v1')
    check.contains(server.run_verb('version').stdout, document['version'], 'tidemark version')


@suite.case('repositories page by page, with their tags counted')
def repositories(server):
    image = Image([{'a': b'b'}])
    for name in ('list/a', 'list/b', 'list/c/d', 'list/c.e'):
        registry(server).push(name, image, 'one')
    registry(server).push('list/b', image, 'two')
    registry(server).push_blob('list/untagged', b'blob')
    found = {entry['name']: entry for entry in pages(server, 'repos', 'repositories', 2)}
    names = [name for name in found if name.startswith('list/')]
    check.equal(names, sorted(names), 'order')
    check.equal({name: found[name]['tags'] for name in names},
                {'list/a': 1, 'list/b': 2, 'list/c.e': 1, 'list/c/d': 1, 'list/untagged': 0})
    check.true('lastPush' in found['list/a'] and 'lastPush' not in found['list/untagged'],
               'lastPush stands where there are tags')


@suite.case('more tags than are counted')
def many_tags(server):
    image = Image([{'many': b'tags'}])
    registry(server).push('many/tags', image, 'first')
    for begin in range(0, 1008, 16):
        query = '&'.join(f'tag=t{i:04d}' for i in range(begin, begin + 16))
        answer = registry(server).put_manifest('many/tags', f'{image.digest}?{query}', image.body,
                                               image.media_type)
        check.status(answer, 201)
    entry = ask(server, 'repos?after=many/tagr&n=1')['repositories'][0]
    check.equal((entry['tags'], entry.get('tagsMore')), (1000, True))
    check.true('lastPush' not in entry, 'lastPush of a part of the tags')
    check.equal(ask(server, 'repos/many/tags')['tags'], 1009, 'tags of the usage')
    tags = pages(server, 'repos/many/tags/-/tags', 'tags', 150)
    check.equal([tag['tag'] for tag in tags], ['first', *(f't{i:04d}' for i in range(1008))])
    check.equal(len(ask(server, f'repos/many/tags/-/manifests/{image.digest}')['tags']), 100)


@suite.case('how much is in a repository')
def usage(server):
    image = Image([{'usage': noise(5000, 1)}, {'usage2': b'2'}])
    registry(server).push('usage', image, 'one')
    before = ask(server, 'repos/usage')
    size = len(image.body) + sum(len(blob) for blob in image.blobs())
    check.equal(before, {'name': 'usage', 'tags': 1, 'manifests': 1, 'blobs': 3, 'bytes': size,
                         'complete': True})
    check.status(registry(server).delete_manifest('usage', image.digest), 202)
    after = ask(server, 'repos/usage')
    check.equal((after['tags'], after['manifests']), (0, 0), 'after a delete')


@suite.case('tags of every kind')
def tags(server):
    amd, arm = Image([{'a': b'1'}]), Image([{'a': b'2'}], architecture='arm64')
    docker = Image([{'a': b'3'}], docker=True)
    index, docker_index = Index([amd, arm]), Index([docker], docker=True)
    artifact = Artifact('application/vnd.example.thing', b'thing')
    for tag, image in (('image', amd), ('index', index), ('docker', docker),
                       ('list', docker_index), ('artifact', artifact)):
        registry(server).push('kinds', image, tag)
    found = {tag['tag']: tag for tag in pages(server, 'repos/kinds/-/tags', 'tags', 2)}
    check.equal({tag: (entry['kind'], entry['platforms']) for tag, entry in found.items()}, {
        'image': ('image', ['linux/amd64']),
        'index': ('index', ['linux/amd64', 'linux/arm64']),
        'docker': ('docker-image', ['linux/amd64']),
        'list': ('docker-index', ['linux/amd64']),
        'artifact': ('artifact', [])})
    check.equal(found['artifact']['artifactType'], 'application/vnd.example.thing')
    check.equal((found['image']['digest'], found['image']['size'], found['image']['mediaType']),
                (amd.digest, len(amd.body), OCI_MANIFEST))
    check.equal(found['image']['totalSize'],
                len(amd.body) + sum(len(blob) for blob in amd.blobs()), 'totalSize')
    check.equal(ask(server, 'repos/kinds/-/tags/index'), found['index'], 'one tag')
    event = ask(server, f'events?after={found["image"]["event"] - 1}&n=1')['events'][0]
    check.equal((event['type'], event['tag'], event['time'], event['actor']),
                ('tag.bound', 'image', found['image']['boundAt'], found['image']['actor']))


@suite.case('a manifest taken apart')
def manifest(server):
    image = Image([{'a': b'4'}], annotations={'note': 'gr\u00fc\u00df "1"'})
    registry(server).push('apart', image, 'one')
    document = ask(server, 'repos/apart/-/manifests/one')
    check.equal(document, ask(server, f'repos/apart/-/manifests/{image.digest}'), 'by digest')
    check.equal(document, ask(server, 'repos/apart/-/manifests/' +
                              image.digest.replace(':', '%3A')), 'by an encoded digest')
    check.equal((document['kind'], document['digest'], document['tags']),
                ('image', image.digest, ['one']))
    check.equal(document['annotations'], {'note': 'gr\u00fc\u00df "1"'})
    check.equal(document['config']['digest'], digest_of(image.config))
    check.equal([(layer['digest'], layer['size'], layer['present'])
                 for layer in document['layers']],
                [(digest_of(image.layers[0]), len(image.layers[0]), True)])
    check.equal(document['manifests'], [])


@suite.case('an index with platforms and what is not here')
def index(server):
    image = Image([{'a': b'5'}], architecture='arm')
    child = image.descriptor()
    child['platform']['variant'] = 'v7'
    registry(server).push('sparse', image)
    foreign = {'mediaType': 'application/vnd.oci.image.layer.nondistributable.v1.tar',
               'digest': digest_of(b'foreign'), 'size': 7, 'urls': ['http://example.com/x']}
    body = to_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST,
                    'config': descriptor(OCI_CONFIG, image.config), 'layers': [foreign]})
    check.status(registry(server).put_manifest('sparse', 'foreign', body, OCI_MANIFEST), 201)
    layer = ask(server, 'repos/sparse/-/manifests/foreign')['layers'][0]
    check.equal((layer['digest'], layer['present']), (foreign['digest'], False))
    body = to_json({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [child]})
    check.status(registry(server).put_manifest('sparse', 'index', body, OCI_INDEX), 201)
    entry = ask(server, 'repos/sparse/-/manifests/index')['manifests'][0]
    check.equal((entry['platform'], entry['present']), ('linux/arm/v7', True))
    check.equal(ask(server, 'repos/sparse/-/tags/index')['platforms'], ['linux/arm/v7'])


@suite.case('a manifest that is a file, because it is large')
def large_manifest(server):
    image = Image([{'a': b'6'}], annotations={f'key-{i}': 'x' * 100 for i in range(1500)})
    check.true(len(image.body) > 100000, 'it is not large')
    registry(server).push('large', image, 'one')
    document = ask(server, 'repos/large/-/manifests/one')
    check.equal((len(document['annotations']), document['size']), (1500, len(image.body)))
    tag = ask(server, 'repos/large/-/tags')['tags'][0]
    check.equal((tag['kind'], tag['platforms'], tag['totalSize']),
                ('image', ['linux/amd64'], document['totalSize']))


@suite.case('the tree of referrers')
def referrers(server):
    image = Image([{'a': b'7'}])
    sbom = Artifact('application/vnd.example.sbom', b'sbom', subject=image, annotations={'a': 'b'})
    scan = Artifact('application/vnd.example.scan', b'scan', subject=image)
    signature = Artifact('application/vnd.example.signature', b'signed', subject=sbom)
    for one, tag in ((image, 'one'), (sbom, None), (scan, None), (signature, None)):
        registry(server).push('tree', one, tag)
    path = 'repos/tree/-/manifests/one/referrers'
    tree = ask(server, f'{path}?depth=8')
    check.equal((tree['digest'], tree['truncated']), (image.digest, False))
    check.equal([(node['digest'], [child['digest'] for child in node['referrers']])
                 for node in tree['referrers']],
                [(sbom.digest, [signature.digest]), (scan.digest, [])])
    check.equal(tree['referrers'][0]['annotations'], {'a': 'b'})
    check.true(ask(server, path)['truncated'], 'one level of two is not truncated')
    only = ask(server, f'{path}?depth=2&artifactType=application/vnd.example.scan')
    check.equal([node['digest'] for node in only['referrers']], [scan.digest], 'filter')
    early = Artifact('application/vnd.example.early', b'early', subject=Image([{'not': b'yet'}]))
    registry(server).push('tree', early)
    subject = json.loads(early.body)['subject']['digest']
    check.equal(len(ask(server, f'repos/tree/-/manifests/{subject}/referrers')['referrers']), 1)
    refused(server, f'repos/kinds/-/manifests/{subject}/referrers', 404, 'MANIFEST_UNKNOWN')
    refused(server, f'{path}?depth=9', 400, 'INVALID', 'depth')


@suite.case('what does not exist')
def unknown(server):
    zero = 'sha256:' + '0' * 64
    refused(server, 'repos/no/such', 404, 'NAME_UNKNOWN')
    refused(server, 'repos/no/such/-/tags', 404, 'NAME_UNKNOWN')
    refused(server, 'repos/kinds/-/tags/none', 404, 'TAG_UNKNOWN')
    refused(server, 'repos/kinds/-/manifests/none', 404, 'TAG_UNKNOWN')
    refused(server, f'repos/kinds/-/manifests/{zero}', 404, 'MANIFEST_UNKNOWN')
    refused(server, f'repos/kinds/-/layers/{zero}', 404, 'BLOB_UNKNOWN')
    refused(server, 'repos/kinds/-/layers/one', 400, 'DIGEST_INVALID')
    refused(server, 'repos/KINDS', 400, 'NAME_INVALID')
    refused(server, 'repos?n=0', 400, 'PAGINATION_INVALID')
    refused(server, 'repos?n=x', 400, 'PAGINATION_INVALID')
    refused(server, 'nothing', 404, 'HTTP_NOT_FOUND')
    check.equal(len(ask(server, 'repos?n=99999999999999999999')['repositories']) > 0, True)


@suite.case('304 for what the client has, and HEAD')
def conditional(server):
    for path in ('version', 'repos', 'repos/kinds', 'repos/kinds/-/tags', 'repos/kinds/-/tags/image',
                 'repos/kinds/-/manifests/image', 'repos/kinds/-/manifests/image/referrers',
                 'events?n=3'):
        head = ask(server, path, method='HEAD')
        etag = head.field('etag')
        check.true(etag is not None, f'{path} has no ETag')
        answer = http1.request(server.address, 'GET', f'/api/v1/{path}')
        check.equal((answer.field('etag'), head.field('content-length')),
                    (etag, str(len(answer.body))), f'HEAD of {path}')
        again = ask(server, path, {'If-None-Match': f'"other", {etag}'}, 304)
        check.equal(again.field('etag'), etag, f'ETag of the 304 of {path}')
    before = ask(server, 'repos/kinds/-/tags', method='HEAD').field('etag')
    registry(server).push('kinds', Image([{'a': b'8'}]), 'more')
    ask(server, 'repos/kinds/-/tags', {'If-None-Match': before})


@suite.case('images pushed by skopeo and oras')
def clients(server):
    folder = os.path.join(server.directory, 'clients')
    os.makedirs(folder)
    with open(os.path.join(folder, 'hello.txt'), 'wb') as file:
        file.write(b'hello')
    command.run('oras', 'push', '--plain-http', '--artifact-type', 'application/vnd.example.hello',
                f'{server.address}/by/oras:1', 'hello.txt:text/plain', cwd=folder)
    document = ask(server, 'repos/by/oras/-/manifests/1')
    check.equal((document['kind'], document['artifactType'], document['layers'][0]['title']),
                ('artifact', 'application/vnd.example.hello', 'hello.txt'))
    registry(server).push('by/source', Image([{'by': b'skopeo'}]), 'one')
    command.run('skopeo', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false',
                '--insecure-policy', f'docker://{server.address}/by/source:one',
                f'docker://{server.address}/by/skopeo:one')
    tag = ask(server, 'repos/by/skopeo/-/tags/one')
    check.equal((tag['kind'], tag['platforms']), ('image', ['linux/amd64']))
    layer = ask(server, 'repos/by/skopeo/-/manifests/one')['layers'][0]['digest']
    check.equal([entry['path'] for entry in
                 ask(server, f'repos/by/skopeo/-/layers/{layer}')['entries']], ['by'])


# ---- Layers

def tar(*members, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=form) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name, content=b'', **fields):
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def layer_of(server, content, status=200):
    digest = registry(server).push_blob('layers', content)
    return ask(server, f'repos/layers/-/layers/{digest}', status=status)


LONG = '/'.join(['folder' * 10] * 6) + '/file'
MEMBERS = (
    member('etc/', type=tarfile.DIRTYPE, mode=0o755),
    member('etc/passwd', b'root', mode=0o640, mtime=1700000000),
    member('etc/link', type=tarfile.SYMTYPE, linkname='passwd'),
    member('etc/hard', type=tarfile.LNKTYPE, linkname='etc/passwd'),
    member('dev/null', type=tarfile.CHRTYPE),
    member(LONG, b'long', mode=0o4755),
    member('gr\u00fc\u00df', b''),
)
WANTED = [('etc', 'dir', 0, None), ('etc/passwd', 'file', 4, None),
          ('etc/link', 'symlink', 0, 'passwd'), ('etc/hard', 'hardlink', 0, 'etc/passwd'),
          ('dev/null', 'other', 0, None), (LONG, 'file', 4, None), ('gr\u00fc\u00df', 'file', 0, None)]


def shown(document):
    return [(entry['path'].rstrip('/'), entry['type'], entry['size'], entry.get('linkTarget'))
            for entry in document['entries']]


for form_name, tar_form in (('pax', tarfile.PAX_FORMAT), ('GNU', tarfile.GNU_FORMAT)):
    for packed in (False, True):
        @suite.case(f'a layer in the {form_name} format{", by gzip" if packed else ""}',
                    tar_form, packed)
        def layer(server, form, is_packed):
            content = tar(*MEMBERS, form=form)
            document = layer_of(server, gzip.compress(content, mtime=0) if is_packed else content)
            check.equal(shown(document), WANTED)
            check.equal((document['format'], document['truncated']),
                        ('tar+gzip' if is_packed else 'tar', False))
            passwd = document['entries'][1]
            check.equal((passwd['mode'], passwd['mtime']), (0o640, '2023-11-14T22:13:20.000Z'))
            check.equal(document['entries'][5]['mode'], 0o4755)


@suite.case('a gzip file of several members')
def members(server):
    content = tar(*MEMBERS)
    packed = b''.join(gzip.compress(content[begin:begin + 700], mtime=0)
                      for begin in range(0, len(content), 700))
    document = layer_of(server, packed)
    check.equal((shown(document), document['truncated']), (WANTED, False))


@suite.case('more files than are listed, damaged and cut layers')
def truncated(server):
    content = tar(*[member(f'file-{i}') for i in range(60)])
    document = layer_of(server, content)
    check.equal((len(document['entries']), document['truncated']), (50, True), '60 of 50')
    whole = tar(*[member(f'file-{i}') for i in range(50)])
    document = layer_of(server, whole)
    check.equal((len(document['entries']), document['truncated']), (50, False), '50 of 50')
    document = layer_of(server, tar(*MEMBERS)[:1800])
    check.true(document['truncated'] and len(document['entries']) > 0, 'a cut tar')
    noisy = tar(member('a', noise(100000, 5)), member('b', b'b'))
    document = layer_of(server, gzip.compress(noisy, mtime=0)[:50000])
    check.equal(([entry['path'] for entry in document['entries']], document['truncated']),
                (['a'], True), 'a cut gzip')


@suite.case('blobs that are no layers')
def no_layers(server):
    for content in (b'', b'x', b'plain text' * 100, noise(5000, 3), b'\x1f\x8b' + noise(100, 4),
                    gzip.compress(b'no tar' * 200, mtime=0), b'\x28\xb5\x2f\xfd' + bytes(600)):
        problem = layer_of(server, content, 415)
        check.equal(problem['code'], 'HTTP_MEDIA_TYPE')


@suite.case('a layer that unpacks to gigabytes costs its limits and no memory')
def bomb(server):
    head = tar(member('huge', b''))[:512]
    # The size of 8 GiB in octal, with the sum of the header anew.
    head = bytearray(head)
    head[124:136] = b'77777777777\0'
    head[148:156] = b' ' * 8
    head[148:156] = b'%06o\0 ' % sum(head)
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode='wb', compresslevel=1, mtime=0) as packed:
        packed.write(bytes(head))
        for _ in range(1100):
            packed.write(bytes(1 << 20))
    before = server.memory_kib()
    document = layer_of(server, out.getvalue())
    check.equal(([entry['size'] for entry in document['entries']], document['truncated']),
                ([8 ** 11 - 1], True))
    check.true(server.memory_kib() - before < 64 * 1024, 'memory grew')


@suite.case('the list of a layer under its digest as entity tag')
def layer_etag(server):
    content = tar(*MEMBERS)
    digest = registry(server).push_blob('layers', content)
    path = f'repos/layers/-/layers/{digest}'
    check.equal(ask(server, path, method='HEAD').field('etag'), f'"{digest}"')
    ask(server, path, {'If-None-Match': f'"{digest}"'}, 304)


# ---- Events

def last_event(server):
    return ask(server, 'events?after=last')['last']


@suite.case('events in pages, filtered')
def events(server):
    begin = last_event(server)
    registry(server).push('events/a', Image([{'e': b'1'}]), 'one')
    registry(server).push('events/b', Image([{'e': b'2'}]), 'one')
    registry(server).push('events/b', Image([{'e': b'3'}]), 'one')
    everything = ask(server, f'events?after={begin}&n=150')
    numbers = [event['number'] for event in everything['events']]
    check.equal(numbers, list(range(begin + 1, begin + 1 + len(numbers))), 'numbers')
    check.equal(everything['last'], numbers[-1], 'last')
    collected, after = [], begin
    while after < everything['last']:
        page = ask(server, f'events?after={after}&n=2')
        check.true(0 < len(page['events']) <= 2, 'events of a page')
        collected += page['events']
        after = page['last']
    check.equal(collected, everything['events'], 'pages')
    only = ask(server, f'events?after={begin}&types=tag.bound,tag.moved&repo=events/b')
    check.equal([(event['type'], event['repository']) for event in only['events']],
                [('tag.bound', 'events/b'), ('tag.moved', 'events/b')])
    check.equal(only['last'], everything['last'], 'last of a filter')
    check.equal(only['events'][1]['previous'], only['events'][0]['digest'], 'previous')
    refused(server, 'events?types=tag.bond', 400, 'INVALID', 'tag.bond')
    refused(server, 'events?wait=61s', 400, 'INVALID', 'wait')
    refused(server, 'events?after=-1', 400, 'INVALID', 'after')


def push_tag(server, repository, tag):
    image = Image([{'tag': tag.encode()}])
    registry(server).push(repository, image, tag)
    return image.digest


@suite.case('a long poll is answered when something happens')
def long_poll(server):
    begin = last_event(server)
    with http1.Connection(server.address) as connection:
        connection.send(http1.head(server.address, 'GET', f'/api/v1/events?after={begin}&wait=60s'
                                   '&types=tag.bound&repo=poll'))
        push_tag(server, 'other', 'elsewhere')
        digest = push_tag(server, 'poll', 'now')
        answer = check.status(connection.response(), 200)
    event = json.loads(answer.body)['events'][0]
    check.equal((event['type'], event['tag'], event['digest']), ('tag.bound', 'now', digest))


@suite.case('a long poll ends with its time')
def long_poll_ends(server):
    begin = last_event(server)
    document = ask(server, f'events?after={begin}&wait=300ms')
    check.equal(document, {'events': [], 'last': begin})


@suite.case('a stream of events, and again from where it was cut')
def stream(server):
    begin = last_event(server)
    digest = push_tag(server, 'stream', 'before')
    with EventStream(server.address, f'?after={begin}&types=tag.bound&repo=stream') as events_of:
        check.equal(events_of.status(), 200)
        check.contains(events_of.head, b'Content-Type: text/event-stream', 'head')
        first = events_of.message()
        check.equal((first['event'], json.loads(first['data'])['digest']), ('tag.bound', digest))
        check.equal(first['id'], str(json.loads(first['data'])['number']), 'id')
        digest = push_tag(server, 'stream', 'while')
        second = events_of.message()
        check.equal(json.loads(second['data'])['digest'], digest)
    digests = [push_tag(server, 'stream', f'gone-{i}') for i in range(3)]
    with EventStream(server.address, f'?after={begin}&types=tag.bound&repo=stream',
                     second['id']) as events_of:
        check.equal([json.loads(events_of.message()['data'])['digest'] for _ in range(3)], digests,
                    'after the cut')


@suite.case('a stream over HTTP/1.0 ends with its connection')
def stream_http_10(server):
    begin = last_event(server)
    push_tag(server, 'stream', 'old')
    with http1.Connection(server.address) as connection:
        connection.send(b'GET /api/v1/events?after=%d HTTP/1.0\r\nHost: localhost\r\n'
                        b'Accept: text/event-stream\r\n\r\n' % begin)
        text = b''
        while b'"tag":"old"' not in text:
            part = connection.socket.recv(65536)
            check.true(part != b'', 'the connection ended')
            text += part
    check.true(b'transfer-encoding' not in text.lower(), 'chunks for HTTP/1.0')


@suite.case('a slow reader holds nobody up and misses nothing')
def slow_reader(server):
    begin = last_event(server)
    with EventStream(server.address, f'?after={begin}', receive_buffer=4096) as slow:
        image = Image([{'slow': b'reader'}])
        registry(server).push('slow', image, 'first')
        for i in range(120):
            query = '&'.join(f'tag=t{i}-{j}' for j in range(16))
            check.status(registry(server).put_manifest('slow', f'{image.digest}?{query}', image.body,
                                                       image.media_type), 201)
        end = last_event(server)
        check.true(end - begin > 1900, 'too few events')
        numbers = [int(slow.message()['id']) for _ in range(end - begin)]
    check.equal(numbers, list(range(begin + 1, end + 1)), 'numbers')


@suite.case('many waiters; one too many is told so; all places are free again afterwards')
def many_waiters(server):
    begin = last_event(server)
    for _ in range(2):
        streams = []
        for _ in range(20):
            streams.append(EventStream(server.address, f'?after={begin}&types=tag.bound&repo=crowd'))
        polls = [http1.Connection(server.address) for _ in range(20)]
        for connection in polls:
            connection.send(http1.head(server.address, 'GET', f'/api/v1/events?after={begin}'
                                       '&types=tag.bound&repo=crowd&wait=60s'))
        # The polls take their places when they have looked; then there is none left.
        check.eventually('all places are taken', lambda: waiters(server) == 40)
        check.true(not is_free(server), 'one more is taken')
        digest = push_tag(server, 'crowd', f'tag{begin}')
        for one in streams:
            check.equal(json.loads(one.message()['data'])['digest'], digest)
            one.close()
        for connection in polls:
            answer = check.status(connection.response(), 200)
            check.equal(json.loads(answer.body)['events'][0]['digest'], digest)
            connection.close()
        begin = last_event(server)
    check.eventually('all places are free', lambda: waiters(server) == 0)
    check.true(is_free(server), 'none is taken')


def waiters(server):
    metrics = http1.request(server.address, 'GET', '/metrics').body.decode()
    return int(metrics.partition('\ntidemark_event_waiters ')[2].split()[0])


def is_free(server):
    with EventStream(server.address, '?after=last') as one:
        check.one_of(one.status(), {200, 503}, 'status of a stream')
        return one.status() == 200


@suite.case('clients that go away leave their places')
def gone(server):
    begin = last_event(server)
    for _ in range(3):
        polls = [http1.Connection(server.address) for _ in range(30)]
        for connection in polls:
            connection.send(http1.head(server.address, 'GET',
                                       f'/api/v1/events?after={begin}&wait=60s&repo=nobody'))
        for connection in polls:
            connection.close()
    check.eventually('all places are free', lambda: waiters(server) == 0)
    streams = [EventStream(server.address, '?after=last') for _ in range(5)]
    threads = [threading.Thread(target=one.close) for one in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check.eventually('all places are free', lambda: waiters(server) == 0)


@suite.case('streams and polls end when the server stops')
def stops(server):
    begin = last_event(server)
    one = EventStream(server.address, f'?after={begin}')
    with http1.Connection(server.address) as poll:
        poll.send(http1.head(server.address, 'GET', f'/api/v1/events?after={begin}&wait=60s'))
        check.eventually('both wait', lambda: waiters(server) == 2)
        server.process.send_signal(signal.SIGTERM)
        check.equal(one.message(), None, 'the end of the stream')
        answer = check.status(poll.response(), 200)
        check.equal(json.loads(answer.body)['events'], [], 'events of the poll')
    one.close()
    server.wait()
    server.start()


sys.exit(run_suite(suite, config=CONFIG))
