#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The distribution API beyond what the conformance suite looks at: bad input above all.

Every refusal has its status, its code and a message that helps, and leaves nothing behind.
"""

import json
import sys

import check
import http1
import image
from image import Artifact, Image, digest_of, to_json
from registry import OCTETS, Registry, with_query
from server import run_suite
from tap import Suite

CONFIG = '''\
lists:
  max_page: 50
manifests:
  max_tags_per_put: 10
'''

SHA256 = 'sha256:' + '0' * 64
SHA512 = 'sha512:' + '0' * 128

suite = Suite()


def case(name, *arguments):
    """A case whose function gets a Registry instead of the server."""
    def register(function):
        suite.add(name, lambda server, *more: function(Registry(server.address), *more), *arguments)
        return function
    return register


# ---- Digests

BAD_DIGESTS = (
    ('upper-case hex', 'sha256:' + 'A' * 64, 'lower'),
    ('one digit short', SHA256[:-1], '64'),
    ('one digit long', SHA256 + '0', '64'),
    ('no digits', 'sha256:', ''),
    ('no algorithm', ':' + '0' * 64, ''),
    ('an upper-case algorithm', 'SHA256:' + '0' * 64, ''),
    ('md5', 'md5:' + '0' * 32, 'sha256'),
    ('sha384', 'sha384:' + '0' * 96, 'sha256'),
    ('sha512 of the length of sha256', 'sha512:' + '0' * 64, '128'),
    ('a digit that is none', 'sha256:' + 'g' * 64, ''),
    ('two colons', 'sha256::' + '0' * 63, ''),
    ('a space', 'sha256:%20' + '0' * 63, ''),
)


def bad_digest(registry, digest, word):
    for method in ('GET', 'HEAD', 'DELETE'):
        answer = registry.request(method, f'/v2/digests/blobs/{digest}')
        if method == 'HEAD':
            check.status(answer, 400)
        else:
            check.error(answer, 400, 'DIGEST_INVALID', word)
        answer = registry.request(method, f'/v2/digests/manifests/{digest}')
        check.status(answer, 400)
    answer = registry.put_manifest('digests', digest, image.small().body, image.OCI_MANIFEST)
    check.status(answer, 400)
    check.error(registry.request('GET', f'/v2/digests/referrers/{digest}'), 400, 'DIGEST_INVALID')
    for parameter in ('digest', 'mount'):
        answer = registry.request('POST', f'/v2/digests/blobs/uploads/?{parameter}={digest}')
        check.error(answer, 400, 'DIGEST_INVALID')
    location = registry.begin_upload('digests')
    check.error(registry.request('PUT', with_query(location, f'digest={digest}'), OCTETS, b'x'),
                400, 'DIGEST_INVALID')
    check.status(registry.request('DELETE', location), 204)


for name, bad, hint in BAD_DIGESTS:
    case(f'digest: {name}', bad, hint)(bad_digest)


@case('digest: another than that of the content')
def wrong_digest(registry):
    location = registry.begin_upload('wrong')
    answer = registry.request('PUT', with_query(location, f'digest={SHA256}'), OCTETS, b'content')
    check.error(answer, 400, 'DIGEST_INVALID', SHA256, digest_of(b'content'))
    check.true(not registry.has_blob('wrong', SHA256), 'the blob is there')
    check.true(not registry.has_blob('wrong', digest_of(b'content')), 'the content is there')
    answer = registry.request('POST', f'/v2/wrong/blobs/uploads/?digest={SHA256}', OCTETS, b'cont')
    check.error(answer, 400, 'DIGEST_INVALID', SHA256)
    answer = registry.put_manifest('wrong', SHA256, b'{}', image.OCI_MANIFEST)
    check.error(answer, 400, 'DIGEST_INVALID', SHA256)
    check.status(registry.get_manifest('wrong', SHA256), 404)


@case('digest: none where an upload is finished')
def no_digest(registry):
    location = registry.begin_upload('wrong')
    check.error(registry.request('PUT', location, OCTETS, b'content'), 400, 'DIGEST_INVALID',
                'digest=')


# ---- Uploads

@case('upload: an unknown one')
def unknown_upload(registry):
    for identity in ('0' * 32, 'x', '-', '0' * 31, '0' * 33, 'A' * 32, '..%2f..%2fformat',
                     'a.meta'):
        for method in ('GET', 'PATCH', 'DELETE'):
            answer = registry.request(method, f'/v2/unknown/blobs/uploads/{identity}')
            check.error(answer, 404, 'BLOB_UPLOAD_UNKNOWN')
        answer = registry.request('PUT', f'/v2/unknown/blobs/uploads/{identity}?digest={SHA256}')
        check.error(answer, 404, 'BLOB_UPLOAD_UNKNOWN')


@case('upload: one of another repository')
def foreign_upload(registry):
    location = registry.begin_upload('mine')
    foreign = location.replace('/v2/mine/', '/v2/yours/')
    for method in ('GET', 'PATCH', 'DELETE'):
        check.error(registry.request(method, foreign), 404, 'BLOB_UPLOAD_UNKNOWN')
    check.status(registry.request('GET', location), 204)


@case('upload: cancelled or finished, it is unknown')
def ended_upload(registry):
    location = registry.begin_upload('ended')
    check.status(registry.request('DELETE', location), 204)
    check.error(registry.request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')
    location = registry.begin_upload('ended')
    target = with_query(location, f'digest={digest_of(b"x")}')
    check.status(registry.request('PUT', target, OCTETS, b'x'), 201)
    check.error(registry.request('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN')


OUT_OF_ORDER = ('100-109', '4-13', '0-9', '9-18', '11-20',
                '9223372036854775798-9223372036854775807')


@case('upload: a gap or an overlap is 416 and says where to go on')
def out_of_order(registry):
    location = registry.begin_upload('order')
    answer = registry.request('PATCH', location, {'Content-Range': '0-9'}, b'0123456789')
    check.equal(check.status(answer, 202).field('range'), '0-9')
    for content_range in OUT_OF_ORDER:
        for method, target in (('PATCH', location),
                               ('PUT', with_query(location, f'digest={SHA256}'))):
            answer = registry.request(method, target, {'Content-Range': content_range}, b'x' * 10)
            check.error(answer, 416, 'BLOB_UPLOAD_INVALID', '10')
            check.equal(answer.field('range'), '0-9', 'Range')
            check.equal(answer.field('location'), location, 'Location')
    target = with_query(location, f'digest={digest_of(b"0123456789")}')
    check.status(registry.request('PUT', target), 201)


BAD_CONTENT_RANGES = ('x', '0', '-', '0-', '-9', '9-0', 'bytes 0-9/*', 'bytes=0-9', '0-9/10',
                      '+0-9', '0-9223372036854775808', '9223372036854775808-9223372036854775817',
                      '0-18446744073709551616', '0x0-0x9', '0 - 9', '0-9,10-19')


@case('upload: a Content-Range that is none, offsets at 2^63 and 2^64')
def bad_content_range(registry):
    location = registry.begin_upload('order')
    for content_range in BAD_CONTENT_RANGES:
        answer = registry.request('PATCH', location, {'Content-Range': content_range}, b'x' * 10)
        check.status(answer, {400, 416}, f'Content-Range: {content_range}')
        check.error(answer, answer.status, 'BLOB_UPLOAD_INVALID')
        check.equal(registry.request('GET', location).field('range'), '0-0',
                    f'the upload after Content-Range: {content_range}')
    target = with_query(location, f'digest={digest_of(b"")}')
    check.status(registry.request('PUT', target), 201)


@case('upload: a body shorter or longer than its Content-Range')
def wrong_length(registry):
    location = registry.begin_upload('length')
    for body in (b'x' * 9, b'x' * 11):
        answer = registry.request('PATCH', location, {'Content-Range': '0-9'}, body)
        check.error(answer, 400, 'SIZE_INVALID')
    check.equal(registry.request('GET', location).field('range'), '0-0', 'nothing was taken')
    for body in (b'x' * 9, b'x' * 11):
        with http1.Connection(registry.address) as connection:
            connection.send(http1.head(connection.host, 'PATCH', location, {
                'Content-Range': '0-9', 'Transfer-Encoding': 'chunked'}) + http1.chunked(body))
            check.error(connection.response('PATCH'), 400, 'SIZE_INVALID')
        location = registry.begin_upload('length')


@case('upload: a second client on it is 409, and does no harm')
def two_clients(registry):
    location = registry.begin_upload('busy')
    content = image.noise(200000, 'two clients')
    with http1.Connection(registry.address) as first:
        first.send(http1.head(first.host, 'PATCH', location, None, content) + content[:100000])

        def is_busy():
            answer = registry.request('PATCH', location, None, b'')
            return answer if answer.status == 409 else None
        answer = check.eventually('the upload is busy', is_busy)
        check.error(answer, 409, 'BLOB_UPLOAD_INVALID', 'another')
        target = with_query(location, f'digest={digest_of(content)}')
        for method, where in (('PATCH', location), ('PUT', target), ('DELETE', location)):
            check.error(registry.request(method, where, None, b'harm'), 409, 'BLOB_UPLOAD_INVALID')
        first.send(content[100000:])
        check.equal(check.status(first.response('PATCH'), 202).field('range'), '0-199999')
    check.status(registry.request('PUT', target), 201)
    check.equal(registry.get_blob('busy', digest_of(content)).body == content, True, 'content')


@case('upload: sha512 by ?digest-algorithm=, by POST and by PUT')
def sha512(registry):
    content = b'content of sha512'
    digest = digest_of(content, 'sha512')
    answer = registry.request('POST', '/v2/sha512/blobs/uploads/?digest-algorithm=sha512')
    location = check.status(answer, 202).field('location')
    check.status(registry.request('PATCH', location, None, content[:5]), 202)
    answer = registry.request('PUT', with_query(location, f'digest={digest}'), OCTETS, content[5:])
    check.status(answer, 201)
    check.equal(answer.field('docker-content-digest'), digest)
    check.equal(registry.get_blob('sha512', digest).body, content)
    other = digest_of(b'other', 'sha512')
    answer = registry.request('POST', f'/v2/sha512/blobs/uploads/?digest={other}', OCTETS, b'other')
    check.equal(check.status(answer, 201).field('location'), f'/v2/sha512/blobs/{other}')
    # An upload begun for one algorithm may be finished by the other.
    check.equal(registry.push_blob('sha512', b'third', 'sha512'), digest_of(b'third', 'sha512'))
    for word in ('md5', 'SHA512', '', 'sha384'):
        answer = registry.request('POST', f'/v2/sha512/blobs/uploads/?digest-algorithm={word}')
        check.error(answer, 400, 'DIGEST_INVALID', 'sha512')


@case('upload: the empty blob, in every way')
def empty_blob(registry):
    digest = digest_of(b'')
    answer = registry.request('POST', f'/v2/empty/blobs/uploads/?digest={digest}', OCTETS, b'')
    check.status(answer, 201)
    check.equal(registry.push_blob('empty2', b''), digest)
    check.equal(registry.get_blob('empty', digest).body, b'')
    check.equal(registry.get_blob('empty2', digest, method='HEAD').field('content-length'), '0')


# ---- Mounts

@case('mount: with from, without, and of what is not there')
def mounts(registry):
    content = image.noise(1000, 'mounts')
    digest = registry.push_blob('mount/source', content)
    for target, query in (('mount/named', f'mount={digest}&from=mount/source'),
                          ('mount/anywhere', f'mount={digest}')):
        answer = registry.request('POST', f'/v2/{target}/blobs/uploads/?{query}')
        check.equal(check.status(answer, 201).field('location'), f'/v2/{target}/blobs/{digest}')
        check.equal(registry.get_blob(target, digest).body, content)
    for query in (f'mount={SHA256}&from=mount/source', f'mount={SHA256}', f'mount={SHA512}',
                  f'mount={digest}&from=mount/nowhere'):
        answer = registry.request('POST', f'/v2/mount/none/blobs/uploads/?{query}')
        location = check.status(answer, 202, query).field('location')
        check.status(registry.request('GET', location), 204)
        check.status(registry.request('DELETE', location), 204)
    check.true(not registry.has_blob('mount/none', digest), 'it was mounted all the same')
    answer = registry.request('POST', f'/v2/mount/x/blobs/uploads/?mount={digest}&from=BAD')
    check.error(answer, 400, 'NAME_INVALID')


@case('mount: a manifest is no blob')
def mount_manifest(registry):
    registry.push('mount/manifest', image.small('mount manifest'), 'latest')
    digest = image.small('mount manifest').digest
    check.true(not registry.has_blob('mount/manifest', digest), 'a manifest is read as a blob')
    answer = registry.request('POST', f'/v2/mount/y/blobs/uploads/?mount={digest}'
                                      '&from=mount/manifest')
    check.status(answer, 202)


@case('a blob of one repository is not there in another')
def repositories_are_apart(registry):
    digest = registry.push_blob('apart/one', b'apart')
    check.error(registry.get_blob('apart/two', digest), 404)
    registry.push_blob('apart/two', b'another')
    check.error(registry.get_blob('apart/two', digest), 404, 'BLOB_UNKNOWN')
    one = image.small('apart')
    registry.push('apart/one', one, 'latest')
    check.error(registry.get_manifest('apart/two', one.digest), 404, 'MANIFEST_UNKNOWN')
    answer = registry.put_manifest('apart/two', 'latest', one.body, one.media_type)
    check.error(answer, 400, 'MANIFEST_BLOB_UNKNOWN')


# ---- Names and tags

LONGEST_NAME = '/'.join(['abcdefghijk'] * 21) + '/ab'
GOOD_NAMES = ('a', '0', 'a/b', 'a.b', 'a_b', 'a__b', 'a-b', 'a---b', 'a0/b-c_d.e/f',
              LONGEST_NAME + 'c')
BAD_NAMES = ('A', 'a/B', 'a..b', 'a___b', '-a', 'a-', '.a', 'a.', '_a', 'a_', 'a/', 'a//b', 'a._b',
             'a%20b', 'a%2Fb', 'a%41', 'a%00', 'a~b', 'a+b', 'a:b', 'a@b', '%C3%A9', '..', 'a/..',
             'a/../b', 'a/./b', LONGEST_NAME + 'cd')


@case('name: the longest one has 255 characters')
def longest_name(_registry):
    check.equal(len(LONGEST_NAME), 254)


@case('name: good ones')
def good_names(registry):
    for repository in GOOD_NAMES:
        digest = registry.push_blob(repository, b'named')
        check.true(registry.has_blob(repository, digest), repository)


@case('name: bad ones are 400 (or no such path), and nothing appears')
def bad_names(registry):
    for repository in BAD_NAMES:
        for method, rest in (('GET', 'tags/list'), ('POST', 'blobs/uploads/'),
                             ('GET', 'manifests/x'), ('GET', f'blobs/{SHA256}')):
            answer = registry.request(method, f'/v2/{repository}/{rest}')
            check.status(answer, {400, 404}, f'{method} {repository}/{rest}')
            document = json.loads(answer.body)['errors'][0]
            check.one_of(document['code'], {'NAME_INVALID', 'NAME_UNKNOWN', 'UNSUPPORTED'},
                         f'code for {repository}')
            check.true(document['code'] != 'NAME_UNKNOWN', f'{repository} is taken for a good name')
    names = json.loads(registry.request('GET', '/v2/_catalog').body)['repositories']
    check.equal([name for name in names if name.lower() != name], [], 'names in upper case')


GOOD_TAGS = ('a', 'A', '0', '_', '_a', 'a.b', 'a-b', 'v1.0.0', 'latest', 'a' * 128)
BAD_TAGS = ('.a', '-a', 'a%2Fb', 'a+b', 'a%20b', 'a~', 'a@b', '%C3%A9', 'a%00', 'a' * 129,
            'a' * 1000)


@case('tag: good ones')
def good_tags(registry):
    one = image.small('tags')
    registry.push('tags', one)
    for tag in GOOD_TAGS:
        check.status(registry.put_manifest('tags', tag, one.body, one.media_type), 201, tag)
    check.equal(registry.tags('tags'), sorted(GOOD_TAGS), 'tags in byte order')


@case('tag: bad ones are 400, as reference and as parameter')
def bad_tags(registry):
    one = image.small('bad tags')
    registry.push('bad-tags', one)
    for tag in BAD_TAGS:
        check.error(registry.get_manifest('bad-tags', tag), 400, 'TAG_INVALID', 'tag')
        answer = registry.put_manifest('bad-tags', tag, one.body, one.media_type)
        check.error(answer, 400, 'TAG_INVALID')
        check.error(registry.delete_manifest('bad-tags', tag), 400, 'TAG_INVALID')
        answer = registry.put_manifest('bad-tags', f'{one.digest}?tag=good&tag={tag}', one.body,
                                       one.media_type)
        check.status(answer, 400, f'tag={tag}')
    check.equal(registry.tags('bad-tags'), [], 'tags')


# ---- Manifests

def manifest_with(**fields):
    """A good image manifest without layers, changed by these fields; None removes one."""
    document = json.loads(Image([]).body)
    document.update(fields)
    return {name: value for name, value in document.items() if value is not None}


CONFIG_BLOB = Image([]).config
CONFIG_DESCRIPTOR = image.descriptor(image.OCI_CONFIG, CONFIG_BLOB)
DEEP = b'{"schemaVersion":2,"x":' + b'[' * 3000 + b']' * 3000 + b'}'


def changed(**fields):
    return {**CONFIG_DESCRIPTOR, **fields}


BAD_MANIFESTS = (
    ('nothing', b''), ('no JSON', b'hello'), ('half of one', Image([]).body[:-1]),
    ('two of them', Image([]).body * 2), ('a list', b'[]'), ('a number', b'2'), ('null', b'null'),
    ('an empty object', b'{}'), ('bad UTF-8', b'{"a":"\xff"}'),
    ('a byte order mark', b'\xef\xbb\xbf' + Image([]).body),
    ('3,000 levels', DEEP),
    ('a name twice', Image([]).body[:-1] + b',"schemaVersion":2}'),
    ('config twice', Image([]).body[:-1] + b',"config":' + to_json(CONFIG_DESCRIPTOR) + b'}'),
    ('schemaVersion 1', manifest_with(schemaVersion=1)),
    ('schemaVersion "2"', manifest_with(schemaVersion='2')),
    ('no schemaVersion', manifest_with(schemaVersion=None)),
    ('no config', manifest_with(config=None)), ('no layers', manifest_with(layers=None)),
    ('layers that are no list', manifest_with(layers={})),
    ('layers of numbers', manifest_with(layers=[1])),
    ('layers and manifests', manifest_with(manifests=[])),
    ('a mediaType that is no string', manifest_with(mediaType=5)),
    ('another mediaType than Content-Type', manifest_with(mediaType=image.OCI_INDEX)),
    ('an unknown mediaType', manifest_with(mediaType='text/plain')),
    ('a config without digest', manifest_with(config={'mediaType': 'a/b', 'size': 1})),
    ('a config without mediaType', manifest_with(config={'digest': SHA256, 'size': 1})),
    ('a config without size', manifest_with(config={'mediaType': 'a/b', 'digest': SHA256})),
    ('a digest in upper case', manifest_with(config=changed(digest='sha256:' + 'A' * 64))),
    ('a digest cut short', manifest_with(config=changed(digest=SHA256[:-1]))),
    ('a digest of md5', manifest_with(config=changed(digest='md5:' + '0' * 32))),
    ('a negative size', manifest_with(config=changed(size=-1))),
    ('a fraction as size', manifest_with(config=changed(size=1.5))),
    ('a size of 2^63', manifest_with(config=changed(size=1 << 63))),
    ('a size of 1e400', Image([]).body.replace(b'"size":', b'"size":1e400,"x":')),
    ('a size that is a string', manifest_with(config=changed(size='1'))),
    ('a size that is not that of the blob',
     manifest_with(config=changed(size=len(CONFIG_BLOB) + 1))),
    ('two sizes for one digest', manifest_with(layers=[changed(size=1)])),
    ('a subject without digest', manifest_with(subject={'mediaType': 'a/b', 'size': 1})),
    ('a subject that is a string', manifest_with(subject=SHA256)),
    ('annotations that are a list', manifest_with(annotations=[])),
    ('an annotation that is a number', manifest_with(annotations={'a': 1})),
    ('1,025 descriptors', manifest_with(layers=[CONFIG_DESCRIPTOR] * 1025)),
    ('an artifactType that is a number', manifest_with(artifactType=1)),
)


def bad_manifest(registry, body):
    body = body if isinstance(body, bytes) else to_json(body)
    registry.push_blob('bad-manifests', CONFIG_BLOB)
    for reference in ('bad', digest_of(body)):
        answer = registry.put_manifest('bad-manifests', reference, body, image.OCI_MANIFEST)
        check.error(answer, 400, 'MANIFEST_INVALID')
        check.status(registry.get_manifest('bad-manifests', reference), 404)


for name, content_of_it in BAD_MANIFESTS:
    case(f'manifest: {name}', content_of_it)(bad_manifest)


@case('manifest: it can be wrong in its Content-Type')
def media_types(registry):
    good = Image([])
    registry.push_blob('types', good.config)
    for media_type in ('text/plain', 'application/octet-stream', 'image/png',
                       'application/vnd.docker.distribution.manifest.v1+json',
                       'application/vnd.docker.distribution.manifest.v1+prettyjws',
                       image.OCI_INDEX, image.DOCKER_MANIFEST, 'x', 'a/b/c'):
        answer = registry.put_manifest('types', 'bad', good.body, media_type)
        check.error(answer, 400, 'MANIFEST_INVALID')
    for media_type in (image.OCI_MANIFEST, image.OCI_MANIFEST + '; charset=utf-8'):
        answer = registry.put_manifest('types', 'good', good.body, media_type)
        check.status(answer, 201, media_type)
    check.equal(registry.get_manifest('types', 'good').field('content-type'), image.OCI_MANIFEST)


@case('manifest: above 4 MiB is 413, at 4 MiB it is taken')
def too_large(registry):
    limit = 4 << 20
    empty = to_json(manifest_with(annotations={'a': ''}))
    registry.push_blob('large', CONFIG_BLOB)
    for size in (limit, limit + 1):
        body = to_json(manifest_with(annotations={'a': 'x' * (size - len(empty))}))
        check.equal(len(body), size)
        for fields, sent in ((None, body), ({'Transfer-Encoding': 'chunked'}, http1.chunked(body))):
            answer = registry.put_manifest('large', 'large', sent, image.OCI_MANIFEST, fields)
            if size <= limit:
                check.status(answer, 201)
                check.equal(registry.get_manifest('large', 'large').body == body, True, 'content')
            else:
                check.error(answer, 413, 'MANIFEST_INVALID', 'manifests.max_size')


@case('manifest: 70 KiB and 1 MiB come back byte for byte, by ranges as well')
def larger(registry):
    registry.push_blob('larger', CONFIG_BLOB)
    for size in (60000, 70000, 1 << 20):
        body = to_json(manifest_with(annotations={'a': 'x' * size}))
        answer = registry.put_manifest('larger', 'tag', body, image.OCI_MANIFEST)
        digest = check.status(answer, 201).field('docker-content-digest')
        check.equal(digest, digest_of(body))
        answer = registry.get_manifest('larger', digest)
        check.true(answer.body == body, f'content of {size} bytes')
        check.equal(answer.field('etag'), f'"{digest}"')
        part = registry.get_manifest('larger', 'tag', {'Range': 'bytes=10-19'})
        check.status(part, {200, 206})
        check.equal(part.body, body[10:20] if part.status == 206 else body, 'part')


@case('manifest: MANIFEST_BLOB_UNKNOWN lists each that is missing')
def missing_blobs(registry):
    have = registry.push_blob('missing', CONFIG_BLOB)
    lost = [image.descriptor(image.OCI_LAYER, f'lost {i}'.encode()) for i in range(3)]
    body = to_json(manifest_with(layers=lost))
    first = check.error(registry.put_manifest('missing', 'x', body, image.OCI_MANIFEST), 400,
                        'MANIFEST_BLOB_UNKNOWN', lost[0]['digest'])
    text = json.dumps(first['detail'])
    for each in lost:
        check.contains(text, each['digest'], 'detail')
    check.true(have not in text, 'a blob that is there is listed')
    check.equal(registry.digest('missing', 'x'), None, 'tag')
    child = image.small('not pushed')
    index = image.Index([child])
    answer = registry.put_manifest('missing', 'x', index.body, index.media_type)
    check.error(answer, 400, 'MANIFEST_BLOB_UNKNOWN', child.digest)


@case('manifest: layers with urls and foreign layers may be missing, a subject as well')
def may_be_missing(registry):
    registry.push_blob('foreign', CONFIG_BLOB)
    lost = image.descriptor(image.OCI_LAYER, b'lost', urls=['https://example.org/layer'])
    foreign = image.descriptor('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', b'far')
    subject = image.descriptor(image.OCI_MANIFEST, b'nobody')
    for number, fields in enumerate(({'layers': [lost]}, {'layers': [foreign]},
                                     {'subject': subject})):
        body = to_json(manifest_with(**fields))
        answer = registry.put_manifest('foreign', f't{number}', body, image.OCI_MANIFEST)
        check.status(answer, 201, str(fields))
        if 'subject' in fields:
            check.equal(answer.field('oci-subject'), subject['digest'], 'OCI-Subject')
            listed = registry.referrers('foreign', subject['digest'])
            check.equal([each['digest'] for each in listed], [digest_of(body)])


@case('manifest: Docker schema 2 and lists come back as they were pushed, whatever Accept says')
def docker_types(registry):
    both = image.multi_arch('docker types', docker=True)
    registry.push('docker-types', both, 'latest')
    for fields in (None, {'Accept': image.OCI_INDEX}, {'Accept': 'text/plain'}):
        answer = check.status(registry.get_manifest('docker-types', 'latest', fields), 200)
        check.equal(answer.body, both.body)
        check.equal(answer.field('content-type'), image.DOCKER_LIST)


# ---- Several tags at once

@case('tag parameters: all are bound, and OCI-Tag names each')
def tag_parameters(registry):
    one = image.small('tag parameters')
    registry.push('many', one)
    answer = registry.put_manifest('many', f'{one.digest}?tag=a&tag=b&tag=c', one.body,
                                   one.media_type)
    check.status(answer, 201)
    named = ','.join(answer.all_fields('oci-tag')).replace(' ', '').split(',')
    check.equal(sorted(named), ['a', 'b', 'c'], 'OCI-Tag')
    check.equal(registry.tags('many'), ['a', 'b', 'c'])
    for tag in 'abc':
        check.equal(registry.digest('many', tag), one.digest)


@case('tag parameters: one that is bad, and none is bound; too many are 414')
def tag_parameters_all_or_nothing(registry):
    one = image.small('all or nothing')
    registry.push('nothing', one)
    answer = registry.put_manifest('nothing', f'{one.digest}?tag=a&tag=-bad', one.body,
                                   one.media_type)
    check.error(answer, 400, 'TAG_INVALID')
    query = '&'.join(f'tag=t{i}' for i in range(11))
    answer = registry.put_manifest('nothing', f'{one.digest}?{query}', one.body, one.media_type)
    check.error(answer, 414, None, 'manifests.max_tags_per_put')
    answer = registry.put_manifest('nothing', f'{SHA256}?tag=a', one.body, one.media_type)
    check.error(answer, 400, 'DIGEST_INVALID')
    broken = Image([{'never': b'pushed'}])
    answer = registry.put_manifest('nothing', f'{broken.digest}?tag=a&tag=b', broken.body,
                                   broken.media_type)
    check.error(answer, 400, 'MANIFEST_BLOB_UNKNOWN')
    answer = registry.put_manifest('nothing', 'named?tag=a', one.body, one.media_type)
    check.status(answer, 400)
    check.equal(registry.tags('nothing'), [])


# ---- Compare and swap

@case('If-Match and If-None-Match: a tag moves only from where one thinks it is')
def compare_and_swap(registry):
    first, second = image.small('cas 1'), image.small('cas 2')
    registry.push('cas', first)
    registry.push('cas', second)

    def put(manifest, **fields):
        fields = {name.replace('_', '-'): value for name, value in fields.items()}
        return registry.put_manifest('cas', 'tag', manifest.body, manifest.media_type, fields)

    check.error(put(first, If_Match=f'"{first.digest}"'), 412, 'DENIED')
    check.equal(registry.digest('cas', 'tag'), None)
    check.status(put(first, If_None_Match='*'), 201)
    answer = put(second, If_None_Match='*')
    check.error(answer, 412, 'DENIED')
    check.equal(answer.field('etag'), f'"{first.digest}"', 'ETag')
    answer = put(second, If_Match=f'"{second.digest}"')
    detail = check.error(answer, 412, 'DENIED')['detail']
    check.equal(detail, {'current': first.digest})
    check.equal(registry.digest('cas', 'tag'), first.digest)
    check.status(put(second, If_Match=f'"{first.digest}"'), 201)
    check.equal(registry.digest('cas', 'tag'), second.digest)
    for value in ('*', first.digest, '"x"', f'"{first.digest}", "{second.digest}"', ''):
        check.status(put(first, If_Match=value), {400, 412}, f'If-Match: {value}')
    check.status(put(first, If_None_Match=f'"{first.digest}"'), 400)
    check.equal(registry.digest('cas', 'tag'), second.digest)


@case('If-Match on DELETE of a tag')
def delete_if_match(registry):
    one = image.small('delete if match')
    registry.push('casdel', one, 'tag')
    answer = registry.delete_manifest('casdel', 'tag', {'If-Match': f'"{SHA256}"'})
    check.error(answer, 412, 'DENIED')
    check.equal(answer.field('etag'), f'"{one.digest}"')
    answer = registry.delete_manifest('casdel', 'tag', {'If-Match': f'"{one.digest}"'})
    check.status(answer, 202)
    check.equal(registry.digest('casdel', 'tag'), None)


# ---- Deleting

@case('DELETE: what is held is 405 and says by what')
def delete_held(registry):
    both = image.multi_arch('held')
    registry.push('held', both, 'latest')
    child = both.images[0]
    answer = registry.delete_manifest('held', child.digest)
    first = check.error(answer, 405, 'UNSUPPORTED', both.digest)
    check.contains(json.dumps(first['detail']), both.digest, 'holders')
    check.equal(first['detail']['more'], False)
    answer = registry.request('DELETE', f'/v2/held/blobs/{digest_of(child.config)}')
    first = check.error(answer, 405, 'UNSUPPORTED', 'delete')
    check.contains(json.dumps(first['detail']), child.digest, 'holders')
    registry.check_holds('held', 'latest')


@case('DELETE: parents first, then all goes')
def delete_in_order(registry):
    both = image.multi_arch('in order')
    registry.push('inorder', both, 'latest')
    check.status(registry.delete_manifest('inorder', 'latest'), 202)
    check.equal(registry.digest('inorder', both.digest), both.digest, 'manifest of a deleted tag')
    for manifest in (both, *both.images):
        check.status(registry.delete_manifest('inorder', manifest.digest), 202)
        check.error(registry.get_manifest('inorder', manifest.digest), 404, 'MANIFEST_UNKNOWN')
        check.error(registry.delete_manifest('inorder', manifest.digest), 404, 'MANIFEST_UNKNOWN')
    for digest in {digest_of(blob) for blob in both.blobs()}:
        check.status(registry.request('DELETE', f'/v2/inorder/blobs/{digest}'), 202)
        check.error(registry.get_blob('inorder', digest), 404, 'BLOB_UNKNOWN')
        check.error(registry.request('DELETE', f'/v2/inorder/blobs/{digest}'), 404, 'BLOB_UNKNOWN')
    registry.push('inorder', both, 'again')
    registry.check_holds('inorder', 'again')


@case('DELETE of a manifest takes its tags along, also more than 100')
def delete_with_tags(registry):
    one = image.small('with tags')
    registry.push('withtags', one)
    for begin in range(0, 250, 10):
        query = '&'.join(f'tag=t{i}' for i in range(begin, begin + 10))
        answer = registry.put_manifest('withtags', f'{one.digest}?{query}', one.body,
                                       one.media_type)
        check.status(answer, 201)
    check.status(registry.delete_manifest('withtags', one.digest), 202)
    check.equal(registry.tags('withtags'), [])


@case('DELETE of what is not there, and of a repository that is not there')
def delete_unknown(registry):
    registry.push_blob('known', b'known')
    check.error(registry.delete_manifest('known', 'none'), 404, 'MANIFEST_UNKNOWN')
    check.error(registry.delete_manifest('known', SHA256), 404, 'MANIFEST_UNKNOWN')
    check.error(registry.request('DELETE', f'/v2/known/blobs/{SHA256}'), 404, 'BLOB_UNKNOWN')
    check.error(registry.delete_manifest('unknown', 'none'), 404, 'NAME_UNKNOWN')
    check.error(registry.request('DELETE', f'/v2/unknown/blobs/{SHA256}'), 404, 'NAME_UNKNOWN')


# ---- Lists

def pages(registry, target):
    """Follows Link to the end; returns the list of documents."""
    found = []
    while target is not None:
        answer = check.status(registry.request('GET', target), 200)
        found.append(json.loads(answer.body))
        link = answer.field('link')
        target = None
        if link is not None:
            check.contains(link, 'rel="next"', 'Link')
            target = link.partition('<')[2].partition('>')[0]
            check.true(target.startswith('/v2/'), f'Link is no path: {link}')
        check.true(len(found) <= 100, 'pages without end')
    return found


@case('tags/list: pages by n and Link, each tag once, in byte order')
def tags_pages(registry):
    one = image.small('pages')
    registry.push('pages', one)
    tags = [f'{prefix}{i}' for prefix in ('a', 'B', 'v1.') for i in range(20)]
    for begin in range(0, 60, 10):
        query = '&'.join(f'tag={tag}' for tag in tags[begin:begin + 10])
        answer = registry.put_manifest('pages', f'{one.digest}?{query}', one.body, one.media_type)
        check.status(answer, 201)
    for n in (1, 7, 10, 20, 60, 61):
        found = pages(registry, f'/v2/pages/tags/list?n={n}')
        check.equal([tag for page in found for tag in page['tags']], sorted(tags), f'n={n}')
        check.equal({page['name'] for page in found}, {'pages'})
        size = min(n, 50)
        check.equal([len(page['tags']) for page in found[:-1]], [size] * (len(found) - 1))
        check.equal(len(found), -(-60 // size), 'pages')
    # Without n a page is lists.max_page long.
    check.equal([len(page['tags']) for page in pages(registry, '/v2/pages/tags/list')], [50, 10])


@case('tags/list: last need not exist, n=0 is empty, bad n is 400')
def tags_edges(registry):
    one = image.small('edges')
    registry.push('edges', one)
    query = 'tag=a&tag=b&tag=c'
    check.status(registry.put_manifest('edges', f'{one.digest}?{query}', one.body, one.media_type),
                 201)
    for last, wanted in (('a', 'bc'), ('aa', 'bc'), ('c', ''), ('zzz', ''), ('A', 'abc')):
        answer = registry.request('GET', f'/v2/edges/tags/list?last={last}')
        check.equal(json.loads(check.status(answer, 200).body)['tags'], list(wanted), last)
        check.equal(answer.field('link'), None, 'Link')
    answer = registry.request('GET', '/v2/edges/tags/list?n=0')
    check.equal(json.loads(check.status(answer, 200).body)['tags'], [])
    check.equal(answer.field('link'), None, 'Link of n=0')
    answer = registry.request('GET', '/v2/edges/tags/list?n=3')
    check.equal(answer.field('link'), None, 'Link after the last')
    for n in ('-1', 'x', '1.5', '', '+1', '1e3', '%201', '18446744073709551616'):
        answer = registry.request('GET', f'/v2/edges/tags/list?n={n}')
        check.error(answer, 400, 'PAGINATION_NUMBER_INVALID')
    check.error(registry.request('GET', '/v2/no-such/tags/list'), 404, 'NAME_UNKNOWN')


@case('_catalog: pages by n and Link, each repository once, in byte order')
def catalog_pages(registry):
    names = [f'catalog/{i:02}' for i in range(23)]
    for repository in names:
        registry.push_blob(repository, b'catalog')
    for n in (1, 10, 23):
        found = [name for page in pages(registry, f'/v2/_catalog?n={n}')
                 for name in page['repositories']]
        check.equal(found, sorted(found), 'order')
        check.equal([name for name in found if name.startswith('catalog/')], names, f'n={n}')
    answer = registry.request('GET', '/v2/_catalog?n=5&last=catalog/07')
    check.equal(json.loads(answer.body)['repositories'], names[8:13])


@case('referrers: an index of descriptors, by artifactType, in pages')
def referrers(registry):
    one = image.small('referred')
    registry.push('referred', one, 'latest')
    notes = [Artifact(f'application/x-{"even" if i % 2 == 0 else "odd"}', f'{i}'.encode(), one,
                      {'number': str(i)}) for i in range(12)]
    for each in notes:
        registry.push('referred', each)
    target = f'/v2/referred/referrers/{one.digest}'
    answer = check.status(registry.request('GET', target), 200)
    check.equal(answer.field('content-type'), image.OCI_INDEX)
    check.equal(answer.field('oci-filters-applied'), None)
    document = json.loads(answer.body)
    check.equal((document['schemaVersion'], document['mediaType']), (2, image.OCI_INDEX))
    by_digest = {each['digest']: each for each in document['manifests']}
    check.equal(set(by_digest), {note.digest for note in notes})
    for i, note in enumerate(notes):
        check.equal(by_digest[note.digest], {
            'mediaType': image.OCI_MANIFEST, 'digest': note.digest, 'size': len(note.body),
            'artifactType': f'application/x-{"even" if i % 2 == 0 else "odd"}',
            'annotations': {'number': str(i)}})
    answer = registry.request('GET', f'{target}?artifactType=application/x-even')
    check.equal(answer.field('oci-filters-applied'), 'artifactType')
    check.equal({each['digest'] for each in json.loads(answer.body)['manifests']},
                {note.digest for note in notes[::2]})
    for query in ('', '&artifactType=application%2Fx-odd'):
        found = pages(registry, f'{target}?n=5{query}')
        digests = [each['digest'] for page in found for each in page['manifests']]
        check.equal(sorted(digests), sorted(note.digest for note in
                                            (notes[1::2] if query else notes)), 'all pages')
        check.true(len(found) > 1, 'only one page')
    answer = registry.request('GET', f'{target}?artifactType=application/x-none')
    check.equal(json.loads(check.status(answer, 200).body)['manifests'], [])


@case('referrers: of what nobody knows there are none; one deleted is gone')
def referrers_edges(registry):
    check.equal(registry.referrers('referred', SHA256), [])
    check.equal(registry.referrers('nobody/knows', SHA256), [])
    check.equal(registry.referrers('referred', SHA512), [])
    one = image.small('deleted referrer')
    registry.push('referred2', one, 'latest')
    note = Artifact('application/x-note', b'note', one)
    registry.push('referred2', note)
    check.equal(len(registry.referrers('referred2', one.digest)), 1)
    check.status(registry.delete_manifest('referred2', note.digest), 202)
    check.equal(registry.referrers('referred2', one.digest), [])


@case('referrers: an image with a subject has its config type as artifactType; an index none')
def referrer_kinds(registry):
    one = image.small('kinds')
    registry.push('kinds', one)
    subject = image.descriptor(one.media_type, one.body)
    referring = Image([], subject=subject)
    index = image.Index([], subject=subject)
    registry.push('kinds', referring)
    registry.push('kinds', index)
    found = {each['digest']: each for each in registry.referrers('kinds', one.digest)}
    check.equal(found[referring.digest]['artifactType'], image.OCI_CONFIG)
    check.true('artifactType' not in found[index.digest], 'artifactType of an index')
    check.equal(found[index.digest]['mediaType'], image.OCI_INDEX)


# ---- The rest of the surface

@case('/v2/_oci/ext/discover lists the extensions')
def discover(registry):
    answer = check.status(registry.request('GET', '/v2/_oci/ext/discover'), 200)
    extensions = json.loads(answer.body)['extensions']
    check.true(any('_oci/ext/discover' in each['endpoints'] for each in extensions), 'itself')


@case('Location is a path, and leads where it says')
def locations(registry):
    location = registry.begin_upload('located')
    check.true(location.startswith('/v2/located/blobs/uploads/'), location)
    one = image.small('located')
    registry.push('located', one)
    answer = registry.put_manifest('located', 'tag', one.body, one.media_type)
    check.equal(answer.field('location'), f'/v2/located/manifests/{one.digest}')
    check.equal(registry.request('GET', answer.field('location')).body, one.body)


@case('the same push again is 201 and changes nothing')
def push_again(registry):
    one = image.small('again')
    for _ in range(3):
        registry.push('again', one, 'latest')
    check.equal(registry.tags('again'), ['latest'])
    registry.check_holds('again', 'latest')


@case('405 says what is allowed')
def allowed(registry):
    for method, target, wanted in (('PUT', '/v2/', 'GET'), ('POST', '/v2/_catalog', 'GET'),
                                   ('PUT', '/v2/a/tags/list', 'GET'),
                                   ('PATCH', f'/v2/a/blobs/{SHA256}', 'DELETE'),
                                   ('POST', '/v2/a/manifests/x', 'PUT'),
                                   ('GET', '/v2/a/blobs/uploads/', 'POST')):
        answer = registry.request(method, target)
        check.error(answer, 405, 'UNSUPPORTED')
        check.contains(answer.field('allow'), wanted, f'Allow of {target}')


@case('what users pushed is served with nosniff and in a sandbox')
def served_safely(registry):
    digest = registry.push_blob('safely', b'<html><script>alert(1)</script>')
    answer = registry.get_blob('safely', digest)
    check.equal(answer.field('content-type'), 'application/octet-stream')
    check.equal(answer.field('x-content-type-options'), 'nosniff')
    check.contains(answer.field('content-security-policy') or '', 'sandbox',
                   'Content-Security-Policy of a blob')


@case('/metrics counts requests by route and status')
def metrics(registry):
    answer = check.status(registry.request('GET', '/metrics'), 200)
    text = answer.body.decode()
    check.true(answer.field('content-type').startswith('text/plain'), 'Content-Type')
    check.contains(text, '/v2/<name>/manifests/<arg>', 'metrics')
    for line in text.splitlines():
        check.true(line.startswith('#') or len(line.rsplit(' ', 1)) == 2, f'line {line!r}')


def fsck_is_clean(server):
    result = server.fsck()
    check.equal(result.returncode, 0, f'fsck: {result.stdout}{result.stderr}')


suite.add('after all of that fsck finds nothing wrong, while the server runs', fsck_is_clean)

sys.exit(run_suite(suite, config=CONFIG))
