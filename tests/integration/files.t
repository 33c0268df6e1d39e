#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files by plain HTTP: with curl and with oras, which must see the same; drafts; bad input.

TIDEMARK_BIG_BLOB_MIB sets the size in MiB of a file larger than any buffer (256).
"""

import concurrent.futures
import hashlib
import json
import os
import random
import sys
import tempfile
import urllib.parse

import check
import command
import http1
import image
from image import digest_of
from memory import Memory
from registry import Registry
from server import Server, is_sanitized, run_suite
from tap import Suite, note

MIB = 1 << 20
SIZE_MIB = int(os.environ.get('TIDEMARK_BIG_BLOB_MIB', '256'))
MEMORY_MIB = 64
HTML = {'Accept': 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'}
FILES_TYPE = 'application/vnd.tidemark.files.v1'
TITLE = 'org.opencontainers.image.title'

CONFIG = '''\
files:
  max_path: 200
blobs:
  max_size: 3GiB
'''

suite = Suite()


def url(reference, path='', query=''):
    """reference is name:tag or name@digest."""
    return f'/files/{reference}/{urllib.parse.quote(path)}' + (f'?{query}' if query else '')


def put(registry, reference, path, content, fields=None, query=''):
    return registry.request('PUT', url(reference, path, query), fields, content)


def stored(registry, reference, path, content, fields=None):
    """PUT that must succeed; returns the document."""
    answer = check.status(put(registry, reference, path, content, fields), 201)
    return json.loads(answer.body)


def listed(registry, reference):
    answer = check.status(registry.request('GET', url(reference)), 200)
    return json.loads(answer.body)


def paths(registry, reference):
    return [file['path'] for file in listed(registry, reference)['files']]


def fetch(registry, reference, path, fields=None, method='GET'):
    return registry.request(method, url(reference, path), fields)


def problem(answer, status, code, *words):
    check.status(answer, status)
    check.equal(answer.field('content-type'), 'application/problem+json')
    document = json.loads(answer.body)
    check.equal(document['code'], code, document['detail'])
    check.equal(document['status'], status)
    for word in words:
        check.contains(document['detail'], word, 'detail')


def curl(registry, *arguments, **options):
    return command.run('curl', '-sS', '--fail-with-body', *arguments, timeout=1800, **options)


def curl_url(registry, reference, path=''):
    return f'http://{registry.address}{url(reference, path)}'


class Oras:
    """oras in a folder of its own, without anything of whoever runs the tests."""

    def __init__(self, registry):
        self.registry = registry
        self.directory = tempfile.TemporaryDirectory(prefix='tidemark-oras-')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()

    def path(self, *parts):
        path = os.path.join(self.directory.name, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name, content):
        with open(self.path(name), 'wb') as file:
            file.write(content)

    def read(self, name):
        with open(self.path(name), 'rb') as file:
            return file.read()

    def run(self, verb, reference, *arguments):
        home = self.path('home', '')
        environment = {'HOME': home, 'DOCKER_CONFIG': home, 'XDG_CONFIG_HOME': home,
                       'XDG_CACHE_HOME': home}
        return command.run('oras', verb, '--plain-http', f'{self.registry.address}/{reference}',
                           *arguments, timeout=1800, environment=environment, cwd=self.path(''))


# ---- What a file is

@suite.case('curl -T stores a file, which is an OCI artifact and can be fetched and listed')
def round_trip(registry):
    content = image.noise(300000, 'round trip')
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, 'dist.tar.gz'), os.path.join(folder, 'back')
        with open(source, 'wb') as file:
            file.write(content)
        # curl adds the name of the file to a URL that ends with '/'
        answer = json.loads(curl(registry, '-T', source, curl_url(registry, 'team/app:1.2.3')))
        curl(registry, '-o', target, curl_url(registry, 'team/app:1.2.3', 'dist.tar.gz'))
        with open(target, 'rb') as file:
            check.true(file.read() == content, 'the file came back changed')
        os.unlink(source)
        curl(registry, '-OJ', curl_url(registry, f'team/app@{answer["manifest"]}', 'dist.tar.gz'),
             cwd=folder)
        check.true(os.path.exists(source), 'curl -OJ took another name')
    check.equal(answer, {'file': 'dist.tar.gz', 'digest': digest_of(content),
                         'size': len(content), 'manifest': answer['manifest'], 'tag': '1.2.3'})
    check.equal(registry.digest('team/app', '1.2.3'), answer['manifest'])
    manifest = registry.check_holds('team/app', '1.2.3')
    check.equal(manifest, {
        'schemaVersion': 2, 'mediaType': image.OCI_MANIFEST, 'artifactType': FILES_TYPE,
        'config': {'mediaType': image.OCI_EMPTY, 'digest': digest_of(b'{}'), 'size': 2,
                   'data': 'e30='},
        'layers': [{'mediaType': 'application/octet-stream', 'digest': digest_of(content),
                    'size': len(content), 'annotations': {TITLE: 'dist.tar.gz'}}]})
    check.equal(listed(registry, 'team/app:1.2.3'), {
        'name': 'team/app', 'reference': '1.2.3', 'digest': answer['manifest'],
        'files': [{'path': 'dist.tar.gz', 'digest': digest_of(content), 'size': len(content),
                   'mediaType': 'application/octet-stream', 'present': True}]})


@suite.case('Location of a PUT leads to the file, for good')
def location(registry):
    answer = check.status(put(registry, 'a/location:v1', 'd/\xe4 b%.txt', b'one'), 201)
    where = answer.field('location')
    check.equal(where, f'/files/a/location@{json.loads(answer.body)["manifest"]}/d/%C3%A4%20b%25.txt')
    stored(registry, 'a/location:v1', 'd/\xe4 b%.txt', b'two')
    answer = check.status(registry.request('GET', where), 200)
    check.equal(answer.body, b'one')
    check.contains(answer.field('cache-control'), 'immutable')
    check.equal(fetch(registry, 'a/location:v1', 'd/\xe4 b%.txt').body, b'two')


@suite.case('the same files give the same manifest, in whatever order they came')
def byte_stable(registry):
    files = {f'f{number}': b'%d' % number for number in range(5)}
    digests = set()
    for number in range(3):
        names = sorted(files, key=lambda name, seed=number: digest_of(f'{name}{seed}'.encode()))
        for name in names:
            last = stored(registry, f'a/stable{number}:v1', name, files[name])
        digests.add(last['manifest'])
    check.equal(len(digests), 1, 'digests')


@suite.case('a file of the same name takes its place')
def replace(registry):
    stored(registry, 'a/replace:v1', 'a', b'first')
    stored(registry, 'a/replace:v1', 'b', b'other')
    stored(registry, 'a/replace:v1', 'a', b'second')
    check.equal(paths(registry, 'a/replace:v1'), ['a', 'b'])
    check.equal(fetch(registry, 'a/replace:v1', 'a').body, b'second')


@suite.case('an empty file, and one in the chunked coding')
def small_forms(registry):
    stored(registry, 'a/forms:v1', 'empty', b'')
    answer = registry.request('PUT', url('a/forms:v1', 'chunked'),
                              {'Transfer-Encoding': 'chunked'}, http1.chunked(b'x' * 100000, 999))
    check.status(answer, 201)
    check.equal(fetch(registry, 'a/forms:v1', 'empty').body, b'')
    check.equal(fetch(registry, 'a/forms:v1', 'chunked').body, b'x' * 100000)


# ---- oras

FILES = {'dist.tar.gz': image.noise(100000, 'oras'), 'docs/readme.txt': b'read me\n',
         'docs/de/l\xf6we.txt': b'L\xf6we', 'z': b''}


@suite.case('oras pull gets what curl stored, folders included')
def to_oras(registry):
    with Oras(registry) as oras:
        for name, content in FILES.items():
            oras.write('up', content)
            curl(registry, '-T', oras.path('up'), curl_url(registry, 'oras/pull:v1', name))
        oras.run('pull', 'oras/pull:v1', '-o', 'out')
        for name, content in FILES.items():
            check.true(oras.read(f'out/{name}') == content, f'{name} came back changed')


@suite.case('what oras push stored is listed and served, folders included')
def from_oras(registry):
    with Oras(registry) as oras:
        for name, content in FILES.items():
            oras.write(name, content)
        oras.run('push', 'oras/push:v1', *(f'{name}:text/plain' for name in FILES),
                 '--artifact-type', 'application/x-thing', '--annotation', 'key=value')
    check.equal(sorted(paths(registry, 'oras/push:v1')), sorted(FILES))
    for name, content in FILES.items():
        answer = check.status(fetch(registry, 'oras/push:v1', name), 200)
        check.true(answer.body == content, f'{name} came back changed')
        check.equal(answer.field('content-type'), 'text/plain; charset=utf-8')


@suite.case('a file added to what oras pushed leaves all else as it was')
def add_to_oras(registry):
    with Oras(registry) as oras:
        oras.write('b', b'of oras')
        oras.run('push', 'oras/add:v1', 'b:text/plain', '--artifact-type', 'application/x-thing',
                 '--annotation', 'key=value')
        before = registry.check_holds('oras/add', 'v1')
        stored(registry, 'oras/add:v1', 'a', b'of curl', {'Content-Type': 'Text/X-Own; a=b'})
        after = registry.check_holds('oras/add', 'v1')
        new = after['layers'].pop()
        check.equal(after, before)
        check.equal(new, image.descriptor('text/x-own', b'of curl', annotations={TITLE: 'a'}))
        oras.run('pull', 'oras/add:v1', '-o', 'out')
        check.equal((oras.read('out/a'), oras.read('out/b')), (b'of curl', b'of oras'))


# ---- GET

@suite.case('ranges, HEAD, ETag and conditions of a file')
def ranges(registry):
    content = image.noise(10000, 'ranges')
    stored(registry, 'a/ranges:v1', 'f', content)
    answer = check.status(fetch(registry, 'a/ranges:v1', 'f', method='HEAD'), 200)
    check.equal(answer.field('content-length'), '10000')
    etag = answer.field('etag')
    check.equal(etag, f'"{digest_of(content)}"')
    answer = check.status(fetch(registry, 'a/ranges:v1', 'f', {'Range': 'bytes=100-199'}), 206)
    check.equal(answer.body, content[100:200])
    check.equal(answer.field('content-range'), 'bytes 100-199/10000')
    answer = check.status(fetch(registry, 'a/ranges:v1', 'f', {'Range': 'bytes=-5'}), 206)
    check.equal(answer.body, content[-5:])
    answer = check.status(fetch(registry, 'a/ranges:v1', 'f', {'Range': 'bytes=0-1,5-6'}), 206)
    check.contains(answer.field('content-type'), 'multipart/byteranges')
    check.status(fetch(registry, 'a/ranges:v1', 'f', {'Range': 'bytes=10000-'}), 416)
    check.status(fetch(registry, 'a/ranges:v1', 'f', {'If-None-Match': etag}), 304)
    check.status(fetch(registry, 'a/ranges:v1', 'f', {'If-None-Match': '"other"'}), 200)
    with tempfile.NamedTemporaryFile() as part:
        part.write(content[:4000])
        part.flush()
        curl(registry, '-C', '-', '-o', part.name, curl_url(registry, 'a/ranges:v1', 'f'))
        with open(part.name, 'rb') as file:
            check.true(file.read() == content, 'the rest does not fit')


@suite.case('what was pushed is never active: attachment, sandbox, a type of the short list')
def inactive(registry):
    types = {'text/html': 'application/octet-stream', 'image/svg+xml': 'application/octet-stream',
             'text/javascript': 'application/octet-stream',
             'application/xhtml+xml': 'application/octet-stream',
             'text/plain': 'text/plain; charset=utf-8', 'application/zip': 'application/zip',
             'nonsense': 'application/octet-stream',
             image.OCI_MANIFEST: 'application/octet-stream'}
    for number, (given, served) in enumerate(types.items()):
        stored(registry, 'a/types:v1', f'd/{number}.html', b'<script>', {'Content-Type': given})
        answer = check.status(fetch(registry, 'a/types:v1', f'd/{number}.html'), 200)
        check.equal(answer.field('content-type'), served, given)
        check.equal(answer.field('x-content-type-options'), 'nosniff')
        check.equal(answer.field('content-security-policy'), 'sandbox')
        check.equal(answer.field('content-disposition'),
                    f'attachment; filename="{number}.html"; filename*=UTF-8\'\'{number}.html')
    stored(registry, 'a/types:v1', 'a"b\xfc', b'x')
    check.equal(fetch(registry, 'a/types:v1', 'a"b\xfc').field('content-disposition'),
                'attachment; filename="a_b__"; filename*=UTF-8\'\'a%22b%C3%BC')


@suite.case('the list as JSON: ETag, 304, HEAD')
def list_json(registry):
    manifest = stored(registry, 'a/list:v1', 'f', b'x')['manifest']
    for reference in ('a/list:v1', f'a/list@{manifest}'):
        answer = check.status(registry.request('GET', url(reference)), 200)
        check.equal(answer.field('etag'), f'"{manifest}"')
        check.equal(answer.field('content-type'), 'application/json')
        check.equal(answer.field('vary'), 'Accept')
        head = check.status(registry.request('HEAD', url(reference)), 200)
        check.equal(head.field('content-length'), str(len(answer.body)))
        check.status(registry.request('GET', url(reference),
                                      {'If-None-Match': f'"{manifest}"'}), 304)


@suite.case('the list as a page: escaped, no scripts, links that work')
def list_html(registry):
    names = ['<script>alert(1)</script>', 'a&b"c\'d', 'javascript:alert(1)', 'd/e f', '\u202egpj']
    for name in names:
        stored(registry, 'a/page:v1', name, name.encode(), {'Content-Type': 'text/html'})
    answer = check.status(registry.request('GET', url('a/page:v1'), HTML), 200)
    page = answer.body.decode()
    check.equal(answer.field('content-type'), 'text/html; charset=utf-8')
    check.contains(answer.field('content-security-policy'),
                   "default-src 'none'; style-src 'unsafe-inline'")
    check.true('<script' not in page, 'there is a script')
    check_links(registry, url('a/page:v1'), page, names)
    without_slash = url('a/page:v1').rstrip('/')
    page = check.status(registry.request('GET', without_slash, HTML), 200).body.decode()
    check_links(registry, without_slash, page, names)
    etag = answer.field('etag')
    check.status(registry.request('GET', url('a/page:v1'), {**HTML, 'If-None-Match': etag}), 304)


def check_links(registry, base, page, names):
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    check.equal(len(links), len(names), 'links')
    bodies = set()
    for link in links:
        check.true(link.startswith('./'), f'{link} is not relative')
        target = urllib.parse.urljoin(base, link)
        bodies.add(check.status(registry.request('GET', target), 200).body.decode())
    check.equal(bodies, set(names), 'what the links lead to')


def push_titles(registry, repository, titles, **more):
    layers = []
    for number, title in enumerate(titles):
        content = b'layer %d' % number
        registry.push_blob(repository, content)
        annotations = {} if title is None else {'annotations': {TITLE: title}}
        layers.append(image.descriptor('application/x-layer', content, **annotations))
    registry.push_blob(repository, b'{}')
    body = image.to_json({
        'schemaVersion': 2, 'mediaType': image.OCI_MANIFEST, 'artifactType': 'a/b',
        'config': image.descriptor(image.OCI_EMPTY, b'{}'),
        'layers': layers + more.get('layers', [])})
    check.status(registry.put_manifest(repository, 'v1', body, image.OCI_MANIFEST), 201)


@suite.case('titles that break the rules are listed and served as layer-N')
def bad_titles(registry):
    titles = ['good', '../../etc/passwd', None, 'a\nb', 'good', '/abs', '', 'x' * 201, '..', 'layer-2']
    push_titles(registry, 'a/titles', titles)
    names = paths(registry, 'a/titles:v1')
    check.equal(names, ['good', 'layer-1', 'layer-2.1', 'layer-3', 'layer-4', 'layer-5', 'layer-6',
                        'layer-7', 'layer-8', 'layer-2'])
    for number, name in enumerate(names):
        check.equal(fetch(registry, 'a/titles:v1', name).body, b'layer %d' % number)


@suite.case('a layer that is elsewhere is listed as not present, and is 404')
def foreign_layer(registry):
    elsewhere = image.descriptor('application/x-far', b'far away', annotations={TITLE: 'far'},
                                 urls=['https://example.com/far'])
    push_titles(registry, 'a/foreign', ['near'], layers=[elsewhere])
    check.equal([file['present'] for file in listed(registry, 'a/foreign:v1')['files']],
                [True, False])
    problem(fetch(registry, 'a/foreign:v1', 'far'), 404, 'FILE_UNKNOWN', 'not in the repository')
    page = registry.request('GET', url('a/foreign:v1'), HTML).body.decode()
    check.contains(page, 'not stored here')
    check.equal(page.count('href='), 1, 'links')


@suite.case('a container image has its layers as files; an index has none')
def images(registry):
    both = image.multi_arch('files')
    registry.push('a/images', both, 'index')
    registry.push('a/images', both.images[0], 'one')
    check.equal(paths(registry, 'a/images:index'), [])
    problem(fetch(registry, 'a/images:index', 'x'), 404, 'FILE_UNKNOWN', 'index')
    names = paths(registry, 'a/images:one')
    check.equal(names, [f'layer-{number}' for number in range(len(names))])
    check.status(fetch(registry, 'a/images:one', names[0]), 200)
    for tag, word in (('index', 'index'), ('one', 'container image')):
        before = registry.digest('a/images', tag)
        problem(put(registry, f'a/images:{tag}', 'f', b'x'), 409, 'NOT_FILES', word)
        check.equal(registry.digest('a/images', tag), before, 'what the tag names')


@suite.case('a manifest of more than 64 KiB, which is not in the index')
def large_manifest(registry):
    names = [f'{"long" * 40}-{number:03}' for number in range(400)]
    for name in names:
        check.status(put(registry, 'a/large:v1', name, name.encode(), query='draft'), 202)
    check.status(registry.request('POST', url('a/large:v1', query='publish')), 201)
    size = int(registry.get_manifest('a/large', 'v1', method='HEAD').field('content-length'))
    check.true(size > 65536, f'the manifest has only {size} bytes')
    check.equal(paths(registry, 'a/large:v1'), names)
    stored(registry, 'a/large:v1', 'one more', b'x')
    check.equal(len(paths(registry, 'a/large:v1')), 401)
    check.equal(fetch(registry, 'a/large:v1', names[7]).body, names[7].encode())


# ---- Bad input

BAD_PATHS = (
    ('a dot', '.', 'no names'), ('two dots', '..', 'no names'), ('dots inside', 'a/../b', 'no names'),
    ('escaped dots', 'a/%2e%2E/b', 'no names'), ('a dot inside', 'a/./b', 'no names'),
    ('an empty segment', 'a//b', 'must not'), ('a slash at the end', 'a/', 'must not'),
    ('a slash at the beginning', '/a', 'must not'), ('NUL', 'a%00b', 'control'),
    ('a line break', 'a%0Ab', 'control'), ('DEL', 'a%7f', 'control'), ('C1', 'a%C2%85', 'control'),
    ('bytes that are not UTF-8', 'a%FFb', 'UTF-8'), ('an overlong form', '%C0%AF', 'UTF-8'),
    ('a surrogate', '%ED%A0%80', 'UTF-8'), ('half an escape', 'a%2', 'two hex digits'),
    ('an escape that is none', 'a%zz', 'two hex digits'), ('201 bytes', 'x' * 201, 'max_path'),
)


def bad_path(registry, path, word):
    target = f'/files/a/bad:v1/{path}'
    for method, query in (('PUT', ''), ('PUT', '?draft'), ('GET', '')):
        answer = registry.request(method, target + query, None, b'x' if method == 'PUT' else None)
        problem(answer, 400, 'FILE_PATH_INVALID', word)
    check.equal(registry.digest('a/bad', 'v1'), None)


for what, bad, words in BAD_PATHS:
    suite.add(f'a path with {what} is refused', bad_path, bad, words)


@suite.case('what else is refused before a byte of the body is read')
def refused_heads(registry):
    def refused(status, code, word, target, fields, method='PUT', body=b'x'):
        problem(registry.request(method, target, fields, body), status, code, word)

    good = url('a/refused:v1', 'f')
    digest = digest_of(b'x')
    refused(400, 'HTTP_BAD_REQUEST', 'write to a tag', url(f'a/refused@{digest}', 'f'), None)
    refused(400, 'TAG_INVALID', '', url('a/refused:-v', 'f'), None)
    refused(400, 'TAG_INVALID', '', f'/files/a/refused:{digest}/f', None)
    refused(400, 'DIGEST_INVALID', '', url('a/refused@v1', 'f'), None, 'GET', None)
    refused(400, 'NAME_INVALID', '', url('A/refused:v1', 'f'), None)
    refused(400, 'HTTP_BAD_REQUEST', 'Content-Range', good, {'Content-Range': 'bytes 0-0/2'})
    refused(415, 'HTTP_MEDIA_TYPE', 'Content-Encoding', good, {'Content-Encoding': 'gzip'})
    refused(415, 'HTTP_MEDIA_TYPE', 'curl -T', good,
            {'Content-Type': 'multipart/form-data; boundary=x'})
    refused(413, 'BLOB_TOO_LARGE', 'blobs.max_size', good, {'Content-Length': str(4 << 30)})
    refused(400, 'HTTP_BAD_REQUEST', 'If-None-Match', good, {'If-None-Match': '"x"'})
    refused(400, 'HTTP_BAD_REQUEST', 'publishing', good + '?draft', {'If-None-Match': '*'})
    refused(400, 'HTTP_BAD_REQUEST', '?publish', url('a/refused:v1'), None, 'POST', None)
    refused(400, 'HTTP_BAD_REQUEST', '?draft', url('a/refused:v1'), None, 'DELETE', None)
    with http1.Connection(registry.address) as connection:
        connection.send(f'PUT {good} HTTP/1.1\r\nHost: {connection.host}\r\n\r\n'.encode())
        problem(connection.response('PUT'), 411, 'HTTP_LENGTH_REQUIRED', 'Content-Length')
    check.status(registry.request('POST', good), 405)
    check.status(registry.request('GET', '/v2/a/refused/tags/list'), 404)


@suite.case('404 says which part is missing')
def unknown(registry):
    problem(registry.request('GET', url('a/nowhere:v1')), 404, 'NAME_UNKNOWN')
    stored(registry, 'a/unknown:v1', 'f', b'x')
    problem(registry.request('GET', url('a/unknown:v2')), 404, 'MANIFEST_UNKNOWN')
    problem(fetch(registry, 'a/unknown:v2', 'f'), 404, 'MANIFEST_UNKNOWN')
    problem(fetch(registry, 'a/unknown:v1', 'g'), 404, 'FILE_UNKNOWN')
    problem(fetch(registry, f'a/unknown@{digest_of(b"x")}', 'f'), 404, 'MANIFEST_UNKNOWN')


@suite.case('a body that ends early leaves nothing')
def interrupted(registry):
    with http1.Connection(registry.address) as connection:
        connection.send(http1.head(connection.host, 'PUT', url('a/cut:v1', 'f'),
                                   {'Content-Length': '1000000'}))
        connection.send(b'x' * 500000)
    check.eventually('the upload is gone', lambda: uploads(registry) == 0)
    problem(registry.request('GET', url('a/cut:v1')), 404, 'NAME_UNKNOWN')


def uploads(registry):
    text = registry.request('GET', '/metrics').body.decode()
    values = [line.split()[1] for line in text.splitlines() if line.startswith('tidemark_uploads ')]
    check.equal(len(values), 1, 'lines of tidemark_uploads')
    return float(values[0])


# ---- Conditions and concurrency

@suite.case('If-None-Match: * and If-Match are about the tag')
def conditions(registry):
    first = stored(registry, 'a/cond:v1', 'a', b'1', {'If-None-Match': '*'})['manifest']
    answer = put(registry, 'a/cond:v1', 'b', b'2', {'If-None-Match': '*'})
    problem(answer, 412, 'HTTP_PRECONDITION')
    check.equal(answer.field('etag'), f'"{first}"')
    etag = registry.request('GET', url('a/cond:v1')).field('etag')
    second = stored(registry, 'a/cond:v1', 'b', b'2', {'If-Match': etag})['manifest']
    problem(put(registry, 'a/cond:v1', 'c', b'3', {'If-Match': etag}), 412, 'HTTP_PRECONDITION')
    problem(put(registry, 'a/cond:v2', 'c', b'3', {'If-Match': etag}), 412, 'HTTP_PRECONDITION')
    check.equal(registry.digest('a/cond', 'v1'), second)
    check.status(put(registry, 'a/cond:v1', 'c', b'3', query='draft'), 202)
    answer = registry.request('POST', url('a/cond:v1', query='publish'), {'If-Match': etag})
    problem(answer, 412, 'HTTP_PRECONDITION')
    answer = registry.request('POST', url('a/cond:v1', query='publish'),
                              {'If-Match': f'"{second}"'})
    check.status(answer, 201)
    check.equal(paths(registry, 'a/cond:v1'), ['a', 'b', 'c'])


@suite.case('64 files put into one tag at once are all there')
def concurrent_puts(registry):
    names = [f'file-{number:02}' for number in range(64)]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(
            lambda name: put(registry, 'a/many:v1', name, name.encode()), names))
    for answer in answers:
        check.status(answer, 201)
    check.equal(paths(registry, 'a/many:v1'), names)
    # Each binding is one event more, and no file was ever lost on the way.
    for answer in answers:
        document = json.loads(answer.body)
        check.true(document['file'] in paths(registry, f'a/many@{document["manifest"]}'), 'lost')
    registry.check_holds('a/many', 'v1')


@suite.case('a tag moved by others all the while: nothing is lost, and refusals say so')
def contended(registry):
    stored(registry, 'a/contended:v1', 'base', b'0')
    body = registry.get_manifest('a/contended', 'v1').body

    def move(number):
        document = json.loads(body)
        document['annotations'] = {'number': str(number)}
        return registry.put_manifest('a/contended', 'v1', image.to_json(document),
                                     image.OCI_MANIFEST)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        moves = [pool.submit(move, number) for number in range(100)]
        puts = [pool.submit(put, registry, 'a/contended:v1', f'f{number}', b'x')
                for number in range(50)]
        for future in moves:
            check.status(future.result(), 201)
        for future in puts:
            answer = check.status(future.result(), {201, 503})
            if answer.status == 503:
                problem(answer, 503, 'CONFLICT', 'moved')
    check.true('base' in paths(registry, 'a/contended:v1'), 'the first file is lost')


# ---- Drafts

@suite.case('200 files in one draft, published at once')
def draft(registry):
    names = [f'{number % 10}/file-{number:03}' for number in range(200)]
    expected = sorted(names)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for answer in pool.map(lambda name: put(registry, 'a/draft:v1', name, name.encode(),
                                                query='draft'), names):
            check.status(answer, 202)
    document = json.loads(put(registry, 'a/draft:v1', names[0], b'again', query='draft').body)
    check.equal(document['files'], 200)
    check.equal((document['draft'], document['file'], document['size']), (True, names[0], 5))
    check.true(document['expiresAt'].endswith('Z'), document['expiresAt'])
    # Until then nobody sees it.
    problem(registry.request('GET', url('a/draft:v1')), 404, 'MANIFEST_UNKNOWN')
    answer = check.status(registry.request('POST', url('a/draft:v1', query='publish')), 201)
    document = json.loads(answer.body)
    check.equal(document, {'manifest': registry.digest('a/draft', 'v1'), 'tag': 'v1', 'files': 200})
    check.equal(answer.field('location'), f'/files/a/draft@{document["manifest"]}/')
    check.equal(paths(registry, 'a/draft:v1'), expected)
    check.equal(fetch(registry, 'a/draft:v1', names[0]).body, b'again')
    check.equal(fetch(registry, 'a/draft:v1', names[7]).body, names[7].encode())
    problem(registry.request('POST', url('a/draft:v1', query='publish')), 404, 'DRAFT_UNKNOWN')
    registry.check_holds('a/draft', 'v1')


@suite.case('a draft for a published tag adds to it')
def draft_adds(registry):
    stored(registry, 'a/drafts:v1', 'a', b'old')
    stored(registry, 'a/drafts:v1', 'b', b'old')
    for name in ('b', 'c'):
        check.status(put(registry, 'a/drafts:v1', name, b'new', query='draft'), 202)
    check.equal(fetch(registry, 'a/drafts:v1', 'b').body, b'old')
    answer = check.status(registry.request('POST', url('a/drafts:v1', query='publish')), 201)
    check.equal(json.loads(answer.body)['files'], 3)
    check.equal([fetch(registry, 'a/drafts:v1', name).body for name in 'abc'],
                [b'old', b'new', b'new'])


@suite.case('a draft thrown away is gone')
def draft_discarded(registry):
    problem(registry.request('DELETE', url('a/away:v1', query='draft')), 404, 'DRAFT_UNKNOWN')
    for number in range(120):
        check.status(put(registry, 'a/away:v1', f'{number}', b'x', query='draft'), 202)
    check.status(registry.request('DELETE', url('a/away:v1', query='draft')), 204)
    problem(registry.request('DELETE', url('a/away:v1', query='draft')), 404, 'DRAFT_UNKNOWN')
    problem(registry.request('POST', url('a/away:v1', query='publish')), 404, 'DRAFT_UNKNOWN')


@suite.case('a file of the draft that was deleted meanwhile is missed')
def draft_missing(registry):
    check.status(put(registry, 'a/missing:v1', 'f', b'to be deleted', query='draft'), 202)
    digest = digest_of(b'to be deleted')
    check.status(registry.request('DELETE', f'/v2/a/missing/blobs/{digest}'), 202)
    answer = registry.request('POST', url('a/missing:v1', query='publish'))
    problem(answer, 400, 'MANIFEST_BLOB_UNKNOWN', digest)
    check.status(put(registry, 'a/missing:v1', 'f', b'to be deleted', query='draft'), 202)
    check.status(registry.request('POST', url('a/missing:v1', query='publish')), 201)


@suite.case('publishing while files are put loses none')
def draft_race(registry):
    names = [f'{number:02}' for number in range(40)]

    def publish(_):
        answer = registry.request('POST', url('a/race:v1', query='publish'))
        return check.status(answer, {201, 404, 503})

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        puts = [pool.submit(put, registry, 'a/race:v1', name, b'x', None, 'draft')
                for name in names]
        list(pool.map(publish, range(20)))
        for future in puts:
            check.status(future.result(), 202)
    registry.request('POST', url('a/race:v1', query='publish'))
    check.equal(paths(registry, 'a/race:v1'), names)


@suite.case('a draft expires, and the sweep removes its rows')
def draft_expires(_):
    with Server(config='files:\n  draft_expire: 1s\n') as server:
        registry = Registry.of(server)
        for number in range(3):
            check.status(put(registry, 'a/old:v1', f'{number}', b'x', query='draft'), 202)
        check.eventually('the draft has expired', lambda: expired(registry, 'a/old:v1'))
        problem(registry.request('POST', url('a/old:v1', query='publish')), 404, 'DRAFT_UNKNOWN')
        server.restart()
        swept = check.eventually('the sweep', lambda: [
            event for event in server.log_events() if event['event'] == 'draft.sweep'])
        check.equal(swept[0]['files'], 3, 'files removed')
        server.stop()
        server.check_is_clean()


def expired(registry, reference):
    """Only asked of a draft whose conditions never hold, so that asking does not publish it."""
    answer = registry.request('POST', url(reference, query='publish'),
                              {'If-Match': f'"{digest_of(b"")}"'})
    return check.status(answer, {404, 412}).status == 404


# ---- Large

class BigFile:
    """Blocks differ by their number; making it costs one hash."""

    def __init__(self, path):
        self.path = path
        block = bytearray(random.Random('big file').randbytes(MIB))
        digest = hashlib.sha256()
        with open(self.path, 'wb') as file:
            for number in range(SIZE_MIB):
                block[:8] = number.to_bytes(8, 'big')
                digest.update(block)
                file.write(block)
        self.digest = f'sha256:{digest.hexdigest()}'


def digest_of_file(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while data := file.read(MIB):
            digest.update(data)
    return f'sha256:{digest.hexdigest()}'


@suite.case(f'{SIZE_MIB} MiB by curl -T and back by oras, and the other way round, '
            f'in less than {MEMORY_MIB} MiB of memory')
def big(registry):
    with Oras(registry) as oras, Memory(registry.server) as memory:
        file = BigFile(oras.path('big.tar'))
        document = json.loads(curl(registry, '-T', file.path, curl_url(registry, 'a/big:curl')))
        check.equal(document['digest'], file.digest)
        oras.run('pull', 'a/big:curl', '-o', 'pulled')
        check.equal(digest_of_file(oras.path('pulled/big.tar')), file.digest, 'pulled by oras')
        os.unlink(oras.path('pulled/big.tar'))
        oras.run('push', 'b/big:oras', 'big.tar:application/x-tar')
        os.unlink(file.path)
        curl(registry, '-o', file.path, curl_url(registry, 'b/big:oras', 'big.tar'))
        check.equal(digest_of_file(file.path), file.digest, 'fetched by curl')
    note(f'RssAnon at most {memory.peak_kib} KiB')
    if not is_sanitized():
        check.true(memory.peak_kib < MEMORY_MIB * 1024,
                   f'the server had {memory.peak_kib} KiB, not below {MEMORY_MIB} MiB')


def context(server):
    registry = Registry.of(server)
    registry.server = server
    return registry


sys.exit(run_suite(suite, context, config=CONFIG))
