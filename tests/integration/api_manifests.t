#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manifests and tags: what is refused and why, several tags at once, compare and swap, deleting."""

import json
import sys

import check
import http1
import image
from image import Image, digest_of, to_json
from registry import Registry
from server import run_suite
from tap import Suite


CONFIG = '''\
manifests:
  max_tags_per_put: 10
'''

SHA256 = 'sha256:' + '0' * 64

suite = Suite()


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
    suite.add(f'manifest: {name}', bad_manifest, content_of_it)


@suite.case('manifest: it can be wrong in its Content-Type')
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


@suite.case('manifest: above 4 MiB is 413, at 4 MiB it is taken')
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


@suite.case('manifest: 70 KiB and 1 MiB come back byte for byte, by ranges as well')
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


@suite.case('manifest: MANIFEST_BLOB_UNKNOWN lists each that is missing')
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


@suite.case('manifest: layers with urls and foreign layers may be missing, a subject as well')
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


@suite.case('manifest: Docker schema 2 and lists come back as pushed, whatever Accept says')
def docker_types(registry):
    both = image.multi_arch('docker types', docker=True)
    registry.push('docker-types', both, 'latest')
    for fields in (None, {'Accept': image.OCI_INDEX}, {'Accept': 'text/plain'}):
        answer = check.status(registry.get_manifest('docker-types', 'latest', fields), 200)
        check.equal(answer.body, both.body)
        check.equal(answer.field('content-type'), image.DOCKER_LIST)


# ---- Several tags at once

@suite.case('tag parameters: all are bound, and OCI-Tag names each')
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


@suite.case('tag parameters: one that is bad, and none is bound; too many are 414')
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

@suite.case('If-Match and If-None-Match: a tag moves only from where one thinks it is')
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


@suite.case('If-Match on DELETE of a tag')
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

@suite.case('DELETE: what is held is 405 and says by what')
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


@suite.case('DELETE: parents first, then all goes')
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


@suite.case('DELETE of a manifest takes its tags along, also more than 100')
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


@suite.case('DELETE of what is not there, and of a repository that is not there')
def delete_unknown(registry):
    registry.push_blob('known', b'known')
    check.error(registry.delete_manifest('known', 'none'), 404, 'MANIFEST_UNKNOWN')
    check.error(registry.delete_manifest('known', SHA256), 404, 'MANIFEST_UNKNOWN')
    check.error(registry.request('DELETE', f'/v2/known/blobs/{SHA256}'), 404, 'BLOB_UNKNOWN')
    check.error(registry.delete_manifest('unknown', 'none'), 404, 'NAME_UNKNOWN')
    check.error(registry.request('DELETE', f'/v2/unknown/blobs/{SHA256}'), 404, 'NAME_UNKNOWN')


sys.exit(run_suite(suite, Registry.of, config=CONFIG))
